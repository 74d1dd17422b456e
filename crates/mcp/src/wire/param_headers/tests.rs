//! Annotations that are valid and invalid, and headers that match and do not.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn read(schema: &Value) -> Result<ParamHeaders, AnnotationError> {
    ParamHeaders::read(schema.to_string().as_bytes())
}

fn property(property: &Value) -> Value {
    json!({"type": "object", "properties": {"p": property}})
}

fn derived(headers: &ParamHeaders, arguments: &str) -> Vec<(String, String)> {
    headers
        .derive(Some(arguments.as_bytes()))
        .expect("arguments are fine")
        .into_iter()
        .map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned()))
        .collect()
}

#[test]
fn mirrors_the_example_of_the_specification() {
    let schema = json!({
        "type": "object",
        "properties": {
            "region": {"type": "string", "description": "The region", "x-mcp-header": "Region"},
            "query": {"type": "string"}
        },
        "required": ["region", "query"]
    });
    let headers = read(&schema).expect("valid");
    let arguments = r#"{"region":"us-west1","query":"SELECT * FROM users"}"#;
    assert_eq!(
        derived(&headers, arguments),
        [("mcp-param-region".to_owned(), "us-west1".to_owned())]
    );
    assert!(read(&json!({"type": "object"})).expect("valid").is_empty());
}

#[rstest]
#[case::empty(property(&json!({"type": "string", "x-mcp-header": ""})))]
#[case::not_text(property(&json!({"type": "string", "x-mcp-header": 1})))]
#[case::space(property(&json!({"type": "string", "x-mcp-header": "a b"})))]
#[case::line_break(property(&json!({"type": "string", "x-mcp-header": "a\r\nb"})))]
#[case::not_ascii(property(&json!({"type": "string", "x-mcp-header": "größe"})))]
#[case::number(property(&json!({"type": "number", "x-mcp-header": "P"})))]
#[case::object(property(&json!({"type": "object", "x-mcp-header": "P"})))]
#[case::several_types(property(&json!({"type": ["string", "null"], "x-mcp-header": "P"})))]
#[case::no_type(property(&json!({"x-mcp-header": "P"})))]
#[case::root(json!({"type": "string", "x-mcp-header": "P"}))]
#[case::repeated(json!({"properties": {"a": {"type": "string", "x-mcp-header": "P"}, "b": {"type": "string", "x-mcp-header": "p"}}}))]
#[case::items(property(&json!({"type": "array", "items": {"type": "string", "x-mcp-header": "P"}})))]
#[case::properties_in_items(property(&json!({"items": {"properties": {"a": {"type": "string", "x-mcp-header": "P"}}}})))]
#[case::any_of(property(&json!({"anyOf": [{"type": "string", "x-mcp-header": "P"}]})))]
#[case::negation(json!({"not": {"properties": {"a": {"type": "string", "x-mcp-header": "P"}}}}))]
#[case::condition(json!({"if": {"properties": {"a": {"type": "string", "x-mcp-header": "P"}}}}))]
#[case::definition(json!({"$defs": {"properties": {"type": "string", "x-mcp-header": "P"}}}))]
#[case::pattern(json!({"patternProperties": {"^a": {"type": "string", "x-mcp-header": "P"}}}))]
fn what_breaks_the_rules_is_invalid(#[case] schema: Value) {
    assert!(read(&schema).is_err(), "{schema}");
}

#[test]
fn annotations_are_bounded() {
    let schema = |count: usize| {
        let properties: Map<String, Value> = (0..count)
            .map(|index| {
                (
                    format!("p{index}"),
                    json!({"type": "string", "x-mcp-header": format!("P{index}")}),
                )
            })
            .collect();
        json!({"properties": properties})
    };
    assert!(read(&schema(MAX_ANNOTATIONS)).is_ok());
    assert_eq!(
        read(&schema(MAX_ANNOTATIONS + 1)),
        Err(AnnotationError::TooMany(MAX_ANNOTATIONS))
    );
}

#[test]
fn the_word_elsewhere_is_not_an_annotation() {
    let schema = json!({
        "properties": {
            "x-mcp-header": {"type": "string", "default": {"x-mcp-header": "no"}, "examples": [{"x-mcp-header": 1}]},
            "properties": {"type": "object", "properties": {"x-mcp-header": {"type": "integer", "x-mcp-header": "Deep"}}}
        }
    });
    let headers = read(&schema).expect("valid");
    assert_eq!(
        headers.names().map(HeaderName::as_str).collect::<Vec<_>>(),
        ["mcp-param-deep"]
    );
    assert_eq!(
        derived(
            &headers,
            r#"{"properties":{"x-mcp-header":4.20e1},"x-mcp-header":1}"#
        ),
        [("mcp-param-deep".to_owned(), "42".to_owned())]
    );
    let escaped = br#"{"properties":{"a":{"type":"string","\u0078-mcp-header":"A"}}}"#;
    assert!(!ParamHeaders::read(escaped).expect("valid").is_empty());
}

