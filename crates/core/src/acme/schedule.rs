//! When the next order is due: with a third of a certificate's life left, and after failures ever later.

use std::time::Duration;

use gatewright_domain::{Entropy, Timestamp, entropy};

use crate::x509::Validity;

/// Pauses after the first failure, the second and so on. Let's Encrypt allows five failed validations of a domain in an hour.
const PAUSES: [Duration; 6] = [
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(25),
    Duration::from_hours(2),
    Duration::from_hours(6),
    Duration::from_hours(12),
];
/// While there is a certificate, a pause takes at most this part of what is left of its life, and may take this long in any case.
const PART_OF_LIFE: u32 = 4;
const SHORTEST: Duration = Duration::from_mins(1);
/// The longest that an authority is left alone because it asked for it.
const LONGEST: Duration = Duration::from_hours(7 * 24);
/// A certificate is renewed with this part of its life left, earlier by up to a tenth of that: instances do not come all at once.
const PART_LEFT: u32 = 3;
const JITTER: u32 = 10;

/// When a certificate is renewed.
pub(super) fn renewal(validity: Validity, entropy: &dyn Entropy) -> Timestamp {
    let left = validity.not_after.since(validity.not_before) / PART_LEFT;
    let earlier = (left / JITTER).mul_f64(fraction(entropy));
    validity.not_after.minus(left + earlier)
}

/// How long to wait after a failure that came after `before` others. The authority asked for `asked`; `life` is what is left of the
/// certificate that is presented meanwhile, if there is one.
pub(super) fn pause(before: u32, asked: Duration, life: Option<Duration>, entropy: &dyn Entropy) -> Duration {
    let step = usize::try_from(before)
        .unwrap_or(usize::MAX)
        .min(PAUSES.len() - 1);
    let pause = PAUSES[step] + (PAUSES[step] / 4).mul_f64(fraction(entropy));
    let longest = life.map_or(Duration::MAX, |life| (life / PART_OF_LIFE).max(SHORTEST));
    pause.min(longest).max(asked.min(LONGEST))
}

/// From 0 to 1.
fn fraction(entropy: &dyn Entropy) -> f64 {
    f64::from(u32::from_be_bytes(entropy::bytes(entropy))) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use gatewright_domain::entropy::SystemEntropy;

    use super::*;

    #[test]
    fn a_third_of_the_life_is_left_whatever_its_length() {
        for days in [6, 47, 90] {
            let life = Duration::from_hours(24 * days);
            let begin = Timestamp::from_seconds(1_800_000_000);
            let validity = Validity {
                not_before: begin,
                not_after: begin.plus(life),
            };
            let passed = renewal(validity, &SystemEntropy).since(begin);
            assert!(passed <= life * 2 / 3 && passed >= life * 63 / 100, "{passed:?}");
        }
    }

    #[test]
    fn pauses_grow_and_what_the_authority_asks_for_counts() {
        let at_once = |before| pause(before, Duration::ZERO, None, &SystemEntropy);
        let mut earlier = Duration::ZERO;
        for before in 0..6 {
            assert!(at_once(before) > earlier);
            earlier = at_once(before);
        }
        // Five failures take more than an hour.
        assert!((0..4).map(|before| PAUSES[before]).sum::<Duration>() > Duration::from_hours(1));
        assert!(at_once(u32::MAX) <= Duration::from_hours(15));
        let asked = Duration::from_hours(30);
        assert_eq!(pause(0, asked, None, &SystemEntropy), asked);
        assert_eq!(pause(0, Duration::MAX, None, &SystemEntropy), LONGEST);
    }

    #[test]
    fn there_are_several_attempts_in_what_is_left_of_a_certificate() {
        let left = |life, asked| pause(5, asked, Some(life), &SystemEntropy);
        let hours = Duration::from_hours;
        assert_eq!(left(hours(8), Duration::ZERO), hours(2));
        assert_eq!(left(Duration::from_secs(90), Duration::ZERO), SHORTEST);
        assert!(left(hours(24 * 30), Duration::ZERO) >= hours(12));
        assert_eq!(left(hours(8), hours(3)), hours(3));
    }
}
