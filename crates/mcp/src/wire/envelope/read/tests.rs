//! What [`parse`] takes, what it refuses and with which code, and that it finds what is there.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::wire::{json::json_string, scan::MAX_DEPTH};

fn read(body: &str) -> Result<Message<'_>, EnvelopeError> {
    parse(body.as_bytes(), &Limits::default())
}

fn request(body: &str) -> Request<'_> {
    match read(body) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

fn response(body: &str) -> Response<'_> {
    match read(body) {
        Ok(Message::Response(response)) => response,
        other => panic!("not a response: {other:?}"),
    }
}

fn value<'a>(text: Option<&'a Text<'_>>) -> Option<&'a str> {
    text.map(|text| &*text.value)
}

#[test]
fn finds_what_a_call_says() {
    let body = r#" {"jsonrpc":"2.0", "id":"call-1", "method":"tools/call", "params":{
        "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":7,
                 "io.modelcontextprotocol/clientInfo":{"name":"c"},"io.modelcontextprotocol/clientCapabilities":{},
                 "traceparent":"00-1-2-01"},
        "name":"get_weather", "arguments":{"location":"New York","n":1.0,"name":1,"NAME":2},
        "inputResponses":{"a":{"action":"accept"}}, "requestState":"s\u0031", "later":[1,2]}} "#;
    let request = request(body);
    let at = |span: Span| std::str::from_utf8(span.of(body.as_bytes())).expect("UTF-8");
    assert_eq!(at(request.object), body.trim());
    assert_eq!(request.id.raw, r#""call-1""#);
    assert_eq!(request.id.to_owned(), RequestId::from("call-1"));
    assert_eq!(request.method.value, "tools/call");
    let params = request.params.as_ref().expect("has params");
    assert_eq!(value(params.name.as_ref()), Some("get_weather"));
    assert_eq!(
        params.arguments.map(at),
        Some(r#"{"location":"New York","n":1.0,"name":1,"NAME":2}"#)
    );
    assert_eq!(
        params.input_responses.map(at),
        Some(r#"{"a":{"action":"accept"}}"#)
    );
    assert_eq!(value(params.request_state.as_ref()), Some("s1"));
    let meta = request.meta().expect("has _meta");
    assert_eq!(meta.progress_token.map(|token| token.raw), Some("7"));
    assert_eq!(
        meta.protocol_version.map(|(span, _)| at(span)),
        Some(r#""2026-07-28""#)
    );
    assert_eq!(
        meta.client_capabilities,
        meta.client_capabilities
            .filter(|(span, kind)| at(*span) == "{}" && *kind == Kind::Object)
    );
    assert!(meta.log_level.is_none());
}

#[test]
fn finds_what_other_requests_say() {
    let uri = request(r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#);
    assert_eq!(
        value(uri.params.expect("has params").uri.as_ref()),
        Some("file:///a")
    );
    let list = request(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"x"}}"#);
    assert_eq!(value(list.params.expect("has params").cursor.as_ref()), Some("x"));
    let complete = request(
        r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a"}}}"#,
    );
    let reference = complete.params.expect("has params").reference.expect("has ref");
    assert_eq!(value(reference.name.as_ref()), Some("p"));
    let bare = request(r#"{"method":"ping","id":-5,"jsonrpc":"2.0"}"#);
    assert_eq!(bare.params, None);
    assert_eq!(bare.id.to_owned(), RequestId::Integer(-5));
}

#[test]
fn finds_what_notifications_say() {
    let Ok(Message::Notification(cancelled)) = read(
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"123","reason":"x"}}"#,
    ) else {
        panic!("not a notification")
    };
    let id = cancelled.params.expect("has params").request_id;
    assert_eq!(id.map(|id| id.raw), Some(r#""123""#));
    let Ok(Message::Notification(progress)) = read(
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":3,"progress":0.5,"_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}"#,
    ) else {
        panic!("not a notification")
    };
    let params = progress.params.expect("has params");
    assert_eq!(params.progress_token.map(|token| token.raw), Some("3"));
    let subscription = params.meta.expect("has _meta").subscription_id;
    assert_eq!(subscription.map(|id| id.raw), Some(r#""l""#));
}

#[test]
fn finds_what_responses_say() {
    let body = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{},"requestState":"s","ttlMs":5,"cacheScope":"private","nextCursor":"n","_meta":{},"content":[{"resultType":1}]}}"#;
    let Outcome::Result(result) = response(body).outcome else {
        panic!("not a result")
    };
    assert_eq!(value(result.result_type.as_ref()), Some("input_required"));
    assert_eq!(value(result.request_state.as_ref()), Some("s"));
    assert_eq!(value(result.next_cursor.as_ref()), Some("n"));
    assert_eq!(
        result.ttl_ms.map(|span| span.of(body.as_bytes())),
        Some(&b"5"[..])
    );
    assert!(result.input_requests.is_some() && result.meta.is_some());

    for (body, id) in [
        (
            r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32022,"message":"m","data":{"supported":[]}}}"#,
            Some(r#""a""#),
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"m","data":{"supported":[]}}}"#,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","error":{"code":-32022,"message":"m","data":{"supported":[]}}}"#,
            None,
        ),
    ] {
        let response = response(body);
        assert_eq!(response.id.map(|id| id.raw), id);
        let Outcome::Error(error) = response.outcome else {
            panic!("not an error")
        };
        assert_eq!(error.code, ErrorCode::UNSUPPORTED_PROTOCOL_VERSION);
        assert_eq!(
            error.data.map(|span| span.of(body.as_bytes())),
            Some(&br#"{"supported":[]}"#[..])
        );
    }
}

