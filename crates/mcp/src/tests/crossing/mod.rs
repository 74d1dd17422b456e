//! Two users of one server, whose clients of both eras use equal ids, progress tokens, request states, session ids and
//! URIs at the same time: no answer, question, notification or cancellation ever crosses from one to the other.
//!
//! `GATEWRIGHT_CROSSING_REQUESTS=10000 cargo test -p gatewright-mcp --all-features crossing` sends more of them.

mod client;
mod server;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use gatewright_domain::server::IdentityForwarding;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    testing::net::{User, World},
    wire::version::Era,
};

use client::{Client, Messages, messages, until};
use server::Shared;

const USERS: [User; 2] = [User("ada"), User("bob")];
const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];
/// Requests that are sent in all, unless the environment says otherwise.
const REQUESTS: u64 = 2_000;
/// Numbers whose requests are under way together, of both users and clients of both eras each.
const TOGETHER: u64 = 24;
/// The resources that everyone subscribes to. One user is notified of the even ones, the other of the odd ones.
const RESOURCES: u64 = 8;

/// One client, and the same client of the other user.
struct Pair {
    own: Client,
    other: Client,
    server: Arc<Shared>,
}

fn requests() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "how much is tested is no configuration of the program"
    )]
    let said = std::env::var("GATEWRIGHT_CROSSING_REQUESTS");
    said.map_or(REQUESTS, |said| said.parse().expect("a number of requests"))
}

impl Pair {
    fn user(&self) -> &'static str {
        self.own.user.0
    }

    fn is(&self, message: &Value, number: u64) {
        let result = &message["result"];
        let told = (&message["id"], &result["user"], &result["n"]);
        let expected = (&json!(self.own.id(number)), &json!(self.user()), &json!(number));
        assert_eq!(told, expected, "{message}");
    }

    /// Progress of the own call.
    fn is_progress(&self, message: &Value, number: u64) {
        let params = &message["params"];
        let told = (&params["progressToken"], &params["message"]);
        assert_eq!(
            told,
            (&json!(self.own.id(number)), &json!(self.user())),
            "{message}"
        );
    }

    async fn one(&self, number: u64) {
        // Clients of both eras do the same in turn.
        match (number / 2) % 10 {
            0 => self.is(
                &self.own.call("quick", number, &json!({})).await.last().await,
                number,
            ),
            2 => self.question(number).await,
            3 => {
                let uri = format!("a://item/{number}");
                let params = json!({ "uri": uri });
                let read = self.own.ask(number, "resources/read", Some(&uri), &params).await;
                self.is(&read.last().await, number);
            }
            4 => {
                let params = json!({"name": "p", "arguments": {"n": number.to_string()}});
                let got = self.own.ask(number, "prompts/get", Some("p"), &params).await;
                self.is(&got.last().await, number);
            }
            5 => {
                let params = json!({"ref": {"type": "ref/prompt", "name": "p"},
                    "argument": {"name": "n", "value": number.to_string()}});
                let completed = self.own.ask(number, "completion/complete", None, &params).await;
                self.is(&completed.last().await, number);
            }
            6 => self.list(number).await,
            7 => self.cancellation(number).await,
            8 if self.own.era == Era::Legacy => self.resumption(number).await,
            1 | 8 => self.progress(number).await,
            _ => {
                let uri = number / 20 % (RESOURCES / 2) * 2 + u64::from(self.user() == USERS[1].0);
                self.server.touch(self.user(), &format!("a://shared/{uri}"));
                self.is(
                    &self.own.call("quick", number, &json!({})).await.last().await,
                    number,
                );
            }
        }
    }

    async fn progress(&self, number: u64) {
        let mut answer = self.own.call("progress", number, &json!({})).await;
        self.is_progress(&answer.next().await.unwrap(), number);
        self.is(&answer.last().await, number);
    }

    async fn list(&self, number: u64) {
        let (method, member) = [
            ("tools/list", "tools"),
            ("prompts/list", "prompts"),
            ("resources/list", "resources"),
            ("resources/templates/list", "resourceTemplates"),
        ][usize::try_from(number / 20 % 4).unwrap()];
        let listed = self.own.ask(number, method, None, &json!({})).await.last().await;
        assert_eq!(listed["id"], self.own.id(number));
        let entries = listed["result"][member].as_array().unwrap();
        assert!(!entries.is_empty());
        for entry in entries {
            assert_eq!(entry["description"], format!("of {}", self.user()));
        }
    }

    fn content(&self, number: u64) -> Value {
        json!({"action": "accept", "content": {"user": self.user(), "n": number}})
    }

    fn foreign(&self, number: u64) -> Value {
        json!({"action": "accept", "content": {"user": self.other.user.0, "n": number}})
    }

    /// What the server asks on behalf of the own call is answered by its own user only.
    async fn question(&self, number: u64) {
        let mut answer = self.own.call("ask", number, &json!({})).await;
        let asked = answer.next().await.unwrap();
        let message = format!("{} {number}", self.user());
        if self.own.era == Era::Legacy {
            assert_eq!(asked["params"]["message"], message);
            let reply = |result: Value| json!({"jsonrpc": "2.0", "id": asked["id"], "result": result});
            self.other.tell(&reply(self.foreign(number))).await;
            assert_eq!(self.own.tell(&reply(self.content(number))).await, 202);
            return self.is(&answer.last().await, number);
        }
        let result = &asked["result"];
        assert_eq!(
            (&asked["id"], &result["resultType"]),
            (&json!(number % 3), &json!("input_required"))
        );
        let (key, question) = result["inputRequests"]
            .as_object()
            .unwrap()
            .iter()
            .next()
            .unwrap();
        assert_eq!(question["params"]["message"], message);
        let retry =
            |answer: Value| json!({"inputResponses": {key: answer}, "requestState": result["requestState"]});
        let refused = self
            .other
            .try_call("ask", number, &retry(self.foreign(number)))
            .await;
        let refused = messages(refused).last().await;
        assert_eq!(refused["error"]["code"], -32_602, "{refused}");
        let done = self.own.call("ask", number, &retry(self.content(number))).await;
        self.is(&done.last().await, number);
    }

    /// Of two calls with one ID, one is cancelled and the other continues.
    async fn cancellation(&self, number: u64) {
        let mut answer = self.own.call("wait", number, &json!({})).await;
        self.is_progress(&answer.next().await.unwrap(), number);
        let is_cancelled = (number / 20).is_multiple_of(2) == (self.user() == USERS[0].0);
        if !is_cancelled {
            assert!(!self.server.is_cancelled(self.user(), number));
            self.server.release(self.user(), number);
            return self.is(&answer.last().await, number);
        }
        match self.own.era {
            Era::Modern => drop(answer),
            Era::Legacy => {
                let notice = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}});
                assert_eq!(self.own.tell(&notice).await, 202);
                assert_eq!(answer.next().await, None);
                drop(answer);
            }
        }
        let what = format!(
            "{number} of {} is cancelled, {:?}",
            self.user(),
            self.server.wrong()
        );
        until(&what, || self.server.is_cancelled(self.user(), number)).await;
    }

    /// A client whose connection broke comes back for its own answer.
    async fn resumption(&self, number: u64) {
        let mut answer: Messages = self.own.call("linger", number, &json!({})).await;
        self.is_progress(&answer.next().await.unwrap(), number);
        let after = answer.id_to_come_back_with().await;
        drop(answer);
        assert_eq!(self.other.come_back(&after).status(), 400);
        let again = self.own.come_back(&after);
        self.server.release(self.user(), number);
        self.is(&messages(again).last().await, number);
    }
}

