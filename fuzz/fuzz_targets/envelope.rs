//! JSON-RPC messages: another reader reads the same, and edits change only what they name.

#![no_main]

use std::borrow::Cow;

use gatewright_fuzz::{around, is_json};
use gatewright_mcp::{
    envelope::{Limits, MAX_ID_BYTES, Message, Params, parse},
    headers,
    id::RequestId,
    scan::{Span, each_member},
    splice::Splice,
    version::ProtocolVersion,
};
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, value::RawValue};

/// The members of an object as they were written; of one that appears twice, the last.
fn members(body: &[u8]) -> std::collections::BTreeMap<String, Box<RawValue>> {
    serde_json::from_slice(body).unwrap_or_default()
}

/// What the other reader says of a message must be what ours says.
fn read_alike(body: &[u8], method: Option<&str>, id: Option<&str>) {
    // A lone surrogate is fine with ours, which never decodes what it does not use.
    let Ok(Value::Object(message)) = serde_json::from_slice(body) else {
        return;
    };
    assert_eq!(message.get("jsonrpc"), Some(&Value::from("2.0")));
    assert_eq!(message.get("method").and_then(Value::as_str), method);
    let theirs = message
        .get("id")
        .filter(|id| !id.is_null())
        .map(|id| match id.as_f64() {
            // The other reader takes `-0` for a fraction.
            Some(0.0) => Some(RequestId::Integer(0)),
            _ => RequestId::from_json(&id.to_string()),
        });
    assert_eq!(theirs, id.map(RequestId::from_json));
}

fn in_bounds(body: &[u8], span: Span) {
    assert!(span.start <= span.end && span.end <= body.len());
}

fn edits(body: &[u8], object: Span, id: Option<Span>, params: Option<&Params<'_>>) {
    let untouched = Splice::new(body).finish().expect("no edit fits every body");
    assert_eq!(untouched, body);

    if let Some(id) = id {
        let mut splice = Splice::new(body);
        splice.replace(id, &b"\"gw-1\""[..]);
        let changed = splice.finish().expect("an id lies in its body");
        let (before, after) = around(body, id.start..id.end);
        assert!(changed.starts_with(before) && changed.ends_with(after));
        assert_eq!(changed.len(), before.len() + 6 + after.len());
        let Ok(Message::Request(request)) = parse(&changed, &Limits::default()) else {
            panic!("a request with another id is a request");
        };
        assert_eq!(request.id.raw, "\"gw-1\"");
    }

    let mut splice = Splice::new(body);
    let edit = (Cow::Borrowed("progressToken"), Some(Cow::Borrowed(&b"7"[..])));
    splice.edit_meta(object, params, [edit]);
    let changed = splice.finish().expect("members can be set in an object");
    assert_ne!(is_json(&changed), Some(false));
    match parse(&changed, &Limits::default()) {
        Ok(Message::Request(request)) => {
            assert_eq!(
                request
                    .meta()
                    .and_then(|meta| meta.progress_token)
                    .map(|token| token.raw),
                Some("7")
            );
        }
        Ok(Message::Notification(_)) => {}
        other => panic!("still the same kind of message, at most deeper than is allowed: {other:?}"),
    }
    let (before, after) = (members(object.of(body)), members(&changed));
    for (name, value) in before.iter().filter(|(name, _)| *name != "params") {
        assert_eq!(
            after.get(name).map(|value| value.get()),
            Some(value.get()),
            "{name}"
        );
    }
    if let (Some(params), Some(now)) = (params, after.get("params")) {
        let now = members(now.get().as_bytes());
        for (name, value) in members(params.span.of(body))
            .iter()
            .filter(|(name, _)| *name != "_meta")
        {
            assert_eq!(
                now.get(name).map(|value| value.get()),
                Some(value.get()),
                "{name}"
            );
        }
    }
}

fuzz_target!(|body: &[u8]| {
    let message = match parse(body, &Limits::default()) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.id.is_none_or(|id| id.to_json().len() <= 6 * MAX_ID_BYTES));
            return;
        }
    };
    assert_ne!(is_json(body), Some(false), "what is accepted is JSON");
    match message {
        Message::Request(request) => {
            assert!(request.id.raw.len() <= MAX_ID_BYTES);
            assert_eq!(
                RequestId::from_json(&request.id.to_owned().to_json()),
                Some(request.id.to_owned())
            );
            read_alike(body, Some(&request.method.value), Some(request.id.raw));
            for member in each_member(body, request.object) {
                let member = member.expect("it was read before");
                in_bounds(body, member.name);
                in_bounds(body, member.value);
            }
            edits(
                body,
                request.object,
                Some(request.id.span),
                request.params.as_ref(),
            );
            // What is written from a message agrees with it. Methods that mirror nothing can have any name, of any characters.
            if let Some(source) = headers::NameSource::of(&request.method.value) {
                let name = request.params.as_ref().and_then(|params| match source {
                    headers::NameSource::Name => params.name.as_ref(),
                    headers::NameSource::Uri => params.uri.as_ref(),
                });
                let mut map = HeaderMap::new();
                let version = ProtocolVersion::negotiate_initialize("2026-07-28");
                let name = name.map(|name| &*name.value);
                headers::write(&mut map, version, &request.method.value, name);
                assert_eq!(headers::check(&map, &request), Ok(()));
            }
        }
        Message::Notification(notification) => {
            read_alike(body, Some(&notification.method.value), None);
            edits(body, notification.object, None, notification.params.as_ref());
        }
        Message::Response(response) => read_alike(body, None, response.id.map(|id| id.raw)),
    }
});
