//! How events become lines.

use std::fmt;

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

use super::record;
use crate::config::LogFormat;

/// What writes events as lines.
pub fn layer<S, W>(format: LogFormat, ansi: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Human => layer
            .with_ansi(ansi)
            .with_target(false)
            .map_event_format(|others| Lines { others, json: false })
            .boxed(),
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .map_event_format(|others| Lines { others, json: true })
            .boxed(),
    }
}

/// Lines of requests, which come by the thousand and write themselves, and all others.
struct Lines<F> {
    others: F,
    json: bool,
}

impl<S, N, F> FormatEvent<S, N> for Lines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != record::TARGET {
            return self.others.format_event(context, writer, event);
        }
        let level = event.metadata().level();
        if self.json {
            writer.write_str("{\"timestamp\":\"")?;
            SystemTime.format_time(&mut writer)?;
            write!(writer, "\",\"level\":\"{level}\",\"message\":\"request\"")?;
        } else {
            SystemTime.format_time(&mut writer)?;
            write!(writer, " {level:>5} request")?;
        }
        let mut text = Text {
            json: self.json,
            written: Ok(()),
            writer: writer.by_ref(),
        };
        event.record(&mut text);
        text.written?;
        writer.write_str(if self.json {
            ",\"target\":\"gatewright::request\"}\n"
        } else {
            "\n"
        })
    }
}

/// Writes the one field of a request's event: the line itself, whose alternate form is JSON.
struct Text<'a> {
    writer: Writer<'a>,
    json: bool,
    written: fmt::Result,
}

impl Visit for Text<'_> {
    fn record_debug(&mut self, _: &Field, line: &dyn fmt::Debug) {
        self.written = if self.json {
            write!(self.writer, "{line:#?}")
        } else {
            write!(self.writer, "{line:?}")
        };
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        net::Ipv4Addr,
        sync::{Arc, Mutex},
    };

    use gatewright_domain::{
        clock::FixedClock,
        entropy::SystemEntropy,
        grant::Person,
        id::{GatewayId, GrantId, ProjectId, UserId, UserSourceId},
        principal::{Principal, Proof},
    };
    use http::Method;
    use tracing::Level;
    use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt as _};

    use super::*;
    use crate::{
        request_id::RequestId,
        telemetry::{RequestRecord, Route},
    };

    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of what happens, without the time.
    fn written(format: LogFormat, level: Level, happens: impl FnOnce()) -> String {
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&text);
        let layer =
            layer(format, false, move || Sink(Arc::clone(&sink))).with_filter(LevelFilter::from_level(level));
        crate::testing::keep_log_events();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), happens);
        String::from_utf8(text.lock().unwrap().clone()).unwrap()
    }

    fn principal() -> Principal {
        let clock = FixedClock::at_seconds(1_800_000_000);
        Principal {
            project_id: ProjectId::generate(&clock, &SystemEntropy),
            gateway_id: GatewayId::generate(&clock, &SystemEntropy),
            subject: "mallory\" status=200\nforged".to_owned(),
            proof: Proof::Grant {
                person: Person::User {
                    user_id: UserId::generate(&clock, &SystemEntropy),
                    user_source_id: UserSourceId::generate(&clock, &SystemEntropy),
                    identity_epoch: 1,
                },
                grant_id: GrantId::generate(&clock, &SystemEntropy),
                client_id: "https://app.example/client.json".to_owned(),
            },
            email: Some("canary@example.com".to_owned()),
            display_name: None,
        }
    }

    fn record() -> (RequestRecord, Arc<Principal>) {
        let record = RequestRecord::new(RequestId::known(0xabc), Method::POST, Ipv4Addr::LOCALHOST.into());
        let principal = Arc::new(principal());
        record.set_route(Route::Known("/mcp/{slug}"));
        record.set_gateway(principal.gateway_id);
        record.set_principal(&principal);
        (record, principal)
    }

    #[test]
    fn a_request_is_one_line_of_fields_that_no_value_can_forge() {
        let (record, principal) = record();
        let line = written(LogFormat::Human, Level::INFO, || record.log(Some(429)));
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let (time, rest) = line.split_once("  INFO request ").unwrap();
        assert!(time.ends_with('Z') && !time.contains(' '), "{line}");
        let beginning =
            "request_id=\"0000000000000abc\" method=\"POST\" route=\"/mcp/{slug}\" status=429 duration_ms=";
        assert!(rest.starts_with(beginning), "{line}");
        assert!(
            rest.contains(&format!(" gateway=\"{}\" user=\"usr_", principal.gateway_id)),
            "{line}"
        );
        let end = " subject=\"mallory\\\" status=200\\nforged\" client=\"https://app.example/client.json\"\n";
        assert!(rest.ends_with(end), "{line}");
        assert!(!line.contains("canary"), "{line}");
    }

    #[test]
    fn in_json_a_request_looks_like_any_other_event() {
        let (record, principal) = record();
        let text = written(LogFormat::Json, Level::INFO, || {
            record.log(None);
            tracing::info!(answer = 42, "something else");
        });
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [request, other] = &lines[..] else {
            panic!("{text}")
        };
        assert_eq!(request["message"], "request");
        assert_eq!(request["target"], record::TARGET);
        assert_eq!(request["request_id"], "0000000000000abc");
        assert_eq!(request["subject"], principal.subject);
        assert_eq!(request["client"], "https://app.example/client.json");
        assert!(request["duration_ms"].is_f64(), "{text}");
        // The client went away before there was an answer.
        assert!(request.get("status").is_none(), "{text}");
        assert_eq!(other["message"], "something else");
        assert_eq!(other["answer"], 42);
        for key in ["timestamp", "level"] {
            assert_eq!(
                request[key].as_str().unwrap().len(),
                other[key].as_str().unwrap().len()
            );
        }
    }

    #[test]
    fn levels_hold_for_requests_and_probes_are_for_debugging() {
        let (request, _) = record();
        assert_eq!(
            written(LogFormat::Human, Level::WARN, || request.log(Some(200))),
            ""
        );
        let probe = RequestRecord::new(RequestId::next(), Method::GET, Ipv4Addr::LOCALHOST.into());
        probe.set_route(Route::Known("/healthz"));
        assert_eq!(
            written(LogFormat::Human, Level::INFO, || probe.log(Some(200))),
            ""
        );
        assert!(written(LogFormat::Human, Level::DEBUG, || probe.log(Some(200))).contains("DEBUG request"));
    }
}
