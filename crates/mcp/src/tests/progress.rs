//! Progress that a server with sessions sends on the stream it is listened to with.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use gatewright_domain::server::IdentityForwarding;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::{
    endpoint::answer::Answer,
    testing::net::{
        FakeBody, FakeServer, Pieces, User, World, answer, event, json_answer, legacy_server, meta,
        modern_headers, tool,
    },
};

const ADA: User = User("ada");
const BOB: User = User("bob");

type Open = Arc<Mutex<Vec<(Value, Pieces)>>>;

/// A server that leaves calls open, and its streams: `GET` and the user, or the id of a call.
fn open_server(get_status: u16) -> (Arc<FakeServer>, Open) {
    let open = Open::default();
    let (streams, of_calls) = (Arc::clone(&open), Arc::clone(&open));
    let well = legacy_server(vec![tool("t")], move |received| {
        let (pieces, body) = FakeBody::open();
        of_calls
            .lock()
            .unwrap()
            .push((received.json["id"].clone(), pieces));
        answer(200, "text/event-stream", body)
    });
    let server = FakeServer::new(move |received| {
        if received.verb != Method::GET {
            return (well.handler)(received);
        }
        if get_status != 200 {
            return Ok(json_answer(get_status, ""));
        }
        let (pieces, body) = FakeBody::open();
        let of = format!(
            "GET {}",
            received.header("gatewright-assertion").unwrap_or_default()
        );
        streams.lock().unwrap().push((json!(of), pieces));
        Ok(answer(200, "text/event-stream", body))
    });
    (server, open)
}

fn progress(token: &Value) -> String {
    event(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1.50}}}}"#
    ))
}

async fn next(body: &mut Answer<FakeBody>) -> Option<String> {
    let reading = async {
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            let text = String::from_utf8(data.to_vec()).unwrap();
            if let Some(message) = text.strip_prefix("data: ") {
                return Some(message.trim().to_owned());
            }
        }
        None
    };
    let read = tokio::time::timeout(Duration::from_secs(5), reading).await;
    read.ok().flatten()
}

#[tokio::test(start_paused = true)]
async fn progress_on_the_other_stream_reaches_the_call_of_its_token_and_no_other() {
    let (server, open) = open_server(200);
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::Assertion, &[]);
    let mut bodies = Vec::new();
    for (user, token) in [(&ADA, "a"), (&ADA, "b"), (&BOB, "a")] {
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t",{}}}}}"#,
            meta(&format!(r#","progressToken":"{token}""#))
        );
        let headers = modern_headers("tools/call", Some("t"));
        bodies.push(world.post(&plan, user, &headers, &call).await.into_body());
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (mut gets, calls): (Vec<_>, Vec<_>) = {
        let open = open.lock().unwrap();
        open.iter().cloned().partition(|(of, _)| of.is_string())
    };
    gets.sort_by_key(|(of, _)| of.to_string());
    assert_eq!((gets.len(), calls.len()), (2, 3), "one stream for each session");
    // The first is Ada's, and her second call is meant; Bob has none with this token.
    gets[0].1.send(progress(&calls[1].0).into()).unwrap();
    gets[0].1.send(progress(&json!("a")).into()).unwrap();
    gets[0].1.send(progress(&json!(99)).into()).unwrap();
    assert_eq!(
        next(&mut bodies[1]).await.unwrap(),
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"b","progress":1.50}}"#
    );
    for body in &mut bodies {
        assert_eq!(next(body).await, None);
    }
    // With the last call of a session its server is left.
    let result = json!({"jsonrpc": "2.0", "id": calls[2].0, "result": {}});
    calls[2].1.send(event(&result.to_string()).into()).unwrap();
    assert!(next(&mut bodies[2]).await.unwrap().contains("result"));
    drop(bodies.pop());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(gets[1].1.is_closed() && !gets[0].1.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_server_is_not_listened_to_for_a_short_call_or_one_that_wants_no_progress() {
    for (token, lasts, listened) in [
        ("", 5_000, 0),
        (r#","progressToken":1"#, 500, 0),
        (r#","progressToken":1"#, 5_000, 1),
    ] {
        let (server, open) = open_server(405);
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t",{}}}}}"#,
            meta(token)
        );
        let headers = modern_headers("tools/call", Some("t"));
        let mut body = world.post(&plan, &ADA, &headers, &call).await.into_body();
        tokio::time::sleep(Duration::from_millis(lasts)).await;
        let (id, pieces) = open.lock().unwrap()[0].clone();
        let result = json!({"jsonrpc": "2.0", "id": id, "result": {}});
        pieces.send(event(&result.to_string()).into()).unwrap();
        assert!(next(&mut body).await.unwrap().contains("result"));
        let received = server.received.lock().unwrap();
        let gets = received.iter().filter(|one| one.verb == Method::GET).count();
        assert_eq!(gets, listened, "{token} {lasts}");
    }
}
