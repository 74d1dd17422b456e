//! The callback is idempotent only for its browser.

use std::{sync::Arc, time::Duration};

use gatewright_domain::{authorization::ClaimedSignIn, token_hash::TokenHash};
use gatewright_store::{
    authorization_code::{self, Redemption},
    claimed_sign_in, gateway,
};
use http::StatusCode;
use serde_json::json;

use crate::{
    relying_party::testing::{Fault, World},
    request::RequestContext,
};

const BAD: StatusCode = StatusCode::BAD_REQUEST;

#[tokio::test]
async fn a_reload_gets_the_same_answer_and_redeems_nothing() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    let first = world.come_back(&sign_in).await;
    first.code();
    world.advance(Duration::from_secs(500)).await;
    assert_eq!(world.come_back(&sign_in).await, first);
    assert_eq!(world.provider.asked("token"), 1);
    assert_eq!(world.users().await.len(), 1);
}

#[tokio::test]
async fn a_reload_after_the_client_redeemed_its_code_says_that_it_is_done() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    let code = world.come_back(&sign_in).await.code();
    let mut tx = world.app.store.write().await.unwrap();
    let redeemed =
        authorization_code::redeem(&mut tx, world.gateway.id, TokenHash::of(&code), world.now()).await;
    assert!(matches!(redeemed.unwrap(), Redemption::Redeemed(_)));
    tx.commit().await.unwrap();
    let seen = world.come_back(&sign_in).await;
    assert_eq!((seen.status, seen.location), (StatusCode::OK, None));
    assert!(
        seen.body.contains("You are signed in") && !seen.body.contains(&code),
        "{}",
        seen.body
    );
    let other_browser = world
        .get(&sign_in.query(&format!("code={}", sign_in.provider_code())), "")
        .await;
    assert_eq!(other_browser.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_code_that_was_brought_back_for_another_sign_in_opens_nothing() {
    let world = World::new().await;
    let (victim, attacker) = (world.allow().await, world.allow().await);
    // The victim's state leads to a provider that refuses, so its code is still valid; then it turns up elsewhere.
    world.provider.script().claims = json!({"nonce": "wrong"});
    world.assert_refused(&world.come_back(&victim).await, BAD).await;
    world.provider.script().claims = json!({});
    let stolen = attacker.query(&format!("code={}", victim.provider_code()));
    let seen = world.get(&stolen, &attacker.cookie).await;
    assert_eq!((seen.status, seen.location), (BAD, None));
    assert_eq!(world.provider.asked("token"), 1);
    assert!(world.users().await.is_empty());
    world.come_back(&attacker).await.code();
}

/// Leaves the network of the browsers no returns that carry a sign-in.
fn use_up_returns(world: &World) {
    let context = RequestContext::known(
        crate::request::RequestId::known(0x0123_4567_89ab_cdef),
        std::net::Ipv4Addr::LOCALHOST,
    );
    world.app.authorization_server.use_up_returns(&context);
}

#[tokio::test]
async fn an_expired_sign_in_counts_as_none() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    world.advance(Duration::from_mins(11)).await;
    use_up_returns(&world);
    let seen = world.come_back(&sign_in).await;
    assert_eq!((seen.status, seen.location), (BAD, None), "{}", seen.body);
}

#[tokio::test]
async fn a_sign_in_that_comes_back_too_often_counts_as_none() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    let first = world.come_back(&sign_in).await;
    for _ in 1..20 {
        assert_eq!(world.come_back(&sign_in).await, first);
    }
    use_up_returns(&world);
    assert_eq!(world.come_back(&sign_in).await, first);
    assert_eq!(
        world.sign_in().await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "one that comes back for the first time"
    );
}

#[tokio::test]
async fn too_many_returns_from_one_network_are_slowed() {
    let world = World::new().await;
    world.sign_in().await.code();
    let sign_in = world.allow().await;
    use_up_returns(&world);
    let slowed = world.come_back(&sign_in).await;
    assert_eq!(
        (slowed.status, slowed.location),
        (StatusCode::TOO_MANY_REQUESTS, None)
    );
    assert_eq!(world.provider.asked("token"), 1);
}

#[tokio::test]
async fn a_return_that_finds_no_place_is_not_lost() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    let held = world.app.admission.take_all();
    // Waiting takes no time from here on.
    tokio::time::pause();
    let refused = world.come_back(&sign_in).await;
    assert_eq!(
        (refused.status, refused.location),
        (StatusCode::TOO_MANY_REQUESTS, None)
    );
    tokio::time::resume();
    drop(held);
    world.come_back(&sign_in).await.code();
    assert_eq!(world.provider.asked("token"), 1);
}

