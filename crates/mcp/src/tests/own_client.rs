//! Calls of people who try a gateway without their own client.

use gatewright_domain::server::IdentityForwarding;
use serde_json::{Value, json};

use crate::{
    endpoint::{
        Reached,
        own_client::{OwnInput, OwnRequest},
    },
    federation::naming::Naming,
    testing::net::{
        FakeBody, User, World, answer, echo, event, events, json_answer, legacy_server, modern_server,
        raw_param, read, tool,
    },
    testing::offers::{Offers, prompt, resource, template},
    wire::{listing::ListKind, log_level::LogLevel, version::Era},
};

const ADA: User = User("ada");

const fn tool_call(params: &str) -> OwnRequest<'_> {
    OwnRequest {
        method: "tools/call",
        params,
        log_level: LogLevel::Info,
        input: None,
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
            let asked = OwnRequest {
                method,
                ..tool_call(params)
            };
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

#[tokio::test]
async fn a_request_declares_what_it_can_answer_and_is_sent_again_with_the_answer() {
    let server = modern_server(vec![tool("t")], 60_000, "public");
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let caller = world.caller(&ADA);
    let first = OwnRequest {
        log_level: LogLevel::Warning,
        ..tool_call(r#""name":"t","arguments":{}"#)
    };
    let again = OwnRequest {
        input: Some(OwnInput {
            responses: Some(r#"{"a":{"n":1.50e+3}}"#),
            state: None,
        }),
        ..first
    };
    let foreign = OwnRequest {
        input: Some(OwnInput {
            responses: None,
            state: Some("\"}"),
        }),
        ..first
    };
    let mut answers = Vec::new();
    for asked in [first, again, foreign] {
        let mut reached = Reached::default();
        let answer = world.endpoint.ask(&plan, caller, asked, &mut reached);
        answers.push(read(answer.await).await);
    }
    assert!(
        answers[2].1.contains("was not issued by this gateway"),
        "{answers:?}"
    );
    let calls = server.received("tools/call");
    assert_eq!(calls.len(), 2, "a foreign state reaches no server");
    let meta = &calls[0].json["params"]["_meta"];
    assert_eq!(
        meta["io.modelcontextprotocol/clientCapabilities"],
        json!({"elicitation": {"form": {}, "url": {}}})
    );
    assert_eq!(meta["io.modelcontextprotocol/logLevel"], "warning");
    assert_eq!(calls[0].json["params"].get("inputResponses"), None);
    assert_eq!(raw_param(&calls[1], "inputResponses"), r#"{"a":{"n":1.50e+3}}"#);
    assert_ne!(calls[0].json["id"], calls[1].json["id"]);
    let token = |call: usize| calls[call].json["params"]["_meta"]["progressToken"].clone();
    assert_ne!(token(0), token(1));
}

#[tokio::test]
async fn a_server_with_sessions_asks_for_a_form_and_is_refused_what_is_not_declared() {
    const FORM: &str =
        r#"{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{"message":"Age?"}}"#;
    const ROOTS: &str = r#"{"jsonrpc":"2.0","id":8,"method":"roots/list"}"#;
    let server = legacy_server(vec![tool("t")], |_| {
        answer(
            200,
            "text/event-stream",
            FakeBody::of(&[&event(ROOTS), &event(FORM)]),
        )
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let call = tool_call(r#""name":"t","arguments":{}"#);
    let mut reached = Reached::default();
    let asking = world.endpoint.ask(&plan, world.caller(&ADA), call, &mut reached);
    let (_, text) = read(asking.await).await;
    let asked: Value = serde_json::from_str(&events(&text)[0]).unwrap();
    assert_eq!(asked["result"]["resultType"], "input_required");
    assert_eq!(
        asked["result"]["inputRequests"]["ask"],
        json!({"method": "elicitation/create", "params": {"message": "Age?"}})
    );
    assert!(
        asked["result"]["requestState"]
            .as_str()
            .unwrap()
            .starts_with("v1.")
    );
    let begun = &server.received("initialize");
    let capabilities = &begun.last().unwrap().json["params"]["capabilities"];
    assert_eq!(*capabilities, json!({"elicitation": {"form": {}, "url": {}}}));
    assert_eq!(reached.server.unwrap().config.slug, "one");
}
