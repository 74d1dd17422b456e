//! Counts of requests: they equal a recount of the traffic, whatever the batches and however many replicas write them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use gatewright_domain::{
    Timestamp,
    activity::{Activity, ActivityCaller, ActivityClient, Outcome, RequestKind, RequestNumber},
    activity_rollup::{Counted, Dimension, OTHER, Period, Rollups, Tally, WHOLE, tool_key},
    entropy::{self, SeededEntropy},
    id::{GatewayId, ProjectId, ServerId},
};
use gatewright_store::{Store, StoreError, activity, activity_rollup as rows};

use crate::world::{World, contract};

contract!(
    counts_equal_a_recount_of_generated_traffic,
    replicas_that_write_at_the_same_time_add_up,
    a_transaction_that_is_not_committed_counts_nothing,
    what_is_beyond_the_keys_of_a_bucket_is_one_sum,
    people_are_counted_once_in_any_number_of_buckets,
    the_busiest_come_first,
    old_buckets_are_deleted_and_younger_ones_kept,
    another_project_has_its_own_counts_and_a_deleted_one_none,
);

/// Whether a request is counted under a key of a dimension.
fn is_of(request: &Activity, dimension: Dimension, key: &str) -> bool {
    let request = Counted::of(request);
    match dimension {
        Dimension::Project => true,
        Dimension::Gateway => request.gateway.to_string() == key,
        Dimension::Server => request.server.is_some_and(|server| server.to_string() == key),
        Dimension::Tool => {
            let tool = request.server.zip(request.tool);
            tool.is_some_and(|(server, tool)| tool_key(server, tool) == key)
        }
        Dimension::Client => request.client == Some(key),
        Dimension::Person => request.person == Some(key),
    }
}

/// Reads the activity in a separate transaction.
macro_rules! read {
    ($world:expr, $tx:ident => $work:expr) => {{
        let mut transaction = $world.store.activity().read().await.unwrap();
        let $tx = &mut transaction;
        $work.await.unwrap()
    }};
}

/// Numbers below a bound, the same in each run.
struct Dice(SeededEntropy);

impl Dice {
    fn below(&self, bound: u64) -> u64 {
        u64::from_be_bytes(entropy::bytes(&self.0)) % bound
    }
}

/// Requests of three days, of a few gateways, servers, tools, clients and people.
fn traffic(world: &World, dice: &Dice, project: ProjectId, requests: u64) -> Vec<Activity> {
    const KINDS: [RequestKind; 4] = [
        RequestKind::Call,
        RequestKind::Call,
        RequestKind::List,
        RequestKind::Listen,
    ];
    const OUTCOMES: [Outcome; 5] = [
        Outcome::Ok,
        Outcome::ToolError,
        Outcome::Unavailable,
        Outcome::Refused,
        Outcome::Cancelled,
    ];
    let gateways = [(); 3].map(|()| GatewayId::generate(&*world.clock, &*world.entropy));
    let servers = [(); 4].map(|()| ServerId::generate(&*world.clock, &*world.entropy));
    let one_of = |count: usize| usize::try_from(dice.below(count as u64)).unwrap();
    let some = |word: &str| (dice.below(5) > 0).then(|| format!("{word}{}", dice.below(7)));
    (0..requests)
        .map(|number| {
            let client = some("client").map(|id| ActivityClient::new(&id, "Client"));
            let person = some("person").map(Into::into);
            Activity {
                at: world
                    .now()
                    .minus(Duration::from_millis(dice.below(3 * 24 * 3_600_000))),
                project_id: project,
                gateway_id: gateways[one_of(gateways.len())],
                caller: (dice.below(9) > 0).then(|| Arc::new(ActivityCaller { person, client })),
                server_id: (dice.below(6) > 0).then(|| servers[one_of(servers.len())]),
                kind: KINDS[one_of(KINDS.len())],
                item: some("tool").map(Into::into),
                outcome: OUTCOMES[one_of(OUTCOMES.len())],
                rule: None,
                duration_us: 1 << dice.below(28),
                upstream_us: None,
                bytes_in: 1,
                bytes_out: 2,
                request: RequestNumber(number),
                trace: None,
                session: None,
            }
        })
        .collect()
}

fn with_client(request: &Activity, client: &str) -> Activity {
    let client = Some(ActivityClient::new(client, ""));
    Activity {
        caller: Some(Arc::new(ActivityCaller { person: None, client })),
        ..request.clone()
    }
}

fn rollups(requests: &[Activity]) -> Rollups {
    requests.iter().map(Counted::of).collect()
}

async fn write(store: &Store, batch: &[Activity]) {
    let batch = batch.to_vec();
    let rows_of = store.activity();
    let write = rows_of.transact(move |tx| Box::pin(async move { activity::write_batch(tx, &batch).await }));
    write.await.unwrap();
}

