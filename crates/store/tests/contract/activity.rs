//! Activity: batches of rows, lists by any filter, and how they are deleted.

use std::{sync::Arc, time::Duration};

use gatewright_domain::{
    Clock as _, Timestamp,
    activity::{
        Activity, ActivityCaller, ActivityClient, Outcome, RequestKind, RequestNumber, Rule, SessionMark,
        StoredActivity, TraceId,
    },
    id::{GatewayId, ProjectId, ServerId},
};
use gatewright_store::{
    PageRequest, Store,
    activity::{self, ActivityFilter},
};

use crate::world::{World, contract};

contract!(
    a_row_comes_back_as_it_was_written,
    every_filter_finds_what_a_look_at_all_rows_finds,
    a_page_that_finds_little_says_where_to_continue,
    times_find_their_rows,
    another_project_finds_nothing,
    two_replicas_number_their_rows_without_gaps,
    a_batch_is_written_once,
    what_is_new_is_read_in_order,
    rows_are_deleted_by_age_and_by_number,
    a_deleted_project_leaves_nothing,
    a_client_has_the_name_that_it_gave_last,
    a_text_with_a_nul_is_stored,
    the_size_grows_with_the_rows,
);

/// Makes rows of one project, all alike.
struct Office {
    project: ProjectId,
    gateway: GatewayId,
    server: ServerId,
    caller: Arc<ActivityCaller>,
}

impl Office {
    fn new(world: &World) -> Self {
        let (clock, entropy) = (&*world.clock, &*world.entropy);
        Self {
            project: ProjectId::generate(clock, entropy),
            gateway: GatewayId::generate(clock, entropy),
            server: ServerId::generate(clock, entropy),
            caller: caller("usr_ada", "client-1", "Client One"),
        }
    }

    fn call(&self, at: Timestamp, item: &str) -> Activity {
        Activity {
            at,
            project_id: self.project,
            gateway_id: self.gateway,
            caller: Some(Arc::clone(&self.caller)),
            server_id: Some(self.server),
            kind: RequestKind::Call,
            item: Some(item.into()),
            outcome: Outcome::Ok,
            rule: None,
            duration_us: 1_500,
            upstream_us: Some(1_200),
            bytes_in: 100,
            bytes_out: 2_000,
            request: RequestNumber(u64::MAX - 5),
            trace: None,
            session: None,
        }
    }
}

fn caller(person: &str, client: &str, name: &str) -> Arc<ActivityCaller> {
    Arc::new(ActivityCaller {
        person: Some(person.into()),
        client: Some(ActivityClient::new(client, name)),
    })
}

async fn write(store: &Store, rows: Vec<Activity>) {
    let rows_of = store.activity();
    let written = rows_of.transact(move |tx| Box::pin(async move { activity::write_batch(tx, &rows).await }));
    written.await.unwrap();
}

/// A page, and the cursor of the next.
async fn page(
    world: &World,
    project: ProjectId,
    filter: &ActivityFilter,
    after: Option<String>,
    limit: u32,
) -> (Vec<StoredActivity>, Option<String>) {
    let filter = filter.clone();
    let rows_of = world.store.activity();
    let page = rows_of
        .look(move |tx| {
            Box::pin(async move { activity::list(tx, project, &filter, &PageRequest { after, limit }).await })
        })
        .await
        .unwrap();
    (page.items, page.next)
}

/// All rows that a filter finds, through all pages.
async fn all(world: &World, project: ProjectId, filter: &ActivityFilter, limit: u32) -> Vec<Activity> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (items, next) = page(world, project, filter, after, limit).await;
        assert!(items.len() <= limit as usize);
        found.extend(items.into_iter().map(|stored| stored.activity));
        match next {
            None => return found,
            Some(_) => after = next,
        }
    }
}

async fn a_row_comes_back_as_it_was_written(world: World) {
    let office = Office::new(&world);
    let full = Activity {
        outcome: Outcome::Refused,
        rule: Some(Rule::NotOffered),
        trace: TraceId::parse("4bf92f3577b34da6a3ce929d0e0e4736"),
        session: Some(SessionMark::of_key(&[7; 16])),
        ..office.call(world.now(), "search")
    };
    let bare = Activity {
        caller: None,
        server_id: None,
        kind: RequestKind::Other,
        item: None,
        upstream_us: None,
        ..full.clone()
    };
    write(&world.store, vec![full.clone(), bare.clone()]).await;
    let (items, next) = page(&world, office.project, &ActivityFilter::default(), None, 50).await;
    let rows: Vec<_> = items.iter().map(|stored| stored.activity.clone()).collect();
    assert_eq!(rows, [bare, full]);
    assert_eq!(next, None);
    let id = items[1].id;
    let rows_of = world.store.activity();
    let found = rows_of.look(move |tx| Box::pin(activity::find(tx, office.project, id)));
    assert_eq!(found.await.unwrap().as_ref(), Some(&items[1]));
}

