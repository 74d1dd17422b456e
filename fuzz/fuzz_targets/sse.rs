//! Server-Sent Events: the first line says how the stream is cut, which changes nothing; and what is written is read
//! back as one event.

#![no_main]

use bytes::Bytes;
use gatewright_fuzz::{first_line, pieces};
use gatewright_mcp::sse::{Decoder, Event, SseError, encode};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 4_096;

fn decode(stream: &[u8], cuts: &[u8]) -> (Vec<Event>, Option<SseError>, bool) {
    let mut decoder = Decoder::new(LIMIT);
    let mut events = Vec::new();
    for piece in pieces(stream, cuts) {
        decoder.push(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => {
                    assert!(event.data.len() <= LIMIT);
                    events.push(event);
                }
                Ok(None) => break,
                Err(error) => return (events, Some(error), false),
            }
        }
        assert!(decoder.buffered() <= LIMIT, "what is held is bounded");
    }
    let mid_event = decoder.is_mid_event();
    (events, None, mid_event)
}

fuzz_target!(|data: &[u8]| {
    let Some((cuts, stream)) = first_line(data) else {
        return;
    };
    let (whole, error, mid_event) = decode(stream, &[]);
    for cuts in [cuts.as_bytes(), &[0]] {
        let (cut, cut_error, cut_mid_event) = decode(stream, cuts);
        assert_eq!(cut_error, error);
        assert_eq!(cut, whole);
        assert_eq!(cut_mid_event, mid_event);
    }
    for event in &whole {
        let name = event
            .event
            .as_deref()
            .and_then(|name| std::str::from_utf8(name).ok());
        let id = event.id.as_deref().and_then(|id| std::str::from_utf8(id).ok());
        let Ok(written) = encode(name, id, &event.data) else {
            assert!(
                name.is_some_and(|name| name.contains('\0')),
                "only NUL can be read and not written"
            );
            continue;
        };
        let (again, error, rest) = decode(&written, &[]);
        let size = event.data.len() + name.map_or(0, str::len) + id.map_or(0, str::len);
        assert!((again.len() == 1 && error.is_none() && !rest) || size > LIMIT - 64);
        if let [again] = &again[..] {
            assert_eq!(again.data, event.data);
        }
    }
    // Whatever the data holds, it is one event.
    let text = &stream[..stream.len().min(1_000)];
    let (events, error, rest) = decode(&encode(Some("message"), None, text).expect("safe"), &[]);
    assert!(events.len() == 1 && error.is_none() && !rest);
});
