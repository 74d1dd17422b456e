//! What a gateway declares is what its servers declare.

use std::time::Duration;

use gatewright_domain::server::IdentityForwarding;
use serde_json::{Value, json};

use super::{ADA, BOTH, Client};
use crate::{
    federation::{Choice, plan::Plan},
    testing::{
        net::{FakeServer, World, legacy_headers, read},
        offers::Offers,
    },
    wire::version::Era,
};

fn declaring(capabilities: Value) -> Offers {
    Offers {
        capabilities,
        ..Offers::default()
    }
}

/// What clients of both eras receive, which is the same.
async fn declared(world: &World, plan: &Plan) -> Value {
    let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
    let (_, text) = read(world.post(plan, &ADA, &legacy_headers(None), body).await).await;
    let begun: Value = serde_json::from_str(&text).unwrap();
    let client = Client::new(world, plan, &ADA, Era::Modern).await;
    let discovered = client.ask("server/discover", "").await;
    assert_eq!(
        begun["result"]["capabilities"],
        discovered["result"]["capabilities"]
    );
    assert_eq!(begun["result"]["instructions"], "Be kind.");
    let mut told = discovered["result"].clone();
    // Changes of every list are announced, since the gateway itself can change.
    for (name, declared) in told["capabilities"].as_object_mut().unwrap() {
        let details = if name == "completions" || name == "logging" {
            json!({})
        } else {
            json!({"listChanged": true})
        };
        let mut declared = std::mem::replace(declared, json!({}));
        if name == "resources" && declared["subscribe"] == true {
            declared.as_object_mut().unwrap().remove("subscribe");
        }
        assert_eq!(declared, details, "{name}");
    }
    told
}

#[tokio::test]
async fn the_union_of_what_the_servers_declare_is_declared_and_nothing_else() {
    for era in BOTH {
        for (one, two, union) in [
            (
                json!({"tools": {}}),
                json!({"tools": {"listChanged": true}, "x": {}}),
                json!({"tools": {}}),
            ),
            (
                json!({"prompts": {"listChanged": true}}),
                json!({"resources": {"subscribe": true}, "logging": {}}),
                json!({"prompts": {}, "resources": {}, "logging": {}}),
            ),
            (
                json!({"tools": {}, "completions": {}}),
                json!({"prompts": {}}),
                json!({"tools": {}, "prompts": {}, "completions": {}}),
            ),
            // One that declares nothing is taken to have tools, as older ones do.
            (
                json!({}),
                json!({"prompts": {}}),
                json!({"tools": {}, "prompts": {}}),
            ),
        ] {
            let [one, two] = [one, two].map(|capabilities| declaring(capabilities).server(era));
            let world = World::new(&[("one", &one), ("two", &two)]);
            let plan = world.plan(IdentityForwarding::None, &[]);
            let told = declared(&world, &plan).await;
            assert_eq!(told["capabilities"], union);
            assert_eq!(told["ttlMs"], 60_000);
        }
    }
}

#[tokio::test]
async fn what_is_not_offered_is_not_declared() {
    let one = Offers::default().server(Era::Modern);
    let world = World::new(&[("one", &one)]);
    let nothing = || Choice::Only([].into());
    for (prompts, resources, told) in [
        (
            nothing(),
            Choice::All,
            json!({"tools": {}, "resources": {}, "completions": {}}),
        ),
        (
            Choice::All,
            nothing(),
            json!({"tools": {}, "prompts": {}, "completions": {}}),
        ),
        (nothing(), nothing(), json!({"tools": {}})),
    ] {
        let plan = world.plan_of(IdentityForwarding::None, prompts, resources);
        assert_eq!(declared(&world, &plan).await["capabilities"], told);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_waited_for_a_moment_and_then_taken_to_do_everything() {
    let quick = declaring(json!({"tools": {}})).server(Era::Modern);
    let hung = FakeServer::hung();
    for servers in [vec![("hung", &hung)], vec![("hung", &hung), ("quick", &quick)]] {
        let world = World::new(&servers);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let began = tokio::time::Instant::now();
        let told = declared(&world, &plan).await;
        assert!(began.elapsed() <= Duration::from_secs(4), "{:?}", began.elapsed());
        assert_eq!(
            told["capabilities"],
            json!({"tools": {}, "prompts": {}, "resources": {}, "completions": {}, "logging": {}})
        );
        assert_eq!(told["ttlMs"], 5_000);
    }
}

#[tokio::test]
async fn a_stateless_server_that_learns_something_is_believed_after_a_while() {
    let learned = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = std::sync::Arc::clone(&learned);
    let prompts = || Offers {
        prompts: vec![crate::testing::offers::prompt("p")],
        ..Offers::default()
    };
    let before = Offers {
        capabilities: json!({"tools": {}}),
        ..prompts()
    }
    .server(Era::Modern);
    let after = prompts().server(Era::Modern);
    let server = FakeServer::new(move |received| {
        let now = if switch.load(std::sync::atomic::Ordering::SeqCst) {
            &after
        } else {
            &before
        };
        (now.handler)(received)
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
    assert_eq!(client.list("prompts/list", "prompts", "name").await, [""; 0]);
    learned.store(true, std::sync::atomic::Ordering::SeqCst);
    world.clock.advance(Duration::from_mins(6));
    assert_eq!(client.list("prompts/list", "prompts", "name").await, ["p"]);
    let told = declared(&world, &plan).await;
    assert_eq!(told["capabilities"].as_object().unwrap().len(), 4);
}
