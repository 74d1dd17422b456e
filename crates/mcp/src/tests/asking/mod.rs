//! What servers ask of clients, through all layers, between the eras.

mod aside;
mod held;
mod in_session;
mod large;
mod leaving;
mod noted;
mod replicas;
mod rounds;
mod states;

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use bytes::Bytes;
use gatewright_domain::{entropy::SeededEntropy, id::GatewayId, server::IdentityForwarding};
use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::sync::Arc;

use crate::{
    endpoint::answer::Answer,
    federation::Plan,
    testing::net::{
        FakeBody, FakeServer, Pieces, Received, User, World, answer, event, events, legacy_headers,
        legacy_server, modern_headers, read, tool,
    },
};

/// A client that declares all that servers can ask.
const EVERYTHING: &str =
    r#"{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}},"roots":{"listChanged":true}}"#;

/// A server with sessions whose calls answer with streams that the test holds.
struct OldServer {
    server: Arc<FakeServer>,
    streams: Arc<Mutex<VecDeque<Pieces>>>,
}

impl OldServer {
    fn new() -> Self {
        let streams = Arc::<Mutex<VecDeque<Pieces>>>::default();
        let opened = Arc::clone(&streams);
        let server = legacy_server(vec![tool("t")], move |_| {
            let (pieces, body) = FakeBody::open();
            opened.lock().unwrap().push_back(pieces);
            answer(200, "text/event-stream", body)
        });
        Self { server, streams }
    }

    /// The stream of the call that was made first of those not taken yet.
    fn stream(&self) -> Stream {
        let pieces = self.streams.lock().unwrap().pop_front();
        Stream(pieces.expect("a call was made"))
    }

    /// What the server received in answer to its requests, in order, once this much has arrived.
    async fn replies(&self, count: usize) -> Vec<Received> {
        let answers = || {
            let all = self.server.received.lock().unwrap();
            let replies = all.iter().filter(|one| {
                one.json.get("method").is_none() && one.json.get("id").is_some_and(|id| !id.is_null())
            });
            replies.cloned().collect::<Vec<_>>()
        };
        // Replies are sent in the background.
        for _ in 0..100 {
            if answers().len() >= count {
                break;
            }
            tokio::task::yield_now().await;
        }
        answers()
    }
}

/// A server's end of a stream.
struct Stream(Pieces);

impl Stream {
    fn send(&self, message: &str) {
        self.0.send(Bytes::from(event(message))).unwrap();
    }

    /// The answer to the call that the server knows by this id.
    fn finish(self, id: &Value) {
        self.send(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"done"}}]}}}}"#
        ));
    }
}

/// What a client reads of an answer that streams.
struct Reader {
    body: Answer<FakeBody>,
    ready: VecDeque<String>,
}

impl Reader {
    fn new(response: Response<Answer<FakeBody>>) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body(),
            ready: VecDeque::new(),
        }
    }

    /// The next message, as its bytes; nothing at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            let frame = self.body.frame().await?.unwrap().into_data().unwrap();
            self.ready.extend(events(std::str::from_utf8(&frame).unwrap()));
        }
    }

    async fn json(&mut self) -> Value {
        serde_json::from_str(&self.next().await.expect("a message")).unwrap()
    }

    /// Reads on without waiting for long; what is pending stays so.
    async fn nothing_comes(&mut self) {
        let waited = tokio::time::timeout(Duration::from_millis(20), self.next()).await;
        assert!(waited.is_err(), "{waited:?}");
    }
}

/// One gateway with one server, and its user.
struct Fixture {
    world: World,
    plan: Plan,
    user: User,
}

impl Fixture {
    fn new(server: &Arc<FakeServer>) -> Self {
        let world = World::new(&[("one", server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        Self {
            world,
            plan,
            user: User("ada"),
        }
    }

    /// The same call of a stateless client at another gateway of the process.
    async fn modern_elsewhere(&mut self, more: &str) -> Response<Answer<FakeBody>> {
        let other = GatewayId::generate(self.world.clock.as_ref(), &SeededEntropy::new(99));
        let own = std::mem::replace(&mut self.world.gateway_id, other);
        let plan = self.world.plan(IdentityForwarding::None, &[]);
        let own_plan = std::mem::replace(&mut self.plan, plan);
        let response = self.modern(&User("ada"), EVERYTHING, 2, more).await;
        (self.world.gateway_id, self.plan) = (own, own_plan);
        response
    }

    /// Begins a session of a client with these capabilities; returns the headers of its requests.
    async fn begin(&self, capabilities: &str) -> HeaderMap {
        self.begin_as(&self.user, capabilities).await
    }

    async fn begin_as(&self, user: &User, capabilities: &str) -> HeaderMap {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"clientInfo":{{"name":"c","version":"1"}}}}}}"#
        );
        let response = self
            .world
            .post(&self.plan, user, &legacy_headers(None), &body)
            .await;
        let id = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        assert_eq!(response.status(), 200);
        legacy_headers(Some(&id))
    }

    async fn post(&self, headers: &HeaderMap, body: &str) -> Response<Answer<FakeBody>> {
        self.world.post(&self.plan, &self.user, headers, body).await
    }

    /// Calls the tool within a session.
    async fn call(&self, headers: &HeaderMap) -> Reader {
        let body = r#"{"jsonrpc":"2.0","id":"call","method":"tools/call","params":{"name":"t","arguments":{"n":1.50e+3}}}"#;
        Reader::new(self.post(headers, body).await)
    }

    /// Sends a message, and returns the status of the response.
    async fn send(&self, headers: &HeaderMap, body: &str) -> u16 {
        read(self.post(headers, body).await).await.0
    }

    /// A call of a stateless client with these capabilities, and further members of its parameters.
    async fn modern(
        &self,
        user: &User,
        capabilities: &str,
        id: u32,
        more: &str,
    ) -> Response<Answer<FakeBody>> {
        self.modern_with(user, capabilities, id, r#"{"n":1.50e+3}"#, more)
            .await
    }

    async fn modern_with(
        &self,
        user: &User,
        capabilities: &str,
        id: u32,
        arguments: &str,
        more: &str,
    ) -> Response<Answer<FakeBody>> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t","arguments":{arguments}{more},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}}}"#
        );
        let headers = modern_headers("tools/call", Some("t"));
        self.world.post(&self.plan, user, &headers, &body).await
    }
}

/// The error of an answer.
async fn error_of(response: Response<Answer<FakeBody>>) -> (i64, String) {
    let (_, text) = read(response).await;
    let message = events(&text).pop().unwrap_or(text);
    let json: Value = serde_json::from_str(&message).unwrap();
    let error = &json["error"];
    (
        error["code"].as_i64().unwrap_or_default(),
        error["message"].as_str().unwrap_or_default().to_owned(),
    )
}