/// What is stored under a key, by bucket, of buckets around all requests.
async fn stored(
    world: &World,
    requests: &[Activity],
    period: Period,
    dimension: Dimension,
    key: &str,
) -> BTreeMap<Timestamp, Tally> {
    let begins: BTreeSet<_> = requests.iter().map(|request| period.begin(request.at)).collect();
    let begins: Vec<_> = begins.into_iter().collect();
    let project = requests[0].project_id;
    let mut stored = BTreeMap::new();
    for some in begins.chunks(200) {
        stored.extend(read!(world, tx => rows::series(tx, project, period, dimension, key, some)));
    }
    stored
}

/// What a recount finds under the same key.
fn recounted(
    requests: &[Activity],
    period: Period,
    dimension: Dimension,
    key: &str,
) -> BTreeMap<Timestamp, Tally> {
    let mut counts: BTreeMap<Timestamp, Tally> = BTreeMap::new();
    for request in requests.iter().filter(|request| is_of(request, dimension, key)) {
        let tally = counts.entry(period.begin(request.at)).or_default();
        let request = Counted::of(request);
        tally.note(request.ending, request.took);
    }
    counts
}

/// All keys that the requests have.
fn keys(requests: &[Activity]) -> BTreeSet<(Dimension, String)> {
    let places = rollups(requests).into_places();
    places
        .into_keys()
        .map(|place| (place.dimension, place.key))
        .collect()
}

async fn assert_recount(world: &World, requests: &[Activity]) {
    let keys = keys(requests);
    assert!(keys.len() > 10, "{keys:?}");
    for (dimension, key) in keys {
        for period in Period::ALL {
            let stored = stored(world, requests, period, dimension, &key).await;
            let wanted = recounted(requests, period, dimension, &key);
            assert_eq!(stored, wanted, "{period:?} {dimension:?} {key}");
        }
    }
}

async fn counts_equal_a_recount_of_generated_traffic(world: World) {
    for seed in 0..4 {
        let dice = Dice(SeededEntropy::new(seed));
        let project = world.project().await;
        let requests = traffic(&world, &dice, project.id, 250);
        let mut waiting = &requests[..];
        while !waiting.is_empty() {
            let size = 1 + usize::try_from(dice.below(90)).unwrap();
            let (batch, later) = waiting.split_at(size.min(waiting.len()));
            write(&world.store, batch).await;
            waiting = later;
        }
        assert_recount(&world, &requests).await;
    }
}