/// Rows that differ in everything that is filtered by, the oldest first.
fn various(world: &World, office: &Office, count: usize) -> Vec<Activity> {
    let (clock, entropy) = (&*world.clock, &*world.entropy);
    let gateways = [office.gateway, GatewayId::generate(clock, entropy)];
    let servers = [
        Some(office.server),
        Some(ServerId::generate(clock, entropy)),
        None,
    ];
    let callers = [
        Some(caller("usr_ada", "client-1", "One")),
        Some(caller("usr_bob", "client-2", "Two")),
        Some(caller("|ada", "client-2", "Two")),
        None,
    ];
    let outcomes = [
        (Outcome::Ok, None),
        (Outcome::Ok, None),
        (Outcome::ToolError, None),
        (Outcome::Refused, Some(Rule::PersonBusy)),
        (Outcome::Refused, Some(Rule::NotOffered)),
    ];
    let kinds = [RequestKind::Call, RequestKind::Call, RequestKind::List];
    let mut state = 1_u64;
    let mut pick = |of: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 40).unwrap() % of
    };
    (0..count)
        .map(|number| {
            let (outcome, rule) = outcomes[pick(outcomes.len())];
            // A name that is in few blocks only.
            let item = if number % 2_300 == 3 {
                "rare"
            } else {
                ["search", "read"][pick(2)]
            };
            Activity {
                gateway_id: gateways[pick(2)],
                server_id: servers[pick(3)],
                caller: callers[pick(4)].clone(),
                kind: kinds[pick(3)],
                outcome,
                rule,
                request: RequestNumber(number as u64),
                ..office.call(world.now().plus(Duration::from_millis(number as u64)), item)
            }
        })
        .collect()
}

async fn every_filter_finds_what_a_look_at_all_rows_finds(world: World) {
    let office = Office::new(&world);
    let rows = various(&world, &office, 6_000);
    for batch in rows.chunks(777) {
        write(&world.store, batch.to_vec()).await;
    }
    let person = |id: &str| Some(id.to_owned());
    let any = ActivityFilter::default;
    let filters = [
        any(),
        ActivityFilter {
            gateway_id: Some(office.gateway),
            ..any()
        },
        ActivityFilter {
            server_id: Some(office.server),
            ..any()
        },
        ActivityFilter {
            item: person("rare"),
            ..any()
        },
        ActivityFilter {
            item: person("rare"),
            outcome: Some(Outcome::Refused),
            ..any()
        },
        ActivityFilter {
            person: person("usr_ada"),
            ..any()
        },
        ActivityFilter {
            person: person("|ada"),
            client: person("client-2"),
            ..any()
        },
        ActivityFilter {
            person: person("usr_ada"),
            client: person("client-2"),
            ..any()
        },
        ActivityFilter {
            client: person("client-3"),
            ..any()
        },
        ActivityFilter {
            outcome: Some(Outcome::Ok),
            kind: Some(RequestKind::List),
            ..any()
        },
        ActivityFilter {
            outcome: Some(Outcome::Broken),
            ..any()
        },
        ActivityFilter {
            rule: Some(Rule::PersonBusy),
            server_id: Some(office.server),
            ..any()
        },
        ActivityFilter {
            request: Some(RequestNumber(1_234)),
            ..any()
        },
    ];
    for filter in filters {
        let of = |row: &Activity| {
            let caller = row.caller.as_deref();
            let who = caller.and_then(|caller| caller.person.as_deref());
            let client = caller.and_then(|caller| Some(&*caller.client.as_ref()?.id));
            filter.gateway_id.is_none_or(|id| id == row.gateway_id)
                && filter.server_id.is_none_or(|id| Some(id) == row.server_id)
                && filter
                    .item
                    .as_deref()
                    .is_none_or(|item| Some(item) == row.item.as_deref())
                && filter.person.as_deref().is_none_or(|person| Some(person) == who)
                && filter
                    .client
                    .as_deref()
                    .is_none_or(|wanted| Some(wanted) == client)
                && filter.outcome.is_none_or(|outcome| outcome == row.outcome)
                && filter.rule.is_none_or(|rule| Some(rule) == row.rule)
                && filter.kind.is_none_or(|kind| kind == row.kind)
                && filter.request.is_none_or(|request| request == row.request)
        };
        let expected: Vec<Activity> = rows.iter().rev().filter(|row| of(row)).cloned().collect();
        for (limit, look_at) in [(23, None), (200, None), (50, Some(1_024))] {
            let filter = ActivityFilter {
                look_at,
                ..filter.clone()
            };
            let found = all(&world, office.project, &filter, limit).await;
            assert!(
                found == expected,
                "{filter:?}: {} of {}",
                found.len(),
                expected.len()
            );
        }
    }
}

