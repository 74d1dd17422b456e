//! `bench-activity <database file or URL of PostgreSQL> <rows>`: how fast activity is written, how much space it takes, and how long
//! a page of it takes by each filter. It calls the store as the recorder and the API do.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use gatewright_domain::{
    Timestamp,
    activity::{Activity, ActivityCaller, ActivityClient, Outcome, RequestKind, RequestNumber, Rule},
    clock::FixedClock,
    entropy::SystemEntropy,
    id::{GatewayId, ProjectId, ServerId},
    secret::Secret,
};
use gatewright_store::{
    PageRequest, Store, StoreConfig,
    activity::{self, ActivityFilter},
};

/// Rows in a transaction, as the recorder writes them.
const BATCH: usize = 2_000;
/// Pages read of each kind.
const READS: usize = 21;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, rows] = arguments.as_slice() else {
        anyhow::bail!("usage: bench-activity <database file or URL of PostgreSQL> <rows>");
    };
    let rows: usize = rows.parse()?;
    let config = if database.starts_with("postgres") {
        StoreConfig::Postgres {
            url: Secret::new(database.clone()),
            max_connections: 4,
        }
    } else {
        StoreConfig::Sqlite {
            path: PathBuf::from(database),
        }
    };
    let store = Store::connect(&config).await?;
    store.migrate().await?;
    let mut made = Made::new();
    let began = Instant::now();
    let mut left = rows;
    while left > 0 {
        let batch: Vec<Activity> = (0..BATCH.min(left)).map(|_| made.next()).collect();
        left -= batch.len();
        let rows_of = store.activity();
        rows_of
            .transact(move |tx| Box::pin(async move { activity::write_batch(tx, &batch).await }))
            .await?;
    }
    let took = began.elapsed();
    let size = store.activity().size().await?;
    println!("rows written | {rows}");
    println!("microseconds a row | {:.2}", per(took.as_micros(), rows));
    println!("bytes a row | {:.0}", per(size.unsigned_abs().into(), rows));
    println!("page of 50 by | rows | median ms | slowest ms");
    for (name, filter) in made.filters() {
        read(&store, made.project, name, filter).await?;
    }
    let began = Instant::now();
    let pruned = store.activity();
    pruned
        .transact(|tx| Box::pin(activity::prune_oldest(tx, 2_000)))
        .await?;
    println!("deleting 2,000 rows | {:.1} ms", millis(began.elapsed()));
    store.close().await;
    Ok(())
}

async fn read(store: &Store, project: ProjectId, name: &str, filter: ActivityFilter) -> anyhow::Result<()> {
    let mut took = Vec::new();
    let mut found = 0;
    for _ in 0..READS {
        let filter = filter.clone();
        let began = Instant::now();
        let rows_of = store.activity();
        let page = rows_of
            .look(move |tx| {
                Box::pin(async move { activity::list(tx, project, &filter, &PageRequest::first(50)).await })
            })
            .await?;
        took.push(began.elapsed());
        found = page.items.len();
    }
    took.sort_unstable();
    let (median, slowest) = (took[READS / 2], took[READS - 1]);
    println!(
        "{name} | {found} | {:.2} | {:.2}",
        millis(median),
        millis(slowest)
    );
    Ok(())
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "figures to read")]
fn per(total: u128, rows: usize) -> f64 {
    total as f64 / rows as f64
}

/// Makes rows as a busy project has them: few gateways, many people, some of whom are seldom there.
struct Made {
    project: ProjectId,
    gateways: Vec<GatewayId>,
    servers: Vec<ServerId>,
    callers: Vec<Arc<ActivityCaller>>,
    items: Vec<Arc<str>>,
    count: u64,
    state: u64,
}