async fn replicas_that_write_at_the_same_time_add_up(world: World) {
    let dice = Dice(SeededEntropy::new(9));
    let project = world.project().await;
    let requests = traffic(&world, &dice, project.id, 240);
    let writers = requests.chunks(60).map(|share| {
        let (world, share) = (world.clone(), share.to_vec());
        tokio::spawn(async move {
            let store = world.replica().await;
            for batch in share.chunks(15) {
                write(&store, batch).await;
            }
            store.close().await;
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_recount(&world, &requests).await;
}

async fn a_transaction_that_is_not_committed_counts_nothing(world: World) {
    let dice = Dice(SeededEntropy::new(3));
    let project = world.project().await;
    let requests = traffic(&world, &dice, project.id, 20);
    let batch = requests.clone();
    let rows_of = world.store.activity();
    let stopped: Result<(), StoreError> = rows_of
        .transact(move |tx| {
            Box::pin(async move {
                activity::write_batch(tx, &batch).await?;
                Err(StoreError::Busy)
            })
        })
        .await;
    assert!(stopped.is_err());
    let stored = stored(&world, &requests, Period::Day, Dimension::Project, WHOLE).await;
    assert!(stored.is_empty());
    write(&world.store, &requests).await;
    assert_recount(&world, &requests).await;
}

async fn what_is_beyond_the_keys_of_a_bucket_is_one_sum(world: World) {
    let dice = Dice(SeededEntropy::new(5));
    let project = world.project().await;
    let model = traffic(&world, &dice, project.id, 1).remove(0);
    let most = Dimension::Client.most_keys().unwrap();
    let name = |number: u32| format!("client {number:04}");
    let of = |number: u32| with_client(&model, &name(number));
    let all: Vec<_> = (0..most + 50).chain(0..5).map(of).collect();
    for batch in all.chunks(130) {
        write(&world.store, batch).await;
    }
    let begins = [Period::Hour.begin(model.at)];
    let read =
        read!(world, tx => rows::busiest(tx, project.id, Period::Hour, Dimension::Client, &begins, 1_000));
    assert_eq!(read.len(), most as usize);
    let requests = async |key: &str| {
        let stored = stored(&world, &all, Period::Hour, Dimension::Client, key).await;
        stored.values().map(|tally| tally.requests).sum::<u64>()
    };
    assert_eq!(requests(&name(0)).await, 2, "a known key goes on");
    assert_eq!(requests(&name(most + 49)).await, 0);
    assert_eq!(requests(OTHER).await, 50);
    let whole = stored(&world, &all, Period::Hour, Dimension::Project, WHOLE).await;
    assert_eq!(
        whole.values().map(|tally| tally.requests).sum::<u64>(),
        all.len() as u64
    );
}

async fn people_are_counted_once_in_any_number_of_buckets(world: World) {
    let dice = Dice(SeededEntropy::new(6));
    let project = world.project().await;
    let requests = traffic(&world, &dice, project.id, 120);
    write(&world.store, &requests).await;
    let mut wanted: BTreeMap<Timestamp, BTreeSet<&str>> = BTreeMap::new();
    for request in &requests {
        let people = wanted.entry(Period::Hour.begin(request.at)).or_default();
        people.extend(Counted::of(request).person);
    }
    wanted.retain(|_, people| !people.is_empty());
    let begins: Vec<_> = wanted.keys().copied().collect();
    let read = read!(world, tx => rows::people(tx, project.id, Period::Hour, &begins));
    let counts = wanted.iter().map(|(begin, people)| (*begin, people.len() as u64));
    assert_eq!(read, counts.collect::<Vec<_>>());
    let all: BTreeSet<_> = wanted.values().flatten().collect();
    let read = read!(world, tx => rows::distinct_people(tx, project.id, Period::Hour, &begins));
    assert_eq!(read, all.len() as u64);
    assert_eq!(
        read!(world, tx => rows::distinct_people(tx, project.id, Period::Hour, &[])),
        0
    );
}

async fn the_busiest_come_first(world: World) {
    let dice = Dice(SeededEntropy::new(7));
    let project = world.project().await;
    let requests = traffic(&world, &dice, project.id, 150);
    write(&world.store, &requests).await;
    let days: BTreeSet<_> = requests
        .iter()
        .map(|request| Period::Day.begin(request.at))
        .collect();
    let days: Vec<_> = days.into_iter().collect();
    let read = read!(world, tx => rows::busiest(tx, project.id, Period::Day, Dimension::Tool, &days, 5));
    let mut wanted: Vec<_> = keys(&requests)
        .into_iter()
        .filter(|(dimension, _)| *dimension == Dimension::Tool)
        .map(|(dimension, key)| {
            let mut sum = Tally::default();
            for tally in recounted(&requests, Period::Day, dimension, &key).values() {
                sum.add(tally);
            }
            (key, sum)
        })
        .collect();
    wanted.sort_by(|(one, first), (other, second)| second.requests.cmp(&first.requests).then(one.cmp(other)));
    wanted.truncate(5);
    assert_eq!(read, wanted);
}

async fn old_buckets_are_deleted_and_younger_ones_kept(world: World) {
    let dice = Dice(SeededEntropy::new(8));
    let project = world.project().await;
    let requests = traffic(&world, &dice, project.id, 40);
    write(&world.store, &requests).await;
    let middle = Period::Minute.begin(world.now().minus(Duration::from_hours(36)));
    loop {
        let rows_of = world.store.activity();
        let prune = rows_of.transact(move |tx| Box::pin(rows::prune(tx, Period::Minute, middle, 7)));
        if prune.await.unwrap() < 7 {
            break;
        }
    }
    let left = stored(&world, &requests, Period::Minute, Dimension::Project, WHOLE).await;
    let mut wanted = recounted(&requests, Period::Minute, Dimension::Project, WHOLE);
    let all = wanted.len();
    wanted.retain(|begin, _| *begin >= middle);
    assert!(!wanted.is_empty() && wanted.len() < all);
    assert_eq!(left, wanted);
    let hours = stored(&world, &requests, Period::Hour, Dimension::Project, WHOLE).await;
    assert_eq!(
        hours,
        recounted(&requests, Period::Hour, Dimension::Project, WHOLE)
    );
}

async fn another_project_has_its_own_counts_and_a_deleted_one_none(world: World) {
    let dice = Dice(SeededEntropy::new(4));
    let (one, other) = (world.project().await, world.project().await);
    let request = traffic(&world, &dice, one.id, 1).remove(0);
    let twin = Activity {
        project_id: other.id,
        at: request.at.plus(Duration::from_mins(1)),
        ..request.clone()
    };
    write(&world.store, &[request.clone(), twin.clone()]).await;
    let whole = async |request: &Activity| {
        stored(
            &world,
            std::slice::from_ref(request),
            Period::Hour,
            Dimension::Project,
            WHOLE,
        )
        .await
        .len()
    };
    assert_eq!((whole(&request).await, whole(&twin).await), (1, 1));
    let rows_of = world.store.activity();
    let forget = rows_of.transact(move |tx| Box::pin(activity::forget_project(tx, one.id)));
    assert!(!forget.await.unwrap().more);
    assert_eq!((whole(&request).await, whole(&twin).await), (0, 1));
}
