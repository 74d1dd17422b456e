//! What happened in the last day in a few numbers, each with how it went and what it was a week earlier. On the overview
//! and on the pages of gateways, servers and users.

use gatewright_domain::{activity_rollup::Tally, id::GatewayId};

use super::charts::number;
use crate::{
    Admin,
    chart::{Spark, count, duration},
    error::PageError,
    service::traffic::{self, Compared, SignIns, Subject},
    session::InProject,
};

/// A change of less than this many percent is none.
const NOTABLE: u64 = 5;
/// From this many percent on, the factor says more.
const MANY_TIMES: u64 = 200;

/// A number with how it went.
pub(crate) struct Tile {
    pub(crate) label: &'static str,
    pub(crate) value: String,
    /// Against the same hours a week earlier.
    pub(crate) change: Option<String>,
    /// Whether that is to be looked into.
    pub(crate) is_worse: bool,
    pub(crate) spark: Spark,
}

/// The last day of a subject.
pub(crate) struct Tiles {
    /// The numbers; none, if nothing happened in either week.
    pub(crate) tiles: Vec<Tile>,
    /// Where more of it is.
    pub(crate) href: String,
}

/// The words for a change: when there is more, and when there is less.
#[derive(Clone, Copy)]
struct Words {
    more: &'static str,
    less: &'static str,
    /// How it is compared: "3 times as many".
    as_much: &'static str,
    /// Whether more of it is bad.
    is_bad: bool,
}

const NUMBERS: Words = Words {
    more: "more",
    less: "fewer",
    as_much: "as many",
    is_bad: false,
};
const FAULTS: Words = Words {
    is_bad: true,
    ..NUMBERS
};
const TIME: Words = Words {
    more: "slower",
    less: "faster",
    as_much: "as long",
    is_bad: true,
};

/// The tiles of a gateway, a server or a person; `query` is the filter of the list that leads to more.
pub(crate) async fn of(
    app: &Admin,
    place: &InProject,
    subject: &Subject,
    query: &str,
) -> Result<Tiles, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let requests = traffic::last_day(app, authority, project, subject).await?;
    let mut tiles = of_requests(&requests);
    if let Subject::Gateway(gateway) = subject {
        tiles.extend(sign_ins(app, place, Some(*gateway)).await?);
    }
    Ok(Tiles {
        tiles,
        href: place.path(&format!("/activity?{query}")),
    })
}

/// Those of a whole project.
pub(crate) async fn of_project(app: &Admin, place: &InProject) -> Result<Tiles, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let requests = traffic::last_day(app, authority, project, &Subject::Project).await?;
    let mut tiles = of_requests(&requests);
    if !tiles.is_empty() {
        let (people, whole) = traffic::people_of_last_day(app, authority, project).await?;
        tiles.push(people_tile(&people, whole));
    }
    tiles.extend(sign_ins(app, place, None).await?);
    Ok(Tiles {
        tiles,
        href: place.path("/activity"),
    })
}

async fn sign_ins(
    app: &Admin,
    place: &InProject,
    gateway: Option<GatewayId>,
) -> Result<Option<Tile>, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let sign_ins = traffic::sign_ins(app, authority, project, gateway).await?;
    let is_any = sign_ins
        .now
        .iter()
        .chain(&sign_ins.then)
        .any(|sign_ins| sign_ins.ended > 0);
    Ok(is_any.then(|| sign_in_tile(&sign_ins)))
}

