//! Requests that take several rounds (2026-07-28 basic/patterns/mrtr): what a server asks for in the place of a result, and
//! the same request sent again with what the client answered.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{
    envelope::Request,
    json::json_string,
    question::Question,
    scan::{self, Kind, ScanError, Span, decode_string, each_member},
    splice::{Splice, SpliceError},
};

/// The members of `params` that differ between the rounds of one request.
const OF_ONE_ROUND: [&str; 3] = ["inputResponses", "requestState", "_meta"];

/// One of the `inputRequests` of a server. Spans are those of the message that contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputRequest {
    /// Its key, quoted and escaped as written.
    pub(crate) key: Span,
    /// Its method.
    pub(crate) method: String,
    /// Its `params` object.
    pub(crate) params: Option<Span>,
    /// What it asks; `None` if clients do not know such a request.
    pub(crate) question: Option<Question>,
}

/// The requests in an `inputRequests` object, in their order.
pub(crate) fn input_requests(body: &[u8], object: Span) -> Result<Vec<InputRequest>, ScanError> {
    let mut requests = Vec::new();
    for member in each_member(body, object) {
        let member = member?;
        if member.kind != Kind::Object {
            continue;
        }
        let [method, params] = scan::pick(body, member.value, ["method", "params"])?;
        let method = method
            .filter(|method| method.kind == Kind::String)
            .and_then(|method| decode_string(method.value.of(body)))
            .unwrap_or_default()
            .into_owned();
        let params = params.filter(|params| params.kind == Kind::Object);
        let params = params.map(|params| params.value);
        requests.push(InputRequest {
            key: member.name,
            question: Question::read(&method, body, params),
            method,
            params,
        });
    }
    Ok(requests)
}

/// A message with the result that asks for one input: `request` is the text of the request's members, without braces.
pub(crate) fn write_input_required(id: &[u8], key: &str, request: &[u8], state: &str) -> Bytes {
    let (key, state) = (json_string(key), json_string(state));
    [
        br#"{"jsonrpc":"2.0","id":"#,
        id,
        br#","result":{"resultType":"input_required","inputRequests":{"#,
        key.as_bytes(),
        b":{",
        request,
        br#"}},"requestState":"#,
        state.as_bytes(),
        b"}}",
    ]
    .concat()
    .into()
}

/// `method` and `params` of a request as they were written, as members without braces.
pub(crate) fn members_of(request: &Request<'_>) -> Vec<u8> {
    let method = request.method.span.of(request.body);
    let mut members = [b"\"method\":", method].concat();
    if let Some(params) = &request.params {
        members.extend_from_slice(b",\"params\":");
        members.extend_from_slice(params.span.of(request.body));
    }
    members
}

/// A request as it is sent again: under another ID, which is also its progress token if it has one, with the text of its
/// `inputResponses` and with the server's own state, JSON text.
pub(crate) fn write_again(
    request: &Request<'_>,
    id: &Bytes,
    responses: Option<&[u8]>,
    state: Option<&[u8]>,
) -> Result<Bytes, SpliceError> {
    let mut splice = Splice::new(request.body);
    splice.replace(request.id.span, id.to_vec());
    if let Some(params) = &request.params {
        if let Some(token) = params.meta.as_ref().and_then(|meta| meta.progress_token) {
            splice.replace(token.span, id.to_vec());
        }
        for (name, value) in [("inputResponses", responses), ("requestState", state)] {
            match value {
                Some(value) => splice.set_member(params.span, name, value.to_vec()),
                None => splice.remove_member(params.span, name),
            };
        }
    }
    splice.finish()
}

/// SHA-256 of what a request asks for, without what differs between its rounds: the method and the other members of
/// `params`, however they are ordered and spaced.
pub(crate) fn digest(request: &Request<'_>) -> [u8; 32] {
    let body = request.body;
    let mut members: Vec<(String, Span)> = Vec::new();
    if let Some(params) = &request.params {
        for member in each_member(body, params.span).map_while(Result::ok) {
            let name = decode_string(member.name.of(body)).unwrap_or_default();
            if !OF_ONE_ROUND.contains(&&*name) {
                members.push((name.into_owned(), member.value));
            }
        }
    }
    members.sort();
    let mut digest = Sha256::new();
    let mut update = |part: &[u8]| {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    };
    update(request.method.value.as_bytes());
    for (name, value) in members {
        update(name.as_bytes());
        update(&without_spaces(value.of(body)));
    }
    digest.finalize().into()
}

