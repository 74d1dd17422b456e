//! How a trial ended, read from the answer while it comes.

use bytes::Bytes;
use gatewright_mcp::sse::Decoder;
use http::{Response, header::CONTENT_TYPE};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{
    Heard, PATIENCE, REPORTS_MAX,
    report::{self, Report},
};
use crate::resource_server::Answer;

/// An answer is shown to a person whole or not at all.
const ANSWER_MAX: usize = 4 * 1024 * 1024;
/// Bytes of an answer and of all that is reported before it.
const STREAM_MAX: usize = 4 * ANSWER_MAX;

/// How a call ended.
#[derive(Debug)]
pub enum Outcome {
    /// The result as the server wrote it; the tool itself may have failed, or asks for input.
    Result(Box<RawValue>),
    /// An error of JSON-RPC, by the server or by the gateway.
    Error {
        /// Its code.
        code: i64,
        /// Its message.
        message: String,
    },
    /// Nothing was heard for [`PATIENCE`], or no answer came within [`LONGEST`](super::LONGEST).
    Late,
    /// An answer too large to be shown.
    TooLarge,
    /// An answer that broke off.
    Broken,
}

#[derive(Deserialize)]
struct Message {
    result: Option<Box<RawValue>>,
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    code: i64,
    message: String,
}

/// What was read of an answer.
struct Reading<'a> {
    /// Of an answer that is a stream of events.
    events: Option<Decoder>,
    /// Of one that is not.
    text: Vec<u8>,
    bytes: usize,
    outcome: Option<Outcome>,
    reports: Vec<Report>,
    heard: Heard<'a>,
}

/// The outcome, and the first [`REPORTS_MAX`] of what was reported before it. Each report is heard as it comes, and starts the
/// patience again; `end` is the end of it.
pub(super) async fn read(
    response: Response<Answer>,
    end: Instant,
    heard: Heard<'_>,
) -> (Outcome, Vec<Report>) {
    let (parts, mut body) = response.into_parts();
    let kind = parts.headers.get(CONTENT_TYPE);
    let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let mut reading = Reading {
        events: is_stream.then(|| Decoder::new(ANSWER_MAX)),
        text: Vec::new(),
        bytes: 0,
        outcome: None,
        reports: Vec::new(),
        heard,
    };
    let mut patience = Instant::now() + PATIENCE;
    let ended = loop {
        match tokio::time::timeout_at(patience.min(end), body.frame()).await {
            Err(_) => break Some(Outcome::Late),
            Ok(None) => break None,
            Ok(Some(Err(_))) => break Some(Outcome::Broken),
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                match reading.take(data) {
                    Ok(false) => {}
                    // A sign of life of ours is none of the server.
                    Ok(true) => patience = Instant::now() + PATIENCE,
                    Err(over) => break Some(over),
                }
            }
        }
    };
    reading.end(ended)
}

impl Reading<'_> {
    /// Reads on; whether the server reported something.
    fn take(&mut self, data: Bytes) -> Result<bool, Outcome> {
        self.bytes += data.len();
        let Some(decoder) = &mut self.events else {
            self.text.extend_from_slice(&data);
            return if self.text.len() > ANSWER_MAX {
                Err(Outcome::TooLarge)
            } else {
                Ok(false)
            };
        };
        if self.bytes > STREAM_MAX {
            return Err(Outcome::TooLarge);
        }
        decoder.push(data);
        let mut has_reported = false;
        while let Some(event) = decoder.next_event().map_err(|_| Outcome::TooLarge)? {
            if let Some(report) = report::read(&event.data) {
                has_reported = true;
                (self.heard)(&report);
                if self.reports.len() < REPORTS_MAX {
                    self.reports.push(report);
                }
            } else if let Some(outcome) = answer(&event.data) {
                self.outcome = Some(outcome);
            }
        }
        Ok(has_reported)
    }

    /// What came of it: what answered, or else why it ended.
    fn end(self, ended: Option<Outcome>) -> (Outcome, Vec<Report>) {
        let answered = self
            .outcome
            .or_else(|| answer(&self.text).filter(|_| ended.is_none()));
        let outcome = answered.or(ended).unwrap_or(Outcome::Broken);
        (outcome, self.reports)
    }
}

/// The outcome in a message that answers.
fn answer(message: &[u8]) -> Option<Outcome> {
    match serde_json::from_slice::<Message>(message).ok()? {
        Message {
            result: Some(result), ..
        } => Some(Outcome::Result(result)),
        Message {
            error: Some(RpcError { code, message }),
            ..
        } => Some(Outcome::Error { code, message }),
        Message { .. } => None,
    }
}
