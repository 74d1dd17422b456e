//! A client of one of the two users, of either era. Its ids and progress tokens are those of the other user's clients.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    endpoint::answer::Answer,
    federation::Plan,
    testing::net::{FakeBody, User, World, legacy_headers, modern_headers},
    wire::version::Era,
};

const CAPABILITIES: &str = r#"{"elicitation":{"form":{}}}"#;
/// How long something may take before a test fails.
const LONG: Duration = Duration::from_mins(1);

pub(super) struct Client {
    pub(super) user: &'static User,
    pub(super) era: Era,
    world: Arc<World>,
    plan: Arc<Plan>,
    session: HeaderMap,
}

/// What a client reads of an answer.
pub(super) struct Messages {
    body: Answer<FakeBody>,
    is_events: bool,
    text: String,
    ready: VecDeque<Value>,
    last_event_id: Option<String>,
}

impl Messages {
    fn new(response: Response<Answer<FakeBody>>) -> Self {
        assert_eq!(response.status(), 200);
        let content_type = response.headers()["content-type"].to_str().unwrap();
        Self {
            is_events: content_type.starts_with("text/event-stream"),
            body: response.into_body(),
            text: String::new(),
            ready: VecDeque::new(),
            last_event_id: None,
        }
    }

    /// The next message; nothing at the end.
    pub(super) async fn next(&mut self) -> Option<Value> {
        let reading = async {
            while self.ready.is_empty() {
                match self.body.frame().await {
                    Some(frame) => {
                        let data = frame.unwrap().into_data().unwrap();
                        self.text.push_str(std::str::from_utf8(&data).unwrap());
                        self.take_events();
                    }
                    None if self.text.is_empty() => return None,
                    None => {
                        let text = std::mem::take(&mut self.text);
                        self.ready.push_back(serde_json::from_str(&text).unwrap());
                    }
                }
            }
            self.ready.pop_front()
        };
        tokio::time::timeout(LONG, reading)
            .await
            .expect("an answer in time")
    }

    /// The id to come back with, which a stream gets once it waits for its server.
    pub(super) async fn id_to_come_back_with(&mut self) -> String {
        let reading = async {
            loop {
                if let Some(id) = self.last_event_id.take() {
                    return id;
                }
                let frame = self.body.frame().await.unwrap().unwrap();
                self.text
                    .push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
                self.take_events();
            }
        };
        tokio::time::timeout(LONG, reading).await.expect("an id in time")
    }

    fn take_events(&mut self) {
        while self.is_events
            && let Some(end) = self.text.find("\n\n")
        {
            let event: String = self.text.drain(..end + 2).collect();
            for line in event.lines() {
                if let Some(id) = line.strip_prefix("id: ") {
                    self.last_event_id = Some(id.to_owned());
                }
                if let Some(data) = line.strip_prefix("data: ").filter(|data| !data.is_empty()) {
                    self.ready.push_back(serde_json::from_str(data).unwrap());
                }
            }
        }
    }

    /// The last message.
    pub(super) async fn last(mut self) -> Value {
        let mut last = None;
        while let Some(message) = self.next().await {
            last = Some(message);
        }
        last.expect("an answer")
    }
}

impl Client {
    pub(super) async fn new(world: &Arc<World>, plan: &Arc<Plan>, user: &'static User, era: Era) -> Self {
        let mut client = Self {
            user,
            era,
            world: Arc::clone(world),
            plan: Arc::clone(plan),
            session: HeaderMap::new(),
        };
        if era == Era::Legacy {
            let begin = format!(
                r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{CAPABILITIES},"clientInfo":{{"name":"c","version":"1"}}}}}}"#
            );
            let answer = world.post(plan, user, &legacy_headers(None), &begin).await;
            let id = answer.headers()["mcp-session-id"].to_str().unwrap();
            client.session = legacy_headers(Some(id));
        }
        client
    }

    /// The id and progress token of a request: unique in a session, and one of three otherwise.
    pub(super) fn id(&self, number: u64) -> u64 {
        match self.era {
            Era::Legacy => number,
            Era::Modern => number % 3,
        }
    }

    /// Sends a request; `named` is what a stateless one has in its header, and `params` its members.
    pub(super) async fn ask(
        &self,
        number: u64,
        method: &str,
        named: Option<&str>,
        params: &Value,
    ) -> Messages {
        Messages::new(self.send(number, method, named, params).await)
    }

    async fn send(
        &self,
        number: u64,
        method: &str,
        named: Option<&str>,
        params: &Value,
    ) -> Response<Answer<FakeBody>> {
        let mut params = params.clone();
        let id = self.id(number);
        params["_meta"] = json!({ "progressToken": id });
        let mut headers = self.session.clone();
        if self.era == Era::Modern {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            let capabilities: Value = serde_json::from_str(CAPABILITIES).unwrap();
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities;
            headers = modern_headers(method, named);
        }
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.world
            .post(&self.plan, self.user, &headers, &body.to_string())
            .await
    }

    /// Calls a tool with a number; `more` are further members of the parameters.
    pub(super) async fn call(&self, tool: &str, number: u64, more: &Value) -> Messages {
        Messages::new(self.try_call(tool, number, more).await)
    }

    pub(super) async fn try_call(&self, tool: &str, number: u64, more: &Value) -> Response<Answer<FakeBody>> {
        let mut params = json!({"name": tool, "arguments": {"n": number}});
        for (member, value) in more.as_object().into_iter().flatten() {
            params[member] = value.clone();
        }
        self.send(number, "tools/call", Some(tool), &params).await
    }

    /// Posts a message in the session that is not a request, and returns the status.
    pub(super) async fn tell(&self, message: &Value) -> u16 {
        let message = message.to_string();
        let posted = self
            .world
            .post(&self.plan, self.user, &self.session, &message)
            .await;
        posted.status().as_u16()
    }

    /// Comes back for the rest of an answer.
    pub(super) fn come_back(&self, after: &str) -> Response<Answer<FakeBody>> {
        let mut headers = self.session.clone();
        headers.insert("last-event-id", HeaderValue::from_str(after).unwrap());
        self.get(&headers)
    }

    fn get(&self, headers: &HeaderMap) -> Response<Answer<FakeBody>> {
        let plan = Arc::clone(&self.plan);
        let never = CancellationToken::new();
        self.world
            .get(move || Some(Arc::clone(&plan)), self.user, headers, &never)
    }

    /// Listens to changes of these resources.
    pub(super) async fn listen(&self, uris: &[String]) -> Messages {
        if self.era == Era::Modern {
            let plan = Arc::clone(&self.plan);
            let never = CancellationToken::new();
            let filter = json!({ "resourceSubscriptions": uris }).to_string();
            let subscribed =
                self.world
                    .subscribe(move || Some(Arc::clone(&plan)), self.user, &filter, &never);
            return Messages::new(subscribed.await);
        }
        let stream = Messages::new(self.get(&self.session));
        for (number, uri) in uris.iter().enumerate() {
            let params = json!({ "uri": uri });
            let answer = self
                .ask(1_000_000 + number as u64, "resources/subscribe", None, &params)
                .await;
            assert_eq!(answer.last().await["result"], json!({}));
        }
        stream
    }
}

/// Reads a stream of the answers that were opened with [`Client::come_back`].
pub(super) fn messages(response: Response<Answer<FakeBody>>) -> Messages {
    Messages::new(response)
}

/// Waits until something is true.
pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(LONG, waiting).await;
    assert!(waited.is_ok(), "{what}: it does not become true");
}
