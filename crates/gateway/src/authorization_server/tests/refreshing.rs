//! Refresh with overlap: what clients do at once, late and again, and what a thief does.

use std::{collections::HashSet, time::Duration};

use gatewright_domain::{audit::ActorKind, gateway::GatewayStatus, user::UserStatus};
use gatewright_store::user;
use http::StatusCode;
use serde_json::json;

use super::world::{Answer, World};

fn successor(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn twenty_refreshes_at_once_yield_one_successor_and_a_live_family() {
    let world = World::new().await;
    let (client, access, refresh) = world.signed_in().await;
    let all = futures_util::future::join_all((0..20).map(|_| world.refresh(&client, &refresh))).await;
    let (given, refused): (Vec<_>, Vec<_>) = all.iter().partition(|answer| answer.status == StatusCode::OK);
    let successors: HashSet<String> = given.iter().map(|answer| successor(answer)).collect();
    assert_eq!(
        (given.len(), successors.len()),
        (11, 1),
        "the first and ten repeats"
    );
    assert!(refused.iter().all(|answer| answer.error() == "invalid_grant"));
    assert!(!successors.contains(&refresh));
    assert!(world.is_live(&access).await);
    let next = successors.into_iter().next().unwrap();
    assert_ne!(successor(&world.refresh(&client, &next).await), next);
}

#[tokio::test]
async fn a_used_token_answers_again_until_its_successor_is_used() {
    let world = World::new().await;
    let (client, access, first) = world.signed_in().await;
    let second = successor(&world.refresh(&client, &first).await);
    world.advance(Duration::from_hours(24)).await;
    assert_eq!(successor(&world.refresh(&client, &first).await), second);
    successor(&world.refresh(&client, &second).await);
    world.advance(Duration::from_mins(2)).await;
    assert_eq!(world.refresh(&client, &first).await.error(), "invalid_grant");
    let fresh = world.refresh(&client, &second).await;
    assert_eq!(fresh.status, StatusCode::OK, "a straggler revokes nothing");
    let live = fresh.json()["access_token"].as_str().unwrap().to_owned();
    assert!(world.is_live(&live).await);
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(world.refresh(&client, &first).await.error(), "invalid_grant");
    assert!(!world.is_live(&live).await, "late reuse ends the grant");
    let told = world.revocations().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].actor.kind, ActorKind::System);
    assert_eq!(
        (told[0].object_type.as_str(), told[0].object_name.as_str()),
        ("grant", "Example")
    );
    assert_eq!(told[0].changes[0].after, Some(json!("refresh_reused")));
    assert_eq!(world.refresh(&client, &second).await.error(), "invalid_grant");
    assert!(
        world
            .app
            .signing
            .verify_access_token(&access, world.app.now())
            .is_err()
    );
}

#[tokio::test]
async fn a_refresh_token_is_of_one_client_and_one_gateway() {
    let world = World::new().await;
    let (client, _, refresh) = world.signed_in().await;
    let stranger = world.client().await;
    assert_eq!(world.refresh(&stranger, &refresh).await.error(), "invalid_grant");
    assert_eq!(world.refresh(&client, "nothing").await.error(), "invalid_grant");
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", client.as_str()),
        ("refresh_token", refresh.as_str()),
    ];
    let elsewhere = world.post("/mcp/other/oauth2/token", &form).await;
    assert_eq!(
        (elsewhere.status, elsewhere.error().as_str()),
        (StatusCode::UNAUTHORIZED, "invalid_client")
    );
    successor(&world.refresh(&client, &refresh).await);
}

#[tokio::test]
async fn a_blocked_user_cannot_refresh() {
    let world = World::new().await;
    let (client, access, refresh) = world.signed_in().await;
    let claims = world
        .app
        .signing
        .verify_access_token(&access, world.app.now())
        .unwrap();
    let user = claims.person.user_id().unwrap();
    let mut tx = world.app.store.write().await.unwrap();
    assert!(
        user::set_status(&mut tx, world.project, user, UserStatus::Blocked)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    assert_eq!(world.refresh(&client, &refresh).await.error(), "invalid_grant");
    let mut tx = world.app.store.write().await.unwrap();
    assert!(
        user::set_status(&mut tx, world.project, user, UserStatus::Active)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    successor(&world.refresh(&client, &refresh).await);
}

#[tokio::test]
async fn a_grant_ends_when_idle_and_at_the_latest_when_its_time_is_up() {
    let world = World::new().await;
    let (client, _, mut refresh) = world.signed_in().await;
    let day = Duration::from_hours(24);
    for _ in 0..3 {
        world.advance(day * 29).await;
        refresh = successor(&world.refresh(&client, &refresh).await);
    }
    world.advance(day * 2).await;
    let last = world.refresh(&client, &refresh).await;
    assert_eq!(last.json()["expires_in"], 3_600);
    world.advance(day).await;
    assert_eq!(
        world.refresh(&client, &successor(&last)).await.error(),
        "invalid_grant"
    );
    let (client, _, idle) = world.signed_in().await;
    world.advance(day * 30).await;
    assert_eq!(world.refresh(&client, &idle).await.error(), "invalid_grant");
}

#[tokio::test]
async fn no_access_token_outlives_the_refresh_token_beside_it() {
    let world = World::new().await;
    world
        .set(|settings| {
            settings.access_token_seconds = 86_400;
            settings.grant_idle_seconds = 3_600;
        })
        .await;
    let client = world.client().await;
    let code = world.code(&client).await;
    let begun = world.redeem(&client, &code).await;
    assert_eq!(begun.json()["expires_in"], 3_600);
    let first = successor(&begun);
    world.advance(Duration::from_mins(30)).await;
    assert_eq!(world.refresh(&client, &first).await.json()["expires_in"], 3_600);
    world.advance(Duration::from_mins(10)).await;
    let repeated = world.refresh(&client, &first).await;
    assert_eq!(
        repeated.json()["expires_in"],
        3_000,
        "the successor is ten minutes old"
    );
    world
        .set(|settings| settings.grant_idle_seconds = 86_400 * 30)
        .await;
    let longer = world.refresh(&client, &successor(&repeated)).await;
    assert_eq!(longer.json()["expires_in"], 86_400);
}

#[tokio::test]
async fn made_up_codes_and_tokens_wait_for_no_turn_to_write() {
    let world = World::new().await;
    let (client, _, refresh) = world.signed_in().await;
    let held = world.app.store.write().await.unwrap();
    assert_eq!(world.refresh(&client, "made-up").await.error(), "invalid_grant");
    assert_eq!(world.redeem(&client, "made-up").await.error(), "invalid_grant");
    drop(held);
    successor(&world.refresh(&client, &refresh).await);
}

#[tokio::test]
async fn a_gateway_that_is_inactive_issues_no_tokens() {
    let world = World::new().await;
    let (client, access, refresh) = world.signed_in().await;
    let code = world.code(&client).await;
    assert!(world.is_live(&access).await);
    world
        .change_gateway("acme", |gateway| gateway.status = GatewayStatus::Inactive)
        .await;
    for answer in [
        world.refresh(&client, &refresh).await,
        world.redeem(&client, &code).await,
    ] {
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.body);
        assert!(!answer.body.contains("token\""), "{}", answer.body);
    }
    assert_eq!(world.revocations().await, [], "nobody's grant is ended by it");
}
