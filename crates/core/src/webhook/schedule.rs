//! When a message is sent again.

use std::time::Duration;

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The pauses after each failed attempt, about those that the specification recommends, in seconds: three days in all.
const PAUSES: [u64; 10] = [
    5 * SECOND,
    30 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
];

/// How often a message is sent at most.
pub const ATTEMPTS: u32 = 11;

/// The pause after this many failed attempts, from 1; `None` once there have been [`ATTEMPTS`]. `spread`, any number, makes it up to a fifth
/// longer, so that receivers that come back are not flooded.
pub fn retry_after(failed: u32, spread: u32) -> Option<Duration> {
    let pause = PAUSES.get(usize::try_from(failed.checked_sub(1)?).ok()?)?;
    let pause = Duration::from_secs(*pause);
    Some(pause + pause / 5 * (spread % 1_000) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_a_message_is_given_up() {
        let pauses: Vec<_> = (1..ATTEMPTS)
            .map(|failed| retry_after(failed, 0).unwrap())
            .collect();
        assert!(pauses.is_sorted());
        assert!(pauses.iter().sum::<Duration>() > Duration::from_hours(72));
        assert!(retry_after(ATTEMPTS - 1, 0).is_some());
        assert_eq!(retry_after(ATTEMPTS, 0), None);
        assert_eq!(retry_after(0, 0), None);
    }

    #[test]
    fn a_pause_is_spread_by_a_fifth_at_most() {
        let pause = |spread| retry_after(3, spread).unwrap().as_secs();
        assert_eq!((pause(0), pause(500), pause(1_000)), (300, 330, 300));
        assert!((0..5_000).all(|spread| (300..360).contains(&pause(spread))));
    }
}