async fn a_page_that_finds_little_says_where_to_continue(world: World) {
    let office = Office::new(&world);
    let row = |number: u64| Activity {
        request: RequestNumber(number),
        ..office.call(world.now(), "search")
    };
    write(&world.store, vec![row(1)]).await;
    write(&world.store, (0..5_000).map(|_| row(2)).collect()).await;
    let only_first = ActivityFilter {
        request: Some(RequestNumber(1)),
        look_at: Some(2_048),
        ..ActivityFilter::default()
    };
    let (items, next) = page(&world, office.project, &only_first, None, 50).await;
    assert!(
        items.is_empty() && next.is_some(),
        "it looked at a bounded number of rows"
    );
    let found = all(&world, office.project, &only_first, 50).await;
    assert_eq!(found, [row(1)]);
}

async fn times_find_their_rows(world: World) {
    let office = Office::new(&world);
    let begin = world.now();
    let rows: Vec<Activity> = (0..600)
        .map(|number| office.call(begin.plus(Duration::from_secs(number * 7)), "search"))
        .collect();
    write(&world.store, rows.clone()).await;
    for (from, to) in [
        (0, 4_200),
        (700, 701),
        (1_000, 2_000),
        (4_190, 9_000),
        (-900, 10),
        (5_000, 6_000),
    ] {
        let at = |seconds: i64| Timestamp::from_millis(begin.as_millis() + seconds * 1_000);
        let filter = ActivityFilter {
            from: Some(at(from)),
            to: Some(at(to)),
            ..ActivityFilter::default()
        };
        let expected: Vec<Activity> = rows
            .iter()
            .rev()
            .filter(|row| row.at >= at(from) && row.at < at(to))
            .cloned()
            .collect();
        assert!(
            all(&world, office.project, &filter, 50).await == expected,
            "{from} to {to}"
        );
    }
}

async fn another_project_finds_nothing(world: World) {
    let (office, other) = (Office::new(&world), Office::new(&world));
    let both = [&office, &other];
    // Rows of both stand side by side, and all names are the same.
    let rows = (0..600)
        .map(|number| both[number % 2].call(world.now(), "search"))
        .collect();
    write(&world.store, rows).await;
    for (one, another) in [(&office, &other), (&other, &office)] {
        let theirs = ActivityFilter {
            item: Some("search".to_owned()),
            person: Some("usr_ada".to_owned()),
            ..ActivityFilter::default()
        };
        let found = all(&world, one.project, &theirs, 200).await;
        assert_eq!(found.len(), 300);
        assert!(
            found
                .iter()
                .all(|row| row.gateway_id == one.gateway && row.project_id == one.project)
        );
        let at_another = ActivityFilter {
            gateway_id: Some(another.gateway),
            ..ActivityFilter::default()
        };
        assert!(all(&world, one.project, &at_another, 200).await.is_empty());
        let (items, _) = page(&world, one.project, &ActivityFilter::default(), None, 1).await;
        let (id, elsewhere) = (items[0].id, another.project);
        let rows_of = world.store.activity();
        let found = rows_of.look(move |tx| Box::pin(activity::find(tx, elsewhere, id)));
        assert_eq!(found.await.unwrap(), None);
    }
}

