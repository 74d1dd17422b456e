//! How many requests there were over time, how they ended and how long they took: what charts show. Everything is read
//! from rollups, so it costs the same however many requests there were.

use std::{collections::BTreeMap, time::Duration};

use gatewright_domain::{
    Timestamp,
    activity_rollup::{Dimension, Period, Tally, WHOLE},
    id::{GatewayId, ProjectId, ServerId},
};
use gatewright_store::{activity_rollup as rows, sign_in_count};

pub use gatewright_store::sign_in_count::SignIns;

use super::{Authority, ServiceError};
use crate::Admin;

const WEEK: Duration = Duration::from_hours(7 * 24);
/// Tools that are compared: those with the most requests.
const TOOLS: u32 = 200;

/// How far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// An hour, in steps of two minutes.
    Hour,
    /// A day, by hour.
    Day,
    /// A week, in steps of six hours.
    Week,
    /// Thirty days, by day.
    Month,
}

impl Range {
    /// All of them: the word in addresses, and the name on pages.
    pub const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Hour, "hour", "Last hour"),
        (Self::Day, "day", "Last day"),
        (Self::Week, "week", "Last week"),
        (Self::Month, "month", "Last 30 days"),
    ];

    /// The range of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known, _)| *known == word)
            .map(|(range, ..)| *range)
    }

    /// How long it is.
    pub fn length(self) -> Duration {
        let (_, step, points) = self.steps();
        step * points
    }

    /// The buckets that are read, how long each step of a chart is, and how many there are.
    const fn steps(self) -> (Period, Duration, u32) {
        match self {
            Self::Hour => (Period::Minute, Duration::from_mins(2), 30),
            Self::Day => (Period::Hour, Duration::from_hours(1), 24),
            Self::Week => (Period::Hour, Duration::from_hours(6), 28),
            Self::Month => (Period::Day, Duration::from_hours(24), 30),
        }
    }
}

/// The steps of a chart.
#[derive(Debug, Clone)]
pub struct Steps {
    /// How long each is.
    pub length: Duration,
    /// When they begin, oldest first. The last one is not complete yet.
    pub begins: Vec<Timestamp>,
    /// The buckets that they consist of.
    period: Period,
    buckets: Vec<Timestamp>,
}

impl Steps {
    /// The steps of a range that ends now.
    pub fn of(range: Range, now: Timestamp) -> Self {
        let (period, length, points) = range.steps();
        let last = floor(now, length);
        let begins: Vec<_> = (0..points).rev().map(|back| last.minus(length * back)).collect();
        let in_each = u32::try_from(length.as_millis() / period.length().as_millis()).unwrap_or(1);
        let buckets = begins
            .iter()
            .flat_map(|begin| (0..in_each).map(|index| begin.plus(period.length() * index)))
            .collect();
        Self {
            length,
            begins,
            period,
            buckets,
        }
    }

    /// The same steps a week earlier.
    fn a_week_earlier(&self) -> Self {
        let earlier = |moments: &[Timestamp]| moments.iter().map(|at| at.minus(WEEK)).collect();
        Self {
            begins: earlier(&self.begins),
            buckets: earlier(&self.buckets),
            ..self.clone()
        }
    }

    /// Counts of buckets as counts of steps.
    fn gather(&self, counts: Vec<(Timestamp, Tally)>) -> Vec<Tally> {
        let mut gathered: BTreeMap<Timestamp, Tally> = BTreeMap::new();
        for (bucket, tally) in counts {
            gathered
                .entry(floor(bucket, self.length))
                .or_default()
                .add(&tally);
        }
        self.begins
            .iter()
            .map(|begin| gathered.get(begin).copied().unwrap_or_default())
            .collect()
    }
}

fn floor(at: Timestamp, length: Duration) -> Timestamp {
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1);
    Timestamp::from_millis(at.as_millis().div_euclid(length) * length)
}

/// Whose requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// All of the project.
    Project,
    /// Those at a gateway.
    Gateway(GatewayId),
    /// Those to a server.
    Server(ServerId),
    /// Calls of a tool of a server.
    Tool(ServerId, String),
    /// Those of a client.
    Client(String),
    /// Those of a person.
    Person(String),
}

