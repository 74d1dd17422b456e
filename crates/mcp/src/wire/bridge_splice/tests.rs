//! Answers spliced in pieces of every size: what changes, and that nothing else does.

use rstest::rstest;

use super::*;

fn changes() -> Changes {
    Changes {
        id: Some((Bytes::from_static(b"17"), Bytes::from_static(b"\"client\""))),
        result_type: ResultType::Keep,
    }
}

fn typed(result_type: ResultType) -> Changes {
    Changes {
        id: None,
        result_type,
    }
}

fn splice(changes: Changes, input: &str, size: usize) -> Result<String, SpliceError> {
    let mut splicer = Splicer::new(changes);
    let mut out = Vec::new();
    for piece in input.as_bytes().chunks(size) {
        out.extend_from_slice(&splicer.push(Bytes::copy_from_slice(piece))?);
    }
    splicer.finish()?;
    Ok(String::from_utf8(out).unwrap())
}

/// Splices in pieces of every size.
fn check(changes: &Changes, input: &str, expected: &str) {
    for size in 1..=input.len() {
        assert_eq!(
            splice(changes.clone(), input, size).unwrap(),
            expected,
            "{input} in pieces of {size}"
        );
    }
}

#[rstest]
#[case(
    r#"{"jsonrpc":"2.0","id":17,"result":{"a":1.0e5,"id":17}}"#,
    r#"{"jsonrpc":"2.0","id":"client","result":{"a":1.0e5,"id":17}}"#
)]
#[case(
    r#"{"result":{"t":"\"id\":17,}\\","x":[{"id":17}]},"jsonrpc":"2.0", "id" : 17 }"#,
    r#"{"result":{"t":"\"id\":17,}\\","x":[{"id":17}]},"jsonrpc":"2.0", "id" : "client" }"#
)]
#[case(
    r#"{"id":null,"error":{"code":-1,"message":"é"}}"#,
    r#"{"id":"client","error":{"code":-1,"message":"é"}}"#
)]
#[case(r#"{"id":17,"result":[]}"#, r#"{"id":"client","result":[]}"#)]
#[case(r#"{"id":17.0,"result":[]}"#, r#"{"id":"client","result":[]}"#)]
#[case(
    r#"{"id":17,"result":{"resultType":"own"}}"#,
    r#"{"id":"client","result":{"resultType":"own"}}"#
)]
fn only_the_envelope_id_changes_wherever_the_pieces_end(#[case] input: &str, #[case] expected: &str) {
    check(&changes(), input, expected);
}

#[test]
fn an_answer_to_another_request_is_refused() {
    let other = r#"{"jsonrpc":"2.0","id":18,"result":{}}"#;
    assert_eq!(splice(changes(), other, 7), Err(SpliceError::ForeignId));
    let text = r#"{"jsonrpc":"2.0","id":"17","result":{}}"#;
    assert_eq!(splice(changes(), text, 7), Err(SpliceError::ForeignId));
}

/// Where client and server know the request by the same id.
fn kept() -> Changes {
    let id = Bytes::from_static(b"17");
    Changes {
        id: Some((id.clone(), id)),
        result_type: ResultType::Keep,
    }
}

#[rstest]
#[case(r#"{"jsonrpc":"2.0","id":18,"result":{}}"#, SpliceError::ForeignId)]
#[case(r#"{"id":17,"result":{},"id":18}"#, SpliceError::ForeignId)]
#[case(r#"{"result":{},"\u0069d":18}"#, SpliceError::ForeignId)]
#[case(r#"{"id":"17","result":{}}"#, SpliceError::ForeignId)]
#[case(r#"[{"id":18,"result":{}}]"#, SpliceError::Malformed)]
#[case("\u{feff}{\"id\":18,\"result\":{}}", SpliceError::Malformed)]
#[case(
    r#"{"id":17,"method":"sampling/createMessage","params":{}}"#,
    SpliceError::Malformed
)]
#[case(r#"{"id":17,"secret":{"result":{}}}"#, SpliceError::Malformed)]
#[case(r#"{"id":17,"result":null}"#, SpliceError::Malformed)]
#[case("{}", SpliceError::Malformed)]
#[case("", SpliceError::Truncated)]
fn what_could_answer_another_call_is_refused_also_where_nothing_changes(
    #[case] input: &str,
    #[case] why: SpliceError,
) {
    for size in 1..=input.len().max(1) {
        for changes in [kept(), changes()] {
            assert_eq!(
                splice(changes, input, size),
                Err(why),
                "{input} in pieces of {size}"
            );
        }
    }
}

