//! Log lines on standard error, for reading or as JSON.

use tracing_subscriber::{
    Layer as _, Registry,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use super::{lines, output::Output};
use crate::config::LogConfig;

/// Keeps the log flowing; dropping it writes what is left.
#[derive(Debug)]
#[must_use = "lines are lost when it is dropped at once"]
pub struct LogGuard {
    output: Output,
    level: LogLevel,
}

impl LogGuard {
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
        if let Some(filter) = parse_level(level) {
            // It fails only where nothing logs any more.
            let _ = self.0.reload(filter);
        }
    }
}

/// Reads `log.level`: a level, and after commas others for single parts, like `info,gatewright::fetch=debug`.
pub fn parse_level(text: &str) -> Option<Targets> {
    // The parser also takes numbers and nothing at all, which nobody means.
    let is_level = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_alphabetic())
            && !part.is_empty()
            && part.parse::<LevelFilter>().is_ok()
    };
    let mut filter = Targets::new().with_default(LevelFilter::OFF);
    for part in text.split(',').map(str::trim) {
        filter = match part.split_once('=') {
            Some((target, level)) if is_level(level) => {
                filter.with_target(target, level.parse::<LevelFilter>().ok()?)
            }
            None if is_level(part) => filter.with_default(part.parse::<LevelFilter>().ok()?),
            _ => return None,
        };
    }
    Some(filter)
}

/// Begins logging for the process. A second call changes nothing and its guard does nothing.
pub fn init(config: &LogConfig) -> LogGuard {
    let output = Output::standard_error();
    let info = || Targets::new().with_default(LevelFilter::INFO);
    let filter = parse_level(&config.level).unwrap_or_else(info);
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let layer = lines::layer(config.format, ansi, output.clone());
    // A lock is taken to read the filter for what is logged, and for nothing that is not: that is remembered.
    let (filter, level) = reload::Layer::new(filter);
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
    LogGuard {
        output,
        level: LogLevel(level),
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_level_may_be_followed_by_those_of_single_parts() {
        let filter = parse_level("info, gatewright::fetch=debug").unwrap();
        assert!(filter.would_enable("gatewright", &Level::INFO));
        assert!(!filter.would_enable("gatewright", &Level::DEBUG));
        assert!(filter.would_enable("gatewright::fetch", &Level::DEBUG));
        assert!(
            !parse_level("off")
                .unwrap()
                .would_enable("gatewright", &Level::ERROR)
        );
        for wrong in [
            "",
            "loud",
            "info,",
            "gatewright=",
            "gatewright=loud",
            "3",
            "info debug",
        ] {
            assert!(parse_level(wrong).is_none(), "{wrong}");
        }
    }
}