impl Subject {
    fn place(&self) -> (Dimension, String) {
        use gatewright_domain::activity_rollup::{key_of, tool_key};
        match self {
            Self::Project => (Dimension::Project, WHOLE.to_owned()),
            Self::Gateway(id) => (Dimension::Gateway, id.to_string()),
            Self::Server(id) => (Dimension::Server, id.to_string()),
            Self::Tool(server, tool) => (Dimension::Tool, tool_key(*server, tool)),
            Self::Client(client) => (Dimension::Client, key_of(client)),
            Self::Person(person) => (Dimension::Person, key_of(person)),
        }
    }
}

/// Requests over time.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// When.
    pub steps: Steps,
    /// How many in each step.
    pub tallies: Vec<Tally>,
    /// All together.
    pub whole: Tally,
}

/// The requests of a subject.
pub async fn of(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    subject: &Subject,
    range: Range,
) -> Result<Traffic, ServiceError> {
    let steps = Steps::of(range, app.now());
    let tallies = read(app, authority, project, subject.place(), &steps).await?;
    Ok(Traffic {
        whole: sum(&tallies),
        steps,
        tallies,
    })
}

async fn read(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    (dimension, key): (Dimension, String),
    steps: &Steps,
) -> Result<Vec<Tally>, ServiceError> {
    let mut tx = app.store.read_activity(authority.read(project)?).await?;
    let counts = rows::series(&mut tx, project, steps.period, dimension, &key, &steps.buckets).await?;
    Ok(steps.gather(counts))
}

/// The counts of several steps together.
pub fn sum(tallies: &[Tally]) -> Tally {
    let mut whole = Tally::default();
    for tally in tallies {
        whole.add(tally);
    }
    whole
}

/// People over time.
#[derive(Debug, Clone)]
pub struct People {
    /// When. For a week, by day: a person who is active in two hours of a day counts once.
    pub steps: Steps,
    /// How many were active in each step.
    pub counts: Vec<u64>,
    /// How many were active at all.
    pub whole: u64,
}

/// The people who were active in the project.
pub async fn people(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    range: Range,
) -> Result<People, ServiceError> {
    let steps = people_steps(range, app.now());
    let mut tx = app.store.read_activity(authority.read(project)?).await?;
    let counts = rows::people(&mut tx, project, steps.period, &steps.buckets).await?;
    let whole = rows::distinct_people(&mut tx, project, steps.period, &steps.buckets).await?;
    Ok(People {
        counts: spread(&steps, &counts),
        steps,
        whole,
    })
}

/// The steps of people are buckets, because people of several buckets do not add up.
fn people_steps(range: Range, now: Timestamp) -> Steps {
    let (period, points) = match range {
        Range::Hour => (Period::Minute, 60),
        Range::Day => (Period::Hour, 24),
        Range::Week => (Period::Day, 7),
        Range::Month => (Period::Day, 30),
    };
    let last = period.begin(now);
    let begins: Vec<_> = (0..points)
        .rev()
        .map(|back| last.minus(period.length() * back))
        .collect();
    Steps {
        length: period.length(),
        buckets: begins.clone(),
        begins,
        period,
    }
}

fn spread<T: Copy + Default>(steps: &Steps, counts: &[(Timestamp, T)]) -> Vec<T> {
    let of = |begin: &Timestamp| {
        let found = counts.iter().find(|(at, _)| at == begin);
        found.map_or_else(T::default, |(_, count)| *count)
    };
    steps.begins.iter().map(of).collect()
}

/// A day and the same day of the week before, by hour.
#[derive(Debug, Clone)]
pub struct Compared<T> {
    /// The last 24 hours. The last hour is not complete yet.
    pub now: Vec<T>,
    /// The same hours a week earlier.
    pub then: Vec<T>,
}

/// The requests of a subject in the last day, and a week earlier.
pub async fn last_day(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    subject: &Subject,
) -> Result<Compared<Tally>, ServiceError> {
    let steps = Steps::of(Range::Day, app.now());
    Ok(Compared {
        now: read(app, authority, project, subject.place(), &steps).await?,
        then: read(app, authority, project, subject.place(), &steps.a_week_earlier()).await?,
    })
}

