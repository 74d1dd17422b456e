//! Two conversations of one person: what a server with sessions learns, lists and says in one of them does not affect the other
//! at all.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use gatewright_domain::server::IdentityForwarding;
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    federation::plan::Plan,
    testing::net::{
        FakeBody, FakeServer, Pieces, Received, User, World, answer, event, events, json_answer,
        legacy_headers, read, tool,
    },
};

const ADA: User = User("ada");

/// A server that keeps a state in each session: `enable` adds a tool there, and it says so on the stream of the call.
#[derive(Default)]
struct State {
    /// What was declared in each session.
    declared: HashMap<String, Value>,
    enabled: HashSet<String>,
    streams: Vec<(String, Pieces)>,
}

struct Stateful {
    server: Arc<FakeServer>,
    state: Arc<Mutex<State>>,
}

impl Stateful {
    fn new() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let of_server = Arc::clone(&state);
        let server = FakeServer::new(move |received| Ok(reply(&of_server, received)));
        Self { server, state }
    }

    /// The sessions in which a method was asked for, each once, in order.
    fn sessions(&self, method: &str) -> Vec<String> {
        let mut sessions = Vec::new();
        for received in self.server.received(method) {
            let session = received.header("mcp-session-id").unwrap().to_owned();
            if !sessions.contains(&session) {
                sessions.push(session);
            }
        }
        sessions
    }
}

fn reply(state: &Mutex<State>, received: &Received) -> http::Response<FakeBody> {
    let id = &received.json["id"];
    let mut state = state.lock().unwrap();
    if received.method() == "initialize" {
        let session = format!("s{}", state.declared.len());
        let declared = received.json["params"]["capabilities"].clone();
        state.declared.insert(session.clone(), declared);
        let begun = json!({"jsonrpc": "2.0", "id": id, "result": {"protocolVersion": "2025-11-25",
            "capabilities": {"tools": {"listChanged": true}, "logging": {}},
            "serverInfo": {"name": "stateful", "version": "1"}}});
        let mut response = json_answer(200, &begun.to_string());
        response
            .headers_mut()
            .insert("mcp-session-id", session.parse().unwrap());
        return response;
    }
    let Some(session) = received.header("mcp-session-id").map(str::to_owned) else {
        return json_answer(
            400,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no session"}}"#,
        );
    };
    if received.verb == Method::GET {
        let (pieces, body) = FakeBody::open();
        state.streams.push((session, pieces));
        return answer(200, "text/event-stream", body);
    }
    let result = match received.method() {
        "tools/list" => {
            let mut tools = vec![tool("enable")];
            if state.enabled.contains(&session) {
                tools.push(tool("extra"));
            }
            if state.declared[&session].get("elicitation").is_some() {
                tools.push(tool("asks"));
            }
            json!({ "tools": tools })
        }
        "tools/call" => {
            if received.json["params"]["name"] == "enable" {
                state.enabled.insert(session);
            }
            let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
            let said = json!({"jsonrpc": "2.0", "method": "notifications/message",
                "params": {"level": "debug", "data": "enabled"}});
            let done = json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}});
            let body = [changed, said, done]
                .map(|message| event(&message.to_string()))
                .concat();
            return answer(200, "text/event-stream", FakeBody::of(&[&body]));
        }
        "logging/setLevel" => json!({}),
        _ => return answer(202, "", FakeBody::of(&[])),
    };
    json_answer(
        200,
        &json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string(),
    )
}

async fn begin(world: &World, plan: &Plan, capabilities: &str) -> HeaderMap {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"clientInfo":{{"name":"c","version":"1"}}}}}}"#
    );
    let response = world.post(plan, &ADA, &legacy_headers(None), &body).await;
    let id = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    read(response).await;
    legacy_headers(Some(&id))
}

async fn ask(world: &World, plan: &Plan, headers: &HeaderMap, method: &str, params: Value) -> String {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    read(world.post(plan, &ADA, headers, &body.to_string()).await)
        .await
        .1
}

