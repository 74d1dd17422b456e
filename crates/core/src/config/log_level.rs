//! The level of the log, as `log.level` says it.

use tracing_subscriber::filter::{LevelFilter, Targets};

/// Reads `log.level`: a level, and after commas others for single parts, like `info,gatewright::fetch=debug`.
pub(crate) fn parse(text: &str) -> Option<Targets> {
    // The parser also accepts numbers and an empty text, which are never intended.
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

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_level_may_be_followed_by_those_of_single_parts() {
        let filter = parse("info, gatewright::fetch=debug").unwrap();
        assert!(filter.would_enable("gatewright", &Level::INFO));
        assert!(!filter.would_enable("gatewright", &Level::DEBUG));
        assert!(filter.would_enable("gatewright::fetch", &Level::DEBUG));
        assert!(!parse("off").unwrap().would_enable("gatewright", &Level::ERROR));
        for wrong in [
            "",
            "loud",
            "info,",
            "gatewright=",
            "gatewright=loud",
            "3",
            "info debug",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