/// Sign-ins that ended in the last day, and a week earlier.
pub async fn sign_ins(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    gateway: Option<GatewayId>,
) -> Result<Compared<SignIns>, ServiceError> {
    let steps = Steps::of(Range::Day, app.now());
    let mut tx = app.store.read(authority.read(project)?).await?;
    let mut read = async |steps: &Steps| {
        let read = sign_in_count::series(&mut tx, project, gateway, steps.period, &steps.buckets).await?;
        Ok::<_, ServiceError>(spread(steps, &read))
    };
    Ok(Compared {
        now: read(&steps).await?,
        then: read(&steps.a_week_earlier()).await?,
    })
}

/// People who were active in the last day, and a week earlier: by hour, and how many in all hours but the last.
pub async fn people_of_last_day(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
) -> Result<(Compared<u64>, [u64; 2]), ServiceError> {
    let steps = Steps::of(Range::Day, app.now());
    let earlier = steps.a_week_earlier();
    let mut tx = app.store.read_activity(authority.read(project)?).await?;
    let mut counts = Vec::new();
    let mut whole = [0; 2];
    for (steps, whole) in [&steps, &earlier].into_iter().zip(&mut whole) {
        let read = rows::people(&mut tx, project, steps.period, &steps.buckets).await?;
        counts.push(spread(steps, &read));
        let over = &steps.buckets[..steps.buckets.len().saturating_sub(1)];
        *whole = rows::distinct_people(&mut tx, project, steps.period, over).await?;
    }
    let then = counts.pop().unwrap_or_default();
    let now = counts.pop().unwrap_or_default();
    Ok((Compared { now, then }, whole))
}

/// A tool with the outcomes of its calls.
#[derive(Debug, Clone)]
pub struct ToolTraffic {
    /// The server.
    pub server: ServerId,
    /// Its name, as clients see it.
    pub tool: String,
    /// Its calls.
    pub tally: Tally,
}

/// The tools with the most calls of the last day, most first.
pub async fn busiest_tools(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    range: Range,
) -> Result<Vec<ToolTraffic>, ServiceError> {
    let steps = Steps::of(range, app.now());
    let mut tx = app.store.read_activity(authority.read(project)?).await?;
    let tools = rows::busiest(
        &mut tx,
        project,
        steps.period,
        Dimension::Tool,
        &steps.buckets,
        TOOLS,
    )
    .await?;
    let tool = |(key, tally): (String, Tally)| {
        let (server, tool) = gatewright_domain::activity_rollup::tool_of(&key)?;
        Some(ToolTraffic {
            server,
            tool: tool.to_owned(),
            tally,
        })
    };
    Ok(tools.into_iter().filter_map(tool).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_123);

    #[test]
    fn the_steps_of_a_range_follow_each_other_up_to_now() {
        for (range, ..) in Range::ALL {
            let steps = Steps::of(range, NOW);
            assert!(
                steps
                    .begins
                    .windows(2)
                    .all(|pair| pair[1].since(pair[0]) == steps.length)
            );
            let last = *steps.begins.last().unwrap();
            assert!(last <= NOW && NOW.since(last) < steps.length, "{range:?}");
            assert_eq!(
                range.length(),
                steps.length * u32::try_from(steps.begins.len()).unwrap()
            );
            let covered = steps.period.length() * u32::try_from(steps.buckets.len()).unwrap();
            assert_eq!(covered, range.length(), "{range:?}");
            assert!(
                steps
                    .buckets
                    .iter()
                    .all(|bucket| steps.period.begin(*bucket) == *bucket)
            );
            assert!(steps.buckets.len() <= 200, "more than are read at once");
        }
    }

    #[test]
    fn counts_of_buckets_are_summed_up_by_step() {
        let steps = Steps::of(Range::Week, NOW);
        let one = Tally {
            requests: 1,
            ..Tally::default()
        };
        let gathered = steps.gather(steps.buckets.iter().map(|bucket| (*bucket, one)).collect());
        assert_eq!(gathered.len(), 28);
        assert!(gathered.iter().all(|tally| tally.requests == 6));
        assert_eq!(sum(&gathered).requests, 168);
    }

    #[test]
    fn a_week_earlier_is_the_same_time_of_the_same_weekday() {
        let steps = Steps::of(Range::Day, NOW);
        let earlier = steps.a_week_earlier();
        assert_eq!(steps.begins[3].since(earlier.begins[3]), WEEK);
        assert_eq!(steps.buckets[3].since(earlier.buckets[3]), WEEK);
    }
}
