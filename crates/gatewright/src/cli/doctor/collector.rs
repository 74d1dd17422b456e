//! Checks whether the collector of traces, metrics and logs accepts them.

use std::io::Write;

use gatewright_admin::Admin;
use gatewright_core::{config::Signal, otlp};

use super::report::Report;

/// Sends an empty request for each signal that is configured.
pub(super) async fn check(report: &mut Report<impl Write>, app: &Admin) {
    let config = &app.config.otlp;
    let Some(endpoint) = &config.endpoint else {
        return;
    };
    let mut accepted = Vec::new();
    for signal in Signal::ALL.into_iter().filter(|signal| config.sends(*signal)) {
        match otlp::try_out(config, signal, &app.fetch).await {
            Ok(()) => accepted.push(signal.as_str()),
            Err(error) => report.bad(
                "collector",
                format!("it does not accept {}: {error:#}", signal.as_str()),
                "Check that it runs and takes OTLP over HTTP at otlp.endpoint, or take this out of otlp.signals",
            ),
        }
    }
    if !accepted.is_empty() {
        report.good("collector", format!("{endpoint} accepts {}", accepted.join(", ")));
    }
}
