//! Calls of people who try a gateway out without a client of their own.

use gatewright_domain::server::IdentityForwarding;
use serde_json::{Value, json};

use crate::{
    endpoint::{own_client::OwnRequest, service::Reached},
    federation::naming::Naming,
    testing::net::{User, World, echo, json_answer, legacy_server, modern_server, raw_param, read, tool},
    testing::offers::{Offers, prompt, resource, template},
    wire::{listing::ListKind, version::Era},
};

const ADA: User = User("ada");

const fn tool_call(params: &str) -> OwnRequest<'_> {
    OwnRequest {
        method: "tools/call",
        params,
    }
}

#[tokio::test]
async fn tools_are_listed_and_called_under_the_names_that_clients_see_in_both_eras() {
    let modern = modern_server(vec![tool("a"), tool("hidden")], 60_000, "public");
    let legacy = legacy_server(vec![tool("b")], |received| json_answer(200, &echo(received)));
    let world = World::new(&[("one", &modern), ("two", &legacy)]);
    let plan = world.plan(IdentityForwarding::None, &[(0, "a"), (1, "b")]);
    let caller = world.caller(&ADA);
    let tools = world
        .endpoint
        .offered(&plan, ListKind::Tools, caller)
        .await
        .unwrap();
    let names: Vec<_> = tools
        .iter()
        .map(|tool| (tool.name.as_str(), tool.server.config.slug.as_str()))
        .collect();
    assert_eq!(names, [("one_a", "one"), ("two_b", "two")]);
    let schema: Value = serde_json::from_slice(tools[0].input_schema().unwrap()).unwrap();
    assert_eq!(schema["type"], "object");
    for (name, server) in [("one_a", "one"), ("two_b", "two")] {
        let mut reached = Reached::default();
        let answer = world
            .endpoint
            .ask(
                &plan,
                caller,
                tool_call(&format!(r#""name":"{name}","arguments":{{"x":1.0}}"#)),
                &mut reached,
            )
            .await;
        let (status, text) = read(answer).await;
        assert_eq!(status, 200, "{text}");
        assert_eq!(reached.server.unwrap().config.slug, server);
    }
    assert_eq!(
        raw_param(&legacy.received("tools/call")[0], "arguments"),
        r#"{"x":1.0}"#
    );
    let mut reached = Reached::default();
    let answer = world
        .endpoint
        .ask(
            &plan,
            caller,
            tool_call(r#""name":"one_hidden","arguments":{}"#),
            &mut reached,
        )
        .await;
    let (_, text) = read(answer).await;
    assert!(text.contains("Unknown tool: one_hidden"), "{text}");
    assert!(reached.server.is_none());
    assert_eq!(
        modern.received("tools/call").len(),
        1,
        "what is not offered is not called"
    );
}

#[tokio::test]
async fn mirrored_parameters_are_sent_as_a_client_must() {
    let mirrored = json!({"name": "t", "inputSchema": {"type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}});
    let server = modern_server(vec![mirrored], 60_000, "public");
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let mut reached = Reached::default();
    let call = tool_call(r#""name":"t","arguments":{"region":"eu"}"#);
    let answer = world
        .endpoint
        .ask(&plan, world.caller(&ADA), call, &mut reached)
        .await;
    assert_eq!(read(answer).await.0, 200);
    assert_eq!(
        server.received("tools/call")[0].header("mcp-param-region"),
        Some("eu")
    );
}

#[tokio::test]
async fn prompts_and_resources_are_listed_and_asked_for_as_clients_do() {
    for era in [Era::Modern, Era::Legacy] {
        let one = Offers {
            prompts: vec![prompt("ask me")],
            resources: vec![resource("file:///a")],
            templates: vec![template("db://{table}")],
            ..Offers::default()
        };
        let one = one.server(era);
        let two = Offers::default().server(Era::Modern);
        let world = World::new(&[("one", &one), ("two", &two)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let caller = world.caller(&ADA);
        let prompt = Naming::Prefixed.expose("one", "ask me");
        for (kind, name) in [
            (ListKind::Prompts, &*prompt),
            (ListKind::Resources, "file:///a"),
            (ListKind::ResourceTemplates, "db://{table}"),
        ] {
            let offered = world.endpoint.offered(&plan, kind, caller).await.unwrap();
            let names: Vec<_> = offered
                .iter()
                .map(|item| (item.name.as_str(), item.server.config.slug.as_str()))
                .collect();
            assert_eq!(names, [(name, "one")], "{kind:?}");
        }
        let named = format!(r#""name":"{prompt}","arguments":{{"a":"1"}}"#);
        for (method, params) in [
            ("prompts/get", named.as_str()),
            ("resources/read", r#""uri":"file:///a""#),
            ("resources/read", r#""uri":"db://users""#),
        ] {
            let mut reached = Reached::default();
            let asked = OwnRequest { method, params };
            let answer = world.endpoint.ask(&plan, caller, asked, &mut reached).await;
            let (status, text) = read(answer).await;
            assert!(status == 200 && text.contains("\"result\""), "{text}");
            assert_eq!(reached.server.unwrap().config.slug, "one");
        }
        assert_eq!(
            (
                one.received("prompts/get").len(),
                one.received("resources/read").len()
            ),
            (1, 2)
        );
        assert_eq!(one.received("prompts/get")[0].json["params"]["name"], "ask me");
    }
}