#[test]
fn an_id_that_is_the_same_on_both_sides_stays_as_it_was_written() {
    for input in [
        r#"{"jsonrpc":"2.0", "id" : 17 ,"result":{"id":18,"method":"m"}}"#,
        r#"{"result":{"a":[{"id":18}]},"id":17.0}"#,
        r#"{"id":null,"error":{"code":-1,"message":"no"}}"#,
    ] {
        check(&kept(), input, input);
        let splicer = Splicer::new(kept());
        assert!(!splicer.leaves(input.as_bytes()));
        assert_eq!(splicer.length(90), Some(90));
    }
    let long = "x".repeat(1_000);
    let changes = Changes {
        id: Some((format!("\"{long}\"").into(), format!("\"{long}\"").into())),
        result_type: ResultType::Keep,
    };
    let answer = format!(r#"{{"id":"{long}","result":{{}}}}"#);
    assert_eq!(splice(changes, &answer, 100).as_deref(), Ok(&*answer));
}

#[test]
fn what_is_not_an_object_or_breaks_off_is_refused() {
    assert_eq!(splice(changes(), "[1]", 1), Err(SpliceError::Malformed));
    assert_eq!(
        splice(changes(), r#"{"id":17} x"#, 2),
        Err(SpliceError::Malformed)
    );
    assert_eq!(
        splice(changes(), r#"{"id":17,"result":{}"#, 2),
        Err(SpliceError::Truncated)
    );
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(100));
    assert_eq!(splice(changes(), &long, 8), Err(SpliceError::Malformed));
}

#[rstest]
#[case(
    r#"{"id":1,"result":{"content":[{"result":{}}]}}"#,
    r#"{"id":1,"result":{"resultType":"complete","content":[{"result":{}}]}}"#
)]
#[case(
    r#"{"result": { },"id":1}"#,
    r#"{"result": {"resultType":"complete" },"id":1}"#
)]
#[case(r#"{"id":1,"error":{"code":1}}"#, r#"{"id":1,"error":{"code":1}}"#)]
#[case(
    r#"{"id":1,"result":{"resultType":"complete"}}"#,
    r#"{"id":1,"result":{"resultType":"complete"}}"#
)]
#[case(
    r#"{"id":1,"result":{"resultType":"own","a":{"resultType":1}}}"#,
    r#"{"id":1,"result":{"resultType":"complete","a":{"resultType":1}}}"#
)]
#[case(
    r#"{"id":1,"result":{"a":"x","resultType" : "own" ,"b":[]}}"#,
    r#"{"id":1,"result":{"resultType":"complete","a":"x" ,"b":[]}}"#
)]
fn a_result_gets_its_type_once(#[case] input: &str, #[case] expected: &str) {
    check(&typed(ResultType::Complete), input, expected);
}

#[rstest]
#[case(r#"{"id":1,"result":{"resultType":"complete"}}"#, r#"{"id":1,"result":{}}"#)]
#[case(
    r#"{"id":1,"result":{"resultType":"complete","a":{"resultType":1},"b":2}}"#,
    r#"{"id":1,"result":{"a":{"resultType":1},"b":2}}"#
)]
#[case(
    r#"{"result":{"a":"resultType","resultType":"own","b":2},"id":1}"#,
    r#"{"result":{"a":"resultType","b":2},"id":1}"#
)]
#[case(
    r#"{"id":1,"result":{"a":1,"resultType":"complete"}}"#,
    r#"{"id":1,"result":{"a":1}}"#
)]
#[case(
    r#"{"id":1,"result":{"a":1,"b":"\\"}}"#,
    r#"{"id":1,"result":{"a":1,"b":"\\"}}"#
)]
fn a_result_loses_its_type(#[case] input: &str, #[case] expected: &str) {
    check(&typed(ResultType::Remove), input, expected);
}

