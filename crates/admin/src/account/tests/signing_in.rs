//! Signing in with a password: what is shown, what is counted, what a flood cannot do.

use std::time::Duration;

use gatewright_domain::{
    audit::{ActorKind, TALLY_WINDOW},
    secret::Secret,
};
use gatewright_store::account as rows;

use super::world::{OWNER, PASSWORD, World, visitor};
use crate::{
    account::visitor::Visitor,
    service::sign_in::{self, SignInError},
};

#[tokio::test]
async fn the_right_password_opens_and_everything_else_gets_the_same_answer() {
    let world = World::new().await;
    let begun = world.sign_in("  ADA@example.com ", PASSWORD).await.unwrap();
    assert_eq!(begun.account.id, world.owner.account.id);
    assert!(world.session(&begun.token).await.is_some());
    for (email, password) in [
        (OWNER, "violet harbour ninet"),
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
        ("a\0b", PASSWORD),
        ("", ""),
        (OWNER, &"x".repeat(100_000)),
    ] {
        let refused = world.sign_in(email, password).await;
        assert!(matches!(refused, Err(SignInError::Wrong)), "{email:?}");
    }
}

#[tokio::test]
async fn failures_are_one_row_per_network_and_five_minutes() {
    let world = World::new().await;
    world.test.clock.advance(TALLY_WINDOW);
    for number in 0..5 {
        let _ = world.sign_in(&format!("x{number}@example.com"), "wrong").await;
    }
    world.test.clock.advance(Duration::from_secs(1));
    let _ = world
        .sign_in_from(&visitor(9), OWNER, "canary typed in the wrong field")
        .await;
    world.test.clock.advance(TALLY_WINDOW);
    let _ = world.sign_in(OWNER, "wrong").await;
    let failures: Vec<_> = world
        .trail(None)
        .await
        .into_iter()
        .filter(|event| event.action == "account.sign_in_failed")
        .collect();
    let counted: Vec<_> = failures
        .iter()
        .map(|event| (event.object_name.as_str(), event.occurrences))
        .collect();
    assert_eq!(
        counted,
        [("203.0.0.0/24", 1), ("203.0.9.0/24", 1), ("203.0.0.0/24", 5)]
    );
    assert!(
        failures
            .iter()
            .all(|event| event.actor.kind == ActorKind::Anonymous)
    );
    assert!(!format!("{failures:?}").contains("canary"));
}

#[tokio::test]
async fn guessing_is_stopped_and_does_not_lock_owners_out_of_their_usual_network() {
    let world = World::new().await;
    world.sign_in(OWNER, PASSWORD).await.unwrap();
    let mut limited = 0;
    for number in 0..30 {
        let from = visitor(100 + number % 3);
        match world.sign_in_from(&from, OWNER, "wrong wrong wrong").await {
            Err(SignInError::Limited { after }) => {
                assert!(after > Duration::ZERO);
                limited += 1;
            }
            Err(SignInError::Wrong) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(limited, 20);
    // The right password no longer helps a stranger, and the owner can still sign in from the usual place.
    let stranger = world.sign_in_from(&visitor(100), OWNER, PASSWORD).await;
    assert!(matches!(stranger, Err(SignInError::Limited { .. })));
    world.sign_in(OWNER, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn where_an_account_is_at_home_survives_a_restart() {
    let world = World::new().await;
    world.sign_in(OWNER, PASSWORD).await.unwrap();
    let restarted = world.test.another().await.unwrap();
    let attempt = async |from: u8, password: &str| {
        let password = Secret::new(password);
        sign_in::with_password(&restarted, &visitor(from), OWNER, &password).await
    };
    for _ in 0..10 {
        let wrong = attempt(100, "wrong wrong wrong").await;
        assert!(matches!(wrong, Err(SignInError::Wrong)));
    }
    let elsewhere = attempt(101, PASSWORD).await;
    assert!(matches!(elsewhere, Err(SignInError::Limited { .. })));
    assert!(attempt(0, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_hash_of_another_cost_is_renewed_at_sign_in() {
    let world = World::new().await;
    // Made with m=64, t=1, p=1 for the password of these tests.
    let cheap = argon2::Argon2::new(
        argon2::Algorithm::Argon2id,
        argon2::Version::V0x13,
        argon2::Params::new(64, 1, 1, None).unwrap(),
    );
    let cheap =
        argon2::PasswordHasher::hash_password_with_salt(&cheap, PASSWORD.as_bytes(), &[7; 16]).unwrap();
    let cheap = gatewright_domain::password::PasswordHash::new(cheap.to_string());
    let stored = async || {
        let mut tx = world.app().gateways().store.read().await.unwrap();
        let found = rows::find_password(&mut tx, world.owner.account.id)
            .await
            .unwrap();
        found.unwrap()
    };
    let mut tx = world.app().gateways().store.write().await.unwrap();
    let now = world.app().now();
    rows::set_password(&mut tx, world.owner.account.id, &cheap, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let wrong = world.sign_in(OWNER, "wrong wrong wrong").await;
    assert!(matches!(wrong, Err(SignInError::Wrong)));
    assert_eq!(stored().await, cheap);
    let begun = world.sign_in(OWNER, PASSWORD).await.unwrap();
    assert!(stored().await.expose().contains("m=19456,t=2,p=1"));
    // Nothing ended by it, and the password is the same.
    assert!(world.session(&begun.token).await.is_some());
    world.sign_in(OWNER, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_session_that_was_planted_ends_at_sign_in() {
    let world = World::new().await;
    let planted = world.sign_in(OWNER, PASSWORD).await.unwrap();
    let victim = Visitor {
        session: Some(Secret::new(planted.token.expose())),
        ..visitor(0)
    };
    let fresh = world.sign_in_from(&victim, OWNER, PASSWORD).await.unwrap();
    assert_ne!(fresh.token.expose(), planted.token.expose());
    assert!(world.session(&planted.token).await.is_none());
    assert!(world.session(&fresh.token).await.is_some());
}
