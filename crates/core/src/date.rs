//! The `Date` of answers (RFC 9110 section 6.6.1). The HTTP library keeps one for a second by the machine's clock and
//! waits for that clock to pass it: after the clock was set back, it would show the old time for that long.

use std::sync::Arc;

use arc_swap::ArcSwap;
use gatewright_domain::Timestamp;
use http::HeaderValue;
use time::{
    OffsetDateTime,
    format_description::{OwnedFormatItem, parse_owned},
};

/// The date of the present second, written once for all its answers.
#[derive(Debug)]
pub struct DateHeader {
    format: OwnedFormatItem,
    written: ArcSwap<(i64, HeaderValue)>,
}

impl Default for DateHeader {
    fn default() -> Self {
        let format = parse_owned::<2>(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT",
        )
        .expect("a constant that is a format");
        Self {
            format,
            written: ArcSwap::from_pointee((i64::MIN, HeaderValue::from_static(""))),
        }
    }
}

impl DateHeader {
    /// The header's value at a moment; `None` for one that has no date.
    pub fn at(&self, now: Timestamp) -> Option<HeaderValue> {
        let second = now.as_seconds();
        let written = self.written.load();
        if written.0 == second {
            return Some(written.1.clone());
        }
        let date = OffsetDateTime::from_unix_timestamp(second).ok()?;
        let value = HeaderValue::from_str(&date.format(&self.format).ok()?).ok()?;
        self.written.store(Arc::new((second, value.clone())));
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_follows_the_clock_forward_and_back() {
        let date = DateHeader::default();
        for (second, text) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_198_177, "Mon, 07 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            let at = date.at(Timestamp::from_seconds(second)).unwrap();
            assert_eq!(at.to_str().unwrap(), text);
        }
    }
}
