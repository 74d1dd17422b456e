//! The condition of the process, as gauges: for each fault that an operator may meet there is one that shows it.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use gatewright_domain::id::ServerId;
use gatewright_store::Connections;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use rustix::process::{Resource, getrlimit};

use super::by_server::ByServer;

/// The size of a page of memory as the kernel counts it in `/proc/self/statm`.
fn page_size() -> u64 {
    u64::try_from(rustix::param::page_size()).unwrap_or(4096)
}

/// So many writes in a row that get no turn count as refused: a database that is only busy lets one of them through.
const BUSY_MAX: u32 = 3;

/// Gauges that are set when they are read, and counters of what went wrong.
#[derive(Debug)]
pub struct Condition {
    /// Whether the last write that was tried went through.
    writes: AtomicBool,
    /// Writes tried in a row that got no turn.
    busy: AtomicU32,
    ready: Gauge,
    writable: Gauge,
    directory_age: Gauge<f64, AtomicU64>,
    database_connections: Family<StateLabels, Gauge>,
    upstream_connections: Gauge,
    open_files: Gauge,
    open_files_max: Gauge,
    resident: Gauge,
    lists: Gauge,
    job_failing: Family<JobLabels, Gauge>,
    refused: Family<RouteLabels, Counter>,
    pub(super) broken: ByServer,
    watched_lists: WatchedLists,
}

/// What the gauges are set to.
pub(crate) struct Now {
    /// Whether this process should get requests.
    pub(crate) is_ready: bool,
    /// How long ago the directory was last confirmed.
    pub(crate) directory_age: Duration,
    /// The connections to the database.
    pub(crate) database: Connections,
    /// Connections to MCP servers, idle ones included.
    pub(crate) upstream_connections: usize,
}

/// Says how much memory lists of tools take, once a part that keeps lists has told how to ask it.
#[derive(Default)]
struct WatchedLists(OnceLock<Box<dyn Fn() -> usize + Send + Sync>>);

impl WatchedLists {
    fn bytes(&self) -> usize {
        self.0.get().map_or(0, |ask| ask())
    }
}

impl fmt::Debug for WatchedLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WatchedLists").field(&self.bytes()).finish()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    job: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

impl Condition {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let condition = Self {
            writes: AtomicBool::new(true),
            busy: AtomicU32::new(0),
            ready: Gauge::default(),
            writable: Gauge::default(),
            directory_age: Gauge::default(),
            database_connections: Family::default(),
            upstream_connections: Gauge::default(),
            open_files: Gauge::default(),
            open_files_max: Gauge::default(),
            resident: Gauge::default(),
            lists: Gauge::default(),
            job_failing: Family::default(),
            refused: Family::default(),
            broken: ByServer::default(),
            watched_lists: WatchedLists::default(),
        };
        registry.register(
            "ready",
            "1 while this process should get requests",
            condition.ready.clone(),
        );
        registry.register(
            "database_writable",
            "1 while the database takes writes",
            condition.writable.clone(),
        );
        registry.register_with_unit(
            "directory_age",
            "Since the configuration in memory was last confirmed; requests are refused from five on",
            Unit::Seconds,
            condition.directory_age.clone(),
        );
        registry.register(
            "database_connections",
            "Connections to the database in use and idle, and transactions waiting for one",
            condition.database_connections.clone(),
        );
        registry.register(
            "upstream_connections",
            "Connections to MCP servers, idle ones included",
            condition.upstream_connections.clone(),
        );
        registry.register(
            "open_files",
            "Files and connections this process has open",
            condition.open_files.clone(),
        );
        registry.register(
            "open_files_max",
            "How many it may have open",
            condition.open_files_max.clone(),
        );
        registry.register_with_unit(
            "resident_memory",
            "Memory this process takes",
            Unit::Bytes,
            condition.resident.clone(),
        );
        registry.register_with_unit(
            "list_memory",
            "Memory that lists of tools take",
            Unit::Bytes,
            condition.lists.clone(),
        );
        registry.register(
            "job_failing",
            "1 while a job beside requests fails",
            condition.job_failing.clone(),
        );
        registry.register(
            "rate_limited",
            "Requests refused with 429, by route",
            condition.refused.clone(),
        );
        registry.register(
            "broken_answers",
            "Answers of MCP servers that broke after their head was sent, by server and reason",
            condition.broken.counters(),
        );
        condition
    }

    /// Sets how to ask for the memory that lists of tools take, in bytes. The first call counts.
    pub fn watch_lists(&self, ask: impl Fn() -> usize + Send + Sync + 'static) {
        let _ = self.watched_lists.0.set(Box::new(ask));
    }

    /// Notes whether the database took a write.
    pub fn note_writes(&self, good: bool) {
        self.busy.store(0, Ordering::Release);
        self.writes.store(good, Ordering::Release);
    }

    /// Notes that a write got no turn.
    pub fn note_busy(&self) {
        if self.busy.fetch_add(1, Ordering::AcqRel) + 1 >= BUSY_MAX {
            self.note_writes(false);
        }
    }

    /// Whether the database took the last write that was tried and got its turn.
    pub fn takes_writes(&self) -> bool {
        self.writes.load(Ordering::Acquire)
    }

    /// Notes whether a job fails.
    pub fn note_job(&self, job: &'static str, failing: bool) {
        self.job_failing
            .get_or_create(&JobLabels { job })
            .set(failing.into());
    }

    /// Counts a request that was refused because there are too many.
    pub(super) fn count_refused(&self, route: &str) {
        let route = route.to_owned();
        self.refused.get_or_create(&RouteLabels { route }).inc();
    }

    /// Counts an answer that broke after its head.
    pub fn count_broken(&self, server: Option<ServerId>, reason: &'static str) {
        self.broken.count(server, reason);
    }

    /// Sets the gauges to what is so now.
    pub(crate) fn show(&self, now: &Now) {
        self.ready.set(now.is_ready.into());
        self.writable.set(self.takes_writes().into());
        self.directory_age.set(now.directory_age.as_secs_f64());
        for (state, number) in [
            ("in_use", now.database.in_use),
            ("idle", now.database.idle),
            ("waiting", now.database.waiting),
        ] {
            let gauge = self.database_connections.get_or_create(&StateLabels { state });
            gauge.set(number.into());
        }
        self.upstream_connections.set(number(now.upstream_connections));
        self.lists.set(number(self.watched_lists.bytes()));
        // Where there is no /proc, as on macOS, the two stay zero.
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            self.open_files.set(number(open.count()));
        }
        if let Some(pages) = resident_pages() {
            let bytes = pages.saturating_mul(page_size());
            self.resident.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        let limit = getrlimit(Resource::Nofile).current;
        self.open_files_max
            .set(limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap_or(i64::MAX)));
    }
}

fn number(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn resident_pages() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split(' ').nth(1)?.parse().ok()
}
