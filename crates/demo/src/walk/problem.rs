//! The message of a failed step.

use bytes::Bytes;
use http::{Response, header};
use serde_json::Value;

use crate::loopback::LoopbackError;

/// The longest quote of a response, in characters.
const QUOTED: usize = 300;

/// Why the walkthrough ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step}: expected {expected}, but {came}. {remedy}")]
pub struct Problem {
    /// The step that failed.
    pub step: &'static str,
    /// What was expected.
    pub expected: String,
    /// What came instead.
    pub came: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    pub(super) fn new(step: &'static str, mismatch: Mismatch) -> Self {
        Self {
            step,
            expected: mismatch.expected,
            came: mismatch.came,
            remedy: mismatch.remedy,
        }
    }
}

/// What a step expected, and what came instead.
#[derive(Debug)]
pub(super) struct Mismatch {
    expected: String,
    came: String,
    remedy: String,
}

impl Mismatch {
    pub(super) fn new(
        expected: impl Into<String>,
        came: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            expected: expected.into(),
            came: came.into(),
            remedy: remedy.into(),
        }
    }

    /// An HTTP response of another kind.
    pub(super) fn answer(expected: impl Into<String>, answer: &Response<Bytes>, remedy: &str) -> Self {
        Self::new(expected, describe(answer), remedy)
    }
}

impl From<LoopbackError> for Mismatch {
    fn from(error: LoopbackError) -> Self {
        Self::new(
            "a response",
            error.to_string(),
            "Check that the process that should respond there is still running.",
        )
    }
}

/// A response in a sentence: its status, and what it says about itself.
fn describe(answer: &Response<Bytes>) -> String {
    let text = String::from_utf8_lossy(answer.body());
    let kind = answer.headers().get(header::CONTENT_TYPE);
    let is_html = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let said = if is_html {
        let parts = [between(&text, "<h1>", "</h1>"), between(&text, "<p>", "</p>")];
        parts.map(|part| part.map(plain).unwrap_or_default()).join(": ")
    } else {
        said_in_json(&text).unwrap_or_else(|| text.trim().to_owned())
    };
    let said: String = said.chars().take(QUOTED).collect();
    // A full stop follows anyway.
    let said = said.trim_end_matches('.');
    if said.is_empty() {
        format!("the response was {} without an explanation", answer.status())
    } else {
        format!("the response was {}: {said}", answer.status())
    }
}

/// The words of an OAuth, problem+json or JSON-RPC error.
fn said_in_json(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let words = [
        &value["error"],
        &value["error_description"],
        &value["title"],
        &value["detail"],
        &value["error"]["message"],
    ];
    let words: Vec<&str> = words.into_iter().filter_map(Value::as_str).collect();
    (!words.is_empty()).then(|| words.join(": "))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

/// Text without tags.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for character in html.chars() {
        match character {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => text.push(character),
            _ => {}
        }
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: &str, body: &'static str) -> String {
        let answer = Response::builder()
            .status(400)
            .header(header::CONTENT_TYPE, kind)
            .body(Bytes::from_static(body.as_bytes()));
        describe(&answer.unwrap())
    }

    #[test]
    fn a_response_is_described_in_its_own_words() {
        assert_eq!(
            answer(
                "application/json",
                r#"{"error":"invalid_grant","error_description":"Used."}"#
            ),
            "the response was 400 Bad Request: invalid_grant: Used"
        );
        assert_eq!(
            answer(
                "text/html; charset=utf-8",
                "<h1>No</h1><p>Because <bdi>x</bdi>.</p>"
            ),
            "the response was 400 Bad Request: No: Because x"
        );
        assert_eq!(
            answer("text/plain", ""),
            "the response was 400 Bad Request without an explanation"
        );
    }
}