fn typed() -> ParamHeaders {
    read(&json!({"properties": {
        "s": {"type": "string", "x-mcp-header": "S"},
        "o": {"type": "object", "properties": {"i": {"type": "integer", "x-mcp-header": "I"}}},
        "b": {"type": "boolean", "x-mcp-header": "B"}
    }}))
    .expect("valid")
}

fn check(arguments: Option<&str>, headers: &[(&'static str, &str)]) -> Result<(), HeaderMismatch> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            *name,
            HeaderValue::from_bytes(value.as_bytes()).expect("a header value"),
        );
    }
    typed().check(&map, arguments.map(str::as_bytes))
}

#[test]
fn absent_and_null_have_no_header() {
    for arguments in [
        None,
        Some("{}"),
        Some(r#"{"s":null,"o":null}"#),
        Some(r#"{"o":[{"i":1}]}"#),
        Some(r#"{"s":{"s":1}}"#),
    ] {
        assert_eq!(check(arguments, &[]), Ok(()), "{arguments:?}");
        assert_eq!(typed().derive(arguments.map(str::as_bytes)), Ok(Vec::new()));
        assert!(check(arguments, &[("mcp-param-s", "x")]).is_err());
    }
}

#[test]
fn headers_must_match_arguments() {
    let arguments = Some(r#"{"s":"größe","o":{"i":42},"b":true}"#);
    let s = ("mcp-param-s", "=?base64?Z3LDtsOfZQ==?=");
    let b = ("mcp-param-b", "true");
    for i in ["42", "42.0", "4.2e1"] {
        assert_eq!(
            check(arguments, &[s, ("mcp-param-i", i), b, ("mcp-param-other", "x")]),
            Ok(())
        );
    }
    let i = ("mcp-param-i", "42");
    for headers in [
        &[][..],
        &[s, i],
        &[s, b],
        &[s, i, ("mcp-param-b", "True")],
        &[s, i, ("mcp-param-b", "false")],
        &[s, ("mcp-param-i", "43"), b],
        &[s, ("mcp-param-i", "42.5"), b],
        &[s, i, i, b],
        &[("mcp-param-s", "größe"), i, b],
        &[("mcp-param-s", "Größe"), i, b],
    ] {
        assert!(check(arguments, headers).is_err(), "{headers:?}");
    }
    let twice = Some(r#"{"s":"a","\u0073":"b"}"#);
    assert!(check(twice, &[("mcp-param-s", "a")]).is_err());
    assert!(check(twice, &[("mcp-param-s", "b")]).is_err());
    assert_eq!(
        check(Some(r#"{"s":"a","S":"b"}"#), &[("mcp-param-s", "a")]),
        Ok(())
    );
}

proptest! {
    #[test]
    fn what_is_derived_passes_the_check(s in any::<String>(), i in any::<i64>(), b in any::<bool>()) {
        let arguments = json!({"s": s, "o": {"i": i}, "b": b}).to_string();
        let headers: HeaderMap = typed().derive(Some(arguments.as_bytes())).expect("derives").into_iter().collect();
        prop_assert_eq!(headers.len(), 3);
        prop_assert_eq!(typed().check(&headers, Some(arguments.as_bytes())), Ok(()));
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = ParamHeaders::read(&bytes);
        let _ = typed().derive(Some(&bytes));
    }
}

#[test]
fn many_parameters_behind_long_names_are_refused() {
    let schema = |depth: usize, name: usize| {
        let leaves: Vec<_> = (0..MAX_ANNOTATIONS)
            .map(|number| format!(r#""p{number}":{{"type":"string","x-mcp-header":"H{number}"}}"#))
            .collect();
        let mut schema = format!(r#"{{"properties":{{{}}}}}"#, leaves.join(","));
        for _ in 0..depth {
            schema = format!(r#"{{"properties":{{"{}":{schema}}}}}"#, "n".repeat(name));
        }
        schema
    };
    assert!(ParamHeaders::read(schema(3, 20).as_bytes()).unwrap().bytes() < 2 * MAX_PATHS);
    for (depth, name) in [(1, 4_096), (50, 100), (3, 1_000_000)] {
        let read = ParamHeaders::read(schema(depth, name).as_bytes());
        assert_eq!(
            read,
            Err(AnnotationError::TooLong(MAX_PATHS)),
            "{depth} of {name}"
        );
    }
}
