//! What administrators choose of prompts and resources is all that a gateway offers, at every request.

use gatewright_domain::gateway::{AllowedPrompt, AllowedResource, AllowedTool, Gateway, OfferedKinds};
use gatewright_store::gateway::{self, GatewayWrite};
use serde_json::{Value, json};

use super::{primitives::ask, world::World};

/// Changes the gateway `acme`, as saving it does.
pub(super) async fn choose(world: &World, change: impl FnOnce(&mut Gateway)) {
    let directory = world.app.directory.current().unwrap();
    let mut row = directory.gateway("acme").unwrap().gateway.clone();
    let seen = row.updated_at;
    change(&mut row);
    let mut tx = world.app.store.write().await.unwrap();
    let written = gateway::update(&mut tx, &row, seen).await.unwrap();
    assert_eq!(written, GatewayWrite::Done);
    world.commit(tx).await;
}

/// Those a gateway lists.
pub(super) async fn listed(world: &World, token: &str, method: &str) -> Vec<String> {
    let (member, key) = match method {
        "tools/list" => ("tools", "name"),
        "prompts/list" => ("prompts", "name"),
        "resources/list" => ("resources", "uri"),
        _ => ("resourceTemplates", "uriTemplate"),
    };
    let answer = ask(world, token, method, json!({})).await;
    let entries = answer["result"][member].as_array();
    let entries = entries.unwrap_or_else(|| panic!("{method}: {answer}"));
    let named = |entry: &Value| entry[key].as_str().unwrap().to_owned();
    entries.iter().map(named).collect()
}

/// How often the server was sent one of these.
fn sent(world: &World, methods: &[&str]) -> usize {
    let received = world.upstream.received.lock().unwrap();
    let is_one = |message: &&Value| methods.iter().any(|method| message["method"] == *method);
    received.iter().map(|(_, message)| message).filter(is_one).count()
}

async fn complete(world: &World, token: &str, reference: Value) -> Value {
    let params = json!({"ref": reference, "argument": {"name": "a", "value": ""}});
    ask(world, token, "completion/complete", params).await
}

const USES: [&str; 3] = ["prompts/get", "resources/read", "completion/complete"];

#[tokio::test]
async fn prompts_that_are_not_chosen_are_neither_listed_nor_got_nor_completed() {
    let world = World::new().await;
    world.upstream.has_more();
    let token = world.sign_in("acme", "ada").await.token;
    let server = world.app.directory.current().unwrap().servers()[0].server.id;
    let other = AllowedPrompt {
        server,
        prompt: "other".to_owned(),
    };
    let chosen = AllowedPrompt {
        server,
        prompt: "ask".to_owned(),
    };
    assert_eq!(listed(&world, &token, "prompts/list").await, ["ask"]);
    let reference = || json!({"type": "ref/prompt", "name": "ask"});
    for (prompts, allowed) in [
        (false, Vec::new()),
        (false, vec![chosen.clone()]),
        (true, vec![other.clone()]),
    ] {
        choose(&world, |gateway| {
            gateway.offers.prompts = prompts;
            gateway.allowed_prompts = allowed;
        })
        .await;
        let before = sent(&world, &USES);
        assert_eq!(listed(&world, &token, "prompts/list").await, [""; 0]);
        let got = ask(&world, &token, "prompts/get", json!({"name": "ask"})).await;
        assert_eq!(got["error"]["code"], -32602, "{got}");
        let completed = complete(&world, &token, reference()).await;
        assert_eq!(completed["error"]["code"], -32602, "{completed}");
        assert_eq!(sent(&world, &USES), before, "its server was asked");
        // Its resources are another matter.
        assert_eq!(listed(&world, &token, "resources/list").await, ["me://inbox"]);
    }
    choose(&world, |gateway| {
        gateway.offers = OfferedKinds::default();
        gateway.allowed_prompts = vec![other, chosen];
    })
    .await;
    assert_eq!(listed(&world, &token, "prompts/list").await, ["ask"]);
    let got = ask(&world, &token, "prompts/get", json!({"name": "ask"})).await;
    assert!(got["result"]["messages"].is_array(), "{got}");
    let completed = complete(&world, &token, reference()).await;
    assert!(completed["result"]["completion"].is_object(), "{completed}");
}