impl Made {
    fn new() -> Self {
        let clock = FixedClock::at_seconds(1_790_000_000);
        let callers = (0..2_000).map(|number| {
            Arc::new(ActivityCaller {
                person: Some(format!("usr_{number:032x}").into()),
                client: Some(ActivityClient::new(&format!("client-{}", number % 7), "Client")),
            })
        });
        Self {
            project: ProjectId::generate(&clock, &SystemEntropy),
            gateways: (0..5)
                .map(|_| GatewayId::generate(&clock, &SystemEntropy))
                .collect(),
            servers: (0..20)
                .map(|_| ServerId::generate(&clock, &SystemEntropy))
                .collect(),
            callers: callers.collect(),
            items: (0..200).map(|number| format!("tool_{number}").into()).collect(),
            count: 0,
            state: 1,
        }
    }

    fn pick(&mut self, of: usize) -> usize {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 33).unwrap_or_default() % of
    }

    fn next(&mut self) -> Activity {
        self.count += 1;
        // A hundred people make nearly all requests, and one makes a few in a million.
        let person = match self.count % 300_000 {
            7 => 1_999,
            _ if self.count.is_multiple_of(50) => self.pick(1_999),
            _ => self.pick(100),
        };
        let refused = self.pick(200) == 0;
        let failed = self.pick(50) == 0;
        let server = self.pick(self.servers.len());
        let item = server * 10 + self.pick(10);
        Activity {
            at: made_at(self.count),
            project_id: self.project,
            gateway_id: self.gateways[server % self.gateways.len()],
            caller: Some(Arc::clone(&self.callers[person])),
            server_id: (!refused).then(|| self.servers[server]),
            kind: RequestKind::Call,
            item: Some(Arc::clone(&self.items[item])),
            outcome: match (refused, failed) {
                (true, _) => Outcome::Refused,
                (_, true) => Outcome::ToolError,
                _ => Outcome::Ok,
            },
            rule: refused.then_some(Rule::NotOffered),
            duration_us: 12_000,
            upstream_us: Some(11_000),
            bytes_in: 400,
            bytes_out: 2_000,
            request: RequestNumber(self.state),
            trace: None,
            session: None,
        }
    }

    fn filters(&self) -> Vec<(&'static str, ActivityFilter)> {
        let any = ActivityFilter::default;
        let person = |number: u32| Some(format!("usr_{number:032x}"));
        vec![
            ("nothing", any()),
            (
                "gateway",
                ActivityFilter {
                    gateway_id: Some(self.gateways[0]),
                    ..any()
                },
            ),
            (
                "tool",
                ActivityFilter {
                    item: Some("tool_11".to_owned()),
                    ..any()
                },
            ),
            (
                "person who is often there",
                ActivityFilter {
                    person: person(5),
                    ..any()
                },
            ),
            (
                "person who is seldom there",
                ActivityFilter {
                    person: person(1_999),
                    ..any()
                },
            ),
            (
                "refusals",
                ActivityFilter {
                    outcome: Some(Outcome::Refused),
                    ..any()
                },
            ),
            (
                "an outcome that there is not",
                ActivityFilter {
                    outcome: Some(Outcome::Broken),
                    ..any()
                },
            ),
            (
                "seldom together: person and tool and refused",
                ActivityFilter {
                    person: person(1_500),
                    item: Some("tool_11".to_owned()),
                    outcome: Some(Outcome::Refused),
                    ..any()
                },
            ),
            (
                "tool and refused",
                ActivityFilter {
                    item: Some("tool_11".to_owned()),
                    outcome: Some(Outcome::Refused),
                    ..any()
                },
            ),
            (
                "an hour in the middle",
                ActivityFilter {
                    from: Some(made_at(self.count / 2)),
                    to: Some(made_at(self.count / 2).plus(Duration::from_hours(1))),
                    ..any()
                },
            ),
            (
                "one HTTP request, not found",
                ActivityFilter {
                    request: Some(RequestNumber(1)),
                    ..any()
                },
            ),
        ]
    }
}

/// When the made-up row of this number was made.
fn made_at(row: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + row.cast_signed() * 100)
}