#[test]
fn a_result_that_asks_for_input_is_not_passed_on_without_its_type() {
    let asks = r#"{"id":1,"result":{"resultType":"input_required","inputRequests":{}}}"#;
    for result_type in [ResultType::Remove, ResultType::Complete] {
        assert_eq!(
            splice(typed(result_type), asks, 5),
            Err(SpliceError::InputRequired)
        );
    }
    check(&typed(ResultType::Keep), asks, asks);
}

#[rstest]
#[case(r#"{"id":17,"error":null,"result":{}}"#, r#"{"id":17,"result":{}}"#)]
#[case(r#"{"error":null,"id":17,"result":{}}"#, r#"{"id":17,"result":{}}"#)]
#[case(
    r#"{"id":17,"result":{"error":null}, "error" : null }"#,
    r#"{"id":17,"result":{"error":null}}"#
)]
#[case(
    r#"{"result":null,"error":{"code":1,"message":"no"},"id":17}"#,
    r#"{"error":{"code":1,"message":"no"},"id":17}"#
)]
fn a_null_that_means_no_error_or_no_result_is_removed(#[case] input: &str, #[case] expected: &str) {
    let with_id = expected.replace("17", "\"client\"");
    for size in 1..=input.len() {
        let spaced = splice(typed(ResultType::Keep), input, size).unwrap();
        assert_eq!(spaced.len(), input.len(), "the length stays: {spaced}");
        let shown: serde_json::Value = serde_json::from_str(&spaced).unwrap();
        assert_eq!(
            shown,
            serde_json::from_str::<serde_json::Value>(expected).unwrap()
        );
        let spliced = splice(changes(), input, size).unwrap();
        assert_eq!(spliced.replace(' ', ""), with_id, "pieces of {size}");
    }
}

