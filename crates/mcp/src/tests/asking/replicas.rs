//! Two replicas: an answer or a retry that arrives at the one that does not hold the call.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::BoxFuture;
use gatewright_domain::{
    Clock,
    clock::FixedClock,
    entropy::SeededEntropy,
    sealed::{Keyring, MasterKey},
};
use serde_json::{Value, json};

use super::{EVERYTHING, Fixture, OldServer, Reader, error_of};
use crate::{
    endpoint::{Endpoint, Replica, Replicas, Reply, session::SessionNote},
    federation::list_memory::ListLimits,
    testing::net::{FakeNet, FakeServer, read},
};

/// Takes letters to another replica without a store between.
struct Direct {
    to: Weak<Fixture>,
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Direct")
    }
}

/// Takes letters and never answers.
#[derive(Debug)]
struct Silent;

impl Replicas for Silent {
    fn ask(&self, _: Replica, _: Vec<u8>, _: Duration) -> Reply<'_> {
        Box::pin(std::future::pending())
    }

    fn write(&self, _: SessionNote) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn are_possible(&self) -> bool {
        true
    }
}

impl Replicas for Direct {
    fn ask(&self, to: Replica, letter: Vec<u8>, _: Duration) -> Reply<'_> {
        Box::pin(async move {
            let other = self.to.upgrade()?;
            if other.world.endpoint.replica() != to {
                return None;
            }
            Some(other.world.endpoint.take_letter(&letter).await)
        })
    }

    fn write(&self, note: SessionNote) -> BoxFuture<'_, ()> {
        if let Some(other) = self.to.upgrade() {
            let project = other.plan.project;
            let notes = [(note.session, note.note)];
            other.world.endpoint.act_on(&notes, |_| Some(project));
        }
        Box::pin(std::future::ready(()))
    }

    fn are_possible(&self) -> bool {
        true
    }
}

/// Two replicas of one instance; letters of the first reach the second.
pub(super) fn replicas(server: &Arc<FakeServer>) -> (Fixture, Arc<Fixture>) {
    let (near, far) = apart(server);
    near.world.endpoint.join(Box::new(Direct {
        to: Arc::downgrade(&far),
    }));
    (near, far)
}

/// The same, and letters are not delivered yet.
fn apart(server: &Arc<FakeServer>) -> (Fixture, Arc<Fixture>) {
    let clock = Arc::new(FixedClock::at_seconds(1_800_000_000));
    let keyring = Keyring::new(vec![MasterKey::generate(&SeededEntropy::new(5))]).unwrap();
    let [near, far] = [71, 72].map(|seed| {
        let mut f = Fixture::new(server);
        f.world.clock = Arc::clone(&clock);
        let net = FakeNet {
            servers: [("one.example".to_owned(), Arc::clone(server))].into(),
        };
        f.world.endpoint = Endpoint::new(
            net,
            keyring.clone(),
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::new(SeededEntropy::new(seed)),
            ListLimits::default(),
        );
        f.plan = f
            .world
            .plan(gatewright_domain::server::IdentityForwarding::None, &[]);
        f
    });
    (near, Arc::new(far))
}

const QUESTION: &str = r#"{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{"message":"?"}}"#;
const ACCEPTED: &str = r#"{"action":"accept","content":{"n":1.50e+3}}"#;

#[tokio::test]
async fn an_answer_that_arrives_at_another_replica_reaches_its_server() {
    let old = OldServer::new();
    let (near, far) = replicas(&old.server);
    let session = far.begin(EVERYTHING).await;
    let mut reader = far.call(&session).await;
    let stream = old.stream();
    stream.send(QUESTION);
    let id = reader.json().await["id"].to_string();
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{ACCEPTED}}}"#);
    assert_eq!(near.send(&session, &answer).await, 202);
    reader.nothing_comes().await;
    let replies = old.replies(1).await;
    let expected = answer.replacen(&id, "7", 1);
    assert_eq!(std::str::from_utf8(&replies[0].body).unwrap(), expected);
    // Once more it is too late, and of another session it never passes.
    assert_eq!(near.send(&session, &answer).await, 202);
    let other = near.begin(EVERYTHING).await;
    assert_eq!(near.send(&other, &answer).await, 400);
    assert_eq!(old.replies(2).await.len(), 1);
}

#[tokio::test]
async fn a_retry_that_arrives_at_another_replica_continues_the_call() {
    let old = OldServer::new();
    let (near, far) = replicas(&old.server);
    let response = far.modern(&far.user, EVERYTHING, 1, "").await;
    let stream = old.stream();
    stream.send(QUESTION);
    let asked = Reader::new(response).json().await;
    let state = &asked["result"]["requestState"];
    let more = format!(r#","inputResponses":{{"ask":{ACCEPTED}}},"requestState":{state}"#);
    stream.send(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#);
    stream.send(r#"{"jsonrpc":"2.0","id":8,"method":"roots/list"}"#);
    let (status, text) = read(near.modern(&near.user, EVERYTHING, 2, &more).await).await;
    assert_eq!(status, 200);
    let second: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&second["id"], &second["result"]["resultType"]),
        (&json!(2), &json!("input_required"))
    );
    // The next round may arrive there too.
    let state = &second["result"]["requestState"];
    let more = format!(r#","inputResponses":{{"ask":{{"roots":[]}}}},"requestState":{state}"#);
    stream.finish(&old.server.received("tools/call")[0].json["id"]);
    let (_, text) = read(near.modern(&near.user, EVERYTHING, 3, &more).await).await;
    let last: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&last["id"], &last["result"]["content"][0]["text"]),
        (&json!(3), &json!("done"))
    );
    assert_eq!(old.replies(2).await.len(), 2);
    assert_eq!(old.server.received("tools/call").len(), 1);
}

