//! Merged lists: order, names, selection, freshness, and servers that are down.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use gatewright_domain::server::IdentityForwarding;
use serde_json::{Value, json};

use crate::{
    federation::plan::Plan,
    peer::transport::TransportError,
    testing::net::{
        FakeServer, User, World, echo, json_answer, legacy_server, meta, modern_headers, modern_reply,
        modern_server, read, tool,
    },
};

pub(super) const ADA: User = User("ada");
pub(super) const BOB: User = User("bob");

pub(super) async fn list(world: &World, plan: &Plan, user: &User) -> Value {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"l","method":"tools/list","params":{{{}}}}}"#,
        meta("")
    );
    let (status, text) = read(
        world
            .post(plan, user, &modern_headers("tools/list", None), &body)
            .await,
    )
    .await;
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["id"], "l");
    answer
}

pub(super) fn names(answer: &Value) -> Vec<&str> {
    let tools = answer["result"]["tools"].as_array();
    tools
        .unwrap_or_else(|| panic!("{answer}"))
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect()
}

pub(super) async fn call(world: &World, plan: &Plan, user: &User, name: &str) -> Value {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{{}},{}}}}}"#,
        meta("")
    );
    let (_, text) = read(
        world
            .post(plan, user, &modern_headers("tools/call", Some(name)), &body)
            .await,
    )
    .await;
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn several_servers_are_merged_in_order_under_their_prefixes() {
    let old = legacy_server(vec![tool("b"), tool("a")], |received| {
        json_answer(200, &echo(received))
    });
    let new = modern_server(vec![tool("a")], 60_000, "public");
    let world = World::new(&[("x-old", &old), ("new", &new)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let answer = list(&world, &plan, &ADA).await;
    assert_eq!(names(&answer), ["x-old_b", "x-old_a", "new_a"]);
    assert_eq!(answer["result"]["resultType"], "complete");
    let info = &answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(
        (&info["name"], &info["title"]),
        (&json!("gatewright"), &json!("Tools \"R\" us"))
    );
    // What a server with sessions lists may differ between users.
    assert_eq!(answer["result"]["cacheScope"], "private");
    // The list of the server with sessions is taken as fresh for half a minute, less than the other's.
    assert_eq!(answer["result"]["ttlMs"], 30_000);
    assert_eq!(call(&world, &plan, &ADA, "new_a").await["result"]["tool"], "a");
    assert_eq!(call(&world, &plan, &ADA, "x-old_a").await["result"]["tool"], "a");
    assert_eq!(new.received("tools/call").len(), 1);
    let headers = world.begin(&plan, &ADA).await;
    let body = r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#;
    let (_, text) = read(world.post(&plan, &ADA, &headers, body).await).await;
    let legacy: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(names(&legacy), ["x-old_b", "x-old_a", "new_a"]);
    assert_eq!(legacy["result"].get("ttlMs"), None);
    assert_eq!(legacy["result"].get("_meta"), None);
    // Everything came from memory.
    assert_eq!(new.received("tools/list").len(), 1);
}

#[tokio::test]
async fn a_tool_that_is_not_offered_is_exactly_like_an_unknown_one() {
    let one = modern_server(vec![tool("yes"), tool("no")], 60_000, "public");
    let two = modern_server(vec![tool("also")], 60_000, "public");
    let world = World::new(&[("one", &one), ("two", &two)]);
    let plan = world.plan(IdentityForwarding::None, &[(0, "yes")]);
    assert_eq!(names(&list(&world, &plan, &ADA).await), ["one_yes"]);
    for (hidden, unknown) in [("one_no", "one_xx"), ("two_also", "two_xxxx"), ("yes", "xxx")] {
        let refused = call(&world, &plan, &ADA, hidden).await;
        let missing = call(&world, &plan, &ADA, unknown).await;
        assert_eq!(refused["error"]["code"], -32602);
        assert_eq!(
            refused.to_string().replace(hidden, ""),
            missing.to_string().replace(unknown, "")
        );
    }
    assert_eq!(
        one.received("tools/call").len() + two.received("tools/call").len(),
        0
    );
    assert_eq!(
        call(&world, &plan, &ADA, "one_yes").await["result"]["tool"],
        "yes"
    );
    // Another plan of the same gateway offers what it offers, whatever was in memory.
    let narrower = world.plan(IdentityForwarding::None, &[(1, "also")]);
    assert_eq!(
        call(&world, &narrower, &ADA, "one_yes").await["error"]["code"],
        -32602
    );
    assert_eq!(names(&list(&world, &narrower, &ADA).await), ["two_also"]);
}

#[tokio::test]
async fn one_server_down_takes_only_its_own_tools_away() {
    let up = modern_server(vec![tool("a")], 0, "public");
    let down = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&down);
    let flaky = FakeServer::new(move |received| {
        if switch.load(Ordering::SeqCst) {
            return Err(TransportError::Unreachable("refused".to_owned()));
        }
        Ok(modern_reply(received, &[tool("b")], 0, "public"))
    });
    let world = World::new(&[("up", &up), ("flaky", &flaky)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    assert_eq!(names(&list(&world, &plan, &ADA).await), ["up_a"]);
    assert_eq!(flaky.count(), 2, "tried once more, because it surely got nothing");
    assert_eq!(names(&list(&world, &plan, &ADA).await), ["up_a"]);
    assert_eq!(flaky.count(), 2, "left alone for a moment");
    let refused = call(&world, &plan, &ADA, "flaky_b").await;
    assert_eq!(refused["error"]["code"], -32603);
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .contains("`flaky` cannot be reached")
    );
    assert_eq!(call(&world, &plan, &ADA, "up_a").await["result"]["tool"], "a");
    down.store(false, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(16));
    assert_eq!(names(&list(&world, &plan, &ADA).await), ["up_a", "flaky_b"]);
    // Down again: its last list stays in use for a while, and then goes.
    down.store(true, Ordering::SeqCst);
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(names(&list(&world, &plan, &ADA).await), ["up_a", "flaky_b"]);
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(names(&list(&world, &plan, &ADA).await), ["up_a"]);
}

#[tokio::test]
async fn with_every_server_down_the_list_says_why() {
    let dead = FakeServer::new(|_| Err(TransportError::Timeout("slow".to_owned())));
    let world = World::new(&[("dead", &dead)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{}}}}}"#,
        meta("")
    );
    let (_, text) = read(
        world
            .post(&plan, &ADA, &modern_headers("tools/list", None), &body)
            .await,
    )
    .await;
    assert!(text.contains("`dead` did not answer in time"), "{text}");
}

