//! Sending traces, metrics and logs to a collector.

use std::sync::Arc;

use gatewright_admin::Admin;
use gatewright_core::{config::Signal, otlp::RoundError, status};

use super::Streak;

/// Sends one signal, again and again. A collector that fails is asked less and less often.
pub(super) async fn run(app: Arc<Admin>, signal: Signal) {
    let mut streak = Streak::new(&app, job(signal));
    let mut pause = app.otlp.interval(signal);
    loop {
        tokio::time::sleep(pause).await;
        let sent = round(&app, signal).await;
        pause = match &sent {
            Ok(()) => app.otlp.interval(signal),
            Err(error) => error.pause,
        };
        streak.note(&sent);
    }
}

/// Sends what is left of all signals once, when the process stops.
pub(crate) async fn send_last(app: &Admin) {
    let [traces, metrics, logs] = Signal::ALL.map(|signal| round(app, signal));
    let (traces, metrics, logs) = tokio::join!(traces, metrics, logs);
    for error in [traces, metrics, logs].into_iter().filter_map(Result::err) {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the last traces, metrics or logs were not sent"
        );
    }
}

async fn round(app: &Admin, signal: Signal) -> Result<(), RoundError> {
    if signal == Signal::Metrics {
        status::look(&app.core());
    }
    app.otlp.round(signal, &app.fetch, &app.telemetry).await
}

const fn job(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "sending traces",
        Signal::Metrics => "sending metrics",
        Signal::Logs => "sending logs",
    }
}
