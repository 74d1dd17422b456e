//! New requests as they come: the stream that the page of activity follows.

use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::activity::{HOSTILE, Office, minutes};

/// The next event of a stream that is not a comment.
async fn event(body: &mut Body) -> Option<String> {
    loop {
        let frame = body.frame().await?.unwrap();
        let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        if !text.starts_with(':') && !text.is_empty() {
            return Some(text);
        }
    }
}

async fn stream(office: &Office, query: &str) -> axum::response::Response {
    let cookies: Vec<_> = office
        .people
        .ada
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let request = Request::get(format!("{}/activity/live{query}", office.people.project))
        .header(header::COOKIE, cookies.join("; "))
        .body(Body::empty())
        .unwrap();
    let router = crate::router::router(office.people.bench.test.app.clone());
    router.oneshot(request).await.unwrap()
}

#[tokio::test]
async fn new_requests_are_sent_as_they_come_until_the_session_ends() {
    let mut office = Office::new().await;
    office.write(vec![office.call("before", minutes(1))]).await;
    let response = stream(&office, "?outcome=tool_error").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    assert_eq!(event(&mut body).await.as_deref(), Some("retry: 3000\n\n"));
    let batch = vec![
        office.call("good", minutes(0)),
        office.failed(HOSTILE, minutes(0)),
    ];
    office.write(batch).await;
    let sent = event(&mut body).await.unwrap();
    assert!(sent.starts_with("id: 3\ndata: {\"rows\":[\"<tr"), "{sent}");
    assert!(
        sent.contains("&#60;script&#62;") && !sent.contains("<script"),
        "{sent}"
    );
    assert!(
        !sent.contains("good") && !sent.contains("before"),
        "only what the filters leave"
    );
    assert_eq!(sent.trim_end().matches('\n').count(), 1, "one line of data");
    office.people.ada.post("/sign-out", &[]).await.expect(303);
    assert_eq!(
        event(&mut body).await.as_deref(),
        Some("event: end\ndata: {}\n\n")
    );
    assert_eq!(event(&mut body).await, None);
}

#[tokio::test]
async fn a_browser_that_comes_back_misses_nothing() {
    let office = Office::new().await;
    office
        .write(vec![
            office.call("one", minutes(0)),
            office.call("two", minutes(0)),
        ])
        .await;
    let mut body = stream(&office, "?after=1").await.into_body();
    event(&mut body).await.unwrap();
    let sent = event(&mut body).await.unwrap();
    assert!(sent.contains("two") && !sent.contains("one"), "{sent}");
}

#[tokio::test]
async fn an_account_has_four_streams_and_the_fifth_is_refused() {
    let office = Office::new().await;
    let mut open = Vec::new();
    for _ in 0..4 {
        let response = stream(&office, "").await;
        assert_eq!(response.status(), 200);
        open.push(response);
    }
    let refused = stream(&office, "").await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    open.pop();
    assert_eq!(stream(&office, "").await.status(), 200);
}