fn of_requests(requests: &Compared<Tally>) -> Vec<Tile> {
    if requests
        .now
        .iter()
        .chain(&requests.then)
        .all(|tally| tally.requests == 0)
    {
        return Vec::new();
    }
    let slow = |tally: &Tally| {
        tally
            .latency
            .percentile(95)
            .map_or(0.0, |took| took.as_secs_f64())
    };
    let whole = traffic::sum(&requests.now);
    let over = |tallies: &[Tally]| traffic::sum(&tallies[..tallies.len().saturating_sub(1)]);
    let p95 = |tallies: &[Tally]| {
        let took = over(tallies).latency.percentile(95);
        took.map_or(0, |took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
    };
    let shares = || requests.now.iter().map(slow).collect::<Vec<_>>();
    vec![
        counting("Requests", NUMBERS, requests, |tally| tally.requests),
        counting("Failed", FAULTS, requests, |tally| tally.errors),
        counting("Refused", FAULTS, requests, |tally| tally.refused),
        Tile {
            label: "Time for 95 %",
            value: whole
                .latency
                .percentile(95)
                .map_or_else(|| "–".to_owned(), duration),
            spark: Spark::new(
                &shares(),
                "How the time for 95 % of the requests went, by hour".to_owned(),
            ),
            ..changed(p95(&requests.now), p95(&requests.then), TIME)
        },
    ]
}

fn counting<T>(label: &'static str, words: Words, compared: &Compared<T>, of: fn(&T) -> u64) -> Tile {
    let sum = |values: &[T]| values.iter().map(of).sum::<u64>();
    let over = |values: &[T]| sum(&values[..values.len().saturating_sub(1)]);
    let values: Vec<_> = compared.now.iter().map(|value| number(of(value))).collect();
    Tile {
        label,
        value: count(sum(&compared.now)),
        spark: Spark::new(&values, describe(label, compared, of)),
        ..changed(over(&compared.now), over(&compared.then), words)
    }
}

fn describe<T>(label: &str, compared: &Compared<T>, of: fn(&T) -> u64) -> String {
    let highest = compared.now.iter().map(of).max().unwrap_or_default();
    format!("{label} by hour, {} at most", count(highest))
}

fn people_tile(people: &Compared<u64>, [now, then]: [u64; 2]) -> Tile {
    let values: Vec<_> = people.now.iter().map(|count| number(*count)).collect();
    Tile {
        label: "People active",
        value: count(now.max(people.now.last().copied().unwrap_or_default())),
        spark: Spark::new(&values, describe("People active", people, |count| *count)),
        ..changed(now, then, NUMBERS)
    }
}

fn sign_in_tile(sign_ins: &Compared<SignIns>) -> Tile {
    let failed: u64 = sign_ins.now.iter().map(|sign_ins| sign_ins.failed).sum();
    let tile = counting("Sign-ins", NUMBERS, sign_ins, |sign_ins| sign_ins.ended);
    if failed == 0 {
        return tile;
    }
    Tile {
        value: format!("{} ({} failed)", tile.value, count(failed)),
        ..tile
    }
}

/// A tile with only a change.
fn changed(now: u64, then: u64, words: Words) -> Tile {
    let change = change(now, then, words);
    Tile {
        label: "",
        value: String::new(),
        is_worse: words.is_bad && now > then && change.is_some() && is_notable(now, then),
        change,
        spark: Spark::new(&[], String::new()),
    }
}

fn is_notable(now: u64, then: u64) -> bool {
    now.abs_diff(then).saturating_mul(100) >= then.saturating_mul(NOTABLE).max(1)
}

/// A change in words: "12 % more than a week ago".
fn change(now: u64, then: u64, words: Words) -> Option<String> {
    match (now, then) {
        (0, 0) => None,
        (_, 0) => Some("none a week ago".to_owned()),
        _ if !is_notable(now, then) => Some("as a week ago".to_owned()),
        _ if now > then => {
            let percent = (now - then).saturating_mul(100) / then;
            Some(if percent >= MANY_TIMES {
                format!("{} times {} as a week ago", count(now / then), words.as_much)
            } else {
                format!("{percent} % {} than a week ago", words.more)
            })
        }
        _ => {
            let percent = (then - now).saturating_mul(100) / then;
            Some(format!("{percent} % {} than a week ago", words.less))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_in_words() {
        for (now, then, words, told) in [
            (0, 0, NUMBERS, None),
            (3, 0, NUMBERS, Some("none a week ago")),
            (103, 100, NUMBERS, Some("as a week ago")),
            (112, 100, NUMBERS, Some("12 % more than a week ago")),
            (350, 100, NUMBERS, Some("3 times as many as a week ago")),
            (50, 100, FAULTS, Some("50 % fewer than a week ago")),
            (0, 7, FAULTS, Some("100 % fewer than a week ago")),
            (150, 100, TIME, Some("50 % slower than a week ago")),
        ] {
            assert_eq!(change(now, then, words).as_deref(), told, "{now} {then}");
        }
    }

    #[test]
    fn only_more_of_something_bad_is_worse() {
        assert!(changed(150, 100, FAULTS).is_worse && changed(1, 0, FAULTS).is_worse);
        assert!(!changed(50, 100, FAULTS).is_worse && !changed(101, 100, FAULTS).is_worse);
        assert!(!changed(150, 100, NUMBERS).is_worse);
    }
}
