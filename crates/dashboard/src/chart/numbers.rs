//! Numbers as charts and tiles show them.

use std::time::Duration;

/// What the values of a chart are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Whole numbers of something.
    Count,
    /// Durations in milliseconds.
    Millis,
}

impl Unit {
    /// A value in words.
    pub(super) fn words(self, value: f64) -> String {
        match self {
            Self::Count => count(whole(value)),
            Self::Millis => millis(value),
        }
    }
}

/// The nearest whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, and no count is negative"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// A count with a thousands separator, "12,345"; from a million on shortened, "1.2 million".
pub(crate) fn count(count: u64) -> String {
    if count >= 1_000_000 {
        let tenths = count / 100_000;
        return match tenths % 10 {
            0 => format!("{} million", grouped(tenths / 10)),
            rest => format!("{}.{rest} million", grouped(tenths / 10)),
        };
    }
    grouped(count)
}

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in the unit that suits it: "0.4 ms", "12 ms", "1.5 s", "2 min".
pub(crate) fn duration(duration: Duration) -> String {
    millis(duration.as_secs_f64() * 1_000.0)
}

fn millis(millis: f64) -> String {
    match millis {
        short if short < 10.0 => format!("{} ms", rounded(short)),
        short if short < 999.5 => format!("{short:.0} ms"),
        long if long < 60_000.0 => format!("{} s", rounded(long / 1_000.0)),
        long => format!("{} min", rounded(long / 60_000.0)),
    }
}

/// One decimal, unless it is zero.
fn rounded(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_and_large_ones_shortened() {
        for (number, words) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (999_999, "999,999"),
            (1_000_000, "1 million"),
            (1_249_999, "1.2 million"),
            (2_500_000_000, "2,500 million"),
        ] {
            assert_eq!(count(number), words);
        }
    }

    #[test]
    fn durations_are_shown_in_the_unit_that_suits_them() {
        for (micros, words) in [
            (400, "0.4 ms"),
            (4_000, "4 ms"),
            (12_400, "12 ms"),
            (999_400, "999 ms"),
            (1_000_000, "1 s"),
            (1_540_000, "1.5 s"),
            (59_900_000, "59.9 s"),
            (120_000_000, "2 min"),
        ] {
            assert_eq!(duration(Duration::from_micros(micros)), words);
        }
    }
}
