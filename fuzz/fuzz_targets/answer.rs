//! Answers of servers while they stream: the first line says how they are cut, and how they are cut changes nothing.

#![no_main]

use bytes::Bytes;
use gatewright_fuzz::{first_line, pieces};
use gatewright_mcp::{
    bridge_splice::{Changes, ResultType, SpliceError, Splicer},
    envelope::{Limits, Message, Outcome, parse},
};
use libfuzzer_sys::fuzz_target;

const OURS: &str = "17";
const THEIRS: &str = "\"client\"";

fn splice(body: &[u8], cuts: &[u8], result_type: ResultType) -> Result<Vec<u8>, SpliceError> {
    let mut splicer = Splicer::new(Changes {
        id: Some((
            Bytes::from_static(OURS.as_bytes()),
            Bytes::from_static(THEIRS.as_bytes()),
        )),
        result_type,
    });
    let mut out = Vec::new();
    for piece in pieces(body, cuts) {
        out.extend_from_slice(&splicer.push(Bytes::copy_from_slice(piece))?);
    }
    splicer.finish()?;
    Ok(out)
}

/// Whether a result can have its own type, however it is spelled.
fn may_be_typed(result: &[u8]) -> bool {
    result.contains(&b'\\') || result.windows(10).any(|text| text == b"resultType")
}

fuzz_target!(|data: &[u8]| {
    let Some((cuts, body)) = first_line(data) else {
        return;
    };
    for result_type in [ResultType::Keep, ResultType::Remove, ResultType::Complete] {
        let whole = splice(body, &[], result_type);
        assert_eq!(splice(body, cuts.as_bytes(), result_type), whole);
        assert_eq!(splice(body, &[0], result_type), whole, "byte by byte");
        let (Ok(spliced), Ok(Message::Response(response))) = (&whole, parse(body, &Limits::default())) else {
            continue;
        };
        let Ok(Message::Response(told)) = parse(spliced, &Limits::default()) else {
            // The server's own type can be spelled in a way that is not recognised, and then there are two.
            assert!(result_type == ResultType::Complete && may_be_typed(body));
            continue;
        };
        if response.id.is_some() {
            assert_eq!(told.id.map(|id| id.raw), Some(THEIRS));
        }
        match (&response.outcome, &told.outcome) {
            (Outcome::Result(before), Outcome::Result(after)) => {
                let (before, after) = (before.span.of(body), after.span.of(spliced));
                let inside = |object: &'_ [u8]| object[1..].trim_ascii_start().to_vec();
                if result_type == ResultType::Complete {
                    let rest = inside(after);
                    let rest = rest
                        .strip_prefix(b"\"resultType\":\"complete\"")
                        .expect("it has its type")
                        .trim_ascii_start();
                    let rest = rest.strip_prefix(b",").unwrap_or(rest);
                    assert!(may_be_typed(before) || rest == inside(before));
                } else if result_type == ResultType::Keep || !may_be_typed(before) {
                    assert_eq!(before, after);
                }
            }
            (Outcome::Error(before), Outcome::Error(after)) => {
                assert_eq!(before.span.of(body), after.span.of(spliced));
            }
            _ => panic!("a result stays a result, and an error an error"),
        }
    }
});