/// One body, its code, and whether its id is sent back.
#[rstest]
#[case::not_json("{", -32700, false)]
#[case::cut_short(r#"{"jsonrpc":"2.0","id":7,"method":"ping""#, -32700, false)]
#[case::two_messages("{} {}", -32700, false)]
#[case::empty("", -32700, false)]
#[case::batch(r#"[{"jsonrpc":"2.0","id":7,"method":"ping"}]"#, -32600, false)]
#[case::text(r#""ping""#, -32600, false)]
#[case::nothing("{}", -32600, false)]
#[case::no_version(r#"{"id":7,"method":"ping"}"#, -32600, true)]
#[case::old_version(r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, -32600, true)]
#[case::version_number(r#"{"jsonrpc":2.0,"id":7,"method":"ping"}"#, -32600, true)]
#[case::null_id(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600, false)]
#[case::float_id(r#"{"jsonrpc":"2.0","id":7.5,"method":"ping"}"#, -32600, false)]
#[case::exponent_id(r#"{"jsonrpc":"2.0","id":7e-1,"method":"ping"}"#, -32600, false)]
#[case::huge_id(r#"{"jsonrpc":"2.0","id":9223372036854775808,"method":"ping"}"#, -32600, false)]
#[case::list_id(r#"{"jsonrpc":"2.0","id":[7],"method":"ping"}"#, -32600, false)]
#[case::half_surrogate_id(r#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#, -32600, false)]
#[case::method_number(r#"{"jsonrpc":"2.0","id":7,"method":1}"#, -32600, true)]
#[case::method_null(r#"{"jsonrpc":"2.0","id":7,"method":null}"#, -32600, true)]
#[case::method_and_result(r#"{"jsonrpc":"2.0","id":7,"method":"ping","result":{}}"#, -32600, true)]
#[case::result_and_error(r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":""}}"#, -32600, true)]
#[case::result_without_id(r#"{"jsonrpc":"2.0","result":{}}"#, -32600, false)]
#[case::result_text(r#"{"jsonrpc":"2.0","id":7,"result":"x"}"#, -32600, true)]
#[case::error_without_code(r#"{"jsonrpc":"2.0","id":7,"error":{"message":"x"}}"#, -32600, true)]
#[case::error_float(r#"{"jsonrpc":"2.0","id":7,"error":{"code":1.5,"message":"x"}}"#, -32600, true)]
#[case::twice(r#"{"jsonrpc":"2.0","id":7,"method":"ping","method":"tools/call"}"#, -32600, true)]
#[case::twice_escaped(r#"{"jsonrpc":"2.0","id":7,"method":"ping","\u006dethod":"tools/call"}"#, -32600, true)]
#[case::id_twice(r#"{"jsonrpc":"2.0","id":7,"id":7,"method":"ping"}"#, -32600, false)]
#[case::other_case(r#"{"jsonrpc":"2.0","id":7,"method":"ping","Method":"tools/call"}"#, -32600, true)]
#[case::only_other_case(r#"{"jsonrpc":"2.0","id":7,"METHOD":"ping"}"#, -32600, true)]
#[case::kelvin_sign("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"m\",\"params\":{\"ta\u{17f}\u{212a}Id\":\"x\"}}", -32602, true)]
#[case::params_list(r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#, -32602, true)]
#[case::params_before_id(r#"{"params":{"name":1},"method":"tools/call","jsonrpc":"2.0","id":7}"#, -32602, true)]
#[case::name_twice(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","name":"b"}}"#, -32602, true)]
#[case::name_other_case(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","n\u0041me":"b"}}"#, -32602, true)]
#[case::name_null(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":null}}"#, -32602, true)]
#[case::uri_number(r#"{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":1}}"#, -32602, true)]
#[case::arguments_list(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"arguments":[]}}"#, -32602, true)]
#[case::meta_list(r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"_meta":[]}}"#, -32602, true)]
#[case::meta_other_case(r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"_meta":{},"_Meta":{}}}"#, -32602, true)]
#[case::meta_key_twice(r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"_meta":{"progressToken":1,"progressToken":2}}}"#, -32602, true)]
#[case::token_float(r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"_meta":{"progressToken":1.5}}}"#, -32602, true)]
#[case::reference_name_twice(r#"{"jsonrpc":"2.0","id":7,"method":"completion/complete","params":{"ref":{"name":"a","name":"b"}}}"#, -32602, true)]
#[case::result_type_twice(r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"a","resultType":"b"}}"#, -32600, true)]
fn refuses(#[case] body: &str, #[case] code: i64, #[case] has_id: bool) {
    let error = read(body).expect_err("refused");
    assert_eq!(error.code(), ErrorCode(code), "{error}");
    assert_eq!(error.id, has_id.then_some(RequestId::Integer(7)), "{error}");
}

