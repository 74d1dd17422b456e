//! What a server reports while it is at work on a call.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// Characters that are kept of each text.
const TEXT_MAX: usize = 1_000;

/// What a server reports while it is at work.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// How far it is (2026-07-28 basic/utilities/progress).
    Progress {
        /// So far.
        progress: f64,
        /// Of this, where that is known.
        total: Option<f64>,
        /// In words, where there are any; cut.
        message: Option<String>,
    },
    /// A line of its log (2026-07-28 server/utilities/logging).
    Log {
        /// Its level, like `info`; cut.
        level: String,
        /// What it says as text, or JSON; cut.
        text: String,
    },
}

#[derive(Deserialize)]
struct Notification<'a> {
    method: String,
    #[serde(borrow)]
    params: &'a RawValue,
}

#[derive(Deserialize)]
struct Progress {
    #[serde(rename = "progress")]
    so_far: f64,
    total: Option<f64>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct LogLine {
    level: String,
    data: Value,
}

/// The report in a message; nothing in a message of another kind, or one that is not as MCP has it.
pub(super) fn read(message: &[u8]) -> Option<Report> {
    let Notification { method, params } = serde_json::from_slice(message).ok()?;
    match method.as_str() {
        "notifications/progress" => {
            let said: Progress = serde_json::from_str(params.get()).ok()?;
            Some(Report::Progress {
                progress: said.so_far,
                total: said.total,
                message: said.message.map(|message| cut(&message)),
            })
        }
        "notifications/message" => {
            let said: LogLine = serde_json::from_str(params.get()).ok()?;
            let text = said
                .data
                .as_str()
                .map_or_else(|| said.data.to_string(), str::to_owned);
            Some(Report::Log {
                level: cut(&said.level),
                text: cut(&text),
            })
        }
        _ => None,
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(method: &str, params: &Value) -> Option<Report> {
        read(
            json!({"jsonrpc": "2.0", "method": method, "params": params})
                .to_string()
                .as_bytes(),
        )
    }

    #[test]
    fn progress_and_log_lines_are_read_and_cut_and_nothing_else_is() {
        let progress = said(
            "notifications/progress",
            &json!({"progressToken": 1, "progress": 0.5, "total": 2, "message": "Half"}),
        );
        let expected = Report::Progress {
            progress: 0.5,
            total: Some(2.0),
            message: Some("Half".to_owned()),
        };
        assert_eq!(progress, Some(expected));
        let long = "é".repeat(TEXT_MAX + 1);
        let Some(Report::Log { level, text }) =
            said("notifications/message", &json!({"level": "info", "data": long}))
        else {
            panic!("a log line");
        };
        assert_eq!((level.as_str(), text.chars().count()), ("info", TEXT_MAX + 1));
        let object = said(
            "notifications/message",
            &json!({"level": "info", "data": {"a": 1}}),
        );
        assert!(matches!(object, Some(Report::Log { text, .. }) if text == r#"{"a":1}"#));
        for (method, params) in [
            ("notifications/progress", json!({"progress": "much"})),
            ("notifications/message", json!({})),
            ("notifications/tools/list_changed", json!({})),
        ] {
            assert_eq!(said(method, &params), None, "{method}");
        }
        assert_eq!(read(b"{"), None);
    }
}
