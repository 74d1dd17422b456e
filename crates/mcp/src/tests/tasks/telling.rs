//! Clients follow the states of tasks with `subscriptions/listen`.

use std::{sync::Mutex, time::Duration};

use http_body_util::BodyExt as _;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    endpoint::{PlanNow, Reached, service::Lasting},
    testing::net::Pieces,
};

/// A server that reports tasks on streams which the test holds.
fn telling() -> (Arc<FakeServer>, Arc<Mutex<Vec<Pieces>>>) {
    let plain = server(Era::Modern);
    let open = Arc::<Mutex<Vec<Pieces>>>::default();
    let kept = Arc::clone(&open);
    let server = FakeServer::new(move |received| {
        if received.method() != "subscriptions/listen" {
            return (plain.handler)(received);
        }
        let ids = &received.json["params"]["notifications"]["taskIds"];
        if ids.is_null() {
            return Ok(answer(404, "", FakeBody::of(&[])));
        }
        let declared = &received.json["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
        assert_eq!(declared.to_string(), FOLLOWS);
        let (pieces, body) = FakeBody::open();
        let acknowledged = json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
            "params": {"notifications": {"taskIds": ids}}});
        pieces.send(event(&acknowledged.to_string()).into()).unwrap();
        kept.lock().unwrap().push(pieces);
        Ok(answer(200, "text/event-stream", body))
    });
    (server, open)
}

async fn subscribe(
    world: &World,
    plan: &Arc<Plan>,
    user: &User,
    declares: &str,
    ids: &[&str],
) -> Response<Answer<FakeBody>> {
    let of_client = Arc::clone(plan);
    let plan_now = move || Some(Arc::clone(&of_client));
    let boxed = || -> PlanNow { Box::new(plan_now.clone()) };
    let shutdown = CancellationToken::new();
    let lasting = Lasting {
        shutdown: &shutdown,
        plan_now: &boxed,
    };
    let method = "subscriptions/listen";
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"s","method":"{method}","params":{{"notifications":{{"taskIds":{}}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{declares}}}}}}}"#,
        json!(ids)
    );
    let (headers, body) = (modern_headers(method, None), Bytes::from(body));
    let mut reached = Reached::default();
    world
        .endpoint
        .post(
            plan,
            world.caller(user),
            &headers,
            &body,
            Some(&lasting),
            &mut reached,
        )
        .await
}

async fn next(body: &mut Answer<FakeBody>) -> Value {
    loop {
        let frame = body.frame().await.expect("a message").unwrap();
        let text = frame.into_data().unwrap();
        if let Some(message) = events(std::str::from_utf8(&text).unwrap()).pop() {
            return serde_json::from_str(&message).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_notified_only_of_the_tasks_that_it_names() {
    let (server, open) = telling();
    let world = World::new(&[("one", &server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::Assertion, &[]));
    let id = Client::stateless(&world, &plan, &ADA).begin().await;
    let his = Client::stateless(&world, &plan, &BOB).begin().await;
    let response = subscribe(&world, &plan, &ADA, FOLLOWS, &[&id, &his, THEIRS]).await;
    let mut body = response.into_body();
    let begun = next(&mut body).await;
    assert_eq!(begun["params"]["notifications"], json!({"taskIds": [id]}));
    let asked = server.received("subscriptions/listen");
    let asked = asked
        .iter()
        .find(|one| !one.json["params"]["notifications"]["taskIds"].is_null())
        .unwrap();
    assert_eq!(
        asked.json["params"]["notifications"],
        json!({"taskIds": [THEIRS]})
    );
    assert_eq!(asked.header("gatewright-assertion"), Some("ada"));
    let status = |id: &str| {
        event(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/tasks","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":0}},"taskId":"{id}","status":"completed","result":{{"x":1}}}}}}"#
        ))
    };
    let stream = open.lock().unwrap().pop().unwrap();
    stream.send(status("another").into()).unwrap();
    stream.send(status(THEIRS).into()).unwrap();
    let told = next(&mut body).await;
    assert_eq!(told["method"], "notifications/tasks");
    assert_eq!(
        told["params"],
        json!({"_meta": {"io.modelcontextprotocol/subscriptionId": "s"}, "taskId": id, "status": "completed", "result": {"x": 1}})
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_reported_about_a_task_is_bounded_and_the_server_is_listened_to_again() {
    let (server, open) = telling();
    let world = World::new(&[("one", &server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::Assertion, &[]));
    let id = Client::stateless(&world, &plan, &ADA).begin().await;
    let response = subscribe(&world, &plan, &ADA, FOLLOWS, &[&id]).await;
    let mut body = response.into_body();
    next(&mut body).await;
    let status = |result: &str| {
        event(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/tasks","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":0}},"taskId":"{THEIRS}","status":"completed","result":{{"x":"{result}"}}}}}}"#
        ))
    };
    let stream = open.lock().unwrap().pop().unwrap();
    stream.send(status(&"x".repeat(300 * 1024)).into()).unwrap();
    let again = loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if let Some(again) = open.lock().unwrap().pop() {
            break again;
        }
    };
    again.send(status("small").into()).unwrap();
    let told = next(&mut body).await;
    assert_eq!(told["params"]["result"], json!({"x": "small"}));
}

#[tokio::test(start_paused = true)]
async fn a_client_without_the_task_or_the_capability_causes_no_request_to_a_server() {
    let (server, open) = telling();
    let world = World::new(&[("one", &server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::Assertion, &[]));
    let id = Client::stateless(&world, &plan, &ADA).begin().await;
    let refused = subscribe(&world, &plan, &ADA, "{}", &[&id]).await;
    let (status, text) = read(refused).await;
    assert_eq!(status, 400);
    assert!(text.contains("-32021"), "{text}");
    let mut body = subscribe(&world, &plan, &BOB, FOLLOWS, &[&id]).await.into_body();
    assert_eq!(next(&mut body).await["params"]["notifications"], json!({}));
    assert!(open.lock().unwrap().is_empty());
}
