//! Log events in the form of OTLP.

use std::collections::HashMap;

use gatewright_domain::trace_context::{SpanId, TraceId};
use serde_json::{Map, Value};

use super::wire::Message;
use crate::telemetry::{EventValue, LogEvent};

/// The field of `LogRecord` with attributes.
const ATTRIBUTES: u32 = 6;

/// Adds events to `ScopeLogs`, whose field this is. Those of one request get the trace of its line, where that is among them.
pub(super) fn write(events: &[LogEvent], scope: &mut Message, field: u32) {
    let lines: Vec<Option<Map<String, Value>>> = events.iter().map(line_of).collect();
    let traces: HashMap<&str, (TraceId, SpanId)> = lines
        .iter()
        .flatten()
        .filter_map(|line| Some((line.get("request_id")?.as_str()?, trace_in(line)?)))
        .collect();
    for (event, line) in events.iter().zip(&lines) {
        let trace = match line {
            Some(line) => trace_in(line),
            None => event.request_id().and_then(|id| traces.get(id).copied()),
        };
        scope.message(field, |record| {
            record.fixed64(1, event.at_nanos);
            record.fixed64(11, event.at_nanos);
            record.number(2, severity(event.level).into());
            record.bytes(3, event.level.as_str().as_bytes());
            record.message(5, |body| body.bytes(1, event.message.as_bytes()));
            record.text(ATTRIBUTES, "log.target", event.target);
            for (name, value) in line.iter().flatten() {
                member(record, name, value);
            }
            for (name, value) in &event.fields {
                match value {
                    EventValue::Text(text) => record.text(ATTRIBUTES, name, text),
                    EventValue::Integer(integer) => record.integer(ATTRIBUTES, name, *integer),
                    EventValue::Number(number) => record.double(ATTRIBUTES, name, *number),
                    EventValue::Boolean(boolean) => record.boolean(ATTRIBUTES, name, *boolean),
                }
            }
            if let Some((trace, span)) = trace {
                record.bytes(9, trace.as_bytes());
                record.bytes(10, &span.to_bytes());
            }
        });
    }
}

/// The members of the line of a request.
fn line_of(event: &LogEvent) -> Option<Map<String, Value>> {
    let members = event.line.as_deref()?.strip_prefix(',')?;
    serde_json::from_str(&format!("{{{members}}}")).ok()
}

/// The trace of a line, and the span, which has the ID of the request.
fn trace_in(line: &Map<String, Value>) -> Option<(TraceId, SpanId)> {
    let trace = TraceId::parse(line.get("trace_id")?.as_str()?)?;
    Some((trace, SpanId::parse(line.get("request_id")?.as_str()?)?))
}

fn member(record: &mut Message, name: &str, value: &Value) {
    match value {
        Value::String(text) => record.text(ATTRIBUTES, name, text),
        Value::Bool(boolean) => record.boolean(ATTRIBUTES, name, *boolean),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => record.integer(ATTRIBUTES, name, integer),
            (None, Some(number)) => record.double(ATTRIBUTES, name, number),
            (None, None) => {}
        },
        Value::Null | Value::Array(_) | Value::Object(_) => {}
    }
}

/// The number of a level (OpenTelemetry logs data model, "SeverityNumber").
fn severity(level: tracing::Level) -> u32 {
    match level {
        tracing::Level::TRACE => 1,
        tracing::Level::DEBUG => 5,
        tracing::Level::INFO => 9,
        tracing::Level::WARN => 13,
        tracing::Level::ERROR => 17,
    }
}
