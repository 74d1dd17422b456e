//! Lists with servers that hang or are slow: waits are short, and nothing is asked twice at the same time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use gatewright_domain::server::IdentityForwarding;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    federation::plan::Plan,
    peer::transport::TransportError,
    testing::net::{
        FakeServer, User, World, json_answer, legacy_server, meta, modern_headers, modern_reply,
        modern_server, read, tool,
    },
};

const ADA: User = User("ada");
const BOB: User = User("bob");

async fn names(world: &World, plan: &Plan, user: &User) -> Vec<String> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"l","method":"tools/list","params":{{{}}}}}"#,
        meta("")
    );
    let headers = modern_headers("tools/list", None);
    let (_, text) = read(world.post(plan, user, &headers, &body).await).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    let tools = answer["result"]["tools"].as_array();
    tools
        .unwrap_or_else(|| panic!("{answer}"))
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_hung_server_delays_one_list_by_a_second_and_the_next_by_nothing() {
    let up = modern_server(vec![tool("a")], 60_000, "public");
    let hung = FakeServer::hung();
    let world = World::new(&[("up", &up), ("hung", &hung)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let began = Instant::now();
    assert_eq!(names(&world, &plan, &ADA).await, ["up_a"]);
    assert!(
        began.elapsed() <= Duration::from_millis(1_100),
        "{:?}",
        began.elapsed()
    );
    let asked = hung.count();
    for _ in 0..20 {
        let began = Instant::now();
        assert_eq!(names(&world, &plan, &BOB).await, ["up_a"]);
        assert!(
            began.elapsed() <= Duration::from_millis(2),
            "{:?}",
            began.elapsed()
        );
    }
    assert_eq!(hung.count(), asked, "it is being asked already");
    // The time limit of the server passes, and then it is left alone for longer and longer.
    for pause in [15, 30, 60, 60] {
        tokio::time::sleep(Duration::from_secs(70)).await;
        let discovered = || hung.received("server/discover").len();
        let asked = hung.count();
        names(&world, &plan, &ADA).await;
        world.clock.advance(Duration::from_secs(pause - 1));
        names(&world, &plan, &ADA).await;
        assert_eq!(hung.count(), asked, "{pause}");
        let before = discovered();
        world.clock.advance(Duration::from_secs(1));
        names(&world, &plan, &ADA).await;
        assert_eq!(discovered(), before + 1, "{pause}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_known_list_is_returned_while_a_slow_server_is_asked_again() {
    let lists = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lists);
    let quick = FakeServer::new(move |received| {
        let number = count.fetch_add(usize::from(received.method() == "tools/list"), Ordering::SeqCst);
        Ok(modern_reply(
            received,
            &[tool(&format!("t{number}"))],
            20_000,
            "public",
        ))
    });
    let server = FakeServer::slow(quick, &[("tools/list", Duration::from_secs(12))]);
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    // With nothing to answer with there is only waiting, within the time limit of the server.
    let began = Instant::now();
    assert_eq!(names(&world, &plan, &ADA).await, ["t0"]);
    assert!(
        began.elapsed() <= Duration::from_millis(12_002),
        "{:?}",
        began.elapsed()
    );
    world.clock.advance(Duration::from_secs(21));
    let began = Instant::now();
    assert_eq!(names(&world, &plan, &ADA).await, ["t0"]);
    assert!(
        began.elapsed() <= Duration::from_millis(1_002),
        "{:?}",
        began.elapsed()
    );
    let lists = join_all((0..10).map(|_| names(&world, &plan, &BOB))).await;
    assert!(lists.iter().all(|list| *list == ["t0"]));
    assert!(
        began.elapsed() <= Duration::from_millis(1_004),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(server.received("tools/list").len(), 2, "asked once for all");
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(names(&world, &plan, &ADA).await, ["t1"], "read after the answer");
    assert_eq!(server.received("tools/list").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_needs_a_moment_is_waited_for() {
    let up = modern_server(vec![tool("a")], 60_000, "public");
    let slower = modern_server(vec![tool("b")], 60_000, "public");
    let slower = FakeServer::slow(slower, &[("tools/list", Duration::from_millis(900))]);
    let world = World::new(&[("up", &up), ("slower", &slower)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    assert_eq!(names(&world, &plan, &ADA).await, ["up_a", "slower_b"]);
}

#[tokio::test]
async fn a_list_that_turns_out_to_be_private_goes_to_its_own_user_only() {
    let count = AtomicUsize::new(0);
    let inner = legacy_server(vec![], |_| json_answer(200, "{}"));
    let server = FakeServer::new(move |received| {
        if received.method() != "tools/list" {
            return (inner.handler)(received);
        }
        let number = count.fetch_add(1, Ordering::SeqCst);
        let result = serde_json::json!({"jsonrpc": "2.0", "id": received.json["id"],
            "result": {"tools": [tool(&format!("t{number}"))]}});
        Ok(json_answer(200, &result.to_string()))
    });
    let world = World::new(&[("old", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    // Both wait for what is one reading until it has ended.
    let (ada, bob) = tokio::join!(names(&world, &plan, &ADA), names(&world, &plan, &BOB));
    assert_ne!(ada, bob);
    assert_eq!(names(&world, &plan, &ADA).await, ada);
    assert_eq!(names(&world, &plan, &BOB).await, bob);
}

#[tokio::test]
async fn a_refusal_that_may_be_about_one_user_takes_no_tools_from_others() {
    let server = FakeServer::new(|received| {
        if received.header("gatewright-assertion") == Some("bob") {
            return Ok(json_answer(500, "{}"));
        }
        Ok(modern_reply(received, &[tool("a")], 0, "public"))
    });
    let other = modern_server(vec![tool("b")], 0, "public");
    let world = World::new(&[("one", &server), ("two", &other)]);
    let plan = world.plan(IdentityForwarding::Assertion, &[]);
    assert_eq!(names(&world, &plan, &ADA).await, ["one_a", "two_b"]);
    assert_eq!(names(&world, &plan, &BOB).await, ["two_b"]);
    assert_eq!(names(&world, &plan, &ADA).await, ["one_a", "two_b"]);
}

#[tokio::test]
async fn a_server_that_is_back_is_offered_again_after_its_pause() {
    let works = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = Arc::clone(&works);
    let flaky = FakeServer::new(move |received| {
        if switch.load(Ordering::SeqCst) {
            return Ok(modern_reply(received, &[tool("b")], 60_000, "public"));
        }
        Err(TransportError::Unreachable("refused".to_owned()))
    });
    let up = modern_server(vec![tool("a")], 60_000, "public");
    let world = World::new(&[("up", &up), ("flaky", &flaky)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    assert_eq!(names(&world, &plan, &ADA).await, ["up_a"]);
    works.store(true, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(15));
    assert_eq!(names(&world, &plan, &ADA).await, ["up_a", "flaky_b"]);
}

/// Asks for a list and disconnects after this time.
async fn hang_up(world: &World, plan: &Plan, user: &User, after: Duration) {
    let asked = tokio::time::timeout(after, names(world, plan, user));
    assert!(asked.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_list_that_all_have_left_is_cancelled_unless_one_comes_back() {
    let quick = modern_server(vec![tool("a")], 60_000, "public");
    let server = FakeServer::slow(quick, &[("tools/list", Duration::from_secs(40))]);
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let lists = || server.received("tools/list").len();
    hang_up(&world, &plan, &ADA, Duration::from_secs(5)).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    hang_up(&world, &plan, &ADA, Duration::from_secs(5)).await;
    assert_eq!(lists(), 2, "the first reading was given up");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(names(&world, &plan, &BOB).await, ["a"]);
    assert_eq!(lists(), 2, "the second was waited for again");
}

#[tokio::test(start_paused = true)]
async fn of_lists_that_all_have_left_a_bounded_number_is_read_on() {
    let quick = modern_server(vec![tool("a")], 60_000, "private");
    let server = FakeServer::slow(quick, &[("tools/list", Duration::MAX)]);
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::Assertion, &[]);
    let users: Vec<User> = (0..20).map(|number| User(format!("u{number}").leak())).collect();
    for asked in [20, 24] {
        for user in &users {
            hang_up(&world, &plan, user, Duration::from_millis(10)).await;
        }
        assert_eq!(server.received("tools/list").len(), asked);
    }
}