/// Reads the resources that a listener is notified of, until there were this many.
async fn told(mut stream: Messages, many: usize) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    while told.len() < many {
        let message = stream.next().await.unwrap();
        if message["method"] == "notifications/resources/updated" {
            told.insert(message["params"]["uri"].as_str().unwrap().to_owned());
        }
    }
    told
}

async fn nothing_crosses_at_a_server_of(era: Era, requests: u64) {
    let shared = Shared::new(era);
    let world = Arc::new(World::new(&[("shared", &shared.server())]));
    let plan = Arc::new(world.plan(IdentityForwarding::Assertion, &[]));
    let uris: Vec<_> = (0..RESOURCES).map(|n| format!("a://shared/{n}")).collect();
    let mut pairs = Vec::new();
    let mut listeners = Vec::new();
    for client_era in ERAS {
        for (own, other) in [(&USERS[0], &USERS[1]), (&USERS[1], &USERS[0])] {
            let pair = Pair {
                own: Client::new(&world, &plan, own, client_era).await,
                other: Client::new(&world, &plan, other, client_era).await,
                server: Arc::clone(&shared),
            };
            let stream = pair.own.listen(&uris).await;
            listeners.push((own.0, tokio::spawn(told(stream, uris.len() / 2))));
            pairs.push(Arc::new(pair));
        }
    }
    let numbers = requests / pairs.len() as u64;
    for start in (0..numbers).step_by(usize::try_from(TOGETHER).unwrap()) {
        let mut under_way = JoinSet::new();
        for n in start..numbers.min(start + TOGETHER) {
            for pair in &pairs {
                let pair = Arc::clone(pair);
                // A number names one request of each user, and the era of its client.
                let number = 2 * n + u64::from(pair.own.era == Era::Modern);
                under_way.spawn(async move { pair.one(number).await });
            }
        }
        while let Some(done) = under_way.join_next().await {
            done.unwrap();
        }
    }
    for (user, mut listener) in listeners {
        let parity = u64::from(user == USERS[1].0);
        let own = (0..RESOURCES)
            .filter(|n| n % 2 == parity)
            .map(|n| format!("a://shared/{n}"));
        let own: BTreeSet<_> = own.collect();
        // What was announced before the server was listened to is announced again.
        let heard = loop {
            for uri in &own {
                shared.touch(user, uri);
            }
            if let Ok(heard) = tokio::time::timeout(Duration::from_millis(200), &mut listener).await {
                break heard.unwrap();
            }
        };
        assert_eq!(heard, own, "{user}");
    }
    assert_eq!(shared.wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_crosses_between_two_users_of_a_server_with_sessions() {
    nothing_crosses_at_a_server_of(Era::Legacy, requests() / 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_crosses_between_two_users_of_a_stateless_server() {
    nothing_crosses_at_a_server_of(Era::Modern, requests() / 2).await;
}
