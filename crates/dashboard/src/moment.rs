//! Times as people say them, with the exact one behind.

use std::fmt;

use askama::filters::HtmlSafe;
use gatewright_domain::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Beyond this its date says more of a moment that has passed.
const FAR_BACK: u64 = 14 * DAY;
/// And of one to come.
const FAR_AHEAD: u64 = 100 * DAY;

/// A moment, seen from another: "3 hours ago", "in 6 days".
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    at: Timestamp,
    now: Timestamp,
}

impl Moment {
    /// `at`, seen at `now`.
    pub(super) const fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { at, now }
    }

    fn words(self, exact: &str) -> String {
        let is_past = self.at <= self.now;
        let seconds = if is_past {
            self.now.since(self.at).as_secs()
        } else {
            self.at.since(self.now).as_secs()
        };
        let (count, unit) = match seconds {
            0..MINUTE => return if is_past { "just now" } else { "in a moment" }.to_owned(),
            MINUTE..HOUR => (seconds / MINUTE, "minute"),
            HOUR..DAY => (seconds / HOUR, "hour"),
            _ if seconds < if is_past { FAR_BACK } else { FAR_AHEAD } => (seconds / DAY, "day"),
            _ => return exact.get(..10).unwrap_or(exact).to_owned(),
        };
        let plural = if count == 1 { "" } else { "s" };
        if is_past {
            format!("{count} {unit}{plural} ago")
        } else {
            format!("in {count} {unit}{plural}")
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.at.to_rfc3339();
        let title = exact.get(..16).unwrap_or(&exact).replace('T', " ");
        write!(
            f,
            r#"<time datetime="{exact}" title="{title} UTC">{}</time>"#,
            self.words(&exact)
        )
    }
}

/// Digits and fixed words only.
impl HtmlSafe for Moment {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_shown_as_people_say_them() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let ago = |seconds| Moment::new(now.minus(Duration::from_secs(seconds)), now).to_string();
        assert!(ago(59).contains(">just now<"));
        assert!(ago(60).contains(">1 minute ago<"));
        assert!(ago(2 * HOUR).contains(">2 hours ago<"));
        assert!(ago(13 * DAY).contains(">13 days ago<"));
        assert!(ago(14 * DAY).contains(">2027-01-01<"), "{}", ago(14 * DAY));
        let ahead = Moment::new(now.plus(Duration::from_secs(7 * DAY)), now).to_string();
        assert!(
            ahead.contains(">in 7 days<") && ahead.contains("datetime=\"2027-01-22T"),
            "{ahead}"
        );
    }
}
