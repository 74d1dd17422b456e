//! Edits that land where they should and nowhere else.

use proptest::prelude::*;

use super::*;
use crate::wire::envelope::{Limits, Message, Request, parse};

fn whole(body: &str) -> Span {
    let start = body.find('{').expect("an object");
    Span::new(start, body.rfind('}').expect("an object") + 1)
}

fn request(body: &str) -> Request<'_> {
    match parse(body.as_bytes(), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

fn edited<'a>(body: &'a str, edit: impl FnOnce(&mut Splice<'a>)) -> String {
    let mut splice = Splice::new(body.as_bytes());
    edit(&mut splice);
    let bytes = splice.finish().expect("edits fit");
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn sets_and_removes_members_with_their_commas() {
    let body = r#"{ "a" : 1 , "b":2, "c":3 }"#;
    for (names, expected) in [
        (&[][..], body),
        (&["a"], r#"{ "b":2, "c":3 }"#),
        (&["b"], r#"{ "a" : 1, "c":3 }"#),
        (&["c"], r#"{ "a" : 1 , "b":2 }"#),
        (&["a", "b"], r#"{ "c":3 }"#),
        (&["b", "c"], r#"{ "a" : 1 }"#),
        (&["c", "a"], r#"{ "b":2 }"#),
        (&["a", "b", "c"], "{  }"),
        (&["x"], body),
    ] {
        let result = edited(body, |splice| {
            for name in names {
                splice.remove_member(whole(body), *name);
            }
        });
        assert_eq!(result, expected, "{names:?}");
    }
    let set = |body: &'static str| {
        edited(body, |splice| {
            splice
                .set_member(whole(body), "b", &b"[9]"[..])
                .set_member(whole(body), "d", &b"null"[..])
                .remove_member(whole(body), "a");
        })
    };
    assert_eq!(set(body), r#"{"d":null, "b":[9], "c":3 }"#);
    assert_eq!(set("{}"), r#"{"b":[9],"d":null}"#);
    assert_eq!(set(r#"{"a":0}"#), r#"{"b":[9],"d":null}"#);
    assert_eq!(set(r#"{"\u0062":0,"b":1}"#), r#"{"d":null,"\u0062":[9]}"#);
}

#[test]
fn refuses_edits_that_overlap_or_lie_outside() {
    let mut splice = Splice::new(b"0123456789");
    splice
        .replace(Span::new(2, 5), &b"x"[..])
        .replace(Span::new(4, 6), &b"y"[..]);
    assert_eq!(splice.finish(), Err(SpliceError::Overlap(4)));
    let mut splice = Splice::new(b"0123456789");
    splice.replace(Span::new(9, 11), &b""[..]);
    assert_eq!(splice.finish(), Err(SpliceError::OutOfBounds(11)));
    let mut splice = Splice::new(b"0123456789");
    splice.replace(Span::new(20, 20), &b""[..]);
    assert_eq!(splice.finish(), Err(SpliceError::OutOfBounds(20)));
    let mut splice = Splice::new(b"0123456789");
    splice
        .replace(Span::new(2, 4), &b"x"[..])
        .replace(Span::new(4, 6), &b"y"[..])
        .replace(Span::new(0, 0), &b"z"[..]);
    assert_eq!(splice.finish().expect("edits fit"), "z01xy6789");
}

#[test]
fn adds_meta_wherever_it_is_missing() {
    let edits = || {
        [
            (Cow::Borrowed("k"), Some(Cow::Borrowed(&b"1"[..]))),
            (Cow::Borrowed("old"), None),
        ]
    };
    for (body, expected) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#,
            r#"{"params":{"_meta":{"k":1}},"jsonrpc":"2.0","id":1,"method":"m"}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":null}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"k":1}}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"k":1}}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":null}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"k":1}}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"old":0,"x":2}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"k":1,"x":2}}}"#,
        ),
    ] {
        let message = request(body);
        let result = edited(body, |splice| {
            splice.edit_meta(message.object, message.params.as_ref(), edits());
        });
        assert_eq!(result, expected);
    }
}

proptest! {
    /// What is not edited keeps its bytes, whatever it is, when everything that may change does.
    #[test]
    fn the_rest_is_copied_byte_for_byte(
        number in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        text in any::<String>(),
        id in any::<i64>(),
        space in "[ \t\r\n]{0,3}",
        has_meta in any::<bool>(),
    ) {
        let text = json_string(&text);
        let arguments = format!("{{{space}\"n\":{number},{space}\"t\" : {text},\"n\":[{{}} , 1.0]}}");
        let unknown = format!("[{number},{space}{text}]");
        let meta = if has_meta { format!("\"_meta\":{{\"progressToken\":{id},\"u\":{unknown}}},") } else { String::new() };
        let body = format!(
            "{space}{{\"zz\":{unknown},\"id\":{id},\"method\":\"tools/call\",\"params\":{{{meta}\"arguments\":{arguments},\"name\":\"a_b\"}},\"jsonrpc\":\"2.0\"}}{space}"
        );
        let message = request(&body);
        let params = message.params.clone().expect("has params");
        let result = edited(&body, |splice| {
            splice.replace(message.id.span, &b"\"gw-1\""[..]);
            splice.replace_string(params.name.as_ref().expect("has a name").span, "b");
            splice.edit_meta(message.object, Some(&params), [(Cow::Borrowed("progressToken"), Some(Cow::Borrowed(&b"7"[..])))]);
        });
        let changed = request(&result);
        let changed_params = changed.params.expect("has params");
        prop_assert_eq!(changed.id.raw, "\"gw-1\"");
        prop_assert_eq!(&changed_params.name.expect("has a name").value, "b");
        prop_assert_eq!(changed_params.meta.expect("has meta").progress_token.map(|token| token.raw), Some("7"));
        prop_assert_eq!(changed_params.arguments.expect("has arguments").of(result.as_bytes()), arguments.as_bytes());
        prop_assert_eq!(result.matches(&unknown).count(), body.matches(&unknown).count());
        let untouched = edited(&body, |_| {});
        prop_assert_eq!(untouched, body.as_str());
    }

    /// Whatever is set and removed, the object stays JSON and holds what was asked for.
    #[test]
    fn objects_stay_objects(count in 0_usize..6, removed in proptest::collection::vec(0_usize..6, 0..6), set in proptest::collection::vec(0_usize..9, 0..6)) {
        let members: Vec<String> = (0..count).map(|index| format!("\"{index}\" : {index}")).collect();
        let body = format!("{{ {} }}", members.join(" , "));
        let object = Span::new(0, body.len());
        let result = edited(&body, |splice| {
            for index in &removed { splice.remove_member(object, index.to_string()); }
            for index in &set { splice.set_member(object, index.to_string(), &b"true"[..]); }
        });
        let value: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&result).expect("still an object");
        for index in 0..9 {
            let expected = if set.contains(&index) {
                Some(serde_json::Value::Bool(true))
            } else if index < count && !removed.contains(&index) {
                Some(serde_json::Value::from(index))
            } else {
                None
            };
            prop_assert_eq!(value.get(&index.to_string()).cloned(), expected, "{}", result);
        }
    }
}
