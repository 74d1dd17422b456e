//! Batches: JSON-RPC messages in an array. Only 2025-03-26 has them (2025-03-26 basic, "Batching").

use bytes::Bytes;

use super::scan::{ScanError, Span, each_element};

/// Why a text was not split into messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSplit {
    /// It is not JSON.
    #[error("{0}; send an array of JSON-RPC messages as UTF-8 JSON")]
    Scan(#[from] ScanError),
    /// There are none.
    #[error("the batch is empty; send at least one message")]
    Empty,
    /// There are more than allowed.
    #[error("the batch has more than {0} messages; send fewer of them at a time")]
    TooMany(usize),
}

/// Whether a text that is one JSON value is a batch.
pub(crate) fn is_batch(text: &[u8]) -> bool {
    text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// The messages of a batch, at most `max`, not parsed yet. They share the memory of the whole.
pub(crate) fn split(text: &Bytes, max: usize) -> Result<Vec<Bytes>, NotSplit> {
    let mut messages = Vec::new();
    for element in each_element(text, Span::new(0, text.len())) {
        let (span, _) = element?;
        if messages.len() == max {
            return Err(NotSplit::TooMany(max));
        }
        messages.push(text.slice(span.start..span.end));
    }
    if messages.is_empty() {
        return Err(NotSplit::Empty);
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_text(text: &'static str, max: usize) -> Result<Vec<Bytes>, NotSplit> {
        split(&Bytes::from_static(text.as_bytes()), max)
    }

    #[test]
    fn messages_come_out_as_they_were_written() {
        assert_eq!(
            split_text(" [ {\"a\": 1.0E2} ,\n{\"b\":[{}]}, 7 ]\n", 3).unwrap(),
            ["{\"a\": 1.0E2}", "{\"b\":[{}]}", "7"]
        );
        assert!(is_batch(b"\r\n [1]") && !is_batch(b"{}") && !is_batch(b""));
    }

    #[test]
    fn what_is_not_a_batch_or_is_too_large_is_refused() {
        assert_eq!(split_text("[]", 3), Err(NotSplit::Empty));
        assert_eq!(split_text("[1,2,3,4]", 3), Err(NotSplit::TooMany(3)));
        for text in ["[1,", "[1] 2", "{}", "", "[1 2]", "[{]"] {
            assert!(matches!(split_text(text, 3), Err(NotSplit::Scan(_))), "{text}");
        }
    }
}