/// JSON text without the white space between its parts.
fn without_spaces(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for &byte in text {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' if !in_string => continue,
            b'"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && byte == b'\\' && !escaped;
        kept.push(byte);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::envelope::{Limits, Message, parse};

    fn read<T>(body: &str, then: impl FnOnce(&Request<'_>) -> T) -> T {
        match parse(body.as_bytes(), &Limits::default()).unwrap() {
            Message::Request(request) => then(&request),
            other => panic!("no request: {other:?}"),
        }
    }

    fn digest_of(params: &str) -> [u8; 32] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        read(&body, digest)
    }

    #[test]
    fn a_digest_is_of_what_a_request_asks_for_in_whatever_order_and_round() {
        let first = digest_of(r#"{"name":"t","arguments":{"a":" x \" y "},"_meta":{"progressToken":1}}"#);
        for same in [
            r#"{"arguments": { "a" : " x \" y " }, "name":"t"}"#,
            r#"{"name":"t","arguments":{"a":" x \" y "},"inputResponses":{"k":{}},"requestState":"s"}"#,
        ] {
            assert_eq!(digest_of(same), first, "{same}");
        }
        for other in [
            r#"{"name":"u","arguments":{"a":" x \" y "}}"#,
            r#"{"name":"t","arguments":{"a":"x \" y "}}"#,
            r#"{"name":"t","arguments":{"a":" x \" y "},"task":{}}"#,
            r#"{"name":"t"}"#,
        ] {
            assert_ne!(digest_of(other), first, "{other}");
        }
    }

    #[test]
    fn a_request_is_sent_again_with_the_answers_and_everything_else_as_it_was() {
        let body = r#"{"jsonrpc":"2.0","id":"a", "method":"tools/call","params":{"name":"t","arguments":{"n":1.50e+3},"requestState":"old","_meta":{"progressToken":"p","x":1}}}"#;
        let id = Bytes::from_static(b"\"again-1\"");
        let again = read(body, |request| {
            write_again(
                request,
                &id,
                Some(br#"{"k":{"action":"accept"}}"#),
                Some(b"\"new\""),
            )
            .unwrap()
        });
        assert_eq!(
            again,
            r#"{"jsonrpc":"2.0","id":"again-1", "method":"tools/call","params":{"inputResponses":{"k":{"action":"accept"}},"name":"t","arguments":{"n":1.50e+3},"requestState":"new","_meta":{"progressToken":"again-1","x":1}}}"#
        );
        let again = read(body, |request| write_again(request, &id, None, None).unwrap());
        assert_eq!(
            again,
            r#"{"jsonrpc":"2.0","id":"again-1", "method":"tools/call","params":{"name":"t","arguments":{"n":1.50e+3},"_meta":{"progressToken":"again-1","x":1}}}"#
        );
    }

    #[test]
    fn input_requests_are_read_in_their_order_with_what_they_ask() {
        let body = r#"{"b":{"method":"roots/list"},"a\"":{"params":{"mode":"url"},"method":"elicitation/create"},"c":1,"d":{"method":"tools/call"}}"#;
        let requests = input_requests(body.as_bytes(), Span::new(0, body.len())).unwrap();
        let read: Vec<_> = requests
            .iter()
            .map(|request| {
                let key = std::str::from_utf8(request.key.of(body.as_bytes())).unwrap();
                (key, &*request.method, request.question)
            })
            .collect();
        assert_eq!(
            read,
            [
                (r#""b""#, "roots/list", Some(Question::Roots)),
                (r#""a\"""#, "elicitation/create", Some(Question::Url)),
                (r#""d""#, "tools/call", None),
            ]
        );
    }

    #[test]
    fn a_question_of_a_server_becomes_a_result_with_its_bytes() {
        let question =
            r#"{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{ "message":"\u0041?" }}"#;
        let message = read(question, |request| {
            write_input_required(b"\"c\"", "ask", &members_of(request), "sealed")
        });
        assert_eq!(
            message,
            r#"{"jsonrpc":"2.0","id":"c","result":{"resultType":"input_required","inputRequests":{"ask":{"method":"elicitation/create","params":{ "message":"\u0041?" }}},"requestState":"sealed"}}"#
        );
    }
}
