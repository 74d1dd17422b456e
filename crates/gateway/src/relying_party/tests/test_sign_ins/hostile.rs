//! Who must see and end nothing of a test sign-in, and what it must not become.

use std::time::Duration;

use gatewright_domain::test_sign_in::TestProgress;
use http::StatusCode;
use serde_json::json;

use crate::relying_party::testing::World;

#[tokio::test]
async fn a_click_from_another_site_begins_nothing() {
    let world = World::new().await;
    let test = world.start_test().await;
    for headers in [
        &[][..],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "https://evil.example")],
        &[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://evil.example"),
        ],
    ] {
        let seen = world.post(&test, headers).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN);
        assert_eq!((seen.location, seen.cookies), (None, Vec::new()));
    }
    assert_eq!(world.read(&test).await.progress, TestProgress::Waiting);
    assert_eq!(world.provider.asked("openid-configuration"), 0);
    world.post(&test, &[("origin", "http://127.0.0.1:8080")]).await;
    assert_eq!(world.read(&test).await.progress, TestProgress::AtProvider);
}

#[tokio::test]
async fn another_browser_sees_and_ends_nothing() {
    let world = World::new().await;
    let test = world.start_test().await;
    let sign_in = world.click(&test).await;
    let other = world.click(&test).await;
    world.provider.script().nonce = sign_in.parameter("nonce");
    let query = sign_in.query("code=stolen");
    for cookie in ["", other.cookie.as_str()] {
        let seen = world.get(&query, cookie).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN);
        assert!(!seen.body.contains("alice"), "{seen:?}");
    }
    assert_eq!(world.read(&test).await.progress, TestProgress::AtProvider);
    assert_eq!(world.provider.asked("token"), 0);
    let seen = world.come_back(&sign_in).await;
    assert!(seen.body.contains("alice"));
}

#[tokio::test]
async fn a_second_browser_that_clicked_too_is_not_shown_what_the_first_one_saw() {
    let world = World::new().await;
    let test = world.start_test().await;
    let (first, second) = (world.click(&test).await, world.click(&test).await);
    world.provider.script().nonce = first.parameter("nonce");
    assert!(world.come_back(&first).await.body.contains("alice"));
    world.provider.script().nonce = second.parameter("nonce");
    world.provider.script().claims = json!({"sub": "mallory", "name": "Mallory"});
    for _ in 0..2 {
        let seen = world.come_back(&second).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST);
        assert!(
            !seen.body.contains("alice") && !seen.body.contains("mallory"),
            "{seen:?}"
        );
        world.assert_nothing_came_of_it(&seen).await;
    }
    assert_eq!(world.report(&test).await.subject.as_deref(), Some("alice"));
}

#[tokio::test]
async fn a_test_is_deleted_after_ten_minutes() {
    let world = World::new().await;
    let (done, open) = (world.start_test().await, world.start_test().await);
    let succeeded = world.click(&done).await;
    assert!(world.come_back(&succeeded).await.body.contains("alice"));
    world.advance(Duration::from_mins(9)).await;
    assert_eq!(world.report(&done).await.subject.as_deref(), Some("alice"));
    // A sign-in that begins late lives no longer than its test.
    let late = world.click(&open).await;
    world.advance(Duration::from_mins(1)).await;
    for test in [&done, &open] {
        assert_eq!(world.page(test).await.status, StatusCode::NOT_FOUND);
        let clicked = world.post(test, &[("sec-fetch-site", "same-origin")]).await;
        assert_eq!(clicked.status, StatusCode::NOT_FOUND);
        assert_eq!(world.find(test).await, None);
    }
    for sign_in in [&succeeded, &late] {
        let seen = world.come_back(sign_in).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST);
        assert!(!seen.body.contains("alice"));
        world.assert_nothing_came_of_it(&seen).await;
    }
    assert_eq!(world.provider.asked("token"), 1);
}

#[tokio::test]
async fn a_test_never_ends_in_a_code_nor_a_sign_in_in_a_report() {
    let world = World::new().await;
    let test = world.start_test().await;
    let (of_test, of_client) = (world.click(&test).await, world.allow().await);
    for (away, carried) in [(&of_test, &of_client), (&of_client, &of_test)] {
        let (name, _) = away.cookie.split_once('=').unwrap();
        let (_, value) = carried.cookie.split_once('=').unwrap();
        let seen = world
            .get(&away.query("code=moved"), &format!("{name}={value}"))
            .await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{seen:?}");
        world.assert_nothing_came_of_it(&seen).await;
    }
    assert_eq!(world.provider.asked("token"), 0);
    assert_eq!(world.read(&test).await.progress, TestProgress::AtProvider);
    // Where state and cookie are of one sign-in, each ends in its own way.
    world.come_back(&of_client).await.code();
    world.provider.script().nonce = of_test.parameter("nonce");
    let seen = world.come_back(&of_test).await;
    assert!(seen.location.is_none() && seen.body.contains("alice"), "{seen:?}");
}
