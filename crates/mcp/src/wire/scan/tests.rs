//! What the reader takes and refuses, and where it finds things.

use proptest::prelude::*;

use super::*;

fn accepts(body: &[u8]) -> Result<(), ScanError> {
    let mut scanner = Scanner::new(body, MAX_DEPTH)?;
    scanner.skip()?;
    scanner.finish()
}

#[test]
fn picks_members_that_are_there_once() {
    let body = br#"{"a":1,"b":2,"c":3,"b":4,"\u0061b":5,"b":6}"#;
    let found = pick(body, Span::new(0, body.len()), ["a", "b", "ab", "x"]).expect("an object");
    let values = found.map(|member| member.map(|member| member.value.of(body)));
    assert_eq!(values, [Some(&b"1"[..]), None, Some(b"5"), None]);
    assert!(pick(b"[]", Span::new(0, 2), ["a"]).is_err());
    assert_eq!(each_member(b"{1", Span::new(0, 2)).count(), 1);
}

#[test]
fn takes_json_and_nothing_else() {
    for good in [
        "{}",
        "[]",
        " [ ] ",
        "0",
        "-0",
        "1.5e-7",
        "1E+9",
        "true",
        "false",
        "null",
        "\"\"",
        r#""\"\\\/\b\f\n\r\t\u00e9""#,
        r#""\ud800""#,
        "[1,2,[3,{\"a\":{}}]]",
        "{\"a\":[],\"a\":{\"b\":null}}",
        "\"0123456789 0123456789\"",
    ] {
        assert_eq!(accepts(good.as_bytes()), Ok(()), "{good}");
        assert!(serde_json::from_str::<&serde_json::value::RawValue>(good).is_ok());
    }
    for bad in [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{1:2}",
        "[1}",
        "{\"a\":1]",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "NaN",
        "tru",
        "nul",
        "falsy",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "\"0123456\u{1}\"",
        "1 2",
        "{} {}",
        "[1 2]",
        "// x\n1",
        "'a'",
        "\u{feff}1",
    ] {
        assert!(accepts(bad.as_bytes()).is_err(), "{bad}");
    }
    assert_eq!(accepts(b"\"\xff\""), Err(ScanError::Utf8(1)));
}

#[test]
fn bounds_depth_at_any_size() {
    let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    assert_eq!(accepts(nested(MAX_DEPTH).as_bytes()), Ok(()));
    assert_eq!(
        accepts(nested(MAX_DEPTH + 1).as_bytes()),
        Err(ScanError::TooDeep(MAX_DEPTH))
    );
    assert_eq!(
        accepts("[".repeat(1_000_000).as_bytes()),
        Err(ScanError::TooDeep(MAX_DEPTH))
    );
    let objects = "{\"a\":".repeat(100_000);
    assert_eq!(accepts(objects.as_bytes()), Err(ScanError::TooDeep(MAX_DEPTH)));
    // Siblings do not add up.
    let wide = format!("[{}1]", "[[]],".repeat(1_000));
    assert_eq!(accepts(wide.as_bytes()), Ok(()));
}

#[test]
fn names_members_and_elements_where_they_are() {
    let body = br#" { "a" : 1 , "b":[ true ,"x"] } "#;
    let found = members(body, Span::new(0, body.len())).expect("an object");
    assert_eq!(found[0].name.of(body), b"\"a\"");
    assert_eq!(found[0].value.of(body), b"1");
    assert_eq!(found[1].kind, Kind::Array);
    let items = elements(body, found[1].value).expect("an array");
    assert_eq!(items[0].0.of(body), b"true");
    assert_eq!(items[1], (Span::new(25, 28), Kind::String));
    assert!(members(body, found[1].value).is_err());
    assert!(elements(body, Span::new(0, body.len())).is_err());
    assert!(members(body, Span::new(900, 1_000)).is_err());
}

#[test]
fn decodes_strings_and_refuses_half_surrogates() {
    assert_eq!(decode_string(br#""plain""#).as_deref(), Some("plain"));
    assert_eq!(decode_string(br#""\u006dethod""#).as_deref(), Some("method"));
    assert_eq!(decode_string(br#""\ud83d\ude00""#).as_deref(), Some("\u{1f600}"));
    for bad in [
        &br#""\ud83d""#[..],
        b"\"",
        b"",
        b"\"a",
        b"a\"",
        b"\"\xff\"",
        b"\"a\"b\"",
    ] {
        assert_eq!(decode_string(bad), None);
    }
}

proptest! {
    #[test]
    fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200), start in 0_usize..220, end in 0_usize..220) {
        let _ = accepts(&body);
        let _ = members(&body, Span::new(start, end));
        let _ = elements(&body, Span::new(start, end));
        let _ = decode_string(&body);
    }

    #[test]
    fn agrees_with_serde_json(body in "[\\[\\]{}:,\"\\\\0-9eE.+\\-a-z \\n\u{1}é]{0,24}") {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok();
        prop_assert_eq!(accepts(body.as_bytes()).is_ok(), theirs, "{}", body);
    }

    #[test]
    fn finds_the_end_of_every_string(text in any::<String>()) {
        let quoted = serde_json::to_string(&text).expect("a string is JSON");
        let body = format!("[{quoted},1]");
        let found = elements(body.as_bytes(), Span::new(0, body.len())).expect("an array");
        prop_assert_eq!(found[0].0.of(body.as_bytes()), quoted.as_bytes());
        let decoded = decode_string(quoted.as_bytes());
        prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
    }
}
