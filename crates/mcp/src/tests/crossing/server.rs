//! The server that two users share. It says in every answer which user it saw, by the credentials of the request, and
//! sends both users equal session ids, question ids and request states.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{HeaderValue, Method, Response};
use serde_json::{Value, json};

use crate::{
    testing::net::{FakeBody, FakeServer, Pieces, Received, answer, event, json_answer},
    wire::version::Era,
};

/// The tools: each takes a number.
const TOOLS: [&str; 5] = ["quick", "progress", "ask", "wait", "linger"];

/// A call whose answer is open.
struct OpenCall {
    id: Value,
    pieces: Pieces,
    dropped: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    /// How many sessions each user has begun.
    sessions: HashMap<String, usize>,
    /// By user and number.
    open: HashMap<(String, u64), OpenCall>,
    /// The numbers of calls, by user, session and id of the request.
    numbers: HashMap<(String, String, String), u64>,
    cancelled: BTreeSet<(String, u64)>,
    /// The streams that it is listened to with, by user.
    listening: Vec<(String, Pieces)>,
    wrong: Vec<String>,
}

pub(super) struct Shared {
    era: Era,
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(era: Era) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new(Self { era, state })
    }

    pub(super) fn server(self: &Arc<Self>) -> Arc<FakeServer> {
        let shared = Arc::clone(self);
        FakeServer::new(move |received| Ok(shared.answer(received)))
    }

    /// What reached it that should not have.
    pub(super) fn wrong(&self) -> Vec<String> {
        self.state.lock().unwrap().wrong.clone()
    }

    /// Whether a call that waits was cancelled.
    pub(super) fn is_cancelled(&self, user: &str, number: u64) -> bool {
        let state = self.state.lock().unwrap();
        let key = (user.to_owned(), number);
        let closed = |call: &OpenCall| call.dropped.load(Ordering::SeqCst);
        state.cancelled.contains(&key)
            || (self.era == Era::Modern && state.open.get(&key).is_some_and(closed))
    }

    /// Answers a call that waits.
    pub(super) fn release(&self, user: &str, number: u64) {
        let call = self.state.lock().unwrap().open.remove(&(user.to_owned(), number));
        let call = call.unwrap_or_else(|| panic!("{user} has no open call {number}"));
        // A client whose stream is no longer read misses its answer, and reports that.
        let _ = call
            .pieces
            .send(event(&self.result(&call.id, user, number)).into());
    }

    /// Tells one user that a resource has changed.
    pub(super) fn touch(&self, user: &str, uri: &str) {
        let message =
            json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}});
        let state = self.state.lock().unwrap();
        for (_, pieces) in state.listening.iter().filter(|(of, _)| of == user) {
            // Streams that were replaced are closed.
            let _ = pieces.send(event(&message.to_string()).into());
        }
    }

    fn result(&self, id: &Value, user: &str, number: u64) -> String {
        let first = match self.era {
            Era::Modern => r#""resultType":"complete","#,
            Era::Legacy => "",
        };
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{{first}"content":[],"user":"{user}","n":{number}}}}}"#
        )
    }

    fn answer(&self, received: &Received) -> Response<FakeBody> {
        let user = received
            .header("gatewright-assertion")
            .unwrap_or("nobody")
            .to_owned();
        let is_begun = self.era == Era::Modern || received.header("mcp-session-id").is_some();
        if !is_begun && received.method() != "initialize" {
            let error =
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no session"}}"#;
            return json_answer(400, error);
        }
        if received.verb == Method::GET || received.method() == "subscriptions/listen" {
            return self.listen(received, user);
        }
        // Of two sessions that were begun at the same time, one is ended.
        if received.verb == Method::DELETE {
            return answer(204, "", FakeBody::of(&[]));
        }
        let id = &received.json["id"];
        let params = &received.json["params"];
        let number = |value: &Value| {
            value
                .as_str()
                .and_then(|text| text.parse().ok())
                .unwrap_or(u64::MAX)
        };
        match received.method() {
            "initialize" => self.begin(id, &user),
            "server/discover" => self.reply(id, &Self::discovered()),
            "tools/call" => self.call(received, &user),
            "prompts/get" => json_answer(200, &self.result(id, &user, number(&params["arguments"]["n"]))),
            "completion/complete" => {
                json_answer(200, &self.result(id, &user, number(&params["argument"]["value"])))
            }
            "resources/read" => {
                let uri = params["uri"].as_str().unwrap_or_default();
                let number = number(&json!(uri.trim_start_matches("a://item/")));
                let result = self.result(id, &user, number);
                json_answer(
                    200,
                    &result.replace(
                        r#""content":[]"#,
                        r#""ttlMs":0,"cacheScope":"private","contents":[]"#,
                    ),
                )
            }
            "notifications/cancelled" => self.cancel(received, user),
            "" => self.hear(received, &user),
            method if method.ends_with("/list") => self.reply(id, &Self::list(method, &user)),
            method if method.starts_with("resources/") => self.reply(id, &json!({})),
            method if method.starts_with("notifications/") => answer(202, "", FakeBody::of(&[])),
            _ => json_answer(404, ""),
        }
    }

    fn reply(&self, id: &Value, result: &Value) -> Response<FakeBody> {
        let mut result = result.clone();
        if self.era == Era::Modern {
            result["resultType"] = json!("complete");
        }
        json_answer(
            200,
            &json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string(),
        )
    }

    fn capabilities() -> Value {
        json!({"tools": {}, "prompts": {}, "resources": {"subscribe": true}, "completions": {}})
    }

    fn discovered() -> Value {
        json!({"supportedVersions": ["2026-07-28"], "capabilities": Self::capabilities(), "ttlMs": 1, "cacheScope": "public"})
    }

    fn begin(&self, id: &Value, user: &str) -> Response<FakeBody> {
        if self.era == Era::Modern {
            return json_answer(404, "");
        }
        let mut state = self.state.lock().unwrap();
        let number = state.sessions.entry(user.to_owned()).or_default();
        *number += 1;
        // The sessions of both users have the same ids.
        let session = HeaderValue::from_str(&format!("session-{number}")).unwrap();
        let result = json!({"protocolVersion": "2025-11-25", "capabilities": Self::capabilities(),
            "serverInfo": {"name": "shared", "version": "1"}});
        let mut response = self.reply(id, &result);
        response.headers_mut().insert("mcp-session-id", session);
        response
    }

    /// A list whose entries name their user.
    fn list(method: &str, user: &str) -> Value {
        let whose = format!("of {user}");
        let (member, entries) = match method {
            "tools/list" => {
                let tool =
                    |name| json!({"name": name, "description": whose, "inputSchema": {"type": "object"}});
                ("tools", TOOLS.map(tool).to_vec())
            }
            "prompts/list" => ("prompts", vec![json!({"name": "p", "description": whose})]),
            "resources/list" => {
                let resource =
                    |n| json!({"uri": format!("a://shared/{n}"), "name": "r", "description": whose});
                ("resources", (0..super::RESOURCES).map(resource).collect())
            }
            _ => {
                let template = json!({"uriTemplate": "a://item/{n}", "name": "t", "description": whose});
                ("resourceTemplates", vec![template])
            }
        };
        json!({ (member): entries, "ttlMs": 60_000, "cacheScope": "private" })
    }

    fn listen(&self, received: &Received, user: String) -> Response<FakeBody> {
        let (pieces, body) = FakeBody::open();
        if self.era == Era::Modern {
            let method = "notifications/subscriptions/acknowledged";
            let message = json!({"jsonrpc": "2.0", "method": method, "params": {"notifications": received.json["params"]["notifications"]}});
            pieces.send(event(&message.to_string()).into()).unwrap();
        }
        self.state.lock().unwrap().listening.push((user, pieces));
        answer(200, "text/event-stream", body)
    }

    fn call(&self, received: &Received, user: &str) -> Response<FakeBody> {
        let (id, params) = (&received.json["id"], &received.json["params"]);
        let number = params["arguments"]["n"].as_u64().unwrap_or(u64::MAX);
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": params["_meta"]["progressToken"], "progress": 1, "message": user}});
        let progress = event(&progress.to_string());
        let result = self.result(id, user, number);
        match params["name"].as_str().unwrap_or_default() {
            "progress" => answer(
                200,
                "text/event-stream",
                FakeBody::of(&[&progress, &event(&result)]),
            ),
            "ask" if self.era == Era::Modern => self.ask_by_result(received, user, number),
            "ask" => {
                let question = json!({"jsonrpc": "2.0", "id": number, "method": "elicitation/create", "params": Self::question(user, number)});
                self.leave_open(received, user, number, &event(&question.to_string()))
            }
            "wait" | "linger" => self.leave_open(received, user, number, &progress),
            _ => json_answer(200, &result),
        }
    }

    fn question(user: &str, number: u64) -> Value {
        json!({"message": format!("{user} {number}"), "requestedSchema": {"type": "object", "properties": {}}})
    }

    fn leave_open(&self, received: &Received, user: &str, number: u64, first: &str) -> Response<FakeBody> {
        let (pieces, body) = FakeBody::open();
        pieces.send(first.to_owned().into()).unwrap();
        let id = received.json["id"].clone();
        let session = received.header("mcp-session-id").unwrap_or_default().to_owned();
        let mut state = self.state.lock().unwrap();
        state
            .numbers
            .insert((user.to_owned(), session, id.to_string()), number);
        let dropped = Arc::clone(&body.dropped);
        let call = OpenCall { id, pieces, dropped };
        if state.open.insert((user.to_owned(), number), call).is_some() {
            state.wrong.push(format!("{user} called {number} twice"));
        }
        answer(200, "text/event-stream", body)
    }

    fn ask_by_result(&self, received: &Received, user: &str, number: u64) -> Response<FakeBody> {
        let (id, params) = (&received.json["id"], &received.json["params"]);
        // Three states for all calls of both users.
        let state = format!("s{}", number % 3);
        if params["inputResponses"].is_null() {
            let result = json!({"resultType": "input_required", "requestState": state,
                "inputRequests": {"k": {"method": "elicitation/create", "params": Self::question(user, number)}}});
            return json_answer(
                200,
                &json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string(),
            );
        }
        if params["requestState"] != state {
            let told = format!("{user} {number} came back with {}", params["requestState"]);
            self.state.lock().unwrap().wrong.push(told);
        }
        self.compare(&params["inputResponses"]["k"], user, number);
        json_answer(200, &self.result(id, user, number))
    }

    /// Records an answer from another user or call.
    fn compare(&self, answer: &Value, user: &str, number: u64) {
        if answer["content"] != json!({"user": user, "n": number}) {
            let told = format!("{user} {number} was answered {answer}");
            self.state.lock().unwrap().wrong.push(told);
        }
    }

    /// A client's answer to a question on the stream of a call.
    fn hear(&self, received: &Received, user: &str) -> Response<FakeBody> {
        let number = received.json["id"].as_u64().unwrap_or(u64::MAX);
        let call = self.state.lock().unwrap().open.remove(&(user.to_owned(), number));
        let Some(call) = call else {
            let told = format!("{user} answered {}", received.json);
            self.state.lock().unwrap().wrong.push(told);
            return answer(202, "", FakeBody::of(&[]));
        };
        self.compare(&received.json["result"], user, number);
        call.pieces
            .send(event(&self.result(&call.id, user, number)).into())
            .unwrap();
        answer(202, "", FakeBody::of(&[]))
    }

    fn cancel(&self, received: &Received, user: String) -> Response<FakeBody> {
        let id = received.json["params"]["requestId"].to_string();
        let session = received.header("mcp-session-id").unwrap_or_default().to_owned();
        let mut state = self.state.lock().unwrap();
        match state.numbers.get(&(user.clone(), session, id)).copied() {
            Some(number) => {
                state.open.remove(&(user.clone(), number));
                state.cancelled.insert((user, number));
            }
            None => state.wrong.push(format!("{user} cancelled {}", received.json)),
        }
        answer(202, "", FakeBody::of(&[]))
    }
}
