//! The charts of requests: how they ended, how long they took, and how many people made them.

use std::time::Duration;

use gatewright_domain::activity_rollup::Tally;

use crate::{
    chart::{Figure, Kind, Series, Times, Unit, count, duration},
    counted::noun,
    service::traffic::{People, Range, Steps, Traffic},
};

/// What percentiles are drawn, with the looks of their lines.
const PERCENTILES: [(u8, &str, &str); 3] =
    [(50, "p50", "first"), (95, "p95", "second"), (99, "p99", "third")];

/// Requests by how they ended.
pub(super) fn requests(traffic: &Traffic, range: Range) -> Figure {
    let series = |name, look, of: fn(&Tally) -> u64| Series {
        name,
        look,
        values: traffic
            .tallies
            .iter()
            .map(|tally| Some(number(of(tally))))
            .collect(),
    };
    let whole = &traffic.whole;
    Figure {
        id: "requests",
        title: "Requests".to_owned(),
        summary: match whole.requests {
            0 => format!("No requests in {}.", in_words(range)),
            all => format!(
                "{} {} in {}: {} OK, {} failed, {} refused.",
                count(all),
                noun(i64::try_from(all).unwrap_or(i64::MAX), "request"),
                in_words(range),
                count(served(whole)),
                count(whole.errors),
                count(whole.refused)
            ),
        },
        kind: Kind::Bars,
        unit: Unit::Count,
        times: times(&traffic.steps),
        series: vec![
            series("OK", "first", served),
            series("Failed", "second", |tally| tally.errors),
            series("Refused", "third", |tally| tally.refused),
        ],
    }
}

/// How long requests took.
pub(super) fn latency(traffic: &Traffic, range: Range) -> Figure {
    let of_step = |tally: &Tally, percent| tally.latency.percentile(percent).map(millis);
    let series = PERCENTILES.map(|(percent, name, look)| Series {
        name,
        look,
        values: traffic
            .tallies
            .iter()
            .map(|tally| of_step(tally, percent))
            .collect(),
    });
    let whole = |percent| traffic.whole.latency.percentile(percent).map(duration);
    Figure {
        id: "latency",
        title: "Time to the end of the answer".to_owned(),
        summary: match (whole(50), whole(95), whole(99)) {
            (Some(half), Some(most), Some(nearly_all)) => format!(
                "Half of the requests took at most {half}, 95 % at most {most} and 99 % at most {nearly_all}."
            ),
            _ => format!("No request was answered in {}.", in_words(range)),
        },
        kind: Kind::Lines,
        unit: Unit::Millis,
        times: times(&traffic.steps),
        series: series.into(),
    }
}

/// How many people were active.
pub(super) fn people(people: &People, range: Range) -> Figure {
    Figure {
        id: "people",
        title: "People active".to_owned(),
        summary: match people.whole {
            0 => format!("No one was active in {}.", in_words(range)),
            1 => format!("One person was active in {}.", in_words(range)),
            many => format!("{} people were active in {}.", count(many), in_words(range)),
        },
        kind: Kind::Bars,
        unit: Unit::Count,
        times: times(&people.steps),
        series: vec![Series {
            name: "People",
            look: "first",
            values: people.counts.iter().map(|count| Some(number(*count))).collect(),
        }],
    }
}

fn times(steps: &Steps) -> Times {
    Times::new(steps.begins.clone(), steps.length)
}

/// Requests that neither failed nor were refused.
const fn served(tally: &Tally) -> u64 {
    tally.requests.saturating_sub(tally.errors + tally.refused)
}

/// A count to draw.
#[expect(
    clippy::cast_precision_loss,
    reason = "no one sees the difference in a drawing"
)]
pub(super) const fn number(count: u64) -> f64 {
    count as f64
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// "the last day".
const fn in_words(range: Range) -> &'static str {
    match range {
        Range::Hour => "the last hour",
        Range::Day => "the last day",
        Range::Week => "the last week",
        Range::Month => "the last 30 days",
    }
}
