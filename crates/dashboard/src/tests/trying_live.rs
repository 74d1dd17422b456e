//! What a server reports, on the page while the request runs.

use std::time::Duration;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::trying::Place;

const CALL: [(&str, &str); 2] = [("as", ""), ("do", "call")];

/// The next line of a response.
async fn line(body: &mut Body, rest: &mut String) -> Option<Value> {
    loop {
        if let Some((line, more)) = rest.clone().split_once('\n') {
            more.clone_into(rest);
            if !line.is_empty() {
                return Some(serde_json::from_str(line).unwrap());
            }
            continue;
        }
        let frame = tokio::time::timeout(Duration::from_secs(20), body.frame()).await;
        let data = frame.expect("something comes")?.unwrap().into_data().unwrap();
        rest.push_str(std::str::from_utf8(&data).unwrap());
    }
}

#[tokio::test]
async fn reports_come_while_the_server_is_at_work_and_the_page_comes_last() {
    let mut place = Place::new("user_source").await;
    place.upstream.reports_and_waits();
    let path = format!("{}/tell", place.tools);
    let response = place.ada.run(&path, &CALL).await;
    assert_eq!(response.headers()[CONTENT_TYPE], "application/x-ndjson");
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    let (mut body, mut rest) = (response.into_body(), String::new());
    assert_eq!(
        line(&mut body, &mut rest).await,
        Some(json!({"progress": 1.0, "total": 2.0, "message": "Half <b>"}))
    );
    assert_eq!(
        line(&mut body, &mut rest).await,
        Some(json!({"level": "info", "text": "still here"}))
    );
    place.upstream.breaks.notify_one();
    let last = line(&mut body, &mut rest).await.unwrap();
    let page = last["page"].as_str().unwrap();
    assert!(
        page.contains(">told</pre>") && page.contains("1 of 2: Half &#60;b&#62;"),
        "{page}"
    );
    assert_eq!(line(&mut body, &mut rest).await, None);
}

#[tokio::test]
async fn leaving_the_page_or_cancelling_cancels_the_call_at_the_server() {
    let mut place = Place::new("user_source").await;
    place.upstream.reports_and_waits();
    let path = format!("{}/tell", place.tools);
    let response = place.ada.run(&path, &CALL).await;
    let (mut body, mut rest) = (response.into_body(), String::new());
    assert!(line(&mut body, &mut rest).await.is_some());
    drop(body);
    let given_up = tokio::time::timeout(Duration::from_secs(20), place.upstream.given_up.notified());
    given_up.await.expect("the server is told");
    let audit = place
        .ada
        .get(&format!("{}/audit", place.project))
        .await
        .expect(200);
    assert!(
        audit.has("gateway.tool_tried"),
        "a call that was cancelled was made all the same"
    );
}

#[tokio::test]
async fn what_is_refused_before_the_call_comes_as_a_page() {
    let mut place = Place::new("user_source").await;
    let path = format!("{}/tell", place.tools);
    let fields = [("argument:/count", "many"), ("as", ""), ("do", "call")];
    let response = place.ada.run(&path, &fields).await;
    assert_eq!(response.status(), 422);
    assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");

    let mut viewer = place
        .bench
        .member(&mut place.ada, &place.project, "grace@example.com", "viewer")
        .await;
    assert_eq!(viewer.run(&path, &CALL).await.status(), 403);
    assert_eq!(place.bench.browser().run(&path, &CALL).await.status(), 303);
    assert_eq!(place.upstream.calls().len(), 0);

    // A refusal because of the user comes at the end of the stream; the server is not asked.
    let user = place.user("grace").await;
    let block = format!("{}/users/{user}", place.project);
    let blocked = json!({"status": "blocked"});
    place
        .ada
        .api("PATCH", &format!("/api/v1{block}"), blocked)
        .await
        .expect(200);
    let response = place.ada.run(&path, &[("as", &user), ("do", "call")]).await;
    let (mut body, mut rest) = (response.into_body(), String::new());
    let last = line(&mut body, &mut rest).await.unwrap();
    assert!(last["page"].as_str().unwrap().contains("This user is blocked"));
    assert_eq!(place.upstream.calls().len(), 0);
}
