//! Large questions and answers: none takes the memory that others need.

use gatewright_domain::server::IdentityForwarding;
use serde_json::json;

use super::{EVERYTHING, Fixture, OldServer, Reader};
use crate::testing::net::User;

const MEGABYTE: usize = 1024 * 1024;

fn question(size: usize) -> String {
    json!({"jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage", "params": {"maxTokens": 1,
        "messages": [{"role": "user", "content": {"type": "text", "text": "x".repeat(size)}}]}})
    .to_string()
}

#[tokio::test]
async fn a_question_of_more_than_a_megabyte_is_refused_and_a_smaller_one_is_asked() {
    let old = OldServer::new();
    let fixture = Fixture::new(&old.server);
    let session = fixture.begin(EVERYTHING).await;
    let mut in_session = fixture.call(&session).await;
    let stream = old.stream();
    stream.send(&question(MEGABYTE));
    let mut stateless = Reader::new(fixture.modern(&User("ada"), EVERYTHING, 2, "").await);
    let other = old.stream();
    other.send(&question(MEGABYTE));
    in_session.nothing_comes().await;
    stateless.nothing_comes().await;
    let replies = old.replies(2).await;
    assert_eq!(replies.len(), 2);
    for reply in replies {
        let told = reply.json["error"]["message"].as_str().unwrap();
        assert!(told.contains("larger than 1 MB"), "{told}");
    }
    stream.send(&question(1_000));
    other.send(&question(1_000));
    assert_eq!(in_session.json().await["method"], "sampling/createMessage");
    assert_eq!(stateless.json().await["result"]["resultType"], "input_required");
}

#[tokio::test]
async fn unfinished_events_of_one_person_leave_room_for_the_answers_of_others() {
    let old = OldServer::new();
    let mut fixture = Fixture::new(&old.server);
    let session = fixture.begin("{}").await;
    let begun = format!("data: {}", "x".repeat(30 * MEGABYTE));
    let mut hers = fixture.call(&session).await;
    let first = old.stream();
    first.0.send(begun.clone().into()).unwrap();
    hers.nothing_comes().await;
    let mut more = fixture.call(&session).await;
    let second = old.stream();
    second.0.send(begun.clone().into()).unwrap();
    let refused = more.json().await.to_string();
    assert!(refused.contains("too many large answers"), "{refused}");
    // The same project has as much again for another person.
    fixture.user = User("bob");
    fixture.plan = fixture.world.plan(IdentityForwarding::None, &[]);
    let session = fixture.begin("{}").await;
    let mut his = fixture.call(&session).await;
    let stream = old.stream();
    stream.0.send(begun.into()).unwrap();
    his.nothing_comes().await;
    drop(hers);
}
