//! Who must see and end nothing of a test sign-in, and what it must not become.

use std::time::Duration;

use gatewright_domain::{
    api_key::KeyRole,
    authorization::{ConsentedRequest, PendingSignIn, SignInProgress, SignInPurpose},
    entropy::SystemEntropy,
    id::{ProjectId, UserSourceId},
    test_sign_in::TestProgress,
    token_hash::TokenHash,
};
use gatewright_store::pending_sign_in;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use url::Url;

use super::{authority, is_not_found};
use crate::{
    relying_party::{
        cookie::CookieStyle,
        pending::{self, Aim, SealedRequest},
        start::CAPS,
        testing::{SignIn, World},
    },
    service::{ServiceError, user_sources::test_sign_ins as service},
};

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
    assert_eq!(world.read(&test).await.test.progress, TestProgress::Waiting);
    assert_eq!(world.provider.asked("openid-configuration"), 0);
    world.post(&test, &[("origin", "http://127.0.0.1:8080")]).await;
    assert_eq!(world.read(&test).await.test.progress, TestProgress::AtProvider);
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
    assert_eq!(world.read(&test).await.test.progress, TestProgress::AtProvider);
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
async fn a_test_is_gone_after_ten_minutes() {
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
        assert!(is_not_found(&world.read_by(&test.starter, test).await));
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
async fn only_the_starter_reads_a_test() {
    let world = World::new().await;
    let test = world.start_test().await;
    world.click_and_come_back(&test).await;
    let elsewhere = ProjectId::generate(world.app.clock.as_ref(), &SystemEntropy);
    for who in [
        authority(&world, KeyRole::Admin, None),
        authority(&world, KeyRole::Owner, None),
        authority(&world, KeyRole::Viewer, None),
        authority(&world, KeyRole::Owner, Some(elsewhere)),
    ] {
        assert!(is_not_found(&world.read_by(&who, &test).await));
    }
    let (app, project) = (&world.app, world.source.project_id);
    let other_source = UserSourceId::generate(world.app.clock.as_ref(), &SystemEntropy);
    let through_another = service::find(app, &test.starter, project, other_source, test.id).await;
    assert!(is_not_found(&through_another));
    assert!(world.report(&test).await.failure.is_none());
}

#[tokio::test]
async fn viewers_and_other_projects_start_no_test() {
    let world = World::new().await;
    let (app, project, source) = (&world.app, world.source.project_id, world.source.id);
    let viewer = authority(&world, KeyRole::Viewer, None);
    let refused = service::start(app, &viewer, project, source).await;
    assert!(matches!(refused, Err(ServiceError::Forbidden(_))));
    let elsewhere = ProjectId::generate(world.app.clock.as_ref(), &SystemEntropy);
    let stranger = authority(&world, KeyRole::Owner, Some(elsewhere));
    assert!(is_not_found(
        &service::start(app, &stranger, project, source).await
    ));
    for _ in 0..50 {
        world.start_test().await;
    }
    let admin = authority(&world, KeyRole::Admin, None);
    let too_many = service::start(app, &admin, project, source).await;
    assert!(matches!(too_many, Err(ServiceError::Conflict(_))));
    world.advance(Duration::from_mins(10)).await;
    world.start_test().await;
}

/// A browser at the provider whose row says one thing and whose sealed request says another.
async fn mismatched(world: &World, purpose: SignInPurpose, aim: Aim) -> SignIn {
    let hash = TokenHash::of("the-state");
    let style = CookieStyle::of(world.app.config.public_url());
    let binding = style.bind(&SystemEntropy, world.now(), hash, &HeaderMap::new());
    let request = SealedRequest {
        aim,
        nonce: "nonce".to_owned(),
        verifier: "verifier".to_owned(),
        attempt: None,
    };
    let row = PendingSignIn {
        state_hash: hash,
        cookie_hash: binding.hash,
        project_id: world.source.project_id,
        purpose,
        user_source_id: world.source.id,
        identity_epoch: 1,
        request: pending::seal_request(&world.app, hash, &request),
        address_prefix: "192.0.2.0/24".to_owned(),
        created_at: world.now(),
        expires_at: world.now().plus(Duration::from_mins(10)),
        progress: SignInProgress::Open,
    };
    let mut tx = world.app.store.write().await.unwrap();
    pending_sign_in::insert(&mut tx, &row, CAPS).await.unwrap();
    tx.commit().await.unwrap();
    world.provider.script().nonce = "nonce".to_owned();
    let cookie = binding.set_cookies[0].to_str().unwrap();
    SignIn {
        url: Url::parse("https://idp.example.com/authorize?state=the-state").unwrap(),
        cookie: cookie.split(';').next().unwrap().to_owned(),
        expired: Vec::new(),
    }
}

#[tokio::test]
async fn a_test_never_ends_in_a_code_nor_a_sign_in_in_a_report() {
    let request = |world: &World| ConsentedRequest {
        gateway_id: world.gateway.id,
        client_id: "client".to_owned(),
        client_name: "Client".to_owned(),
        redirect_uri: "http://127.0.0.1:33418/callback".to_owned(),
        state: None,
        code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned(),
        scope: "mcp".to_owned(),
        consent_id: None,
    };
    let world = World::new().await;
    let test = world.start_test().await;
    let row_of_test = mismatched(&world, SignInPurpose::Test(test.id), Aim::Client(request(&world))).await;
    let seen = world.come_back(&row_of_test).await;
    assert!(seen.body.contains("cannot be opened"), "{seen:?}");
    world.assert_nothing_came_of_it(&seen).await;
    assert!(world.report(&test).await.claims.is_empty());

    let world = World::new().await;
    let test = world.start_test().await;
    let purpose = SignInPurpose::Client(world.gateway.id);
    let row_of_client = mismatched(&world, purpose, Aim::Test(test.id)).await;
    let seen = world.come_back(&row_of_client).await;
    assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR, "{seen:?}");
    world.assert_nothing_came_of_it(&seen).await;
    assert_eq!(world.provider.asked("token"), 0);
    assert_eq!(world.read(&test).await.test.progress, TestProgress::Waiting);

    // The same by hand where row and request agree: it is the disagreement that was refused.
    let world = World::new().await;
    let purpose = SignInPurpose::Client(world.gateway.id);
    let agreed = mismatched(&world, purpose, Aim::Client(request(&world))).await;
    let seen = world.come_back(&agreed).await;
    assert!(seen.location.unwrap().contains("code="), "{}", seen.body);
}
