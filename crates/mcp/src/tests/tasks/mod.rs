//! Tasks of servers: their ids are their users', and lead to the server that has them.

use std::sync::Arc;

use bytes::Bytes;
use gatewright_domain::{entropy::SeededEntropy, id::GatewayId, server::IdentityForwarding};
use http::{HeaderMap, Response};
use serde_json::{Value, json};

use crate::{
    endpoint::answer::Answer,
    federation::Plan,
    testing::{
        net::{
            FakeBody, FakeServer, Received, User, World, answer, event, events, json_answer, modern_headers,
            raw_param, read, tool,
        },
        offers::Offers,
    },
    wire::version::Era,
};

mod extension;
mod listing;
mod sessions;
mod telling;

const ADA: User = User("ada");
const BOB: User = User("bob");
/// What a client declares that can follow tasks of the stateless era.
const FOLLOWS: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
/// The ID that the servers here assign to every task.
const THEIRS: &str = "task 1";

/// A client of one era.
struct Client<'a> {
    world: &'a World,
    plan: &'a Plan,
    user: &'a User,
    /// The headers of its session, if it has one.
    session: Option<HeaderMap>,
    /// Its capabilities.
    declares: &'a str,
}

impl<'a> Client<'a> {
    fn stateless(world: &'a World, plan: &'a Plan, user: &'a User) -> Self {
        Self {
            world,
            plan,
            user,
            session: None,
            declares: FOLLOWS,
        }
    }

    async fn in_session(world: &'a World, plan: &'a Plan, user: &'a User) -> Self {
        Self {
            session: Some(world.begin(plan, user).await),
            ..Self::stateless(world, plan, user)
        }
    }

    /// The answer to a request; `params` is the text of its members, without braces.
    async fn post(&self, method: &str, params: &str) -> Response<Answer<FakeBody>> {
        let (headers, params) = if let Some(headers) = &self.session {
            (headers.clone(), params.to_owned())
        } else {
            let members: Value = serde_json::from_str(&format!("{{{params}}}")).unwrap();
            let named = members.get("name").or_else(|| members.get("taskId"));
            let meta = format!(
                r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#,
                self.declares
            );
            let headers = modern_headers(method, named.and_then(Value::as_str));
            let comma = if params.is_empty() { "" } else { "," };
            (headers, format!("{params}{comma}{meta}"))
        };
        let body = format!(r#"{{"jsonrpc":"2.0","id":"i","method":"{method}","params":{{{params}}}}}"#);
        self.world.post(self.plan, self.user, &headers, &body).await
    }

    async fn text(&self, method: &str, params: &str) -> String {
        let text = read(self.post(method, params).await).await.1;
        events(&text).pop().unwrap_or(text)
    }

    async fn ask(&self, method: &str, params: &str) -> Value {
        let answer: Value = serde_json::from_str(&self.text(method, params).await).unwrap();
        assert_eq!(answer["id"], "i", "{answer}");
        answer
    }

    /// A request about a task.
    async fn about(&self, method: &str, id: &str) -> Value {
        self.ask(method, &format!(r#""taskId":{}"#, json!(id))).await
    }

    /// Begins a task; its id.
    async fn begin(&self) -> String {
        let (params, at) = match self.session {
            None => (r#""name":"t""#, "/result/taskId"),
            Some(_) => (r#""name":"t","task":{"ttl":1}"#, "/result/task/taskId"),
        };
        let begun = self.ask("tools/call", params).await;
        let id = begun.pointer(at).and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("{begun}")).to_owned()
    }
}

/// A server of an era with tasks, all of one id, which it takes from anyone who sends that.
fn server(era: Era) -> Arc<FakeServer> {
    let capabilities = match era {
        Era::Modern => json!({"tools": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}),
        Era::Legacy => {
            json!({"tools": {}, "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}})
        }
    };
    let plain = Offers {
        capabilities,
        tools: vec![tool("t")],
        ..Offers::default()
    }
    .server(era);
    FakeServer::new(move |received| {
        let params = &received.json["params"];
        match (received.method(), era) {
            ("tools/call", Era::Modern) => Ok(reply(received, "result", &new_task())),
            ("tools/call", Era::Legacy) if !params["task"].is_null() => {
                let task = format!(r#"{{"task":{},"_meta":{{"x":1}}}}"#, state("working"));
                Ok(reply(received, "result", &task))
            }
            ("tasks/list", _) => {
                let others = state("working").replace(THEIRS, "another");
                let list = match params["cursor"].as_str() {
                    None => format!(r#"{{"tasks":[{others}],"nextCursor":"2"}}"#),
                    Some(_) => format!(r#"{{"tasks":[{},{others}]}}"#, state("working")),
                };
                Ok(reply(received, "result", &list))
            }
            (method, _) if method.starts_with("tasks/") => Ok(about_task(received, era)),
            _ => (plain.handler)(received),
        }
    })
}

fn about_task(received: &Received, era: Era) -> Response<FakeBody> {
    let id = received.json["params"]["taskId"].as_str();
    let mirrored = (era == Era::Modern).then_some(id).flatten();
    assert_eq!(received.header("mcp-name"), mirrored);
    if id != Some(THEIRS) {
        let error = r#"{"code":-32602,"message":"Task not found"}"#;
        return reply(received, "error", error);
    }
    let user = received.header("gatewright-assertion").unwrap_or("nobody");
    let related = format!(r#""_meta":{{"io.modelcontextprotocol/related-task":{{"taskId":"{THEIRS}"}}}}"#);
    let result = match (received.method(), era) {
        ("tasks/get", Era::Modern) => format!(
            r#"{{"resultType":"complete","status":"completed","result":{{"content":[],"user":"{user}",{related}}},"taskId":"{THEIRS}","x-n":1.50e+3}}"#
        ),
        ("tasks/result", Era::Legacy) => {
            format!(r#"{{"content":[],"user":"{user}","taskId":"its own",{related}}}"#)
        }
        (_, Era::Legacy) => state("cancelled"),
        (_, Era::Modern) => r#"{"resultType":"complete"}"#.to_owned(),
    };
    reply(received, "result", &result)
}

/// The answer to a request, with its outcome as JSON text.
fn reply(received: &Received, member: &str, outcome: &str) -> Response<FakeBody> {
    let id = &received.json["id"];
    json_answer(
        200,
        &format!(r#"{{"jsonrpc":"2.0","{member}":{outcome},"id":{id}}}"#),
    )
}

/// The answer that begins a task, in the stateless era.
fn new_task() -> String {
    format!(r#"{{"x-n":1.50e+3, "taskId":"{THEIRS}","status":"working","ttlMs":null,"resultType":"task"}}"#)
}

/// A task with sessions.
fn state(status: &str) -> String {
    format!(
        r#"{{"taskId":"{THEIRS}","status":"{status}","createdAt":"2025-11-25T10:30:00Z","ttl":1.0, "y":[]}}"#
    )
}

/// How often a server was asked about tasks.
fn asked(server: &FakeServer) -> usize {
    let all = server.received.lock().unwrap();
    let about = all.iter().filter(|one| one.method().starts_with("tasks/"));
    about.count()
}

/// One gateway with one server of an era.
fn one(era: Era) -> (World, Plan, Arc<FakeServer>) {
    let server = server(era);
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::Assertion, &[]);
    (world, plan, server)
}
