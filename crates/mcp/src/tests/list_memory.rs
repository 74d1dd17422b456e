//! Lists larger than the memory for them.

use std::sync::atomic::{AtomicUsize, Ordering};

use gatewright_domain::server::IdentityForwarding;
use serde_json::{Value, json};

use super::lists::{ADA, BOB, call, list, names};
use crate::{
    federation::{catalog::bytes_of, list_memory::ListLimits},
    testing::net::{FakeServer, User, World, json_answer, legacy_server, modern_reply, modern_server, tool},
    wire::listing::ListKind,
};

const LIMITS: ListLimits = ListLimits {
    total: 1_000_000,
    of_project: 200_000,
};

/// A tool with a description of this many bytes.
fn large(name: &str, bytes: usize) -> Value {
    json!({"name": name, "description": "x".repeat(bytes), "inputSchema": {"type": "object"}})
}

#[tokio::test]
async fn a_list_beyond_its_bound_is_cut_and_what_was_taken_works() {
    let tools: Vec<_> = (0..100)
        .map(|number| large(&format!("t{number}"), 1_000))
        .collect();
    let page = json!({"jsonrpc": "2.0", "id": 0, "result": {"resultType": "complete", "ttlMs": 60_000,
        "cacheScope": "public", "tools": &tools[..25], "nextCursor": "more"}});
    let server = FakeServer::new(move |received| {
        if received.method() == "tools/list" {
            return Ok(json_answer(200, &page.to_string()));
        }
        Ok(modern_reply(received, &[], 0, "public"))
    });
    let world = World::with_list_limits(&[("one", &server)], LIMITS);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let answer = list(&world, &plan, &ADA).await;
    let taken = names(&answer).len();
    assert!((10..25).contains(&taken), "{taken}");
    assert!(world.endpoint.list_bytes() <= LIMITS.of_project);
    assert_eq!(call(&world, &plan, &ADA, "t3").await["result"]["tool"], "t3");
}

#[tokio::test]
async fn a_page_that_does_not_fit_is_cut_off_while_it_arrives() {
    let server = modern_server(vec![large("huge", 150_000)], 60_000, "public");
    let small = modern_server(vec![tool("small")], 60_000, "public");
    let world = World::with_list_limits(&[("one", &server), ("two", &small)], LIMITS);
    let plan = world.plan(IdentityForwarding::None, &[]);
    assert_eq!(names(&list(&world, &plan, &ADA).await), ["two_small"]);
    assert!(world.endpoint.list_bytes() <= LIMITS.of_project);
}

#[tokio::test]
async fn a_server_whose_list_did_not_fit_is_asked_again_without_a_pause() {
    let lists = AtomicUsize::new(0);
    let server = FakeServer::new(move |received| {
        let number = lists.fetch_add(usize::from(received.method() == "tools/list"), Ordering::SeqCst);
        let bytes = if number == 0 { 150_000 } else { 10 };
        Ok(modern_reply(received, &[large("tool", bytes)], 60_000, "public"))
    });
    let small = modern_server(vec![tool("small")], 60_000, "public");
    let world = World::with_list_limits(&[("one", &server), ("two", &small)], LIMITS);
    let plan = world.plan(IdentityForwarding::None, &[]);
    assert_eq!(names(&list(&world, &plan, &ADA).await), ["two_small"]);
    let now = world.endpoint.federation.now();
    assert!(plan.servers[0].server.upstream.failure(now).is_none());
    assert_eq!(names(&list(&world, &plan, &BOB).await), ["one_tool", "two_small"]);
}

#[tokio::test]
async fn lists_that_were_dropped_are_read_again_when_they_are_needed() {
    let server = FakeServer::new(|received| {
        let user = received.header("gatewright-assertion").unwrap().to_owned();
        Ok(modern_reply(
            received,
            &[large(&format!("of-{user}"), 20_000)],
            60_000,
            "private",
        ))
    });
    let world = World::with_list_limits(&[("one", &server)], LIMITS);
    let plan = world.plan(IdentityForwarding::Assertion, &[]);
    let cyd = User("cyd");
    for _ in 0..3 {
        for (user, name) in [(&ADA, "of-ada"), (&BOB, "of-bob"), (&cyd, "of-cyd")] {
            assert_eq!(names(&list(&world, &plan, user).await), [name]);
            assert_eq!(call(&world, &plan, user, name).await["result"]["tool"], name);
            assert!(world.endpoint.list_bytes() <= LIMITS.of_project);
        }
    }
}

#[tokio::test]
async fn what_was_read_in_a_session_is_released_while_the_session_lives() {
    let inner = legacy_server(vec![], |_| json_answer(200, "{}"));
    let server = FakeServer::new(move |received| {
        if received.method() != "tools/list" {
            return (inner.handler)(received);
        }
        let user = received.header("gatewright-assertion").unwrap();
        let result = json!({"jsonrpc": "2.0", "id": received.json["id"],
            "result": {"tools": [large(&format!("of-{user}"), 5_000)]}});
        Ok(json_answer(200, &result.to_string()))
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::Assertion, &[]);
    let users = [User("ada"), User("bob"), User("cyd"), User("dan")];
    for user in &users {
        let answer = list(&world, &plan, user).await;
        assert_eq!(names(&answer), [format!("of-{}", user.0)]);
    }
    let (now, server) = (world.endpoint.federation.now(), &plan.servers[0].server);
    let upstream = &server.upstream;
    let lists = users.iter().map(|user| {
        assert!(upstream.sessions.slot(world.key(user)).get().is_some());
        bytes_of(
            &server
                .catalogs
                .of(ListKind::Tools)
                .last(upstream, world.key(user).into(), now)
                .unwrap()
                .list,
        )
    });
    let views = world.endpoint.federation.views.iter();
    let views = views.map(|(_, kept)| kept.get(now).unwrap().weight());
    assert_eq!(
        world.endpoint.list_bytes(),
        lists.sum::<usize>() + views.sum::<usize>()
    );
}
