//! Streams read in any cut, and events that stay one event.

use proptest::prelude::*;

use super::*;

fn decode(chunks: &[&[u8]], limit: usize) -> Result<Vec<Event>, SseError> {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(event) = decoder.next_event()? {
            events.push(event);
        }
    }
    Ok(events)
}

fn data_of(stream: &[u8]) -> Vec<String> {
    let events = decode(&[stream], 1_000).expect("within the limit");
    events
        .into_iter()
        .map(|event| String::from_utf8(event.data.to_vec()).expect("UTF-8"))
        .collect()
}

#[test]
fn reads_the_examples_of_the_standard() {
    assert_eq!(data_of(b"data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
    assert_eq!(
        data_of(
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n"
        ),
        ["first event", "second event"]
    );
    assert_eq!(data_of(b"data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
    assert_eq!(data_of(b"data:test\n\ndata: test\n\n"), ["test", "test"]);
    assert_eq!(
        data_of(b"\xef\xbb\xbfdata: a\r\rdata: b\r\n\r\ndata: c\n\n\n\n"),
        ["a", "b", "c"]
    );
    assert_eq!(
        data_of(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n"),
        Vec::<String>::new()
    );
    assert_eq!(
        data_of(b"Data: a\ndata : b\nid: 1\nevent: x\n\n"),
        Vec::<String>::new()
    );
}

#[test]
fn reads_the_other_fields() {
    let stream = b"id: 7\nretry: 1500\nevent: message\ndata: {}\n\nid: a\0b\nretry: 1x\ndata: 1\n\nid\nevent:\ndata: 2\n\n";
    let events = decode(&[stream], 1_000).expect("within the limit");
    assert_eq!(events[0].event.as_deref(), Some(&b"message"[..]));
    assert_eq!(events[0].id.as_deref(), Some(&b"7"[..]));
    assert_eq!(events[0].retry, Some(Duration::from_millis(1_500)));
    assert_eq!(
        events[1],
        Event {
            event: None,
            data: "1".into(),
            id: Some("7".into()),
            retry: None
        }
    );
    assert_eq!(
        events[2],
        Event {
            event: None,
            data: "2".into(),
            id: None,
            retry: None
        }
    );
}

#[test]
fn an_id_without_data_still_counts() {
    let mut decoder = Decoder::new(100);
    decoder.push(Bytes::from_static(b"id: 9\n\n"));
    assert_eq!(decoder.next_event(), Ok(None));
    assert_eq!(decoder.last_event_id(), Some(&Bytes::from_static(b"9")));
    assert!(!decoder.is_mid_event());
    decoder.push(Bytes::from_static(b"data: x\n"));
    assert_eq!(decoder.next_event(), Ok(None));
    assert!(decoder.is_mid_event());
}

#[test]
fn a_reconnection_begins_after_the_last_whole_event() {
    let mut decoder = Decoder::new(100);
    decoder.push(Bytes::from_static(
        b"id: 1\nretry: 50\ndata: x\n\nid: 2\ndata: broken of",
    ));
    assert!(decoder.next_event().unwrap().is_some());
    assert_eq!(decoder.next_event(), Ok(None));
    let mut decoder = decoder.reconnected();
    assert_eq!(decoder.last_event_id(), Some(&Bytes::from_static(b"1")));
    assert_eq!(decoder.reconnection_time(), Some(Duration::from_millis(50)));
    assert!(!decoder.is_mid_event());
    // The id stays until the new connection brings another.
    decoder.push(Bytes::from_static(b"data: y\n\n"));
    assert_eq!(decoder.next_event().unwrap().unwrap().id, Some("1".into()));
    assert_eq!(decoder.last_event_id(), Some(&Bytes::from_static(b"1")));
}

#[test]
fn events_are_bounded_and_streams_are_not() {
    assert_eq!(decode(&[b"data: 1234\n\n"], 10).map(|events| events.len()), Ok(1));
    assert_eq!(decode(&[b"data: 12345\n\n"], 10), Err(SseError::TooLarge(10)));
    assert_eq!(
        decode(&[b"data: 123", b"456789"], 10),
        Err(SseError::TooLarge(10))
    );
    assert_eq!(
        decode(&[b": never ending com", b"ment"], 10),
        Err(SseError::TooLarge(10))
    );
    let lines = b"data: 1\n".repeat(20);
    assert_eq!(decode(&[&lines], 10), Err(SseError::TooLarge(10)));
    let many = b"data: 1\n\n: c\n".repeat(1_000);
    assert_eq!(decode(&[&many], 10).map(|events| events.len()), Ok(1_000));
    let mut decoder = Decoder::new(3);
    decoder.push(Bytes::from_static(b"data: 1\n\ndata: 2\n\n"));
    assert!(decoder.next_event().is_err());
    assert!(decoder.next_event().is_err());
}

#[test]
fn data_within_a_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"data: {\"a\":1}\n\n");
    let mut decoder = Decoder::new(100);
    decoder.push(chunk.clone());
    let event = decoder.next_event().expect("within the limit").expect("an event");
    assert_eq!(event.data.as_ptr(), chunk[6..].as_ptr());
}

#[test]
fn nothing_in_an_event_makes_another() {
    for bad in ["a\nb", "a\rb", "a\0b"] {
        assert_eq!(encode(Some(bad), None, b""), Err(EncodeError::Unsafe("event")));
        assert_eq!(encode(None, Some(bad), b""), Err(EncodeError::Unsafe("id")));
    }
    let bytes = encode(
        Some("message"),
        Some("1"),
        b"{\r\n\"a\":\r1}\n\ndata: x\n\nevent: y",
    )
    .expect("safe");
    let events = decode(&[&bytes], 1_000).expect("within the limit");
    assert_eq!(events.len(), 1);
    assert_eq!(&events[0].data[..], b"{\n\"a\":\n1}\n\ndata: x\n\nevent: y");
    assert_eq!(
        decode(&[KEEP_ALIVE, &encode_message(b"{}"), KEEP_ALIVE], 100).map(|events| events.len()),
        Ok(1)
    );
}

#[test]
fn after_an_event_that_is_too_large_nothing_is_kept() {
    let mut decoder = Decoder::new(10);
    for _ in 0..100 {
        decoder.push(Bytes::from_static(b"xxxxxxxxxxxxxxxxxxxx"));
        assert_eq!(decoder.next_event(), Err(SseError::TooLarge(10)));
    }
    assert!(decoder.buffered() <= 20, "{}", decoder.buffered());
}

#[test]
fn messages_that_came_together_come_out_one_by_one() {
    let stream: &[u8] = b"id: 7\ndata: [ {\"a\":1},\ndata: {\"b\":2} ]\n\ndata: {\"c\":3}\n\n";
    let events = decode(&[stream], 100).expect("within the limit");
    let data: Vec<_> = events.iter().map(|event| &event.data[..]).collect();
    assert_eq!(data, [&br#"{"a":1}"#[..], br#"{"b":2}"#, br#"{"c":3}"#]);
    assert!(events.iter().all(|event| event.id.as_deref() == Some(b"7")));
    // What is not a batch, and one of too many messages, is passed on whole, and is not a message.
    let many = format!("data: [{}1]\n\n", "1,".repeat(2_000));
    for odd in ["data: []\n\n", "data: [1\n\n", "data: [x\n\n", &many] {
        let events = decode(&[odd.as_bytes()], 10_000).expect("within the limit");
        assert_eq!(events.len(), 1, "{odd}");
    }
}

/// Whether a text is not split into several messages.
fn is_one(text: &String) -> bool {
    let text = Bytes::copy_from_slice(text.as_bytes());
    crate::wire::batch::split(&text, usize::MAX).is_err()
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_however_it_is_cut(
        messages in proptest::collection::vec("[^\r\u{0}]{0,20}".prop_filter("one message", is_one), 0..5),
        cuts in proptest::collection::vec(1_usize..7, 1..8),
    ) {
        let mut stream = Vec::new();
        for message in &messages {
            stream.extend_from_slice(&encode_message(message.as_bytes()));
        }
        let mut chunks = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (chunk, others) = rest.split_at((*cut).min(rest.len()));
            chunks.push(chunk);
            rest = others;
        }
        let events = decode(&chunks, 10_000).expect("within the limit");
        let decoded: Vec<_> = events.iter().map(|event| event.data.to_vec()).collect();
        let expected: Vec<_> = messages.iter().map(|message| message.clone().into_bytes()).collect();
        prop_assert_eq!(decoded, expected);
    }

    #[test]
    fn any_bytes_yield_the_same_events_however_they_are_cut(stream in "[data:eventidry\r\n 0-9\u{0}\u{feff}]{0,60}", cut in 1_usize..9) {
        let whole = decode(&[stream.as_bytes()], 10_000);
        let chunks: Vec<_> = stream.as_bytes().chunks(cut).collect();
        prop_assert_eq!(decode(&chunks, 10_000), whole);
    }

    #[test]
    fn never_panics(stream in proptest::collection::vec(any::<u8>(), 0..200), limit in 0_usize..50) {
        let _ = decode(&[&stream], limit);
        let _ = encode_message(&stream);
    }
}
