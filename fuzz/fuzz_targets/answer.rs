//! Answers of servers while they stream: the first line says how they are cut, and how they are cut changes nothing.

#![no_main]

use bytes::Bytes;
use gatewright_fuzz::{first_line, pieces};
use gatewright_mcp::{
    bridge_splice::{Changes, SpliceError, Splicer},
    envelope::{Limits, Message, Outcome, parse},
};
use libfuzzer_sys::fuzz_target;

const OURS: &str = "17";
const THEIRS: &str = "\"client\"";

fn splice(body: &[u8], cuts: &[u8], result_type: bool) -> Result<Vec<u8>, SpliceError> {
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

fuzz_target!(|data: &[u8]| {
    let Some((cuts, body)) = first_line(data) else {
        return;
    };
    for result_type in [false, true] {
        let whole = splice(body, &[], result_type);
        assert_eq!(splice(body, cuts.as_bytes(), result_type), whole);
        assert_eq!(splice(body, &[0], result_type), whole, "byte by byte");
        let (Ok(spliced), Ok(Message::Response(response))) = (&whole, parse(body, &Limits::default())) else {
            continue;
        };
        let Ok(Message::Response(told)) = parse(spliced, &Limits::default()) else {
            panic!("an answer stays an answer: {}", String::from_utf8_lossy(spliced));
        };
        if response.id.is_some() {
            assert_eq!(told.id.map(|id| id.raw), Some(THEIRS));
        }
        match (&response.outcome, &told.outcome) {
            (Outcome::Result(before), Outcome::Result(after)) => {
                let (before, after) = (before.span.of(body), after.span.of(spliced));
                if result_type {
                    let inside = |object: &'_ [u8]| object[1..].trim_ascii_start().to_vec();
                    let rest = inside(after);
                    let rest = rest
                        .strip_prefix(b"\"resultType\":\"complete\"")
                        .expect("it has its type");
                    assert_eq!(rest.strip_prefix(b",").unwrap_or(rest), inside(before));
                } else {
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
