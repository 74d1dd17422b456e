//! Calls that take long: the client gets a stream with a sign of life every ten seconds, and on it the answer that it would
//! have got without.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use gatewright_domain::server::IdentityForwarding;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt as _;
use rstest::rstest;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    endpoint::answer::Answer,
    peer::transport::TransportError,
    testing::{
        net::{
            FakeBody, FakeServer, Pieces, User, World, answer, event, events, legacy_server, meta,
            modern_headers, read, tool,
        },
        offers::Offers,
    },
    wire::version::Era,
};

const ADA: User = User("ada");

/// A call whose progress is to be reported, as a client of an era makes it: headers and body.
pub(super) async fn call_of(world: &World, plan: &crate::federation::Plan, era: Era) -> (HeaderMap, String) {
    match era {
        Era::Modern => {
            let meta = meta(r#","progressToken":"p""#);
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{{"name":"t",{meta}}}}}"#
            );
            (modern_headers("tools/call", Some("t")), body)
        }
        Era::Legacy => {
            let body = r#"{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"t","_meta":{"progressToken":"p"}}}"#;
            (world.begin(plan, &ADA).await, body.to_owned())
        }
    }
}

/// The same, without and with the stream among what the client takes.
async fn requests(world: &World, plan: &crate::federation::Plan, era: Era) -> ([HeaderMap; 2], String) {
    let (with, body) = call_of(world, plan, era).await;
    let (mut without, mut with) = (with.clone(), with);
    without.insert("accept", HeaderValue::from_static("application/json"));
    let both = HeaderValue::from_static("application/json, text/event-stream");
    with.insert("accept", both);
    ([without, with], body)
}

/// When comments came, in seconds, and the data of the events of a stream.
async fn followed(response: Response<Answer<FakeBody>>, began: Instant) -> (Vec<u64>, Vec<String>) {
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut comments, mut messages) = (Vec::new(), Vec::new());
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        let text = std::str::from_utf8(&data).unwrap();
        if text.starts_with(':') {
            comments.push(began.elapsed().as_secs());
        }
        messages.extend(events(text));
    }
    (comments, messages)
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_long_becomes_a_stream_where_the_client_takes_one(
    #[values(Era::Modern, Era::Legacy)] of_server: Era,
    #[values(Era::Modern, Era::Legacy)] of_client: Era,
) {
    let quick = Offers::default().server(of_server);
    let server = FakeServer::slow(quick, &[("tools/call", Duration::from_secs(35))]);
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let ([without, with], body) = requests(&world, &plan, of_client).await;
    let began = Instant::now();
    let response = world.post(&plan, &ADA, &without, &body).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(began.elapsed().as_secs(), 35);
    let (_, plain) = read(response).await;
    let began = Instant::now();
    let response = world.post(&plan, &ADA, &with, &body).await;
    assert_eq!(began.elapsed().as_secs(), 10);
    let (comments, messages) = followed(response, began).await;
    assert_eq!(messages, [plain]);
    // Looked at every two seconds.
    assert_eq!(comments.len(), 2, "{comments:?}");
    assert!(comments[0] >= 20 && comments[1] <= 34, "{comments:?}");
    assert_eq!(server.received("tools/call").len(), 2);
    assert!(server.received("notifications/cancelled").is_empty());
}

