//! Forms filled in.

use serde_json::json;

use super::{super::schema, *};

fn rows() -> Vec<Row> {
    let schema = json!({
        "type": "object", "required": ["city", "place"],
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "exact": {"type": "number"},
            "wet": {"type": "boolean"},
            "unit": {"enum": ["C", "F", 1, null]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "sizes": {"type": "array", "items": {"type": "integer"}},
            "kinds": {"type": "array", "items": {"enum": ["a", "b"]}},
            "any": {},
            "place": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}},
            "maybe": {"type": "object", "required": ["y"], "properties": {"y": {"type": "integer"}, "z~/": {"type": "string"}}},
        },
    });
    schema::rows(schema.to_string().as_bytes()).unwrap()
}

fn filled(typed: &[(&str, &str)]) -> (Vec<Row>, Option<Map<String, Value>>) {
    let mut rows = rows();
    for row in &mut rows {
        if let Row::Field(field) = row {
            let of_field = typed.iter().filter(|(pointer, _)| *pointer == field.pointer);
            field.values = of_field.map(|(_, value)| (*value).to_owned()).collect();
        }
    }
    let arguments = arguments(&mut rows);
    (rows, arguments)
}

fn errors(rows: &[Row]) -> Vec<(&str, &str)> {
    let mut wrong = Vec::new();
    for row in rows {
        if let Row::Field(field) = row
            && let Some(error) = &field.error
        {
            wrong.push((field.pointer.as_str(), error.as_str()));
        }
    }
    wrong
}

#[test]
fn what_is_entered_becomes_arguments_of_its_type_and_what_is_not_is_not_sent() {
    let (_, arguments) = filled(&[
        ("/city", " Łódź "),
        ("/days", "3"),
        ("/exact", "1.50"),
        ("/wet", "false"),
        ("/unit", "1"),
        ("/tags", "one\n\ntwo words\n"),
        ("/sizes", "1\n 2 "),
        ("/kinds", "\"a\""),
        ("/kinds", "\"b\""),
        ("/any", "{\"deep\": [1]}"),
        ("/place/x", "-7"),
    ]);
    let expected = json!({
        "city": " Łódź ", "days": 3, "exact": 1.5, "wet": false, "unit": 1, "tags": ["one", "two words"], "sizes": [1, 2],
        "kinds": ["a", "b"], "any": {"deep": [1]}, "place": {"x": -7},
    });
    assert_eq!(Value::Object(arguments.unwrap()), expected);
    let (_, arguments) = filled(&[("/city", "x"), ("/place/x", "1"), ("/maybe/z~0~1", "odd")]);
    assert!(
        arguments.is_none(),
        "an object that was begun needs what it requires"
    );
    let (_, arguments) = filled(&[
        ("/city", "x"),
        ("/place/x", "1"),
        ("/maybe/z~0~1", "odd"),
        ("/maybe/y", "2"),
    ]);
    let expected = json!({"city": "x", "place": {"x": 1}, "maybe": {"z~/": "odd", "y": 2}});
    assert_eq!(Value::Object(arguments.unwrap()), expected);
}

#[test]
fn what_is_wrong_is_shown_at_its_field_and_everything_entered_stays() {
    let (rows, arguments) = filled(&[
        ("/days", "three"),
        ("/exact", "1,5"),
        ("/sizes", "1\n2.5"),
        ("/any", "{"),
        ("/unit", "\"K\""),
    ]);
    assert!(arguments.is_none());
    assert_eq!(
        errors(&rows),
        [
            ("/any", "This is not JSON: the error is in line 1, column 1."),
            ("/city", "This is required."),
            ("/days", "“three” is not a whole number."),
            ("/exact", "“1,5” is not a number."),
            ("/place/x", "This is required."),
            ("/sizes", "“2.5” is not a whole number."),
        ]
    );
    let days = rows.iter().find_map(|row| match row {
        Row::Field(field) if field.pointer == "/days" => Some(field.value()),
        _ => None,
    });
    assert_eq!(days, Some("three"));
}

#[test]
fn arguments_go_into_a_form_and_come_out_as_they_were_or_it_says_that_they_do_not() {
    let whole =
        json!({"city": "x", "unit": "F", "tags": ["a", "b"], "kinds": ["b"], "any": [1], "place": {"x": 1}});
    for (value, fits) in [
        (whole, true),
        (json!({"city": "x", "place": {"x": 1}, "unknown": true}), false),
        (json!({"city": 7, "place": {"x": 1}}), false),
        (json!({"city": "x", "place": {"x": 1, "more": 2}}), false),
    ] {
        let Value::Object(arguments) = value else {
            unreachable!()
        };
        let mut rows = rows();
        show(&mut rows, &arguments);
        assert_eq!(keep(&mut rows, &arguments), fits, "{arguments:?}");
    }
}
