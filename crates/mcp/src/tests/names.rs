//! Names as clients see them, and as their servers get them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gatewright_domain::server::IdentityForwarding;
use serde_json::{Value, json};

use super::lists::{ADA, call, list, names};
use crate::{
    federation::naming::Naming,
    peer::transport::TransportError,
    testing::{
        net::{
            FakeServer, World, echo, json_answer, legacy_server, meta, modern_headers, modern_server, read,
            tool,
        },
        offers::{Offers, prompt},
    },
    wire::version::Era,
};

#[tokio::test]
async fn a_name_that_models_refuse_is_another_for_clients_and_the_same_for_its_server() {
    let long = "n".repeat(80);
    let tools = || vec![tool("files.read"), tool("read"), tool(&long)];
    let old = legacy_server(tools(), |received| json_answer(200, &echo(received)));
    let new = modern_server(tools(), 60_000, "public");
    let world = World::new(&[("old", &old), ("new", &new)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let listed = list(&world, &plan, &ADA).await;
    let expected = ["old", "new"]
        .map(|prefix| ["files.read", "read", &long].map(|name| Naming::Prefixed.expose(prefix, name)));
    assert_eq!(names(&listed), expected.concat());
    assert_eq!(names(&listed)[1], "old_read");
    for (server, shown) in [(&old, &expected[0]), (&new, &expected[1])] {
        for (shown, own) in shown.iter().zip(["files.read", "read", &long]) {
            let answer = call(&world, &plan, &ADA, shown).await;
            assert_eq!(answer["result"]["tool"], own, "{answer}");
        }
        assert_eq!(server.received("tools/call").len(), 3);
    }
    // The name at the server is none that clients know.
    for unknown in ["new_files.read", "files.read", &format!("new_{long}")] {
        assert_eq!(call(&world, &plan, &ADA, unknown).await["error"]["code"], -32602);
    }
    let of_calls = new.received("tools/call");
    assert_eq!(of_calls.len(), 3);
    assert_eq!(of_calls[0].headers["mcp-name"], "files.read");
}

#[tokio::test]
async fn what_is_chosen_is_chosen_by_the_name_at_the_server() {
    let one = modern_server(vec![tool("files.read"), tool("files.write")], 60_000, "public");
    let world = World::new(&[("one", &one)]);
    let plan = world.plan(IdentityForwarding::None, &[(0, "files.read")]);
    let [read, write] = ["files.read", "files.write"].map(|name| Naming::Plain.expose("one", name));
    assert_eq!(names(&list(&world, &plan, &ADA).await), [&*read]);
    assert_eq!(
        call(&world, &plan, &ADA, &read).await["result"]["tool"],
        "files.read"
    );
    let refused = call(&world, &plan, &ADA, &write).await;
    assert_eq!(refused["error"]["code"], -32602);
    assert_eq!(one.received("tools/call").len(), 1);
}

#[tokio::test]
async fn a_name_that_several_servers_have_is_served_by_the_first_where_there_is_no_prefix() {
    let one = modern_server(vec![tool("search"), tool("mine")], 60_000, "public");
    let two = modern_server(vec![tool("search"), tool("yours")], 60_000, "public");
    let world = World::new(&[("one", &one), ("two", &two)]);
    let plan = world.plan_named(Naming::Plain, |_| {});
    assert_eq!(
        names(&list(&world, &plan, &ADA).await),
        ["search", "mine", "yours"]
    );
    for name in ["search", "mine", "yours"] {
        let answer = call(&world, &plan, &ADA, name).await;
        assert_eq!(answer["result"]["tool"], name, "{answer}");
    }
    let called = |server: &FakeServer| server.received("tools/call").len();
    assert_eq!((called(&one), called(&two)), (2, 1));
    let missing = call(&world, &plan, &ADA, "two_search").await;
    assert_eq!(missing["error"]["code"], -32602);
    assert_eq!((called(&one), called(&two)), (2, 1));
}

#[tokio::test]
async fn names_begin_with_the_prefix_of_their_server_and_messages_name_it() {
    let one = modern_server(vec![tool("search")], 60_000, "public");
    let gone = FakeServer::new(|_| Err(TransportError::Unreachable("refused".to_owned())));
    let world = World::new(&[("one", &one), ("gone", &gone)]);
    let plan = world.plan_named(Naming::Prefixed, |config| {
        config.prefix = format!("{}-1", &config.slug[..1]);
    });
    assert_eq!(names(&list(&world, &plan, &ADA).await), ["o-1_search"]);
    assert_eq!(
        call(&world, &plan, &ADA, "o-1_search").await["result"]["tool"],
        "search"
    );
    assert_eq!(
        call(&world, &plan, &ADA, "one_search").await["error"]["code"],
        -32602
    );
    let down = call(&world, &plan, &ADA, "g-1_anything").await;
    let told = down["error"]["message"].as_str().unwrap();
    assert!(told.contains("`gone`"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn without_a_prefix_a_server_that_hangs_holds_up_no_call_to_another() {
    let hung = FakeServer::hung();
    let well = modern_server(vec![tool("search")], 60_000, "public");
    let world = World::new(&[("hung", &hung), ("well", &well)]);
    let plan = world.plan_named(Naming::Plain, |_| {});
    let began = tokio::time::Instant::now();
    let answer = call(&world, &plan, &ADA, "search").await;
    assert_eq!(answer["result"]["tool"], "search", "{answer}");
    assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn without_a_prefix_a_name_stays_with_the_first_server_that_had_it_while_that_is_down() {
    let usual = modern_server(vec![tool("search"), tool("mine")], 1_000, "public");
    let is_down = Arc::new(AtomicBool::new(false));
    let down = Arc::clone(&is_down);
    let one = FakeServer::new(move |received| {
        if down.load(Ordering::SeqCst) {
            return Err(TransportError::Unreachable("refused".to_owned()));
        }
        (usual.handler)(received)
    });
    let two = modern_server(vec![tool("search"), tool("yours")], 1_000, "public");
    let world = World::new(&[("one", &one), ("two", &two)]);
    let plan = world.plan_named(Naming::Plain, |_| {});
    let listed = list(&world, &plan, &ADA).await;
    assert_eq!(names(&listed), ["search", "mine", "yours"]);
    is_down.store(true, Ordering::SeqCst);
    world.clock.advance(Duration::from_hours(1));
    let listed = list(&world, &plan, &ADA).await;
    assert_eq!(names(&listed), ["yours"], "the name is not another server's now");
    let told = call(&world, &plan, &ADA, "search").await["error"]["message"].to_string();
    assert!(told.contains("`one`"), "{told}");
    assert_eq!(
        call(&world, &plan, &ADA, "yours").await["result"]["tool"],
        "yours"
    );
    assert_eq!(two.received("tools/call").len(), 1);
    is_down.store(false, Ordering::SeqCst);
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(
        call(&world, &plan, &ADA, "search").await["result"]["tool"],
        "search"
    );
    assert_eq!(two.received("tools/call").len(), 1);
}

#[tokio::test]
async fn without_a_prefix_a_name_that_was_chosen_of_a_server_is_its_own_before_its_list_is_known() {
    let gone = FakeServer::new(|_| Err(TransportError::Unreachable("refused".to_owned())));
    let two = modern_server(vec![tool("search"), tool("yours")], 60_000, "public");
    let world = World::new(&[("gone", &gone), ("two", &two)]);
    let plan = world.plan_named_of(Naming::Plain, &[(0, "search"), (1, "search"), (1, "yours")]);
    assert_eq!(names(&list(&world, &plan, &ADA).await), ["yours"]);
    let told = call(&world, &plan, &ADA, "search").await["error"]["message"].to_string();
    assert!(told.contains("`gone`"), "{told}");
    // The names of a server of which nothing was ever seen and nothing chosen are unknown.
    let plan = world.plan_named(Naming::Plain, |_| {});
    assert_eq!(names(&list(&world, &plan, &ADA).await), ["search", "yours"]);
}

#[tokio::test]
async fn prompts_are_got_and_completed_by_the_names_that_clients_see() {
    let one = Offers {
        prompts: vec![prompt("ask me")],
        ..Offers::default()
    };
    let one = one.server(Era::Modern);
    let world = World::new(&[("one", &one)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let shown = Naming::Plain.expose("one", "ask me");
    let ask = async |method: &str, params: String, name: Option<&str>| -> Value {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params},{}}}}}"#,
            meta("")
        );
        let answer = world
            .post(&plan, &ADA, &modern_headers(method, name), &body)
            .await;
        serde_json::from_str(&read(answer).await.1).unwrap()
    };
    let got = ask("prompts/get", format!(r#""name":"{shown}""#), Some(&shown)).await;
    assert_eq!(got["result"]["name"], "ask me", "{got}");
    let reference =
        format!(r#""ref":{{"type":"ref/prompt","name":"{shown}"}},"argument":{{"name":"a","value":""}}"#);
    let completed = ask("completion/complete", reference, None).await;
    assert_eq!(
        completed["result"]["ref"],
        json!({"type": "ref/prompt", "name": "ask me"}),
        "{completed}"
    );
}