#[tokio::test]
async fn another_code_another_cookie_and_an_error_get_nothing_afterwards() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    world.come_back(&sign_in).await.code();
    let other_code = world.get(&sign_in.query("code=another"), &sign_in.cookie).await;
    assert_eq!((other_code.status, other_code.location), (BAD, None));
    let error = world
        .get(&sign_in.query("error=access_denied"), &sign_in.cookie)
        .await;
    assert_eq!((error.status, error.location), (BAD, None));
    let other_browser = world
        .get(&sign_in.query(&format!("code={}", sign_in.provider_code())), "")
        .await;
    assert_eq!(
        (other_browser.status, other_browser.location),
        (StatusCode::FORBIDDEN, None)
    );
    assert_eq!(world.provider.asked("token"), 1);
}

#[tokio::test]
async fn a_refusal_is_repeated_too() {
    let world = World::new().await;
    world.provider.script().claims = json!({"nonce": "wrong"});
    let sign_in = world.allow().await;
    let first = world.come_back(&sign_in).await;
    world.assert_refused(&first, BAD).await;
    world.provider.script().claims = json!({});
    assert_eq!(world.come_back(&sign_in).await, first);
    assert_eq!(world.provider.asked("token"), 1);
}

#[tokio::test]
async fn many_arrivals_at_once_redeem_once_and_see_one_answer() {
    let world = Arc::new(World::new().await);
    let sign_in = Arc::new(world.allow().await);
    let arrivals = (0..8).map(|_| {
        let (world, sign_in) = (Arc::clone(&world), Arc::clone(&sign_in));
        tokio::spawn(async move { world.come_back(&sign_in).await.code() })
    });
    let arrivals: Vec<_> = arrivals.collect();
    let mut codes = Vec::new();
    for arrival in arrivals {
        codes.push(arrival.await.unwrap());
    }
    codes.dedup();
    assert_eq!(codes.len(), 1);
    assert_eq!(world.provider.asked("token"), 1);
}

#[tokio::test]
async fn a_browser_that_hangs_up_finds_its_answer_on_reload() {
    let world = Arc::new(World::new().await);
    world.provider.script().faults.insert("token", Fault::Hang);
    let sign_in = world.allow().await;
    let first = {
        let (world, sign_in) = (Arc::clone(&world), sign_in.clone());
        tokio::spawn(async move { world.come_back(&sign_in).await })
    };
    world.provider.hanging().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let second = {
        let (world, sign_in) = (Arc::clone(&world), sign_in.clone());
        tokio::spawn(async move { world.come_back(&sign_in).await })
    };
    world.provider.let_go();
    second.await.unwrap().code();
    assert_eq!(world.provider.asked("token"), 1);
}

#[tokio::test]
async fn a_claim_whose_arrival_died_is_reported_as_such() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    let row = ClaimedSignIn {
        state_hash: TokenHash::of(&sign_in.parameter("state")),
        code_hash: TokenHash::of(&sign_in.provider_code()),
        claimed_at: world.now(),
        expires_at: world.now().plus(Duration::from_mins(10)),
        answer: None,
    };
    let mut tx = world.app.store.write().await.unwrap();
    assert!(claimed_sign_in::claim(&mut tx, &row).await.unwrap());
    tx.commit().await.unwrap();
    world.advance(Duration::from_secs(30)).await;
    let seen = world.come_back(&sign_in).await;
    world.assert_refused(&seen, BAD).await;
    assert_eq!(world.provider.asked("token"), 0);
}

#[tokio::test]
async fn beginning_a_sign_in_writes_nothing_and_displaces_nothing() {
    let world = World::new().await;
    let first = world.allow().await;
    {
        // Anyone who wants to write waits for this.
        let held = world.app.store.write().await.unwrap();
        for _ in 0..300 {
            world.allow().await;
        }
        drop(held);
    }
    world.provider.script().nonce = first.parameter("nonce");
    world.come_back(&first).await.code();
}

#[tokio::test]
async fn a_sign_in_that_another_replica_claimed_is_answered_the_same_here() {
    let world = World::new().await;
    let replica = world.replica().await;
    let sign_in = world.allow().await;
    let first = replica.come_back(&sign_in).await;
    first.code();
    assert_eq!(world.come_back(&sign_in).await, first);
    assert_eq!(world.provider.asked("token"), 1);
}

#[tokio::test]
async fn a_cookie_is_claimed_once_also_when_its_gateway_was_deleted() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    world.come_back(&sign_in).await.code();
    let mut tx = world.app.store.write().await.unwrap();
    let deleted = gateway::delete(&mut tx, world.source.project_id, world.gateway.id).await;
    assert!(deleted.unwrap());
    tx.commit().await.unwrap();
    world.app.refresh_directory().await.unwrap();
    let seen = world.get(&sign_in.query("code=another"), &sign_in.cookie).await;
    assert_eq!((seen.status, seen.location), (BAD, None));
    assert_eq!(world.provider.asked("token"), 1);
}
