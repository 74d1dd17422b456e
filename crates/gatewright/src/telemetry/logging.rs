//! Log lines on standard error, for reading or as JSON.

use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::output::Output;
use crate::config::{LogConfig, LogFormat};

/// Keeps the log flowing; dropping it writes what is left.
#[derive(Debug)]
#[must_use = "lines are lost when it is dropped at once"]
pub struct LogGuard(Output);

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Begins logging for the process. A second call changes nothing and its guard does nothing.
pub fn init(config: &LogConfig) -> LogGuard {
    let output = Output::standard_error();
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let layer = tracing_subscriber::fmt::layer().with_writer(output.clone());
    let layer = match config.format {
        LogFormat::Human => layer
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .with_target(false)
            .boxed(),
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
    };
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
    LogGuard(output)
}
