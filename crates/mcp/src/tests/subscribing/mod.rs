//! Clients of both eras are notified when the resources that they follow change, by servers of both.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gatewright_domain::server::IdentityForwarding;
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    endpoint::answer::Answer,
    federation::{Choice, Plan},
    testing::{
        net::{FakeBody, FakeServer, Pieces, User, World, answer, event, json_answer, read},
        offers::{Offers, resource, template},
    },
    wire::version::Era,
};

mod lasting;
mod telling;

const ADA: User = User("ada");
const BOB: User = User("bob");
const ONE: &str = "a://dir/one";
const TWO: &str = "a://dir/two";

/// The streams a server is listened to with, the newest last, with the URIs that each asked for.
type Open = Arc<Mutex<Vec<(Vec<String>, Pieces)>>>;

struct Served {
    server: Arc<FakeServer>,
    open: Open,
    /// Whether it has forgotten its first session.
    has_restarted: Arc<AtomicBool>,
}

impl Served {
    fn new(era: Era) -> Self {
        let open = Open::default();
        let streams = Arc::clone(&open);
        let has_restarted = Arc::<AtomicBool>::default();
        let forgets = Arc::clone(&has_restarted);
        let well = Offers {
            capabilities: json!({"tools": {}, "resources": {"subscribe": true}}),
            resources: vec![resource(ONE), resource(TWO)],
            templates: vec![template("t://{x}")],
            ..Offers::default()
        }
        .server(era);
        let server = FakeServer::new(move |received| {
            if forgets.load(Ordering::SeqCst) && received.header("mcp-session-id") == Some("session-1") {
                return Ok(json_answer(404, ""));
            }
            if received.verb == Method::GET || received.method() == "subscriptions/listen" {
                let (pieces, body) = FakeBody::open();
                let uris = &received.json["params"]["notifications"]["resourceSubscriptions"];
                let uris: Vec<String> = serde_json::from_value(uris.clone()).unwrap_or_default();
                if era == Era::Modern {
                    let acknowledged = "notifications/subscriptions/acknowledged";
                    let message = json!({"jsonrpc": "2.0", "method": acknowledged, "params": {}});
                    pieces.send(event(&message.to_string()).into()).unwrap();
                }
                streams.lock().unwrap().push((uris, pieces));
                return Ok(answer(200, "text/event-stream", body));
            }
            if matches!(received.method(), "resources/subscribe" | "resources/unsubscribe") {
                assert_eq!(era, Era::Legacy);
                let done = json!({"jsonrpc": "2.0", "id": received.json["id"], "result": {}});
                return Ok(json_answer(200, &done.to_string()));
            }
            if received.method() == "tools/call" {
                let result = json!({"jsonrpc": "2.0", "id": received.json["id"], "result": {}});
                let events = [updated(ONE), event(&result.to_string()).into()].concat();
                let events = String::from_utf8(events).unwrap();
                return Ok(answer(200, "text/event-stream", FakeBody::of(&[&events])));
            }
            (well.handler)(received)
        });
        Self {
            server,
            open,
            has_restarted,
        }
    }

    /// Says that a resource has changed, on the newest stream.
    async fn update(&self, uri: &str) {
        for _ in 0..200 {
            if !self.open.lock().unwrap().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let open = self.open.lock().unwrap();
        open.last().unwrap().1.send(updated(uri)).unwrap();
    }

    /// The same on all of its streams.
    async fn update_on_all(&self, uri: &str, streams: usize) {
        for _ in 0..200 {
            if self.open.lock().unwrap().len() >= streams {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for (_, pieces) in &*self.open.lock().unwrap() {
            let _ = pieces.send(updated(uri));
        }
    }

    /// What it was asked to report, in order, without repetitions.
    fn asked(&self, era: Era) -> Vec<String> {
        match era {
            Era::Modern => (self.open.lock().unwrap().last())
                .map(|(uris, _)| uris.clone())
                .unwrap_or_default(),
            Era::Legacy => self
                .server
                .received("resources/subscribe")
                .iter()
                .map(|received| received.json["params"]["uri"].as_str().unwrap().to_owned())
                .collect(),
        }
    }
}

fn updated(uri: &str) -> Bytes {
    let method = "notifications/resources/updated";
    event(&json!({"jsonrpc": "2.0", "method": method, "params": {"uri": uri}}).to_string()).into()
}

fn always(plan: &Arc<Plan>) -> impl Fn() -> Option<Arc<Plan>> + Clone + Send + Sync + 'static {
    let plan = Arc::clone(plan);
    move || Some(Arc::clone(&plan))
}

/// The next message of a stream, within a minute.
async fn next(stream: &mut Answer<FakeBody>) -> Option<Value> {
    let reading = async {
        while let Some(frame) = stream.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            let text = std::str::from_utf8(&data).unwrap();
            if let Some(message) = text.strip_prefix("data: ") {
                return Some(serde_json::from_str(message.trim()).unwrap());
            }
        }
        None
    };
    let read = tokio::time::timeout(Duration::from_mins(1), reading).await;
    read.ok().flatten()
}

/// What a request of a session about a resource is answered.
async fn ask(world: &World, plan: &Plan, user: &User, headers: &HeaderMap, method: &str, uri: &str) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"uri": uri}});
    let (_, text) = read(world.post(plan, user, headers, &body.to_string()).await).await;
    serde_json::from_str(&text).unwrap()
}

/// A client of an era that listens to these resources of a gateway.
async fn listener(
    world: &World,
    plan_now: impl Fn() -> Option<Arc<Plan>> + Clone + Send + Sync + 'static,
    user: &User,
    era: Era,
    uris: &[&str],
) -> Answer<FakeBody> {
    let shutdown = CancellationToken::new();
    let plan = plan_now().unwrap();
    match era {
        Era::Modern => {
            let filter = json!({ "resourceSubscriptions": uris });
            let filter = filter.to_string();
            let subscribed = world.subscribe(plan_now, user, &filter, &shutdown).await;
            let mut stream = subscribed.into_body();
            let told = next(&mut stream).await.unwrap();
            assert_eq!(
                told["method"], "notifications/subscriptions/acknowledged",
                "it comes first"
            );
            let mut told: Vec<String> =
                serde_json::from_value(told["params"]["notifications"]["resourceSubscriptions"].clone())
                    .unwrap();
            told.sort();
            assert_eq!(told, uris);
            stream
        }
        Era::Legacy => {
            let headers = world.begin(&plan, user).await;
            let stream = world.get(plan_now, user, &headers, &shutdown).into_body();
            for uri in uris {
                let said = ask(world, &plan, user, &headers, "resources/subscribe", uri).await;
                assert_eq!(said, json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
            }
            stream
        }
    }
}

fn told(era: Era, uri: &str) -> Value {
    let params = match era {
        Era::Modern => json!({"_meta": {"io.modelcontextprotocol/subscriptionId": "s"}, "uri": uri}),
        Era::Legacy => json!({ "uri": uri }),
    };
    json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": params})
}