async fn two_replicas_number_their_rows_without_gaps(world: World) {
    let office = Office::new(&world);
    let replica = world.replica().await;
    let rows = |store: &Store, person: &str| {
        let (store, caller) = (store.clone(), caller(person, "client-1", "One"));
        let row = Activity {
            caller: Some(caller),
            ..office.call(world.now(), "search")
        };
        async move {
            for _ in 0..20 {
                write(&store, vec![row.clone(); 17]).await;
            }
        }
    };
    tokio::join!(rows(&world.store, "usr_ada"), rows(&replica, "usr_bob"));
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let (items, next) = page(&world, office.project, &ActivityFilter::default(), after, 200).await;
        ids.extend(items.iter().map(|stored| stored.id.row()));
        match next {
            None => break,
            Some(_) => after = next,
        }
    }
    let expected: Vec<i64> = (1..=2 * 20 * 17).rev().collect();
    assert_eq!(ids, expected);
    for person in ["usr_ada", "usr_bob"] {
        let filter = ActivityFilter {
            person: Some(person.to_owned()),
            ..ActivityFilter::default()
        };
        assert_eq!(all(&world, office.project, &filter, 200).await.len(), 20 * 17);
    }
    replica.close().await;
}

async fn a_batch_is_written_once(world: World) {
    let office = Office::new(&world);
    let claimed = |writer: &'static str, number: i64| {
        let (store, at) = (world.store.activity(), world.now());
        let row = office.call(at, "search");
        async move {
            let written = store.transact(move |tx| {
                Box::pin(async move {
                    let is_new = activity::claim_batch(tx, writer, number, at).await?;
                    if is_new {
                        activity::write_batch(tx, &[row]).await?;
                    }
                    Ok::<_, gatewright_store::StoreError>(is_new)
                })
            });
            written.await.unwrap()
        }
    };
    assert!(claimed("one", 1).await);
    assert!(
        !claimed("one", 1).await,
        "its commit was not confirmed, and it is tried again"
    );
    assert!(claimed("one", 2).await);
    assert!(claimed("another", 1).await);
    assert!(!claimed("one", 1).await);
    let any = ActivityFilter::default();
    assert_eq!(all(&world, office.project, &any, 50).await.len(), 3);
}

async fn what_is_new_is_read_in_order(world: World) {
    let (office, other) = (Office::new(&world), Office::new(&world));
    write(&world.store, vec![office.call(world.now(), "first")]).await;
    let look = |after: i64, limit: u32| {
        let (store, project) = (world.store.activity(), office.project);
        async move {
            let new = store.look(move |tx| {
                Box::pin(async move {
                    activity::since(tx, project, &ActivityFilter::default(), after, limit).await
                })
            });
            let (rows, seen) = new.await.unwrap();
            let items: Vec<String> = rows
                .iter()
                .map(|row| row.activity.item.as_deref().unwrap().to_owned())
                .collect();
            (items, seen)
        }
    };
    let (items, seen) = look(0, 10).await;
    assert_eq!((items, seen), (vec!["first".to_owned()], 1));
    let more = ["second", "third", "fourth"].map(|item| office.call(world.now(), item));
    let mut batch = more.to_vec();
    batch.push(other.call(world.now(), "theirs"));
    write(&world.store, batch).await;
    let (items, seen) = look(seen, 2).await;
    assert_eq!((items, seen), (vec!["second".to_owned(), "third".to_owned()], 3));
    let (items, seen) = look(seen, 2).await;
    assert_eq!((items, seen), (vec!["fourth".to_owned()], 5));
    assert_eq!(look(seen, 2).await, (Vec::new(), 5));
}

