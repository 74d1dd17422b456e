//! Rollups of activity: how many requests there were in each minute, hour and day, how they ended and how long they took, in the
//! whole project and by gateway, server, tool, client and person. Charts read them instead of the rows.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    Timestamp,
    activity::{Activity, Outcome, RequestKind},
    id::{GatewayId, ProjectId, ServerId},
    latency::Histogram,
    token_hash::TokenHash,
};

/// The key that has what is beyond the keys a period can have.
pub const OTHER: &str = "*";
/// The key of a dimension that has only one.
pub const WHOLE: &str = "";
/// Bytes of a key. A longer one is cut and ends in a hash.
const KEY_MAX: usize = 160;

/// How long a bucket of time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// For the last hour.
    Minute,
    /// For the last day and week.
    Hour,
    /// For the last month and what is before.
    Day,
}

impl Period {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Its length.
    pub const fn length(self) -> Duration {
        match self {
            Self::Minute => Duration::from_mins(1),
            Self::Hour => Duration::from_hours(1),
            Self::Day => Duration::from_hours(24),
        }
    }

    /// How long its buckets are kept.
    pub const fn kept(self) -> Duration {
        match self {
            Self::Minute => Duration::from_hours(2 * 24),
            Self::Hour | Self::Day => Duration::from_hours(400 * 24),
        }
    }

    /// The beginning of the bucket that a moment is in. Days begin at midnight UTC.
    pub fn begin(self, at: Timestamp) -> Timestamp {
        let length = i64::try_from(self.length().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(at.as_millis().div_euclid(length) * length)
    }

    /// The number for it in the store: its length in seconds.
    pub const fn number(self) -> u32 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

/// What requests are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// All requests of the project; its only key is [`WHOLE`].
    Project,
    /// By gateway.
    Gateway,
    /// By server.
    Server,
    /// By tool of a server; the key is that of [`tool_key`].
    Tool,
    /// By client.
    Client,
    /// By person.
    Person,
}

impl Dimension {
    /// The word in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Gateway => "gateway",
            Self::Server => "server",
            Self::Tool => "tool",
            Self::Client => "client",
            Self::Person => "person",
        }
    }

    /// How many keys a project can have in one bucket; `None` if its objects are bounded by quotas. What is beyond is counted
    /// under [`OTHER`].
    pub const fn most_keys(self) -> Option<u32> {
        match self {
            Self::Tool => Some(500),
            Self::Client => Some(200),
            Self::Person => Some(1_000),
            Self::Project | Self::Gateway | Self::Server => None,
        }
    }
}

/// How a request ended, as far as counts show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was answered, or its client cancelled it.
    Served,
    /// It failed: the tool reported an error, or the server could not be used.
    Failed,
    /// The gateway refused it.
    Refused,
}

/// One request, as it is counted.
#[derive(Debug, Clone)]
pub struct Counted<'a> {
    /// When it ended.
    pub at: Timestamp,
    /// Its project.
    pub project: ProjectId,
    /// Its gateway.
    pub gateway: GatewayId,
    /// The server it was for, if there was one.
    pub server: Option<ServerId>,
    /// The tool of that server, if it was a call.
    pub tool: Option<&'a str>,
    /// Its client, if known.
    pub client: Option<&'a str>,
    /// The person, if known.
    pub person: Option<&'a str>,
    /// How it ended.
    pub ending: Ending,
    /// How long it took; `None` if that is meaningless, as for a stream that only listens.
    pub took: Option<Duration>,
}

impl<'a> Counted<'a> {
    /// An activity as it is counted. How long a stream listens is up to its client, so that has no latency.
    pub fn of(activity: &'a Activity) -> Self {
        let caller = activity.caller.as_deref();
        let ending = match activity.outcome {
            Outcome::Refused => Ending::Refused,
            failed if failed.is_failure() => Ending::Failed,
            _ => Ending::Served,
        };
        let took = Duration::from_micros(activity.duration_us.max(0).unsigned_abs());
        Self {
            at: activity.at,
            project: activity.project_id,
            gateway: activity.gateway_id,
            server: activity.server_id,
            tool: activity
                .item
                .as_deref()
                .filter(|_| activity.kind == RequestKind::Call),
            client: caller
                .and_then(|caller| caller.client.as_ref())
                .map(|client| &*client.id),
            person: caller.and_then(|caller| caller.person.as_deref()),
            ending,
            took: (activity.kind != RequestKind::Listen).then_some(took),
        }
    }
}

/// What was counted in one bucket of time under one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// All requests.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Those that the gateway refused.
    pub refused: u64,
    /// How long those took that were not refused, if that is meaningful.
    pub latency: Histogram,
}

impl Tally {
    /// Counts a request. The time of a refused one says nothing of servers, so it is left out.
    pub fn note(&mut self, ending: Ending, took: Option<Duration>) {
        self.requests += 1;
        match ending {
            Ending::Served => {}
            Ending::Failed => self.errors += 1,
            Ending::Refused => {
                self.refused += 1;
                return;
            }
        }
        if let Some(took) = took {
            self.latency.note(took);
        }
    }

    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.refused += other.refused;
        self.latency.add(&other.latency);
    }
}

/// A bucket of time of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    /// The project.
    pub project: ProjectId,
    /// How long it is.
    pub period: Period,
    /// When it begins.
    pub begin: Timestamp,
}

/// What one count is of. The order is that in which they are written: the whole project of a bucket first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The bucket.
    pub bucket: Bucket,
    /// What it is counted by.
    pub dimension: Dimension,
    /// Which of them.
    pub key: String,
}

/// The counts of some requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollups(BTreeMap<Place, Tally>);

