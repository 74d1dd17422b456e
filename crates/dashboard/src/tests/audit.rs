//! The audit log: filtered by the address, and exported as a file.

use axum::body::Body;
use futures_util::StreamExt as _;
use http::{Request, header};
use serde_json::Value;
use tower::ServiceExt as _;

use super::people::People;

#[tokio::test]
async fn events_are_filtered_by_who_how_and_when_and_exported_with_the_same_filters() {
    let mut people = People::new().await;
    let path = format!("{}/audit", people.project);
    let user = people.user("grace", "Grace Hopper").await;
    let block = format!("{}/users/{user}/block", people.project);
    people.ada.post(&block, &[]).await.expect(303);
    let account = people.ada.get(&path).await.expect(200);
    let account = account.between("<option value=\"acc_", "\"");
    let ada = format!("acc_{account}");
    // Their day is 2027-01-15.
    for (query, finds) in [
        (String::new(), [true, true]),
        (format!("?actor={ada}"), [true, true]),
        ("?actor=operator".to_owned(), [false, false]),
        (
            "?actor=acc_01900000000070008000000000000001".to_owned(),
            [false, false],
        ),
        ("?origin=dashboard".to_owned(), [true, false]),
        ("?origin=api".to_owned(), [false, true]),
        ("?from=2027-01-15&to=2027-01-15".to_owned(), [true, true]),
        ("?from=2027-01-16".to_owned(), [false, false]),
        ("?to=2027-01-14".to_owned(), [false, false]),
        ("?object_type=user".to_owned(), [true, false]),
        (format!("?object_id={}", people.gateway), [false, true]),
        ("?action=user.blocked".to_owned(), [true, false]),
    ] {
        let page = people.ada.get(&format!("{path}{query}")).await.expect(200);
        let shown = ["User blocked", "Gateway created"].map(|what| page.has(what));
        assert_eq!(shown, finds, "{query}");
        let file = people.ada.get(&format!("{path}/export{query}")).await.expect(200);
        assert_eq!(file.headers[header::CONTENT_TYPE], "application/jsonl");
        let actions: Vec<String> = file
            .body
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].to_string())
            .collect();
        let exported =
            ["\"user.blocked\"", "\"gateway.created\""].map(|what| actions.iter().any(|a| a == what));
        assert_eq!(exported, finds, "{query}");
    }
    // Whatever the log has events about can be chosen.
    let client = [
        ("name", "Batch"),
        ("redirect_uris", "https://app.example/cb"),
        ("token_endpoint_auth_method", "none"),
    ];
    let clients = format!("{}/gateways/{}/clients", people.project, people.gateway);
    people.ada.post(&clients, &client).await.expect(200);
    people.ada.get(&format!("{path}/export")).await.expect(200);
    let file = people.ada.get(&format!("{path}/export")).await.expect(200);
    let page = people.ada.get(&path).await.expect(200);
    for line in file.body.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let kind = event["object"]["type"].as_str().unwrap();
        assert!(page.has(&format!("<option value=\"{kind}\"")), "{kind}");
    }
    let page = people
        .ada
        .get(&format!("{path}?from=yesterday"))
        .await
        .expect(200);
    assert!(page.has("A day is written like 2026-03-01.") && !page.has("User blocked"));
    assert!(people.ada.get(&path).await.has("Ada Lovelace<small>Dashboard"));
}

#[tokio::test]
async fn an_export_is_for_members_and_breaks_off_when_their_session_ends() {
    let mut people = People::new().await;
    for number in 0..210 {
        let name = format!("Acme {number}");
        let settings = format!("{}/settings", people.project);
        people.ada.post(&settings, &[("name", &name)]).await.expect(303);
    }
    let export = format!("{}/audit/export", people.project);
    people.bench.browser().get(&export).await.expect(303);
    let session = people.ada.session().unwrap().to_owned();
    let begin = async || {
        let request = Request::get(&export)
            .header(header::COOKIE, format!("gatewright-session={session}"))
            .body(Body::empty())
            .unwrap();
        let router = crate::router(people.bench.test.app.clone());
        let answer = router.oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.into_body().into_data_stream()
    };
    let lines = |part: &[u8]| part.split(|byte| *byte == b'\n').count() - 1;
    let mut whole = begin().await;
    assert_eq!(lines(&whole.next().await.unwrap().unwrap()), 200);
    assert!(lines(&whole.next().await.unwrap().unwrap()) > 9);
    assert!(whole.next().await.is_none());
    let mut broken = begin().await;
    assert_eq!(lines(&broken.next().await.unwrap().unwrap()), 200);
    let mut ada = people.ada.clone();
    ada.post("/sign-out", &[]).await.expect(303);
    assert!(
        broken.next().await.unwrap().is_err(),
        "nothing more for a session that has ended"
    );
}