#[tokio::test]
async fn resources_that_are_not_chosen_are_not_reached_by_uri_template_or_memory() {
    let world = World::new().await;
    world.upstream.has_more();
    let token = world.sign_in("acme", "ada").await.token;
    let server = world.app.directory.current().unwrap().servers()[0].server.id;
    let allowed = |uri: &str| AllowedResource {
        server,
        uri: uri.to_owned(),
    };
    // Each way to a resource works: its URI, a template, and that this user saw it in a result.
    let all = ["me://inbox", "you://other", "seen://once"];
    let call = json!({"name": "tell", "arguments": {}});
    ask(&world, &token, "tools/call", call.clone()).await;
    for uri in all {
        let read = ask(&world, &token, "resources/read", json!({"uri": uri})).await;
        assert!(read["result"]["contents"].is_array(), "{uri}: {read}");
    }
    for (resources, chosen, reached) in [
        (false, Vec::new(), None),
        (false, vec![allowed("me://inbox"), allowed("you://{box}")], None),
        (true, vec![allowed("db://{nothing}")], None),
        (true, vec![allowed("me://inbox")], Some("me://inbox")),
        (true, vec![allowed("you://{box}")], Some("you://other")),
    ] {
        choose(&world, |gateway| {
            gateway.offers.resources = resources;
            gateway.allowed_resources = chosen;
        })
        .await;
        ask(&world, &token, "tools/call", call.clone()).await;
        for uri in all {
            let before = sent(&world, &USES);
            let read = ask(&world, &token, "resources/read", json!({"uri": uri})).await;
            let is_reached = reached == Some(uri);
            assert_eq!(read["result"]["contents"].is_array(), is_reached, "{uri}: {read}");
            assert_eq!(sent(&world, &USES) > before, is_reached, "{uri}");
        }
        for (method, own) in [
            ("resources/list", "me://inbox"),
            ("resources/templates/list", "you://{box}"),
        ] {
            let is_listed = resources && reached.is_some_and(|uri| uri[..3] == own[..3]);
            let expected: &[&str] = if is_listed { &[own] } else { &[] };
            assert_eq!(listed(&world, &token, method).await, expected, "{method}");
        }
        let before = sent(&world, &USES);
        let completed = complete(
            &world,
            &token,
            json!({"type": "ref/resource", "uri": "you://{box}"}),
        )
        .await;
        let is_offered = reached == Some("you://other");
        assert_eq!(completed["result"].is_object(), is_offered, "{completed}");
        assert_eq!(sent(&world, &USES) > before, is_offered);
    }
}

#[tokio::test]
async fn a_gateway_can_offer_prompts_and_resources_and_no_tools() {
    let world = World::new().await;
    world.upstream.has_more();
    let token = world.sign_in("acme", "ada").await.token;
    let server = world.app.directory.current().unwrap().servers()[0].server.id;
    assert_eq!(listed(&world, &token, "tools/list").await, ["tell"]);
    choose(&world, |gateway| {
        gateway.offers.tools = false;
        gateway.allowed_tools = vec![AllowedTool {
            server,
            tool: "tell".to_owned(),
        }];
    })
    .await;
    assert_eq!(listed(&world, &token, "tools/list").await, [""; 0]);
    let params = json!({"name": "tell", "arguments": {}});
    let called = ask(&world, &token, "tools/call", params).await;
    assert_eq!(called["error"]["code"], -32602, "{called}");
    assert!(world.upstream.calls().is_empty());
    assert_eq!(listed(&world, &token, "prompts/list").await, ["ask"]);
}