impl Rollups {
    /// Counts a request in each period and dimension.
    pub fn note(&mut self, request: &Counted<'_>) {
        for period in Period::ALL {
            let bucket = Bucket {
                project: request.project,
                period,
                begin: period.begin(request.at),
            };
            for (dimension, key) in keys(request) {
                let place = Place {
                    bucket,
                    dimension,
                    key,
                };
                self.0
                    .entry(place)
                    .or_default()
                    .note(request.ending, request.took);
            }
        }
    }

    /// The counts in the order of their places.
    pub fn into_places(self) -> BTreeMap<Place, Tally> {
        self.0
    }
}

impl<'a> FromIterator<Counted<'a>> for Rollups {
    fn from_iter<T: IntoIterator<Item = Counted<'a>>>(requests: T) -> Self {
        let mut rollups = Self::default();
        for request in requests {
            rollups.note(&request);
        }
        rollups
    }
}

/// Where a request is counted in one bucket.
fn keys(request: &Counted<'_>) -> impl Iterator<Item = (Dimension, String)> {
    let tool = request.server.zip(request.tool);
    [
        Some((Dimension::Project, WHOLE.to_owned())),
        Some((Dimension::Gateway, request.gateway.to_string())),
        request
            .server
            .map(|server| (Dimension::Server, server.to_string())),
        tool.map(|(server, tool)| (Dimension::Tool, tool_key(server, tool))),
        request.client.map(|client| (Dimension::Client, key_of(client))),
        request.person.map(|person| (Dimension::Person, key_of(person))),
    ]
    .into_iter()
    .flatten()
}

/// The key of a tool: its server and its name there.
pub fn tool_key(server: ServerId, tool: &str) -> String {
    key_of(&format!("{server}/{tool}"))
}

/// The server and the name of a tool, from its key.
pub fn tool_of(key: &str) -> Option<(ServerId, &str)> {
    let (server, tool) = key.split_once('/')?;
    Some((server.parse().ok()?, tool))
}

/// The key of a client or a person: bounded, so that it fits into an index.
pub fn key_of(text: &str) -> String {
    // PostgreSQL stores no NUL.
    let text = text.replace('\0', "\u{fffd}");
    if text.len() <= KEY_MAX {
        return text;
    }
    let hash = TokenHash::of(&text).to_text();
    let short = hash.get(..12).unwrap_or(&hash);
    let cut = text.floor_char_boundary(KEY_MAX - short.len() - '…'.len_utf8());
    format!("{}…{short}", &text[..cut])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{clock::FixedClock, entropy::SeededEntropy};

    const AT: i64 = 1_800_000_123;

    fn request(took_ms: u64, ending: Ending) -> Counted<'static> {
        let (clock, entropy) = (FixedClock::at_seconds(AT), SeededEntropy::new(1));
        Counted {
            at: Timestamp::from_seconds(AT),
            project: ProjectId::generate(&clock, &entropy),
            gateway: GatewayId::generate(&clock, &entropy),
            server: Some(ServerId::generate(&clock, &entropy)),
            tool: Some("search"),
            client: Some("cli_1"),
            person: Some("usr_1"),
            ending,
            took: Some(Duration::from_millis(took_ms)),
        }
    }

    #[test]
    fn a_request_is_counted_once_in_each_period_and_dimension() {
        let whole = request(12, Ending::Failed);
        let places = Rollups::from_iter([whole.clone()]).into_places();
        assert_eq!(places.len(), 3 * 6);
        assert!(
            places
                .values()
                .all(|tally| tally.requests == 1 && tally.errors == 1)
        );
        let unknown = Counted {
            server: None,
            client: None,
            person: None,
            ..whole
        };
        let places = Rollups::from_iter([unknown]).into_places();
        let dimensions: Vec<_> = places.keys().map(|place| place.dimension).collect();
        assert_eq!(&dimensions[..2], [Dimension::Project, Dimension::Gateway]);
        assert_eq!(places.len(), 3 * 2, "a tool without a server is not counted");
    }

    #[test]
    fn a_refused_request_counts_and_has_no_latency() {
        let mut tally = Tally::default();
        tally.note(Ending::Refused, Some(Duration::from_secs(9)));
        tally.note(Ending::Served, Some(Duration::from_millis(1)));
        tally.note(Ending::Served, None);
        assert_eq!((tally.requests, tally.refused, tally.errors), (3, 1, 0));
        assert_eq!(tally.latency.total(), 1);
    }

    #[test]
    fn periods_begin_where_clocks_do() {
        let at = Timestamp::from_seconds(AT);
        assert_eq!(Period::Minute.begin(at).to_rfc3339(), "2027-01-15T08:02:00Z");
        assert_eq!(Period::Hour.begin(at).to_rfc3339(), "2027-01-15T08:00:00Z");
        assert_eq!(Period::Day.begin(at).to_rfc3339(), "2027-01-15T00:00:00Z");
        for period in Period::ALL {
            assert_eq!(period.length().as_secs(), u64::from(period.number()));
        }
    }

    #[test]
    fn a_tool_is_read_from_its_key() {
        let server = request(1, Ending::Served).server.unwrap();
        let key = tool_key(server, "a/b");
        assert_eq!(tool_of(&key), Some((server, "a/b")));
        assert_eq!(tool_of("*"), None);
    }

    proptest! {
        #[test]
        fn keys_are_bounded_and_differ_when_their_texts_do(first in "\\PC{0,300}", second in "\\PC{0,300}") {
            let (one, other) = (key_of(&first), key_of(&second));
            prop_assert!(one.len() <= KEY_MAX && other.len() <= KEY_MAX);
            prop_assert_eq!(first == second, one == other);
        }
    }
}
