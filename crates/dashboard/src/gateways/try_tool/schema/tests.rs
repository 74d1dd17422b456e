//! Schemas as servers write them, and as attackers do.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(schema: &Value) -> Option<Vec<Row>> {
    rows(schema.to_string().as_bytes())
}

/// The pointers and kinds of the fields, and where objects begin and end.
fn shape(schema: &Value) -> Vec<String> {
    let rows = read(schema).unwrap();
    let one = |row: &Row| match row {
        Row::Open { name, .. } => format!("{name} {{"),
        Row::Close => "}".to_owned(),
        Row::Field(field) => {
            let kind = match &field.kind {
                Kind::One(Scalar::Text { .. }) => "text".to_owned(),
                Kind::One(Scalar::Number { is_integer, .. }) => format!("number {is_integer}"),
                Kind::YesNo => "yes or no".to_owned(),
                Kind::Choice(choices) => format!("one of {}", choices.len()),
                Kind::Choices(choices) => format!("some of {}", choices.len()),
                Kind::Lines(_) => "lines".to_owned(),
                Kind::Json => "json".to_owned(),
            };
            format!(
                "{}: {kind}{}",
                field.pointer,
                if field.is_required { " *" } else { "" }
            )
        }
    };
    rows.iter().map(one).collect()
}

#[test]
fn what_generators_of_schemas_write_becomes_fields_in_their_order() {
    let schema = r##"{"type": "object", "required": ["z"], "$defs": {
        "Unit": {"oneOf": [{"const": "c", "title": "Celsius"}, {"const": "f"}]},
        "Place": {"type": "object", "properties": {"lat": {"type": "number"}, "far": {"$ref": "#/$defs/Far"}}},
        "Far": {"type": "object", "properties": {"deep": {"type": "object", "properties": {"x": {"type": "string"}}}}}},
        "properties": {
            "z": {"type": "string", "description": "Last letter first"},
            "a": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 5},
            "n": {"type": ["boolean", "null"]},
            "u": {"$ref": "#/$defs/Unit", "description": "The unit"},
            "p": {"allOf": [{"$ref": "#/$defs/Place"}]},
            "l": {"type": "array", "items": {"type": ["string", "null"]}},
            "t": {"type": "array", "items": {"type": "object"}},
            "e": {"type": "array", "items": {"enum": ["x", "y"]}},
            "o": {"type": "object"}, "w": true}}"##;
    let rows = rows(schema.as_bytes()).unwrap();
    let names: Vec<_> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Field(field) => Some(field.pointer.as_str()),
            Row::Open { name, .. } => Some(name.as_str()),
            Row::Close => None,
        })
        .collect();
    assert_eq!(
        names,
        [
            "/z",
            "/a",
            "/n",
            "/u",
            "p",
            "/p/lat",
            "far",
            "/p/far/deep",
            "/l",
            "/t",
            "/e",
            "/o",
            "/w"
        ]
    );
    let Row::Field(first) = &rows[0] else {
        panic!("no field")
    };
    assert_eq!(
        (first.description.as_str(), first.is_required),
        ("Last letter first", true)
    );
    let Row::Field(with_default) = &rows[1] else {
        panic!("no field")
    };
    assert_eq!(with_default.value(), "5");
    let Row::Field(unit) = &rows[3] else {
        panic!("no field")
    };
    let Kind::Choice(choices) = &unit.kind else {
        panic!("no choice")
    };
    assert_eq!(
        (choices[0].label.as_str(), choices[0].value.as_str()),
        ("Celsius", "\"c\"")
    );
    assert_eq!(unit.description, "The unit");
}

#[test]
fn what_does_not_fit_is_entered_as_json() {
    assert_eq!(shape(&json!({"type": "object"})), [""; 0]);
    assert_eq!(
        shape(&json!({"type": "object", "properties": {"x": {"type": "array"}, "y": 7}})),
        ["/x: json", "/y: json"]
    );
    for schema in [
        json!({"anyOf": [{"type": "object"}, {"type": "string"}]}),
        json!({"type": "object", "additionalProperties": {"type": "string"}}),
        json!({"type": "object", "properties": 7}),
        json!([]),
        json!("x"),
        json!({"type": "string"}),
    ] {
        assert_eq!(read(&schema), None, "{schema}");
    }
    assert_eq!(rows(b"{"), None);
}

#[test]
fn hostile_schemas_are_bounded() {
    let recursive = json!({"$ref": "#"});
    assert_eq!(read(&recursive), None);
    let recursive = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
    assert_eq!(
        shape(&recursive),
        ["next {", "next {", "/next/next/next: json", "}", "}"]
    );
    let ring = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}},
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}});
    assert_eq!(shape(&ring), ["/a: json"]);
    let many: Map = (0..=FIELDS_MAX)
        .map(|n| (format!("p{n}"), json!({"type": "string"})))
        .collect();
    assert_eq!(read(&json!({"type": "object", "properties": many})), None);
    let mut few = many;
    few.remove("p0");
    assert_eq!(
        read(&json!({"type": "object", "properties": few})).unwrap().len(),
        FIELDS_MAX
    );
    let large = json!({"type": "object", "properties": {"x": {"description": "x".repeat(BYTES_MAX)}}});
    assert_eq!(read(&large), None);
    let long = json!({"type": "object", "properties": {"x": {"description": "x".repeat(TEXT_MAX + 1)}}});
    let Some(Row::Field(field)) = read(&long).unwrap().pop() else {
        panic!("no field")
    };
    assert_eq!(field.description.chars().count(), TEXT_MAX + 1);
    let options = json!({"type": "object", "properties": {"x": {"type": "integer", "enum": (0..=OPTIONS_MAX).collect::<Vec<_>>()}}});
    assert_eq!(shape(&options), ["/x: number true"]);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = format!(r#"{{"type":"object","properties":{{"x":{{"default":{deep}}}}}}}"#);
    assert!(rows(deep.as_bytes()).is_none_or(|rows| rows.len() == 1));
}

type Map = serde_json::Map<String, Value>;

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "type",
        "object",
        "string",
        "properties",
        "items",
        "$ref",
        "#/$defs/a",
        "#",
        "$defs",
        "a",
        "enum",
        "anyOf",
        "const",
        "required",
        "default",
        "array",
        "null",
    ]);
    let leaf = prop_oneof![
        word.clone().prop_map(|word| json!(word)),
        any::<i64>().prop_map(|n| json!(n)),
        Just(Value::Null)
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(word.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_form_is_bounded_and_balanced(schema in any_json()) {
        if let Some(rows) = read(&schema) {
            let fields = rows.iter().filter(|row| matches!(row, Row::Field(_))).count();
            prop_assert!(fields <= FIELDS_MAX);
            let mut depth = 0_i32;
            for row in &rows {
                depth += match row { Row::Open { .. } => 1, Row::Close => -1, Row::Field(_) => 0 };
                prop_assert!((0..=i32::try_from(DEPTH_MAX).unwrap()).contains(&depth));
            }
            prop_assert_eq!(depth, 0);
        }
    }
}
