//! Whatever a client and a server write, the other side gets with the same bytes: for every method, between every pair of eras, in answers of
//! every kind.

mod asking;
mod json;
mod lists;
mod requests;
mod told;

use std::{collections::HashMap, future::Future, sync::Arc};

use gatewright_domain::server::IdentityForwarding;
use http::{HeaderMap, HeaderValue, Response};
use proptest::test_runner::Config as ProptestConfig;
use serde_json::json;

use crate::{
    endpoint::answer::Answer,
    federation::Plan,
    testing::net::{
        FakeBody, FakeServer, Received, User, World, answer, event, events, json_answer, legacy_headers,
        modern_headers, read,
    },
    wire::version::Era,
};

const ADA: User = User("ada");
/// Client and server.
const PAIRS: [(Era, Era); 4] = [
    (Era::Legacy, Era::Legacy),
    (Era::Legacy, Era::Modern),
    (Era::Modern, Era::Legacy),
    (Era::Modern, Era::Modern),
];
const CAPABILITIES: &str =
    r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{"listChanged":true}}"#;

/// How a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    /// As JSON that arrives in small pieces.
    Pieces,
    Events,
}

const KINDS: [Kind; 3] = [Kind::Json, Kind::Pieces, Kind::Events];

impl Kind {
    /// An answer with this message, or these.
    fn answer(self, messages: &[String]) -> Response<FakeBody> {
        match self {
            Self::Json => json_answer(200, messages.last().unwrap()),
            Self::Pieces => {
                let (sender, body) = FakeBody::open();
                for piece in messages.last().unwrap().as_bytes().chunks(7) {
                    sender.send(bytes::Bytes::copy_from_slice(piece)).unwrap();
                }
                answer(200, "application/json", body)
            }
            Self::Events => {
                let events: String = messages.iter().map(|message| event(message)).collect();
                answer(200, "text/event-stream", FakeBody::of(&[&events]))
            }
        }
    }
}

/// The texts of a server's lists, by method.
type Lists = HashMap<&'static str, (&'static str, String)>;

fn usual_lists() -> Lists {
    HashMap::from([
        (
            "tools/list",
            (
                "tools",
                r#"[{"name":"t","inputSchema":{"type":"object"}}]"#.to_owned(),
            ),
        ),
        ("prompts/list", ("prompts", r#"[{"name":"p"}]"#.to_owned())),
        (
            "resources/list",
            ("resources", r#"[{"uri":"a://r","name":"r"}]"#.to_owned()),
        ),
        (
            "resources/templates/list",
            (
                "resourceTemplates",
                r#"[{"uriTemplate":"b://{x}","name":"b"}]"#.to_owned(),
            ),
        ),
    ])
}

/// A server of an era with these lists, which answers everything else as `reply` says.
fn server(
    era: Era,
    lists: Lists,
    reply: impl Fn(&Received) -> Response<FakeBody> + Send + Sync + 'static,
) -> Arc<FakeServer> {
    let capabilities = json!({"tools": {}, "prompts": {}, "resources": {}, "completions": {}, "logging": {}});
    FakeServer::new(move |received| {
        let id = &received.json["id"];
        let is_old = era == Era::Legacy;
        if is_old && received.header("mcp-session-id").is_none() && received.method() != "initialize" {
            let error =
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no session"}}"#;
            return Ok(json_answer(400, error));
        }
        let result = match (received.method(), lists.get(received.method())) {
            ("initialize", _) => json!({"protocolVersion": "2025-11-25", "capabilities": capabilities,
                "serverInfo": {"name": "old", "version": "1"}})
            .to_string(),
            ("server/discover", _) => json!({"resultType": "complete", "supportedVersions": ["2026-07-28"],
                "capabilities": capabilities, "ttlMs": 1, "cacheScope": "public"})
            .to_string(),
            ("logging/setLevel", _) => "{}".to_owned(),
            (_, Some((member, entries))) if is_old => format!(r#"{{"{member}":{entries}}}"#),
            (_, Some((member, entries))) => {
                format!(
                    r#"{{"resultType":"complete","{member}":{entries},"ttlMs":60000,"cacheScope":"public"}}"#
                )
            }
            (notice, _) if notice.starts_with("notifications/") => {
                return Ok(answer(202, "", FakeBody::of(&[])));
            }
            _ => return Ok(reply(received)),
        };
        let mut response = json_answer(
            200,
            &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
        );
        if received.method() == "initialize" {
            let session = HeaderValue::from_static("session-1");
            response.headers_mut().insert("mcp-session-id", session);
        }
        Ok(response)
    })
}

/// A client of one era in front of one server.
struct Client {
    world: World,
    plan: Plan,
    era: Era,
    session: HeaderMap,
}

impl Client {
    async fn new(server: &Arc<FakeServer>, era: Era) -> Self {
        let world = World::new(&[("one", server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let mut session = HeaderMap::new();
        if era == Era::Legacy {
            let begin = format!(
                r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{CAPABILITIES},"clientInfo":{{"name":"c","version":"1"}}}}}}"#
            );
            let response = world.post(&plan, &ADA, &legacy_headers(None), &begin).await;
            session = legacy_headers(response.headers()["mcp-session-id"].to_str().ok());
        }
        Self {
            world,
            plan,
            era,
            session,
        }
    }

    /// The text of a request: `params` is that of the members of its parameters, `meta` of further members of `_meta`, `first` of
    /// members of the message.
    fn request(&self, method: &str, params: &str, meta: &str, first: &str) -> String {
        let comma = if params.is_empty() { "" } else { "," };
        let own = match self.era {
            Era::Legacy => String::new(),
            Era::Modern => format!(
                r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{CAPABILITIES},"#
            ),
        };
        format!(
            r#"{{{first}"jsonrpc":"2.0","id":"i","method":"{method}","params":{{{params}{comma}"_meta":{{{own}"progressToken":"p"{meta}}}}}}}"#
        )
    }

    async fn post(&self, body: &str, method: &str, named: Option<&str>) -> Response<Answer<FakeBody>> {
        let headers = match self.era {
            Era::Legacy => self.session.clone(),
            Era::Modern => modern_headers(method, named),
        };
        self.world.post(&self.plan, &ADA, &headers, body).await
    }

    /// The messages of the answer.
    async fn ask(&self, body: &str, method: &str, named: Option<&str>) -> Vec<String> {
        let (status, text) = read(self.post(body, method, named).await).await;
        assert_eq!(status, 200, "{text}");
        if text.starts_with('{') {
            vec![text]
        } else {
            events(&text)
        }
    }
}

/// Few cases, because each goes through all pairs and methods.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 24,
        max_shrink_iters: 64,
        ..ProptestConfig::default()
    }
}

/// Runs the body of a property.
fn run(property: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(property);
}

#[track_caller]
fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part}\nis not in\n{text}");
}