#[test]
fn members_with_long_names_or_much_space_stay() {
    let name = "n".repeat(200);
    let space = " ".repeat(200);
    for input in [
        format!(r#"{{"id":17,"{name}":1,{space}"error":null,"result":{{}}}}"#),
        format!(r#"{{{space}"result":{{"{name}":{{}},{space}"b":1}},"id"{space}:17}}"#),
    ] {
        let expected = input.replace("17", "\"client\"");
        check(&changes(), &input, &expected);
    }
}

#[test]
fn what_needs_no_change_passes_as_it_came() {
    let nothing = typed(ResultType::Keep);
    check(&nothing, "not even JSON", "not even JSON");
    check(&nothing, r#"{"a":1,,"#, r#"{"a":1,,"#);
    let answer = r#"{"id":1,"result":{"x":[1,{"y":"\""}]}}"#;
    check(&nothing, answer, answer);
    assert!(Splicer::new(nothing.clone()).leaves(answer.as_bytes()));
    assert!(!Splicer::new(nothing).leaves(br#"{"error":null}"#));
    assert!(!Splicer::new(changes()).leaves(answer.as_bytes()));
}

proptest::proptest! {
    #[test]
    fn how_an_answer_is_cut_changes_nothing(
        text in "[\\[\\]{}\":,a-z0-9\\\\ ]{0,80}",
        members in proptest::collection::vec(0_usize..8, 0..6),
        size in 1_usize..9,
    ) {
        const MEMBERS: [&str; 8] = [
            r#""id":17"#, r#""error":null"#, r#""result":null"#, r#""resultType":"x""#, r#""result":{}"#,
            r#" "a" : [1,{}]"#, r#""result":{"resultType":"x", "a":1}"#, r#""result":{"b":1,"resultType":"x"}"#,
        ];
        let object: Vec<&str> = members.into_iter().map(|at| MEMBERS[at]).collect();
        let object = format!("{{{}}}", object.join(","));
        for result_type in [ResultType::Keep, ResultType::Remove, ResultType::Complete] {
            for id in [None, changes().id] {
                let wanted = Changes { id, result_type };
                for input in [&text, &object] {
                    let whole = splice(wanted.clone(), input, usize::MAX);
                    proptest::prop_assert_eq!(splice(wanted.clone(), input, size), whole);
                }
                let checked = wanted.id.is_some();
                match splice(wanted, &object, usize::MAX) {
                    Ok(whole) => {
                        let parsed = serde_json::from_str::<serde_json::Value>(&whole);
                        proptest::prop_assert!(parsed.is_ok(), "{} became {}", object, whole);
                    }
                    Err(why) => {
                        proptest::prop_assert_eq!(why, SpliceError::Malformed);
                        proptest::prop_assert!(checked && !object.contains(r#""result":{"#), "{}", object);
                    }
                }
            }
        }
    }
}

/// Puts a state in brackets instead of sealing it.
#[derive(Debug)]
struct Brackets;

impl super::Seal for Brackets {
    fn seal(&self, state: &str) -> String {
        format!("[{state}]")
    }
}

#[test]
fn the_state_of_a_result_is_sealed_and_nothing_else_of_it_changes() {
    let id = || Some((Bytes::from_static(b"1"), Bytes::from_static(b"1")));
    for (answer, sealed) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"result":{ "inputRequests":{"k":{"requestState":"in"}}, "requestState" : "a\"\u0041" ,"resultType":"input_required"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{ "inputRequests":{"k":{"requestState":"in"}}, "requestState" : "[a\"A]" ,"resultType":"input_required"}}"#,
        ),
        (
            r#"{"result":{"requestState":"only"},"id":1}"#,
            r#"{"result":{"requestState":"[only]"},"id":1}"#,
        ),
        // A result that says first that it is complete has no state to seal.
        (
            r#"{"id":1,"result":{"resultType":"complete","requestState":"theirs"}}"#,
            r#"{"id":1,"result":{"resultType":"complete","requestState":"theirs"}}"#,
        ),
        (
            r#"{"id":1,"result":{"resultType":"input_required","requestState":7,"x":1.50e+3}}"#,
            r#"{"id":1,"result":{"resultType":"input_required","requestState":7,"x":1.50e+3}}"#,
        ),
        (
            r#"{"id":1,"requestState":"outside","result":{"_meta":{"requestState":"deep"}}}"#,
            r#"{"id":1,"requestState":"outside","result":{"_meta":{"requestState":"deep"}}}"#,
        ),
    ] {
        for size in [1, 2, 7, answer.len()] {
            let changes = Changes {
                id: id(),
                result_type: ResultType::Keep,
            };
            let mut splicer = Splicer::with(changes, Some(Brackets));
            let mut passed = Vec::new();
            for piece in answer.as_bytes().chunks(size) {
                passed.extend_from_slice(&splicer.push(Bytes::copy_from_slice(piece)).unwrap());
            }
            assert_eq!(splicer.finish(), Ok(()));
            assert_eq!(String::from_utf8(passed).unwrap(), sealed, "in pieces of {size}");
        }
    }
}

#[test]
fn the_length_of_an_answer_is_known_once_it_is_complete() {
    let changes = Changes {
        id: Some((Bytes::from_static(b"1"), Bytes::from_static(b"1"))),
        result_type: ResultType::Keep,
    };
    let mut splicer = Splicer::with(changes, Some(Brackets));
    assert_eq!(splicer.length(100), None, "a state may come");
    splicer
        .push(Bytes::from_static(
            br#"{"id":1,"result":{"resultType":"complete","#,
        ))
        .unwrap();
    assert!(splicer.length(100).is_some());
}
