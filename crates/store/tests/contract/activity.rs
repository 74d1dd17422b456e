//! Activity: what is written is read, by any filter and in pages.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    activity::{Activity, Outcome, RequestKind, RequestNumber, Rule, SessionMark, TraceId},
    id::{GatewayId, ServerId},
};
use gatewright_store::activity::{self, ActivityFilter};

use crate::{
    activity_fixtures::{Office, all, caller, page, write},
    world::{World, contract},
};

contract!(
    a_row_comes_back_as_it_was_written,
    every_filter_finds_what_a_look_at_all_rows_finds,
    a_page_that_finds_little_says_where_to_continue,
    times_find_their_rows,
    another_project_finds_nothing,
    what_is_new_is_read_in_order,
);

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

/// Whether a filter finds a row, said another way.
fn is_wanted(filter: &ActivityFilter, row: &Activity) -> bool {
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
        let expected: Vec<Activity> = rows
            .iter()
            .rev()
            .filter(|row| is_wanted(&filter, row))
            .cloned()
            .collect();
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
    // Rows of both are side by side, and all names are the same.
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