#[test]
fn unknown_members_may_be_anything() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"x","x":1,"x":2,"X":3,"params":{"y":1,"Y":[null],"y":{},"\ud800":1,"params":1,"Id":1},"Data":0}"#;
    assert_eq!(request(body).method.value, "x");
}

#[test]
fn null_members_count_as_absent() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":null,"cursor":null,"_meta":null,"requestState":null}}"#;
    let params = request(body).params.expect("has params");
    assert!(params.arguments.is_none() && params.cursor.is_none() && params.meta.is_none());
    assert_eq!(
        request(r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#).params,
        None
    );
}

#[test]
fn depth_and_ids_are_bounded() {
    let nested = |depth: usize| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"x":{}{}}}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert!(read(&nested(MAX_DEPTH - 2)).is_ok());
    let error = read(&nested(100_000)).expect_err("too deep");
    assert_eq!(error.code(), ErrorCode::INVALID_REQUEST);

    let with_id = |length: usize| {
        format!(
            r#"{{"jsonrpc":"2.0","id":"{}","method":"m"}}"#,
            "x".repeat(length)
        )
    };
    let max = Limits::default().max_id_bytes;
    assert!(read(&with_id(max - 2)).is_ok());
    assert_eq!(
        read(&with_id(max - 1)).expect_err("too long").reason,
        Reason::TooLong("id", max)
    );
}

#[test]
fn an_error_that_is_null_beside_a_result_is_none() {
    let body = r#"{"jsonrpc":"2.0","id":1.0,"result":{"ok":true},"error":null}"#;
    let Message::Response(response) = read(body).expect("a response") else {
        panic!("not a response")
    };
    assert!(matches!(response.outcome, Outcome::Result(_)));
    assert_eq!(response.id.map(RawId::to_owned), Some(RequestId::Integer(1)));
    let body = r#"{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":-1,"message":"no"}}"#;
    let Message::Response(response) = read(body).expect("a response") else {
        panic!("not a response")
    };
    assert!(matches!(response.outcome, Outcome::Error(_)));
    for both in [
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":-1,"message":"no"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":null,"error":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","error":null}"#,
    ] {
        assert!(read(both).is_err(), "{both}");
    }
}

#[test]
fn ids_are_equal_by_value() {
    assert_eq!(
        RequestId::from_json(r#""\u0061""#),
        RequestId::from_json(r#""a""#)
    );
    assert_ne!(RequestId::from_json("1"), RequestId::from_json(r#""1""#));
    for same in ["1.0", "1e0", "10e-1", "1.000"] {
        assert_eq!(RequestId::from_json(same), Some(RequestId::Integer(1)), "{same}");
    }
    for bad in [
        "",
        "-",
        "1.5",
        "1e-1",
        "1e30",
        ".0",
        "1.0.0",
        "+1",
        " 1",
        "null",
        "\"",
        "99999999999999999999",
    ] {
        assert_eq!(RequestId::from_json(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, &Limits::default());
    }

    #[test]
    fn never_panics_on_what_is_nearly_a_message(
        members in proptest::collection::vec(
            (
                prop::sample::select(vec!["jsonrpc", "id", "method", "params", "result", "error", "Method", "x", "\\u0069d"]),
                prop::sample::select(vec![
                    "\"2.0\"", "1", "null", "\"a\"", "{}", "[]", "1.5", "{\"_meta\":{\"progressToken\":1}}", "{\"_meta\":1}",
                    "{\"name\":\"a\",\"arguments\":{}}", "{\"code\":1}", "{\"ref\":{\"uri\":2}}", "\"\\ud800\"", "{\"name\"", "}",
                ]),
            ),
            0..7,
        ),
    ) {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let body = format!("{{{}}}", members.join(","));
        let parsed = read(&body);
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok();
        match parsed {
            Ok(_) => prop_assert!(is_json),
            Err(error) => prop_assert_eq!(error.code() == ErrorCode::PARSE_ERROR, !is_json),
        }
    }

    /// However a name is escaped, it is found; and its value is the text that was meant.
    #[test]
    fn names_are_found_however_they_are_written(text in any::<String>(), escaped in any::<u16>()) {
        let name: String = "method".chars().enumerate().map(|(index, letter)| {
            if escaped >> index & 1 == 1 { format!("\\u{:04x}", u32::from(letter)) } else { letter.to_string() }
        }).collect();
        let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"{name}\":{}}}", json_string(&text));
        prop_assert_eq!(&request(&body).method.value, &text);
        let twice = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"{name}\":{0},\"method\":{0}}}", json_string(&text));
        prop_assert!(read(&twice).is_err());
    }
}