async fn rows_are_deleted_by_age_and_by_number(world: World) {
    let office = Office::new(&world);
    let begin = world.now();
    let old = office.call(begin, "old");
    let rows = (0..1_000).map(|_| old.clone()).collect();
    write(&world.store, rows).await;
    world.clock.advance(Duration::from_mins(10));
    let new = office.call(world.now(), "new");
    write(&world.store, vec![new.clone(); 1_000]).await;
    let prune = |before: Timestamp, limit: u32| {
        let store = world.store.activity();
        async move {
            store
                .transact(move |tx| Box::pin(activity::prune(tx, before, limit)))
                .await
                .unwrap()
        }
    };
    let before = begin.plus(Duration::from_mins(5));
    let mut deleted = 0;
    loop {
        let pruned = prune(before, 300).await;
        assert!(pruned.rows <= 300);
        deleted += pruned.rows;
        if !pruned.more {
            break;
        }
    }
    assert_eq!(deleted, 1_000);
    assert_eq!(prune(before, 300).await.rows, 0);
    let any = ActivityFilter::default();
    assert_eq!(all(&world, office.project, &any, 200).await.len(), 1_000);
    let rows_of = world.store.activity();
    let oldest = rows_of.transact(|tx| Box::pin(activity::prune_oldest(tx, 400)));
    assert_eq!(oldest.await.unwrap().rows, 400);
    assert_eq!(
        all(&world, office.project, &any, 200).await,
        vec![new.clone(); 600]
    );
    // Names without rows are deleted, and those that are used are kept.
    let names = || {
        let store = world.store.activity();
        async move {
            let pruned = store.transact(|tx| Box::pin(activity::prune_names(tx, 0))).await;
            assert!(pruned.unwrap().is_some());
        }
    };
    names().await;
    let old = ActivityFilter {
        item: Some("old".to_owned()),
        ..ActivityFilter::default()
    };
    assert!(all(&world, office.project, &old, 200).await.is_empty());
    write(&world.store, vec![office.call(world.now(), "old")]).await;
    assert_eq!(all(&world, office.project, &old, 200).await.len(), 1);
    assert_eq!(all(&world, office.project, &any, 200).await.len(), 601);
    // All of it, and what follows is found.
    let everything = world.now().plus(Duration::from_hours(1));
    while prune(everything, 500).await.more {}
    assert!(all(&world, office.project, &any, 200).await.is_empty());
    names().await;
    write(&world.store, vec![new.clone()]).await;
    assert_eq!(all(&world, office.project, &any, 200).await, [new]);
}

async fn a_deleted_project_leaves_nothing(world: World) {
    let (office, other) = (Office::new(&world), Office::new(&world));
    let both = [&office, &other];
    for _ in 0..20 {
        let rows = (0..1_000)
            .map(|number| both[number % 2].call(world.now(), "search"))
            .collect();
        write(&world.store, rows).await;
    }
    let gone = office.project;
    let mut deleted = 0;
    loop {
        let rows_of = world.store.activity();
        let step = rows_of.transact(move |tx| Box::pin(activity::forget_project(tx, gone)));
        let step = step.await.unwrap();
        deleted += step.rows;
        if !step.more {
            break;
        }
    }
    assert_eq!(deleted, 10_000);
    let any = ActivityFilter::default();
    assert!(all(&world, office.project, &any, 200).await.is_empty());
    assert_eq!(all(&world, other.project, &any, 200).await.len(), 10_000);
    let rows_of = world.store.activity();
    let left = rows_of.look(|tx| Box::pin(activity::projects(tx, None)));
    assert_eq!(left.await.unwrap(), [other.project]);
}

async fn a_client_has_the_name_that_it_gave_last(world: World) {
    let office = Office::new(&world);
    for name in ["One", "Another"] {
        let row = Activity {
            caller: Some(caller("usr_ada", "client-1", name)),
            ..office.call(world.now(), "search")
        };
        write(&world.store, vec![row]).await;
    }
    let found = all(&world, office.project, &ActivityFilter::default(), 200).await;
    let names = found.iter().map(|row| {
        row.caller
            .as_ref()
            .unwrap()
            .client
            .as_ref()
            .unwrap()
            .name
            .to_string()
    });
    assert_eq!(names.collect::<Vec<_>>(), ["Another", "Another"]);
}

async fn a_text_with_a_nul_is_stored(world: World) {
    let office = Office::new(&world);
    let rows = ["a\0b", "a\u{fffd}b"].map(|item| office.call(world.now(), item));
    write(&world.store, rows.to_vec()).await;
    let found = all(&world, office.project, &ActivityFilter::default(), 200).await;
    assert!(found.iter().all(|row| row.item.as_deref() == Some("a\u{fffd}b")));
    assert_eq!(found.len(), 2);
}

async fn the_size_grows_with_the_rows(world: World) {
    let office = Office::new(&world);
    let activity = world.store.activity();
    let empty = activity.size().await.unwrap();
    write(&world.store, vec![office.call(world.now(), "search"); 20_000]).await;
    let full = activity.size().await.unwrap();
    let per_row = (full - empty) / 20_000;
    assert!((40..300).contains(&per_row), "{per_row} bytes per row");
    // On SQLite it is in another file, whose writer does not wait for the main one.
    if world.is_sqlite() {
        let _held = world.store.write().await.unwrap();
        write(&world.store, vec![office.call(world.clock.now(), "search")]).await;
    }
    while activity
        .transact(|tx| Box::pin(activity::prune_oldest(tx, 5_000)))
        .await
        .unwrap()
        .more
    {}
    assert!(activity.size().await.unwrap() < full / 4);
}
