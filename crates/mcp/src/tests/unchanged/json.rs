//! Texts of JSON values as someone may write them: what any parse and write would change.

use proptest::{collection::vec, prelude::*};

/// Levels of arrays around a value; messages can have 128 in all.
const DEEP: usize = 100;

/// Numbers within the range of a double: the servers in memory read the whole message. Others are tested where nothing is read (`wire/splice`).
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?",
        Just("-0".to_owned()),
        Just("1.0e+2".to_owned()),
        Just("1E300".to_owned()),
        Just("0.10".to_owned()),
        Just("9007199254740993".to_owned()),
        Just("123456789012345678901234567890".to_owned()),
    ]
}

/// What is between the quotes of a string.
fn letters() -> impl Strategy<Value = String> {
    let escapes = [
        "\\u00e9",
        "\\/",
        "\\n",
        "\\\"",
        "\\\\",
        "\\u0000",
        "\\ud83d\\ude00",
        "\\u2028",
    ];
    let piece = prop_oneof![
        3 => "[a-zA-Z0-9 :,{}é漢😀\u{2028}]{1,4}",
        2 => proptest::sample::select(escapes.to_vec()).prop_map(str::to_owned),
    ];
    vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn space() -> impl Strategy<Value = String> {
    "[ \t]{0,2}"
}

/// Members in any order, whose keys are different and never one that MCP knows.
fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    vec((letters(), space(), value), 0..5).prop_map(|members| {
        let members = members.into_iter().rev().enumerate();
        let members: Vec<_> = members
            .map(|(index, (key, space, value))| format!(r#"{space}"{key}-{index}"{space}:{value}{space}"#))
            .collect();
        members.join(",")
    })
}

/// Any value.
pub(super) fn json() -> impl Strategy<Value = String> {
    let string = letters().prop_map(|letters| format!("\"{letters}\""));
    let word = proptest::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned);
    let leaf = prop_oneof![3 => number(), 3 => string, 1 => word];
    let nested = leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            (vec(inner.clone(), 0..4), space())
                .prop_map(|(items, space)| format!("[{}]", items.join(&format!("{space},")))),
            members(inner).prop_map(|members| format!("{{{members}}}")),
        ]
    });
    (nested, prop_oneof![9 => Just(0), 1 => 1..DEEP])
        .prop_map(|(value, levels)| format!("{}{value}{}", "[".repeat(levels), "]".repeat(levels)))
}

/// An object with any members.
pub(super) fn object() -> impl Strategy<Value = String> {
    members(json()).prop_map(|members| format!("{{{members}}}"))
}
