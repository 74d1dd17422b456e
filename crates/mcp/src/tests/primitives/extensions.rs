//! Extensions and tasks that servers declare, and what clients of each revision see of them; and what servers see of
//! those that clients declare.

use gatewright_domain::server::IdentityForwarding;
use serde_json::{Value, json};

use super::{ADA, Client};
use crate::{
    federation::{Choice, plan::Plan},
    testing::{
        net::{World, legacy_headers, meta, modern_headers, read},
        offers::Offers,
    },
    wire::version::Era,
};

const TASKS: &str = "io.modelcontextprotocol/tasks";
const UI: &str = "io.modelcontextprotocol/ui";

fn declaring(capabilities: Value) -> Offers {
    Offers {
        capabilities,
        ..Offers::default()
    }
}

/// What a client that begins a session in this version receives.
async fn begun(world: &World, plan: &Plan, version: &str) -> Value {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{}},"clientInfo":{{"name":"c","version":"1"}}}}}}"#
    );
    let (_, text) = read(world.post(plan, &ADA, &legacy_headers(None), &body).await).await;
    let begun: Value = serde_json::from_str(&text).unwrap();
    begun["result"]["capabilities"].clone()
}

async fn discovered(world: &World, plan: &Plan) -> Value {
    let client = Client::new(world, plan, &ADA, Era::Modern).await;
    let told = client.ask("server/discover", "").await;
    told["result"]["capabilities"].clone()
}

#[tokio::test]
async fn extensions_are_the_union_of_what_the_servers_declare_and_tasks_those_of_the_era() {
    let modern = declaring(
        json!({"tools": {}, "extensions": {UI: {"mimeTypes": ["a"]}, TASKS: {}, "com.example/x": {"y": 1}}}),
    );
    let legacy = declaring(
        json!({"tools": {}, "extensions": {UI: {"mimeTypes": ["b"]}, "io.modelcontextprotocol/oauth-client-credentials": {}},
            "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}}),
    );
    let (modern, legacy) = (modern.server(Era::Modern), legacy.server(Era::Legacy));
    let world = World::new(&[("one", &modern), ("two", &legacy)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let told = discovered(&world, &plan).await;
    assert_eq!(
        told["extensions"],
        json!({UI: {"mimeTypes": ["a"]}, TASKS: {}, "com.example/x": {"y": 1}})
    );
    assert!(told["tasks"].is_null());
    let told = begun(&world, &plan, "2025-11-25").await;
    assert_eq!(
        told["extensions"],
        json!({UI: {"mimeTypes": ["a"]}, "com.example/x": {"y": 1}})
    );
    assert_eq!(
        told["tasks"],
        json!({"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}})
    );
    assert!(begun(&world, &plan, "2025-06-18").await["tasks"].is_null());
    let first = world.plan_of_servers(&[0]);
    assert!(begun(&world, &first, "2025-11-25").await["tasks"].is_null());
    let second = world.plan_of_servers(&[1]);
    let told = discovered(&world, &second).await;
    assert_eq!(told["extensions"], json!({UI: {"mimeTypes": ["b"]}}));
}

#[tokio::test]
async fn what_belongs_to_tools_is_not_declared_where_none_are_offered() {
    for era in [Era::Modern, Era::Legacy] {
        let server = declaring(
            json!({"tools": {}, "prompts": {}, "extensions": {UI: {}, TASKS: {}, "com.example/x": {}},
            "tasks": {"requests": {"tools": {"call": {}}}}}),
        );
        let server = server.server(era);
        let world = World::new(&[("one", &server)]);
        let none = Choice::Only(std::collections::HashMap::new());
        let plan = world.plan_of_tools(none);
        // What it declares must be known.
        discovered(&world, &plan).await;
        let told = begun(&world, &plan, "2025-11-25").await;
        assert_eq!(
            (&told["extensions"], &told["tasks"]),
            (&json!({"com.example/x": {}}), &Value::Null)
        );
        assert_eq!(
            discovered(&world, &plan).await["extensions"],
            json!({"com.example/x": {}})
        );
    }
}

#[tokio::test]
async fn servers_learn_the_extensions_that_a_client_declares() {
    let server = declaring(json!({"tools": {}})).server(Era::Modern);
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let declared = json!({"elicitation": {}, "extensions": {UI: {"mimeTypes": ["a"]}, TASKS: {}}});
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{declared},"clientInfo":{{"name":"c","version":"1"}}}}}}"#
    );
    let response = world.post(&plan, &ADA, &legacy_headers(None), &body).await;
    let id = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
    world.post(&plan, &ADA, &legacy_headers(Some(&id)), call).await;
    let stateless = meta("").replace(
        r#"clientCapabilities":{}"#,
        &format!(r#"clientCapabilities":{declared}"#),
    );
    let call =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t",{stateless}}}}}"#);
    let headers = modern_headers("tools/call", Some("t"));
    world.post(&plan, &ADA, &headers, &call).await;
    let told: Vec<_> = (server.received("tools/call").iter())
        .map(|call| call.json["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"].clone())
        .collect();
    // Tasks of the stateless era are nothing that a client with a session can follow.
    let in_session = json!({"elicitation": {}, "extensions": {UI: {"mimeTypes": ["a"]}}});
    assert_eq!(told, [in_session, declared]);
}