#[tokio::test]
async fn a_list_is_fetched_once_for_many_and_again_when_it_is_old() {
    let server = modern_server(vec![tool("a")], 20_000, "public");
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    join_all((0..50).map(|_| list(&world, &plan, &ADA))).await;
    join_all((0..50).map(|_| list(&world, &plan, &BOB))).await;
    assert_eq!(server.received("server/discover").len(), 1);
    assert_eq!(server.received("tools/list").len(), 1);
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(list(&world, &plan, &ADA).await["result"]["ttlMs"], 15_000);
    world.clock.advance(Duration::from_secs(15));
    join_all((0..50).map(|_| list(&world, &plan, &ADA))).await;
    assert_eq!(server.received("tools/list").len(), 2);
    // Calls do not care how old it is.
    world.clock.advance(Duration::from_secs(100));
    assert_eq!(call(&world, &plan, &ADA, "a").await["result"]["tool"], "a");
    assert_eq!(server.received("tools/list").len(), 2);
}

#[tokio::test]
async fn a_tool_that_appears_can_be_called_at_once() {
    let count = AtomicUsize::new(0);
    let server = FakeServer::new(move |received| {
        let lists = count.fetch_add(usize::from(received.method() == "tools/list"), Ordering::SeqCst);
        let tools = if lists == 0 {
            vec![tool("a")]
        } else {
            vec![tool("a"), tool("fresh")]
        };
        Ok(modern_reply(received, &tools, 60_000, "public"))
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    assert_eq!(names(&list(&world, &plan, &ADA).await), ["a"]);
    // Just read, so it is not asked for again on every wrong name.
    assert_eq!(call(&world, &plan, &ADA, "fresh").await["error"]["code"], -32602);
    world.clock.advance(Duration::from_secs(3));
    assert_eq!(
        call(&world, &plan, &ADA, "fresh").await["result"]["tool"],
        "fresh"
    );
    assert_eq!(server.received("tools/list").len(), 2);
}

#[tokio::test]
async fn private_lists_are_kept_apart() {
    for (identity, scope) in [
        (IdentityForwarding::Assertion, "public"),
        (IdentityForwarding::Assertion, "private"),
    ] {
        let server = FakeServer::new(move |received| {
            let user = received.header("gatewright-assertion").unwrap().to_owned();
            Ok(modern_reply(
                received,
                &[tool(&format!("of-{user}"))],
                60_000,
                scope,
            ))
        });
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(identity, &[]);
        for _ in 0..2 {
            let (ada, bob) = (list(&world, &plan, &ADA).await, list(&world, &plan, &BOB).await);
            assert_eq!((names(&ada), names(&bob)), (vec!["of-ada"], vec!["of-bob"]));
            assert_eq!(ada["result"]["cacheScope"], "private");
        }
        assert_eq!(call(&world, &plan, &BOB, "of-ada").await["error"]["code"], -32602);
        assert_eq!(call(&world, &plan, &BOB, "of-bob").await["result"]["user"], "bob");
        assert_eq!(server.received("tools/list").len(), 2);
    }
}

#[tokio::test]
async fn a_server_that_calls_its_list_private_is_believed() {
    let count = AtomicUsize::new(0);
    let server = FakeServer::new(move |received| {
        let number = count.fetch_add(usize::from(received.method() == "tools/list"), Ordering::SeqCst);
        Ok(modern_reply(
            received,
            &[tool(&format!("t{number}"))],
            60_000,
            "private",
        ))
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let first = list(&world, &plan, &ADA).await;
    assert_eq!(first["result"]["cacheScope"], "private");
    let second = list(&world, &plan, &BOB).await;
    assert_ne!(names(&first), names(&second));
    assert_eq!(names(&list(&world, &plan, &ADA).await), names(&first));
}

#[tokio::test]
async fn pages_are_read_to_their_end_and_no_further() {
    let server = FakeServer::new(|received| {
        if received.method() != "tools/list" {
            return Ok(modern_reply(received, &[], 0, "public"));
        }
        let page: usize = received.json["params"]["cursor"]
            .as_str()
            .map_or(0, |cursor| cursor.parse().unwrap());
        let result = json!({"jsonrpc": "2.0", "id": 0, "result": {"resultType": "complete", "ttlMs": 60_000,
            "cacheScope": "public", "tools": [tool(&format!("t{page}"))], "nextCursor": (page + 1).to_string()}});
        Ok(json_answer(200, &result.to_string()))
    });
    let world = World::new(&[("endless", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let answer = list(&world, &plan, &ADA).await;
    assert_eq!(names(&answer).len(), crate::wire::listing::MAX_PAGES_PER_SERVER);
    assert_eq!(names(&answer)[1], "t1");
}

#[tokio::test]
async fn equal_private_lists_of_many_users_are_kept_once_and_cost_calls_nothing() {
    let server = legacy_server(vec![tool("a")], |received| json_answer(200, &echo(received)));
    let world = World::new(&[("old", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let users: Vec<User> = (0..300)
        .map(|number| User(Box::leak(format!("user-{number}").into_boxed_str())))
        .collect();
    for user in &users {
        assert_eq!(names(&list(&world, &plan, user).await), ["a"]);
    }
    assert_eq!(
        server.received("tools/list").len(),
        300,
        "one list for each of them"
    );
    let before = server.count();
    for user in &users {
        assert_eq!(call(&world, &plan, user, "a").await["result"]["tool"], "a");
    }
    assert_eq!(server.count(), before + 300, "one request per call");
    world.endpoint.federation.views.run_pending_tasks();
    assert_eq!(world.endpoint.federation.views.entry_count(), 1);
}

#[tokio::test]
async fn lists_read_in_a_session_of_one_user_are_not_shown_to_another() {
    let count = AtomicUsize::new(0);
    let inner = legacy_server(vec![], |_| json_answer(200, "{}"));
    let server = FakeServer::new(move |received| {
        if received.method() != "tools/list" {
            return (inner.handler)(received);
        }
        let number = count.fetch_add(1, Ordering::SeqCst);
        let result = json!({"jsonrpc": "2.0", "id": received.json["id"], "result": {"tools": [tool(&format!("t{number}"))]}});
        Ok(json_answer(200, &result.to_string()))
    });
    let world = World::new(&[("old", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let (ada, bob) = (list(&world, &plan, &ADA).await, list(&world, &plan, &BOB).await);
    assert_eq!((names(&ada), names(&bob)), (vec!["t0"], vec!["t1"]));
    assert_eq!(names(&list(&world, &plan, &ADA).await), ["t0"]);
}

#[tokio::test(start_paused = true)]
async fn a_hung_server_holds_up_no_other_calls() {
    let up = modern_server(vec![tool("a")], 60_000, "public");
    let hung = FakeServer::hung();
    let world = World::new(&[("up", &up), ("hung", &hung)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let began = tokio::time::Instant::now();
    assert_eq!(call(&world, &plan, &ADA, "up_a").await["result"]["tool"], "a");
    assert_eq!(began.elapsed(), Duration::ZERO);
    // Those who wait for the hung one wait once, not one after the other.
    let calls = join_all((0..20).map(|_| call(&world, &plan, &ADA, "hung_a"))).await;
    assert!(calls.iter().all(|answer| answer["error"]["code"] == -32603));
    assert!(
        began.elapsed() <= Duration::from_secs(63),
        "{:?}",
        began.elapsed()
    );
}
