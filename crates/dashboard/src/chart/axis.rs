//! Axes: round values from zero up, and moments at round times, few enough to be read on a phone.

use std::time::Duration;

use gatewright_domain::Timestamp;

use super::numbers::Unit;

/// Values that are labelled, zero aside.
const STEPS_WANTED: f64 = 3.0;
/// Moments that are labelled at most.
const MOMENTS_MAX: usize = 5;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// Distances between labelled moments, in seconds.
const DISTANCES: [u64; 17] = [
    60,
    5 * 60,
    10 * 60,
    15 * 60,
    20 * 60,
    30 * 60,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    4 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
];

/// The epoch was a Thursday, three days after a Monday; weeks are labelled on Mondays.
const SINCE_MONDAY: u64 = 3 * DAY;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Labelled values of an axis: zero first, the highest value of the chart at or below the last.
pub(super) fn values(highest: f64, unit: Unit) -> Vec<f64> {
    let highest = if highest.is_finite() {
        highest.max(0.0)
    } else {
        0.0
    };
    let mut step = round_step(highest / STEPS_WANTED);
    if unit == Unit::Count {
        // Half a request is none.
        step = step.max(1.0);
    }
    let mut values = vec![0.0];
    loop {
        let last = step * f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
        values.push(last);
        if last >= highest {
            return values;
        }
    }
}

/// The next of 1, 2 and 5 and their tens at or above a value.
fn round_step(least: f64) -> f64 {
    if least <= f64::EPSILON {
        return 1.0;
    }
    let power = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= least).unwrap_or(steps[3])
}

/// The moments of a chart: equal buckets of time, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    begins: Vec<Timestamp>,
    step: Duration,
}

impl Times {
    /// Buckets that begin at these moments, each as long as `step`.
    pub(crate) const fn new(begins: Vec<Timestamp>, step: Duration) -> Self {
        Self { begins, step }
    }

    /// How many.
    pub(super) const fn len(&self) -> usize {
        self.begins.len()
    }

    /// What a bucket is called in full: "15 Jan 08:00".
    pub(super) fn full(&self, index: usize) -> String {
        let Some(begin) = self.begins.get(index) else {
            return String::new();
        };
        if self.step.as_secs() >= DAY {
            day(*begin)
        } else {
            format!("{} {}", day(*begin), clock(*begin))
        }
    }

    /// Which buckets are labelled, with their labels.
    pub(super) fn labels(&self) -> Vec<(usize, String)> {
        let labelled = |distance: u64| {
            let is_round = move |begin: &Timestamp| {
                let shift = if distance >= 7 * DAY { SINCE_MONDAY } else { 0 };
                let seconds = begin.as_seconds().max(0).unsigned_abs() + shift;
                seconds.is_multiple_of(distance)
            };
            self.begins
                .iter()
                .enumerate()
                .filter(move |(_, begin)| is_round(begin))
        };
        let distance = DISTANCES
            .into_iter()
            .filter(|distance| distance.is_multiple_of(self.step.as_secs().max(1)))
            .find(|distance| labelled(*distance).count() <= MOMENTS_MAX);
        let label = |begin: Timestamp, distance: u64| {
            if distance >= DAY { day(begin) } else { clock(begin) }
        };
        distance.map_or_else(Vec::new, |distance| {
            labelled(distance)
                .map(|(index, begin)| (index, label(*begin, distance)))
                .collect()
        })
    }
}

/// "08:00", in UTC.
fn clock(at: Timestamp) -> String {
    at.to_rfc3339().get(11..16).unwrap_or_default().to_owned()
}

/// "15 Jan", in UTC.
fn day(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    let number =
        |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<usize>().ok());
    let (month, day) = (number(5..7), number(8..10));
    let month = month.and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    match (month, day) {
        (Some(month), Some(day)) => format!("{day} {month}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Friday, 15 January 2027, 08:00 UTC.
    const AT: i64 = 1_800_000_000;

    fn times(buckets: i64, step: u64) -> Times {
        let length = i64::try_from(step).unwrap();
        let last = AT.div_euclid(length) * length;
        let begin = |index| Timestamp::from_seconds(last - (buckets - 1 - index) * length);
        Times::new((0..buckets).map(begin).collect(), Duration::from_secs(step))
    }

    proptest! {
        #[test]
        fn values_begin_at_zero_and_reach_the_highest_in_a_few_equal_steps(
            power in -3_i32..12,
            factor in 0.0_f64..10.0,
            is_count in any::<bool>(),
        ) {
            let highest = factor * 10_f64.powi(power);
            let values = values(highest, if is_count { Unit::Count } else { Unit::Millis });
            prop_assert!((2..=5).contains(&values.len()), "{:?}", values);
            let step = values[1];
            prop_assert!(values[0] == 0.0 && step > 0.0);
            for pair in values.windows(2) {
                prop_assert!((pair[1] - pair[0] - step).abs() < step * 1e-9);
            }
            let last = values[values.len() - 1];
            prop_assert!(last >= highest * (1.0 - 1e-12), "{:?} for {}", values, highest);
            prop_assert!(last - step < highest || values.len() == 2, "{:?} for {}", values, highest);
            prop_assert!(!is_count || values.iter().all(|value| value.fract() == 0.0));
        }

        #[test]
        fn labelled_moments_are_few_and_in_order(buckets in 1_i64..80, step in prop::sample::select(&DISTANCES[..12])) {
            let labels = times(buckets, step).labels();
            prop_assert!(labels.len() <= MOMENTS_MAX, "{:?}", labels);
            prop_assert!(labels.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert!(buckets < 15 || labels.len() >= 2, "{:?}", labels);
        }
    }

    #[test]
    fn moments_are_labelled_at_round_times() {
        let labels = |buckets, step| {
            let labels = times(buckets, step).labels();
            labels.into_iter().map(|(_, label)| label).collect::<Vec<_>>()
        };
        assert_eq!(labels(30, 120), ["07:20", "07:40", "08:00"]);
        assert_eq!(labels(24, HOUR), ["12:00", "18:00", "00:00", "06:00"]);
        assert_eq!(labels(28, 6 * HOUR), ["10 Jan", "12 Jan", "14 Jan"]);
        assert_eq!(labels(30, DAY), ["21 Dec", "28 Dec", "4 Jan", "11 Jan"]);
    }

    #[test]
    fn a_bucket_is_called_by_its_day_and_time() {
        assert_eq!(times(2, HOUR).full(1), "15 Jan 08:00");
        assert_eq!(times(2, DAY).full(1), "15 Jan");
        assert_eq!(times(2, DAY).full(2), "");
    }

    #[test]
    fn a_chart_without_requests_has_an_axis() {
        assert_eq!(values(0.0, Unit::Count), [0.0, 1.0]);
        assert_eq!(values(f64::NAN, Unit::Millis), [0.0, 1.0]);
        assert_eq!(values(1.0, Unit::Count), [0.0, 1.0]);
        assert_eq!(values(7.0, Unit::Count), [0.0, 5.0, 10.0]);
    }
}
