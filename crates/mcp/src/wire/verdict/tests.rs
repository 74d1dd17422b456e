use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// What is read of an answer that comes in pieces of this size.
fn read(text: &str, is_events: bool, size: usize) -> Vec<(String, Verdict)> {
    let mut reader = AnswerReader::new(is_events);
    for piece in text.as_bytes().chunks(size) {
        reader.read(piece);
    }
    let answered = reader.answered().iter();
    answered
        .map(|answered| (String::from_utf8(answered.id.to_vec()).unwrap(), answered.verdict))
        .collect()
}

fn verdicts(text: &str, is_events: bool) -> Vec<Verdict> {
    let whole = read(text, is_events, usize::MAX);
    for size in [1, 2, 3, 7] {
        assert_eq!(read(text, is_events, size), whole, "{text} in pieces of {size}");
    }
    whole.into_iter().map(|(_, verdict)| verdict).collect()
}

#[test]
fn a_response_says_what_it_is() {
    for (text, verdict) in [
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Verdict::Result),
        (
            r#"{"result":{"content":[],"isError":false},"id":1}"#,
            Verdict::Result,
        ),
        (
            r#"{"result":{"content":[],"isError" : true},"id":1}"#,
            Verdict::ToolError,
        ),
        (
            r#"{"result":{"isError":true,"content":[{"text":"x"}]},"id":1}"#,
            Verdict::ToolError,
        ),
        (
            r#"{"id":1,"error":{"code":-32603,"message":"isError"}}"#,
            Verdict::Error,
        ),
        (
            r#"{"id":1,"result":{"resultType":"input_required","requestState":"s"}}"#,
            Verdict::InputRequired,
        ),
        (r#"{"id":1,"result":{"resultType":"complete"}}"#, Verdict::Result),
    ] {
        assert_eq!(verdicts(text, false), [verdict], "{text}");
        assert_eq!(
            verdicts(&format!(": hi\n\ndata: {text}\n\n"), true),
            [verdict],
            "{text}"
        );
        assert_eq!(
            verdicts(&format!("id: 1\r\ndata:{text}\r\n\r\n"), true),
            [verdict],
            "{text}"
        );
    }
}

#[test]
fn what_stands_deeper_says_nothing() {
    for text in [
        r#"{"id":1,"result":{"structuredContent":{"isError":true},"content":[{"isError":true}]}}"#,
        r#"{"id":1,"result":{"content":[{"text":"{\"isError\":true}, \\\"isError\":true"}]}}"#,
        r#"{"id":1,"result":{"is\u0045rror":false,"x":"isError","y":true}}"#,
        r#"{"isError":true,"id":1,"result":{"a":["isError",true]}}"#,
    ] {
        assert_eq!(verdicts(text, false), [Verdict::Result], "{text}");
    }
}

#[test]
fn each_answer_of_a_batch_and_of_a_stream_is_read() {
    let (first, second) = (
        r#"{"id":1,"result":{"isError":true}}"#,
        r#"{"id":"b","error":{}}"#,
    );
    let expected = [
        ("1".to_owned(), Verdict::ToolError),
        ("\"b\"".to_owned(), Verdict::Error),
    ];
    assert_eq!(read(&format!("[{first},{second}]"), false, 5), expected);
    let progress = r#"{"method":"notifications/progress","params":{"result":{"isError":true}}}"#;
    let events = format!("data: {progress}\n\ndata: {first}\n\nevent: message\ndata: {second}\n\n");
    assert_eq!(read(&events, true, 5), expected);
    // The data of an event can be on several lines.
    assert_eq!(
        verdicts("data: {\"id\":1,\ndata: \"error\":{}}\n\n", true),
        [Verdict::Error]
    );
}

#[test]
fn a_message_that_breaks_off_says_nothing() {
    assert!(verdicts(r#"{"id":1,"result":{"isError":true"#, false).is_empty());
    let events = "data: {\"id\":1,\"result\":{\n\ndata: {\"id\":2,\"result\":{}}\n\n";
    assert_eq!(read(events, true, 4), [("2".to_owned(), Verdict::Result)]);
}

/// Any JSON value.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!(null)),
        any::<i32>().prop_map(|number| json!(number)),
        prop::sample::select(vec!["isError", "result", "x\"y\\", "input_required", "é\n"])
            .prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop::sample::select(vec!["isError", "result", "error", "id", "a\\\"b", "resultType"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name.prop_map(str::to_owned), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn it_reads_what_a_json_reader_reads(result in value(), extra in value(), size in 1_usize..20) {
        let message = json!({"jsonrpc": "2.0", "id": 7, "extra": extra, "result": result});
        let expected = if result["resultType"] == "input_required" && result["isError"] != true {
            Verdict::InputRequired
        } else if result["isError"] == true {
            Verdict::ToolError
        } else {
            Verdict::Result
        };
        prop_assume!(!(result["resultType"] == "input_required" && result["isError"] == true));
        let text = message.to_string();
        prop_assert_eq!(read(&text, false, size), [("7".to_owned(), expected)]);
        let events = format!("data: {text}\n\n");
        prop_assert_eq!(read(&events, true, size), [("7".to_owned(), expected)]);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), is_events: bool) {
        AnswerReader::new(is_events).read(&bytes);
    }
}
