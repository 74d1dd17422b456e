//! Texts and numbers of JSON.

/// The largest integer that JavaScript keeps exact, 2^53 - 1.
const MAX_SAFE_INTEGER: i64 = 9_007_199_254_740_991;

/// Digits of [`MAX_SAFE_INTEGER`].
const MAX_SAFE_DIGITS: usize = 16;

/// A string as JSON text, quoted and escaped.
pub(crate) fn json_string(text: &str) -> String {
    serde_json::to_string(text).expect("every string can be written as JSON")
}

/// The exact integer value of a JSON number, whatever its notation: `42`, `42.0` and `4.2e1` are the same. `None`
/// outside the range JavaScript keeps exact, and for everything else.
pub(super) fn safe_integer(text: &str) -> Option<i64> {
    let (is_negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let digits = [whole, fraction].concat();
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    // The value is `significant` followed by this many zeros.
    let zeros = i64::from(exponent) - i64::try_from(fraction.len()).ok()?
        + i64::try_from(digits.len() - significant.len()).ok()?;
    let zeros = usize::try_from(zeros).ok()?;
    if significant.len().checked_add(zeros)? > MAX_SAFE_DIGITS {
        return None;
    }
    let magnitude: i64 = format!("{significant}{}", "0".repeat(zeros)).parse().ok()?;
    (magnitude <= MAX_SAFE_INTEGER).then_some(if is_negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_are_compared_exactly() {
        for (text, value) in [
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("0e5", Some(0)),
            ("1200", Some(1200)),
            ("12e2", Some(1200)),
            ("-1.20e3", Some(-1200)),
            ("9007199254740991", Some(MAX_SAFE_INTEGER)),
            ("-9007199254740991", Some(-MAX_SAFE_INTEGER)),
            ("9007199254740992", None),
            ("9007199254740991.5", None),
            ("1e999999999", None),
            ("1e99999999999", None),
            ("0.5", None),
            ("1e-1", None),
            ("", None),
            ("-", None),
            ("+1", None),
            (" 1", None),
            ("0x1", None),
            ("1e", None),
            (".5", None),
            ("１", None),
        ] {
            assert_eq!(safe_integer(text), value, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_number_panics(number in "[-+0-9.eE]{0,30}") {
            let _ = safe_integer(&number);
        }
    }
}
