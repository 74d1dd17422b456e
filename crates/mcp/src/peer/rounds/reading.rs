//! The contents of the messages of a round.

use bytes::Bytes;

use crate::wire::{
    envelope::{self, Limits, Message, Outcome},
    id::RequestId,
    input_required::{InputRequest, input_requests},
    jsonrpc,
    question::Question,
    scan::{self, Span},
    splice::Splice,
};

/// What an answer asks for: requests to the client, and the state of the server as JSON text.
pub(super) fn asked_for(answer: &Bytes) -> Option<(Vec<InputRequest>, Option<Vec<u8>>)> {
    let Ok(Message::Response(response)) = envelope::parse(answer, &Limits::default()) else {
        return None;
    };
    let Outcome::Result(result) = response.outcome else {
        return None;
    };
    let requests = match result.input_requests {
        Some(object) => input_requests(answer, object).ok()?,
        None => Vec::new(),
    };
    let state = result.request_state.map(|state| state.span.of(answer).to_vec());
    Some((requests, state))
}

/// One of the requests as a client with a session knows it. The id of a URL elicitation is needed there (2025-11-25
/// client/elicitation, "URL Mode Elicitation Requests").
pub(super) fn as_request(answer: &Bytes, request: &InputRequest, question: Question, id: &str) -> Bytes {
    let params = request
        .params
        .map(|params| answer.slice(params.start..params.end));
    let params = params.map(|params| {
        let object = Span::new(0, params.len());
        let has_id = scan::pick(&params, object, ["elicitationId"]).is_ok_and(|[id]| id.is_some());
        if question != Question::Url || has_id {
            return params;
        }
        let mut splice = Splice::new(&params);
        splice.set_member(object, "elicitationId", id.as_bytes());
        splice.finish().unwrap_or_else(|_| params.clone())
    });
    let ours = RequestId::from_json(id).unwrap_or(RequestId::Integer(0));
    jsonrpc::write_request(&ours, &request.method, params.as_deref())
}

/// Where the result of a client's answer is, or the message of its error.
pub(super) fn result_of(answer: &Bytes) -> Result<Span, String> {
    match envelope::parse(answer, &Limits::default()) {
        Ok(Message::Response(response)) => match response.outcome {
            Outcome::Result(result) => Ok(result.span),
            Outcome::Error(error) => {
                let message = error
                    .message
                    .map_or_else(String::new, |text| text.value.into_owned());
                Err(if message.is_empty() {
                    format!("error {}", error.code.0)
                } else {
                    message
                })
            }
        },
        Ok(Message::Request(_) | Message::Notification(_)) | Err(_) => {
            Err("its answer cannot be read".to_owned())
        }
    }
}
