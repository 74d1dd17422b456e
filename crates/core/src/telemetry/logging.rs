//! Log lines on standard error, for reading or as JSON.

use tracing_subscriber::{
    Layer as _, Registry,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use super::{
    lines,
    log_events::{KeepEvents, LogEvents},
    output::Output,
};
use crate::config::{LogConfig, OtlpConfig, Signal, log_level};

/// Keeps the log flowing; dropping it writes what is left.
#[derive(Debug)]
#[must_use = "lines are lost when it is dropped at once"]
pub struct LogGuard {
    output: Output,
    level: LogLevel,
    events: Option<LogEvents>,
}

impl LogGuard {
    /// The events that are kept for a collector, where any are.
    pub fn events(&self) -> Option<LogEvents> {
        self.events.clone()
    }

    /// What changes the level while the process runs.
    pub fn level(&self) -> LogLevel {
        self.level.clone()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.output.finish();
    }
}

/// The level of the log of this process.
#[derive(Debug, Clone)]
pub struct LogLevel(reload::Handle<Targets, Registry>);

impl LogLevel {
    /// Logs by this level from now on. One that cannot be read changes nothing: the configuration was checked before.
    pub fn set(&self, level: &str) {
        if let Some(filter) = log_level::parse(level) {
            // It fails only where nothing logs any more.
            let _ = self.0.reload(filter);
        }
    }
}

/// Begins logging for the process. A second call changes nothing and its guard does nothing.
pub fn init(config: &LogConfig) -> LogGuard {
    init_with(config, &OtlpConfig::default())
}

/// The same, and keeps events for a collector where it gets them.
pub fn init_with(config: &LogConfig, otlp: &OtlpConfig) -> LogGuard {
    let output = Output::standard_error();
    let info = || Targets::new().with_default(LevelFilter::INFO);
    let read = |level: &str| log_level::parse(level).unwrap_or_else(info);
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let layer = lines::layer(config.format, ansi, output.clone());
    // A lock is taken to read the filter for what is logged, and for nothing that is not: that is remembered.
    let (filter, level) = reload::Layer::new(read(&config.level));
    let events = otlp.sends(Signal::Logs).then(LogEvents::new);
    let kept = events
        .clone()
        .map(|events| KeepEvents(events).with_filter(read(&otlp.log_level)));
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .with(kept)
        .try_init();
    LogGuard {
        output,
        level: LogLevel(level),
        events,
    }
}
