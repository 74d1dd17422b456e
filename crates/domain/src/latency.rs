//! Latencies as counts in fixed buckets, from which percentiles are read. Counts of several buckets of time, processes and
//! replicas add up, which percentiles do not.

use std::time::Duration;

/// The upper bounds of the buckets, in milliseconds: six for each power of ten, at nearly equal distances on a logarithmic
/// scale. A last bucket without a bound has what takes longer.
pub const BOUNDS_MS: [u32; 28] = [
    1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000,
    7_000, 10_000, 15_000, 20_000, 30_000, 60_000,
];

/// How many buckets there are.
pub const BUCKETS: usize = BOUNDS_MS.len() + 1;

/// How many requests took how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Histogram([u64; BUCKETS]);

impl Histogram {
    /// A histogram with these counts, lowest bucket first.
    pub const fn of(counts: [u64; BUCKETS]) -> Self {
        Self(counts)
    }

    /// The counts, lowest bucket first.
    pub const fn counts(&self) -> &[u64; BUCKETS] {
        &self.0
    }

    /// How many requests it counts.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Counts a request.
    pub fn note(&mut self, took: Duration) {
        self.0[bucket_of(took)] += 1;
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(&other.0) {
            *count += more;
        }
    }

    /// The duration within which `percent` of the requests were answered (nearest rank), or `None` without requests. It is in the same
    /// bucket as the exact one, so it is wrong by less than that bucket is wide. Beyond the last bound it is that bound.
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let rank = (total * u64::from(percent.min(100))).div_ceil(100).max(1);
        let mut before = 0;
        for (bucket, count) in self.0.iter().copied().enumerate() {
            if before + count >= rank {
                return Some(inside(bucket, rank - before, count));
            }
            before += count;
        }
        None
    }
}

/// The bucket of a duration. A duration that equals a bound is in the bucket below it.
fn bucket_of(took: Duration) -> usize {
    BOUNDS_MS.partition_point(|bound| Duration::from_millis(u64::from(*bound)) < took)
}

/// The place of the `rank`th of `count` requests in a bucket, as if they were spread evenly.
fn inside(bucket: usize, rank: u64, count: u64) -> Duration {
    let bound = |bucket: usize| u64::from(BOUNDS_MS[bucket]) * 1_000;
    let low = if bucket == 0 { 0 } else { bound(bucket - 1) };
    let high = if bucket < BOUNDS_MS.len() {
        bound(bucket)
    } else {
        low
    };
    let share = u128::from(high - low) * u128::from(rank) / u128::from(count.max(1));
    Duration::from_micros(low + u64::try_from(share).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(took: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for micros in took {
            histogram.note(Duration::from_micros(*micros));
        }
        histogram
    }

    /// From microseconds to minutes, each order of magnitude as likely as the others.
    fn durations() -> impl Strategy<Value = Vec<u64>> {
        let one = (0_u32..27).prop_flat_map(|power| 0..(1_u64 << power));
        prop::collection::vec(one, 1..300)
    }

    proptest! {
        #[test]
        fn a_percentile_is_in_the_bucket_of_the_exact_one(mut took in durations(), percent in 1_u8..=100) {
            let read = of(&took).percentile(percent).unwrap();
            took.sort_unstable();
            let rank = (took.len() * usize::from(percent)).div_ceil(100).max(1);
            let exact = Duration::from_micros(took[rank - 1]);
            let wanted = bucket_of(exact);
            if wanted == BOUNDS_MS.len() {
                prop_assert_eq!(read, Duration::from_mins(1));
            } else {
                prop_assert_eq!(bucket_of(read), wanted, "{:?} for {:?}", read, exact);
            }
        }

        #[test]
        fn histograms_of_parts_add_up_to_that_of_all(first in durations(), second in durations()) {
            let mut sum = of(&first);
            sum.add(&of(&second));
            let all: Vec<_> = first.into_iter().chain(second).collect();
            prop_assert_eq!(sum, of(&all));
        }
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Histogram::default().percentile(50), None);
        assert_eq!(of(&[4_000]).percentile(0), of(&[4_000]).percentile(1));
    }

    #[test]
    fn bounds_are_nearly_equal_steps_of_a_logarithm() {
        for pair in BOUNDS_MS.windows(2) {
            let step = f64::from(pair[1]) / f64::from(pair[0]);
            assert!(step > 1.3 && step <= 2.0, "{pair:?}");
        }
    }
}