async fn names(world: &World, plan: &Plan, headers: &HeaderMap) -> Vec<String> {
    let text = ask(world, plan, headers, "tools/list", json!({})).await;
    let listed: Value = serde_json::from_str(&text).unwrap();
    let tools = listed["result"]["tools"].as_array();
    let tools = tools.unwrap_or_else(|| panic!("{text}")).iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn enable(world: &World, plan: &Plan, headers: &HeaderMap) -> Vec<String> {
    events(&ask(world, plan, headers, "tools/call", json!({"name": "enable"})).await)
}

#[tokio::test]
async fn a_list_that_changes_in_one_conversation_is_the_same_in_the_other() {
    let stateful = Stateful::new();
    let world = World::new(&[("one", &stateful.server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    for capabilities in ["{}", r#"{"elicitation":{}}"#] {
        let [a, b] = [
            begin(&world, &plan, capabilities).await,
            begin(&world, &plan, capabilities).await,
        ];
        let before = names(&world, &plan, &a).await;
        assert_eq!(names(&world, &plan, &b).await, before);
        enable(&world, &plan, &a).await;
        let after = names(&world, &plan, &a).await;
        assert!(after.contains(&"extra".to_owned()), "{after:?}");
        for _ in 0..2 {
            assert_eq!(names(&world, &plan, &b).await, before);
            // Not even when it is read again.
            world.clock.advance(Duration::from_mins(10));
        }
        let refused = ask(&world, &plan, &b, "tools/call", json!({"name": "extra"})).await;
        assert!(refused.contains("Unknown tool"), "{refused}");
        assert_eq!(names(&world, &plan, &a).await, after);
    }
    // The calls of each conversation run where its lists are read.
    let (listed, called) = (stateful.sessions("tools/list"), stateful.sessions("tools/call"));
    assert_eq!((listed.len(), called.len()), (4, 2));
    assert!(called.iter().all(|session| listed.contains(session)));
}

#[tokio::test]
async fn a_list_has_what_a_server_offers_to_clients_that_it_can_ask() {
    let stateful = Stateful::new();
    let world = World::new(&[("one", &stateful.server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let (mute, askable) = (
        begin(&world, &plan, "{}").await,
        begin(&world, &plan, r#"{"elicitation":{}}"#).await,
    );
    assert_eq!(names(&world, &plan, &mute).await, ["enable"]);
    assert_eq!(names(&world, &plan, &askable).await, ["enable", "asks"]);
}

#[tokio::test]
async fn the_level_of_log_messages_is_that_of_one_conversation() {
    let stateful = Stateful::new();
    let world = World::new(&[("one", &stateful.server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let [a, b] = [begin(&world, &plan, "{}").await, begin(&world, &plan, "{}").await];
    for (headers, level) in [(&a, "debug"), (&b, "error")] {
        ask(
            &world,
            &plan,
            headers,
            "logging/setLevel",
            json!({ "level": level }),
        )
        .await;
    }
    assert_eq!(
        enable(&world, &plan, &a).await.len(),
        2,
        "the message and the answer"
    );
    assert_eq!(enable(&world, &plan, &b).await.len(), 1, "the answer");
    let told = stateful.server.received("logging/setLevel");
    let told: Vec<_> = told
        .iter()
        .map(|told| {
            (
                told.header("mcp-session-id").unwrap(),
                told.json["params"]["level"].as_str().unwrap(),
            )
        })
        .collect();
    let sessions = stateful.sessions("tools/call");
    assert_eq!(told, [(&*sessions[0], "debug"), (&*sessions[1], "error")]);
}

#[tokio::test(start_paused = true)]
async fn what_a_server_announces_in_one_conversation_is_reported_in_that_one() {
    let stateful = Stateful::new();
    let world = World::new(&[("one", &stateful.server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let shutdown = CancellationToken::new();
    let mut streams = Vec::new();
    for _ in 0..2 {
        let headers = begin(&world, &plan, "{}").await;
        names(&world, &plan, &headers).await;
        let now = Arc::clone(&plan);
        let stream = world.get(move || Some(Arc::clone(&now)), &ADA, &headers, &shutdown);
        streams.push((headers, stream.into_body()));
    }
    let told = async |stream: &mut crate::endpoint::answer::Answer<FakeBody>| {
        let reading = async {
            while let Some(frame) = stream.frame().await {
                let data = frame.unwrap().into_data().unwrap();
                if !events(std::str::from_utf8(&data).unwrap()).is_empty() {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(Duration::from_secs(20), reading)
            .await
            .unwrap_or(false)
    };
    // On the stream of a call.
    enable(&world, &plan, &streams[0].0.clone()).await;
    assert!(told(&mut streams[0].1).await);
    assert!(!told(&mut streams[1].1).await);
    // On the stream that each session is listened to with.
    let of_second = stateful.sessions("tools/list")[1].clone();
    let open: Vec<_> = stateful
        .state
        .lock()
        .unwrap()
        .streams
        .iter()
        .map(|(of, _)| of.clone())
        .collect();
    assert_eq!(open.len(), 2, "{open:?}");
    for (of, pieces) in &stateful.state.lock().unwrap().streams {
        if *of == of_second {
            let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
            pieces.send(event(&changed.to_string()).into()).unwrap();
        }
    }
    assert!(told(&mut streams[1].1).await);
    assert!(!told(&mut streams[0].1).await);
}

#[tokio::test]
async fn equal_lists_of_many_conversations_are_kept_once_and_forgotten_with_them() {
    let stateful = Stateful::new();
    let world = World::new(&[("one", &stateful.server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let first = begin(&world, &plan, "{}").await;
    names(&world, &plan, &first).await;
    let bytes = world.endpoint.list_bytes();
    let mut all = vec![first];
    for _ in 0..50 {
        let headers = begin(&world, &plan, "{}").await;
        names(&world, &plan, &headers).await;
        all.push(headers);
    }
    assert_eq!(world.endpoint.list_bytes(), bytes);
    assert_eq!(stateful.server.received("initialize").len(), 51);
    for headers in &all {
        let ended = world
            .endpoint
            .delete(world.gateway_id, world.caller(&ADA), headers);
        assert_eq!(ended.status(), 204);
    }
    let ended = async {
        let is_farewell = |received: &Received| received.verb == Method::DELETE;
        while (stateful
            .server
            .received
            .lock()
            .unwrap()
            .iter()
            .filter(|one| is_farewell(one))
            .count())
            < 51
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended)
        .await
        .unwrap();
}
