//! What is read and refused, and that what is written reads back.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{read, write};

fn value(text: &str) -> Value {
    let documents = read(text).unwrap();
    assert_eq!(documents.len(), 1, "{text}");
    documents[0].value()
}

fn refusal(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn the_core_schema_decides_what_a_scalar_is() {
    assert_eq!(
        value("a: [1, 0x10, -3, 1.5, true, null, ~, no, '1', \"2\", 1_0, 12e, .]\nb:"),
        json!({"a": [1, 16, -3, 1.5, true, null, null, "no", "1", "2", "1_0", "12e", "."], "b": null})
    );
    assert_eq!(value("a: !!str 5"), json!({"a": "5"}));
}

#[test]
fn several_documents_are_read_and_empty_ones_left_out() {
    let documents = read("---\na: 1\n---\n# nothing\n---\nb: 2\n").unwrap();
    assert_eq!(documents.len(), 2);
    assert_eq!(documents[1].value(), json!({"b": 2}));
    assert!(read("").unwrap().is_empty());
}

#[test]
fn a_value_knows_its_line() {
    let documents = read("# first\na:\n  - b: 1\n    c/d: 2\n  - b: 3\n").unwrap();
    let line = |pointer: &str| documents[0].line_of(pointer);
    assert_eq!(
        [
            line("/a"),
            line("/a/0/c~1d"),
            line("/a/1/b"),
            line("/a/1/none"),
            line("/x")
        ],
        [2, 4, 5, 5, 2]
    );
}

#[test]
fn an_alias_repeats_its_value() {
    assert_eq!(
        value("a: &x {b: [1, 2]}\nc: *x\n"),
        json!({"a": {"b": [1, 2]}, "c": {"b": [1, 2]}})
    );
}

#[test]
fn what_could_be_read_in_two_ways_or_grows_is_refused() {
    assert!(refusal("a: 1\nb: 2\na: 3\n").starts_with("line 3: The field `a` appears more than once"));
    assert!(refusal("a: !secret x").contains("Tags"));
    assert!(refusal("a: &x {<<: 1}").contains("Merge keys"));
    assert!(refusal("? [a]\n: 1\n").contains("must be a text"));
    assert!(refusal("a: &x [*x]\n").contains("inside what it repeats"));
    assert!(refusal("a: [1, 2\n").contains("not YAML"));
    assert!(refusal("a: *none\n").contains("not YAML"));
    assert!(refusal(&format!("{}1{}", "[".repeat(40), "]".repeat(40))).contains("levels deep"));
    assert!(refusal(&"[".repeat(100_000)).starts_with("line 1"));
    assert!(refusal(&" ".repeat(super::MAX_BYTES + 1)).contains("larger than"));
    assert!(refusal(&format!("[{}]", "1,".repeat(200_001))).contains("more than 200000 values"));
}

#[test]
fn a_long_text_that_is_repeated_counts_by_its_length() {
    let text = "x".repeat(1024 * 1024);
    let file = format!("a: &a {text}\nb: [{}]\n", "*a,".repeat(20));
    assert!(refusal(&file).contains("aliases"));
}

#[test]
fn a_file_that_aliases_make_large_is_refused() {
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..20 {
        let before = format!("*a{},", level - 1).repeat(10);
        let _ = writeln!(laughs, "a{level}: &a{level} [{before}]");
    }
    assert!(refusal(&laughs).contains("aliases"));
    let mut deep = String::from("a0: &a0 [x]\n");
    for level in 1..40 {
        let _ = writeln!(deep, "a{level}: &a{level} [*a{}]", level - 1);
    }
    assert!(refusal(&deep).contains("levels deep"));
}

#[test]
fn a_document_is_written_as_people_read_it() {
    let written = write(&json!({
        "project": "Acme", "version": 1,
        "servers": [{"url": "https://a.example/mcp", "slug": "a", "timeout_ms": 5000, "name": "no"}],
        "gateways": [{
            "slug": "one", "instructions": "First.\nSecond.\n", "offers": {"tools": true}, "servers": ["a", "1"],
            "allowed_tools": [{"tool": "x: y", "server": "a"}], "trusted_clients": [],
        }],
    }));
    assert_eq!(
        written,
        "version: 1\nproject: Acme\nservers:\n  - slug: a\n    name: \"no\"\n    url: \"https://a.example/mcp\"\n    \
         timeout_ms: 5000\ngateways:\n  - slug: one\n    instructions: |\n      First.\n      Second.\n    servers: [a, \
         \"1\"]\n    offers: { tools: true }\n    allowed_tools:\n      - { server: a, tool: \"x: y\" }\n    trusted_clients: \
         []\n"
    );
}

fn any_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-zA-Z0-9 ]{0,12}",
        "(?s).{0,20}",
        "[-#:,?|>&*!%@`'\"{}\\[\\] \n\t~a]{0,20}",
        "([a-c #:-]{0,8}\n){1,4}[ab]{0,2}",
        prop::sample::select(vec![
            "null",
            "yes",
            "1e3",
            "0x1",
            "---",
            "...",
            "\u{85}",
            "\u{feff}a",
            "=",
            "<<"
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let name = text.clone().prop_filter("no merge keys", |name| name != "<<");
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(value in any_value()) {
        let value = json!({"field": value});
        let text = write(&value);
        let documents = read(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(documents.len(), 1, "{}", text);
        prop_assert_eq!(documents[0].value(), value, "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(?s).{0,200}", marks in "[-#:,?|>&*!%@`'\"{}\\[\\] \n\ta]{0,80}") {
        let _ = read(&text);
        let _ = read(&marks);
    }
}