#[tokio::test]
async fn an_answer_for_a_replica_that_has_stopped_is_a_clear_error() {
    let old = OldServer::new();
    let (near, far) = replicas(&old.server);
    let session = far.begin(EVERYTHING).await;
    let mut reader = far.call(&session).await;
    let stream = old.stream();
    stream.send(QUESTION);
    let id = reader.json().await["id"].to_string();
    let response = far.modern(&far.user, EVERYTHING, 1, "").await;
    let held = old.stream();
    held.send(QUESTION);
    let state = Reader::new(response).json().await["result"]["requestState"].clone();
    drop((reader, far));
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{ACCEPTED}}}"#);
    let (status, text) = read(near.post(&session, &answer).await).await;
    assert_eq!(status, 503);
    assert!(text.contains("cannot be reached"), "{text}");
    let more = format!(r#","inputResponses":{{"ask":{ACCEPTED}}},"requestState":{state}"#);
    let (code, message) = error_of(near.modern(&near.user, EVERYTHING, 2, &more).await).await;
    assert_eq!(code, -32_602);
    assert!(message.contains("is over"), "{message}");
}

#[tokio::test]
async fn an_answer_is_passed_on_for_as_long_as_it_may_be_waited_for() {
    let old = OldServer::new();
    let (near, far) = replicas(&old.server);
    let session = far.begin(EVERYTHING).await;
    let mut reader = far.call(&session).await;
    let stream = old.stream();
    stream.send(QUESTION);
    let id = reader.json().await["id"].to_string();
    far.world.clock.advance(Duration::from_mins(10));
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{ACCEPTED}}}"#);
    assert_eq!(near.send(&session, &answer).await, 202);
    reader.nothing_comes().await;
    assert_eq!(old.replies(1).await.len(), 0);
}

#[tokio::test]
async fn what_is_passed_to_another_replica_is_bounded_in_size() {
    let old = OldServer::new();
    let (near, far) = replicas(&old.server);
    let session = far.begin(EVERYTHING).await;
    let mut reader = far.call(&session).await;
    let stream = old.stream();
    stream.send(QUESTION);
    let id = reader.json().await["id"].to_string();
    let large = format!(
        r#"{{"action":"accept","content":{{"n":"{}"}}}}"#,
        "x".repeat(256 * 1024)
    );
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{large}}}"#);
    let (status, text) = read(near.post(&session, &answer).await).await;
    assert_eq!(status, 413);
    assert!(text.contains("256 kB"), "{text}");
    let response = far.modern(&far.user, EVERYTHING, 1, "").await;
    let held = old.stream();
    held.send(QUESTION);
    let state = Reader::new(response).json().await["result"]["requestState"].clone();
    let more = format!(r#","inputResponses":{{"ask":{large}}},"requestState":{state}"#);
    let (_, message) = error_of(near.modern(&near.user, EVERYTHING, 2, &more).await).await;
    assert!(message.contains("256 kB"), "{message}");
    assert_eq!(old.replies(0).await.len(), 0);
    // The call is still held.
    let more = format!(r#","inputResponses":{{"ask":{ACCEPTED}}},"requestState":{state}"#);
    held.finish(&old.server.received("tools/call")[1].json["id"]);
    let (_, text) = read(near.modern(&near.user, EVERYTHING, 3, &more).await).await;
    assert!(text.contains("done"), "{text}");
}

#[tokio::test]
async fn so_many_answers_of_a_user_are_on_their_way_to_other_replicas_and_no_more() {
    let old = OldServer::new();
    let (near, far) = apart(&old.server);
    near.world.endpoint.join(Box::new(Silent));
    let session = far.begin(EVERYTHING).await;
    let mut reader = far.call(&session).await;
    let stream = old.stream();
    stream.send(QUESTION);
    let id = reader.json().await["id"].to_string();
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{ACCEPTED}}}"#);
    let mut passing: Vec<_> = (0..16).map(|_| Box::pin(near.post(&session, &answer))).collect();
    for one in &mut passing {
        assert!(futures_util::poll!(one).is_pending());
    }
    let (status, text) = read(near.post(&session, &answer).await).await;
    assert_eq!(status, 503);
    assert!(text.contains("Too many"), "{text}");
    // One that goes away leaves its place.
    passing.pop();
    assert!(futures_util::poll!(Box::pin(near.post(&session, &answer))).is_pending());
}
