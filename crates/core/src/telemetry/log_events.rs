//! Log events that are kept to be sent to a collector, besides being written as lines.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use gatewright_domain::{Clock as _, clock::SystemClock};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::record;
use crate::waiting::Waiting;

/// Events that wait at most.
const WAITING_MAX: usize = 8_192;
/// Bytes of text of one event.
const TEXT_MAX: usize = 4_096;

/// Events that wait to be sent.
#[derive(Debug, Clone)]
pub struct LogEvents(Arc<Waiting<LogEvent>>);

/// One event.
#[derive(Debug)]
pub(crate) struct LogEvent {
    /// When it happened, in nanoseconds since the Unix epoch.
    pub(crate) at_nanos: u64,
    pub(crate) level: Level,
    pub(crate) target: &'static str,
    pub(crate) message: String,
    pub(crate) fields: Vec<(&'static str, EventValue)>,
    /// Of a request: its line, as members of a JSON object, each after a comma.
    pub(crate) line: Option<String>,
}

/// The value of a field.
#[derive(Debug, PartialEq)]
pub(crate) enum EventValue {
    Text(String),
    Integer(i64),
    Number(f64),
    Boolean(bool),
}

impl LogEvents {
    pub(super) fn new() -> Self {
        Self(Arc::new(Waiting::at_most(WAITING_MAX)))
    }

    /// Those that wait.
    pub(crate) fn waiting(&self) -> &Waiting<LogEvent> {
        &self.0
    }
}

impl LogEvent {
    /// The request that it is about.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.fields.iter().find_map(|(name, value)| match value {
            EventValue::Text(text) if *name == "request_id" => Some(text.as_str()),
            _ => None,
        })
    }
}

/// Keeps events; which, says its filter.
#[derive(Debug)]
pub(super) struct KeepEvents(pub(super) LogEvents);

impl<S: Subscriber> Layer<S> for KeepEvents {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let millis = u64::try_from(SystemClock.now().as_millis()).unwrap_or_default();
        let mut reader = Reader {
            event: LogEvent {
                at_nanos: millis * 1_000_000,
                level: *metadata.level(),
                target: metadata.target(),
                message: String::new(),
                fields: Vec::new(),
                line: None,
            },
            room: TEXT_MAX,
            is_request: metadata.target() == record::TARGET,
        };
        event.record(&mut reader);
        if reader.is_request {
            "request".clone_into(&mut reader.event.message);
        }
        self.0.0.push(reader.event);
    }
}

struct Reader {
    event: LogEvent,
    /// Bytes of text that it may have still.
    room: usize,
    is_request: bool,
}

impl Reader {
    fn text(&mut self, field: &Field, text: &str) {
        let text = &text[..text.floor_char_boundary(self.room)];
        self.room -= text.len();
        if field.name() == "message" {
            text.clone_into(&mut self.event.message);
        } else {
            self.add(field, EventValue::Text(text.to_owned()));
        }
    }

    fn add(&mut self, field: &Field, value: EventValue) {
        self.event.fields.push((field.name(), value));
    }
}

impl Visit for Reader {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        if self.is_request {
            // The alternate form of a line is JSON. One that is cut could not be read.
            let _ = write!(text, "{value:#?}");
            self.event.line = (text.len() <= TEXT_MAX).then_some(text);
        } else {
            let _ = write!(text, "{value:?}");
            self.text(field, &text);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.text(field, &text);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, EventValue::Integer(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(
            field,
            EventValue::Integer(i64::try_from(value).unwrap_or(i64::MAX)),
        );
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, EventValue::Number(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, EventValue::Boolean(value));
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::Method;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::{request_id::RequestId, telemetry::RequestRecord};

    fn kept(happens: impl FnOnce()) -> Vec<LogEvent> {
        let events = LogEvents::new();
        crate::testing::keep_log_events();
        let subscriber = tracing_subscriber::registry().with(KeepEvents(events.clone()));
        tracing::subscriber::with_default(subscriber, happens);
        events.waiting().take(10)
    }

    #[test]
    fn an_event_is_kept_with_its_fields() {
        let kept = kept(|| {
            let error = std::io::Error::other("no way");
            tracing::warn!(
                request_id = %RequestId::known(7),
                rows = 3_u64,
                share = 0.5,
                good = false,
                error = &error as &dyn std::error::Error,
                "something is wrong"
            );
        });
        let [event] = &kept[..] else { panic!("{kept:?}") };
        assert_eq!(
            (event.level, &*event.message),
            (Level::WARN, "something is wrong")
        );
        assert_eq!(event.request_id(), Some("0000000000000007"));
        let fields = [
            ("request_id", EventValue::Text("0000000000000007".to_owned())),
            ("rows", EventValue::Integer(3)),
            ("share", EventValue::Number(0.5)),
            ("good", EventValue::Boolean(false)),
            ("error", EventValue::Text("no way".to_owned())),
        ];
        assert_eq!(event.fields, fields);
        assert!(event.at_nanos > 0 && event.line.is_none());
    }

    #[test]
    fn the_line_of_a_request_is_kept_as_json_and_long_text_is_cut() {
        let kept = kept(|| {
            RequestRecord::new(RequestId::known(7), Method::POST, Ipv4Addr::LOCALHOST.into()).log(Some(200));
            tracing::info!(long = "é".repeat(TEXT_MAX), more = "x", "long");
        });
        let [request, long] = &kept[..] else {
            panic!("{kept:?}")
        };
        assert_eq!(request.message, "request");
        let line = request.line.as_deref().unwrap();
        assert!(
            line.starts_with(",\"request_id\":\"0000000000000007\","),
            "{line}"
        );
        let EventValue::Text(text) = &long.fields[0].1 else {
            panic!("{long:?}")
        };
        assert!(
            text.len() <= TEXT_MAX && text.len() > TEXT_MAX - 16,
            "{}",
            text.len()
        );
    }
}
