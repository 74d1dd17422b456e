//! Arguments of a request as they are kept: redacted, as JSON text, and cut where they are long.

use serde_json::Value;

use crate::gateway::Redaction;

/// Bytes of the arguments of one request that are kept.
pub const ARGUMENTS_MAX: usize = 16 * 1024;

/// The arguments of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedArguments {
    /// Their JSON text, or the beginning of it: at most [`ARGUMENTS_MAX`] bytes.
    pub text: String,
    /// The length of the whole text, in bytes.
    pub bytes: i64,
}

impl RecordedArguments {
    /// What is kept of arguments.
    pub fn of(mut arguments: Value, redaction: &Redaction) -> Self {
        redaction.apply(&mut arguments);
        let mut text = arguments.to_string();
        let bytes = i64::try_from(text.len()).unwrap_or(i64::MAX);
        text.truncate(text.floor_char_boundary(ARGUMENTS_MAX));
        text.shrink_to_fit();
        Self { text, bytes }
    }

    /// Whether only the beginning is kept.
    pub fn is_cut(&self) -> bool {
        usize::try_from(self.bytes).is_ok_and(|bytes| bytes > self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::RecordArguments;
    use serde_json::json;

    #[test]
    fn long_arguments_are_cut_between_characters_and_say_so() {
        let redaction = Redaction::of(&RecordArguments::default());
        let short = RecordedArguments::of(json!({"a": "é"}), &redaction);
        assert_eq!((short.text.as_str(), short.bytes), (r#"{"a":"é"}"#, 10));
        assert!(!short.is_cut());
        let long = RecordedArguments::of(json!("é".repeat(ARGUMENTS_MAX)), &redaction);
        assert_eq!(long.text.len(), ARGUMENTS_MAX - 1);
        assert!(long.is_cut() && long.bytes == 2 * 16_384 + 2);
    }

    #[test]
    fn what_is_redacted_is_redacted_before_the_rest_is_cut() {
        let settings = RecordArguments {
            redact: vec!["/secret".to_owned()],
            ..RecordArguments::default()
        };
        let value = json!({"secret": "canary".repeat(10_000), "z": 1});
        let recorded = RecordedArguments::of(value, &Redaction::of(&settings));
        assert_eq!(recorded.text, r#"{"secret":"[redacted]","z":1}"#);
    }
}