#[rstest]
#[case(
    400,
    r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"no","data":1.50}}"#,
    r#"{"code":-32602,"message":"no","data":1.50}"#
)]
#[case(500, "boom", "failed (HTTP 500)")]
#[case(200, "<html>", "neither JSON nor")]
#[case(0, "", "cannot be reached")]
#[case(1, "", "may have carried the call out")]
#[tokio::test(start_paused = true)]
async fn what_goes_wrong_late_is_reported_on_the_stream(
    #[case] status: u16,
    #[case] body: &'static str,
    #[case] says: &str,
) {
    let well = legacy_server(vec![tool("t")], |_| unreachable!());
    let server = FakeServer::new(move |received| match received.method() {
        "tools/call" => match status {
            0 => Err(TransportError::Unreachable("no route".to_owned())),
            1 => Err(TransportError::Timeout("too long".to_owned())),
            _ => {
                let body = body.replace("ID", &received.json["id"].to_string());
                let kind = if body.starts_with('{') {
                    "application/json"
                } else {
                    "text/html"
                };
                Ok(answer(status, kind, FakeBody::of(&[&body])))
            }
        },
        _ => (well.handler)(received),
    });
    let server = FakeServer::slow(server, &[("tools/call", Duration::from_secs(15))]);
    let world = World::new(&[("one", &server)]);
    let plan = world.plan_with(IdentityForwarding::None, &[], |config| config.retries = 0);
    let ([_, with], body) = requests(&world, &plan, Era::Modern).await;
    let response = world.post(&plan, &ADA, &with, &body).await;
    let (_, messages) = followed(response, Instant::now()).await;
    assert_eq!(messages.len(), 1);
    assert!(
        messages[0].contains(says) && messages[0].contains(r#""id":"c""#),
        "{messages:?}"
    );
    assert_eq!(server.received("tools/call").len(), 1, "nothing is sent again");
}

type Open = Arc<Mutex<Vec<(String, Pieces)>>>;

/// A server whose JSON answers begin when the test says so.
fn begun_later(era: Era) -> (Arc<FakeServer>, Open) {
    let open = Open::default();
    let calls = Arc::clone(&open);
    let well = Offers::default().server(era);
    let server = FakeServer::new(move |received| {
        if received.method() != "tools/call" {
            return (well.handler)(received);
        }
        let (pieces, body) = FakeBody::open();
        let id = received.json["id"].to_string();
        calls.lock().unwrap().push((id, pieces));
        Ok(answer(200, "application/json", body))
    });
    (server, open)
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_head_without_an_answer_is_waited_for_on_a_stream_too(
    #[values(Era::Modern, Era::Legacy)] of_server: Era,
    #[values(Era::Modern, Era::Legacy)] of_client: Era,
) {
    let (server, open) = begun_later(of_server);
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let ([_, with], body) = requests(&world, &plan, of_client).await;
    let began = Instant::now();
    let response = world.post(&plan, &ADA, &with, &body).await;
    assert!((10..=12).contains(&began.elapsed().as_secs()));
    let (id, pieces) = open.lock().unwrap().pop().unwrap();
    let answering = async move {
        tokio::time::sleep(Duration::from_secs(15)).await;
        let kind = match of_server {
            Era::Modern => r#""resultType":"complete","#,
            Era::Legacy => "",
        };
        for piece in [
            format!(r#"{{"jsonrpc":"2.0","id":{id},"#),
            format!(r#""result":{{{kind}"x":1.50}}}}"#),
        ] {
            pieces.send(Bytes::from(piece)).unwrap();
        }
    };
    let ((comments, messages), ()) = tokio::join!(followed(response, began), answering);
    assert_eq!(comments.len(), 1, "{comments:?}");
    let told: serde_json::Value = serde_json::from_str(&messages[0]).unwrap();
    let kind = (of_client == Era::Modern).then_some("complete");
    assert_eq!(
        (&told["id"], told["result"]["resultType"].as_str()),
        (&json!("c"), kind)
    );
    assert!(messages[0].contains("1.50"), "{messages:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(server.received("notifications/cancelled").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_a_late_call_cancels_it() {
    for late in [false, true] {
        let hung = Offers::default().server(Era::Legacy);
        let server = FakeServer::slow(hung, &[("tools/call", Duration::MAX)]);
        let (begun, open) = begun_later(Era::Legacy);
        let server = if late { begun } else { server };
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let ([_, with], body) = requests(&world, &plan, Era::Modern).await;
        drop(world.post(&plan, &ADA, &with, &body).await);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(server.received("notifications/cancelled").len(), 1, "{late}");
        assert_eq!(open.lock().unwrap().len(), usize::from(late));
    }
}

#[tokio::test(start_paused = true)]
async fn progress_on_another_stream_reaches_a_client_before_the_answer_has_begun() {
    let quick = Offers::default().server(Era::Legacy);
    let gets = Arc::<Mutex<Vec<Pieces>>>::default();
    let streams = Arc::clone(&gets);
    let server = FakeServer::new(move |received| {
        if received.verb != http::Method::GET {
            return (quick.handler)(received);
        }
        let (pieces, body) = FakeBody::open();
        streams.lock().unwrap().push(pieces);
        Ok(answer(200, "text/event-stream", body))
    });
    let server = FakeServer::slow(server, &[("tools/call", Duration::from_secs(8))]);
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let ([_, with], body) = requests(&world, &plan, Era::Modern).await;
    let began = Instant::now();
    let reporting = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let token = &server.received("tools/call")[0].json["params"]["_meta"]["progressToken"];
        let method = "notifications/progress";
        let params = json!({"progressToken": token, "progress": 1});
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        gets.lock().unwrap()[0]
            .send(event(&message.to_string()).into())
            .unwrap();
    };
    let (response, ()) = tokio::join!(world.post(&plan, &ADA, &with, &body), reporting);
    assert_eq!(began.elapsed().as_secs(), 3);
    let (_, messages) = followed(response, began).await;
    assert_eq!(messages.len(), 2);
    assert!(messages[0].contains(r#""progressToken":"p""#), "{messages:?}");
    assert!(messages[1].contains(r#""result""#), "{messages:?}");
    assert_eq!(began.elapsed().as_secs(), 8);
}
