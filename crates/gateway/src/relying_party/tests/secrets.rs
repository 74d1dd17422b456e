//! The rotation of a client secret, as far as sign-ins are concerned.

use std::time::Duration;

use http::StatusCode;

use crate::relying_party::testing::{SECRET, World};

#[tokio::test]
async fn the_first_success_confirms_the_newest_secret_and_drops_the_one_before() {
    let world = World::new().await;
    let previous = world.seal("old");
    world
        .edit_source(|source| source.client_secret.previous = Some(previous))
        .await;
    world.sign_in().await.code();
    let slots = world.stored_source().await.client_secret;
    assert!(slots.confirmed_at.is_some() && slots.previous.is_none() && slots.refused_at.is_none());
    assert_eq!(world.provider.asked("token"), 1);
}

#[tokio::test]
async fn while_the_newest_is_refused_the_one_before_works_with_the_same_code() {
    let world = World::new().await;
    let (newest, previous) = (world.seal("not yet known there"), world.seal(SECRET));
    world
        .edit_source(|source| {
            source.client_secret.current = newest;
            source.client_secret.previous = Some(previous);
        })
        .await;
    world.sign_in().await.code();
    let slots = world.stored_source().await.client_secret;
    assert!(slots.refused_at.is_some() && slots.confirmed_at.is_none() && slots.previous.is_some());
    {
        let mut script = world.provider.script();
        assert_eq!(script.forms[0]["code"], script.forms[1]["code"]);
        script.secrets = vec!["not yet known there".to_owned()];
    }
    world.sign_in().await.code();
    let slots = world.stored_source().await.client_secret;
    assert!(slots.confirmed_at.is_some() && slots.previous.is_none());
}

#[tokio::test]
async fn after_a_day_without_success_the_one_that_last_worked_is_tried_first() {
    let world = World::new().await;
    let (newest, previous) = (world.seal("never right"), world.seal(SECRET));
    world
        .edit_source(|source| {
            source.client_secret.current = newest;
            source.client_secret.previous = Some(previous);
        })
        .await;
    world.sign_in().await.code();
    assert_eq!(
        world.provider.asked("token"),
        2,
        "the newest first, and then the other"
    );
    world.advance(Duration::from_hours(24)).await;
    world.sign_in().await.code();
    assert_eq!(world.provider.asked("token"), 3, "the other alone");
    let slots = world.stored_source().await.client_secret;
    assert!(slots.needs_attention() && slots.previous.is_some());
    // The provider drops the one that worked and knows the newest at last.
    world.provider.script().secrets = vec!["never right".to_owned()];
    world.sign_in().await.code();
    assert_eq!(world.provider.asked("token"), 5);
    let slots = world.stored_source().await.client_secret;
    assert!(slots.confirmed_at.is_some() && slots.previous.is_none() && !slots.needs_attention());
}

#[tokio::test]
async fn a_confirmed_secret_that_is_refused_asks_for_attention_until_it_works_again() {
    let world = World::new().await;
    world.sign_in().await.code();
    assert!(!world.stored_source().await.client_secret.needs_attention());
    world.provider.script().secrets.clear();
    assert_eq!(world.sign_in().await.status, StatusCode::BAD_REQUEST);
    let slots = world.stored_source().await.client_secret;
    assert!(slots.needs_attention() && slots.confirmed_at.is_some());
    world.provider.script().secrets = vec![SECRET.to_owned()];
    world.sign_in().await.code();
    let slots = world.stored_source().await.client_secret;
    assert!(!slots.needs_attention() && slots.confirmed_at.is_some());
}

#[tokio::test]
async fn with_both_refused_there_is_a_page_and_the_source_says_so() {
    let world = World::new().await;
    let previous = world.seal("older");
    world
        .edit_source(|source| source.client_secret.previous = Some(previous))
        .await;
    world.provider.script().secrets.clear();
    let seen = world.sign_in().await;
    world.assert_refused(&seen, StatusCode::BAD_REQUEST).await;
    let slots = world.stored_source().await.client_secret;
    assert!(slots.refused_at.is_some() && slots.previous.is_some() && slots.confirmed_at.is_none());
}

#[tokio::test]
async fn a_refused_code_says_nothing_about_the_secret() {
    let world = World::new().await;
    let previous = world.seal("older");
    world
        .edit_source(|source| source.client_secret.previous = Some(previous))
        .await;
    world.provider.script().answer = serde_json::json!({"error": "invalid_grant"});
    let seen = world.sign_in().await;
    world.assert_refused(&seen, StatusCode::BAD_REQUEST).await;
    let slots = world.stored_source().await.client_secret;
    assert!(slots.refused_at.is_none() && slots.previous.is_some());
    assert_eq!(world.provider.asked("token"), 1);
}

#[tokio::test]
async fn a_provider_that_switches_between_the_two_attempts_fails_no_sign_in() {
    let world = World::new().await;
    let (newest, previous) = (world.seal("newest"), world.seal(SECRET));
    world
        .edit_source(|source| {
            source.client_secret.current = newest;
            source.client_secret.previous = Some(previous);
        })
        .await;
    // The newest is refused because it is not known yet, and the other because it is known no more.
    world.provider.script().switch = Some((1, "newest".to_owned()));
    world.sign_in().await.code();
    assert_eq!(world.provider.asked("token"), 3);
    let slots = world.stored_source().await.client_secret;
    assert!(slots.confirmed_at.is_some() && slots.refused_at.is_none() && slots.previous.is_none());
}

#[tokio::test]
async fn a_secret_entered_on_another_replica_a_moment_ago_is_used() {
    let world = World::new().await;
    let newest = world.seal("newest");
    world
        .edit_source_elsewhere(|source| {
            source.client_secret.previous =
                Some(std::mem::replace(&mut source.client_secret.current, newest));
        })
        .await;
    world.provider.script().secrets = vec!["newest".to_owned()];
    world.sign_in().await.code();
    let slots = world.stored_source().await.client_secret;
    assert!(slots.confirmed_at.is_some() && slots.refused_at.is_none() && slots.previous.is_none());
}

#[tokio::test]
async fn a_secret_entered_for_another_provider_a_moment_ago_is_not_sent_to_this_one() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    let newest = world.seal("for another");
    world
        .edit_source_elsewhere(|source| {
            source.issuer = "https://another.example.com".to_owned();
            source.identity_epoch += 1;
            source.client_secret.current = newest;
        })
        .await;
    world.provider.script().secrets = vec!["for another".to_owned()];
    let seen = world.come_back(&sign_in).await;
    world.assert_refused(&seen, StatusCode::BAD_REQUEST).await;
    // The secret of this provider, in both ways of sending it.
    assert_eq!(world.provider.asked("token"), 2);
}

#[tokio::test]
async fn a_provider_that_changes_its_mind_without_end_makes_no_replica_read_the_configuration() {
    let world = World::new().await;
    world.sign_in().await.code();
    world.app.providers.verdicts().use_up(world.source.project_id);
    world.provider.script().secrets.clear();
    assert_eq!(world.sign_in().await.status, StatusCode::BAD_REQUEST);
    let slots = world.stored_source().await.client_secret;
    assert!(slots.refused_at.is_none(), "it was noted");
    let neighbour = world.neighbour().await;
    neighbour.provider.script().secrets.clear();
    assert_eq!(neighbour.sign_in().await.status, StatusCode::BAD_REQUEST);
    let slots = neighbour.stored_source().await.client_secret;
    assert!(slots.refused_at.is_some());
}
