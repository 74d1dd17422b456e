//! Races of transactions that run as a whole, over two stores on the same data: what is valid once is valid once, even if
//! several share a commit and some of them are undone.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    authorization::ClaimedSignIn,
    grant::{Grant, RevocationReason},
    id::GatewayId,
    stored_secret::SealedText,
    token_hash::TokenHash,
};
use gatewright_store::{
    Store, StoreError, Urgency,
    authorization_code::{self, Redemption},
    brought_code, claimed_sign_in, grant,
    refresh_token::{self, Proposal, Rotation},
    revision,
};

use crate::{
    fixtures::CLIENT,
    races::all_at_once,
    world::{World, commit, contract, look},
};

contract!(
    one_of_fifty_redemptions_wins,
    a_redemption_that_is_undone_does_not_affect_others,
    a_late_replay_ends_the_grant_once,
    twenty_refreshes_share_one_successor,
    a_brought_code_keeps_its_first_state_whatever_is_rolled_back_later,
    one_of_many_arrivals_claims_a_sign_in,
);

/// Everything needed to redeem a code.
#[derive(Clone)]
struct Presented {
    gateway: GatewayId,
    code: TokenHash,
    begun: Grant,
    now: Timestamp,
}

/// Presents a code as the token endpoint does. One that is not entitled to it rolls back.
async fn redeem(store: Store, presented: Presented, may: bool) -> Result<Redemption, StoreError> {
    store
        .transact(Urgency::Person, move |tx| {
            Box::pin(async move {
                let Presented {
                    gateway,
                    code,
                    begun,
                    now,
                } = presented;
                let outcome = authorization_code::redeem(tx, gateway, code, now).await?;
                if matches!(outcome, Redemption::Redeemed(_)) {
                    // A second winner would also fail here, on the ID.
                    grant::insert(tx, &begun).await?;
                }
                if may { Ok(outcome) } else { Err(StoreError::Busy) }
            })
        })
        .await
}

async fn presented(world: &World) -> Presented {
    let setting = world.setting().await;
    let code = setting.new_code(world);
    assert!(commit!(world, tx => authorization_code::insert(tx, &code)).is_done());
    Presented {
        gateway: setting.gateway.id,
        code: code.hash,
        begun: setting.new_grant(world),
        now: world.now(),
    }
}

fn count(outcomes: &[Result<Redemption, StoreError>], wanted: fn(&Redemption) -> bool) -> usize {
    outcomes
        .iter()
        .flatten()
        .filter(|outcome| wanted(outcome))
        .count()
}

async fn one_of_fifty_redemptions_wins(world: World) {
    let presented = presented(&world).await;
    let outcomes = all_at_once(&world, 50, |_, store| redeem(store, presented.clone(), true)).await;
    let won = count(&outcomes, |outcome| matches!(outcome, Redemption::Redeemed(_)));
    let replayed = count(&outcomes, |outcome| {
        matches!(outcome, Redemption::Replayed { .. })
    });
    assert_eq!((won, replayed), (1, 49));
    let (gateway, id) = (presented.gateway, presented.begun.id);
    assert!(look!(world, tx => grant::find(tx, gateway, id)).is_some());
}

async fn a_redemption_that_is_undone_does_not_affect_others(world: World) {
    let presented = presented(&world).await;
    // Every fifth is the client's own; the others are strangers with a copy of the code.
    let outcomes = all_at_once(&world, 50, |number, store| {
        redeem(store, presented.clone(), number % 5 == 4)
    })
    .await;
    let won = count(&outcomes, |outcome| matches!(outcome, Redemption::Redeemed(_)));
    let replayed = count(&outcomes, |outcome| {
        matches!(outcome, Redemption::Replayed { .. })
    });
    assert_eq!((won, replayed), (1, 9));
    let (gateway, id) = (presented.gateway, presented.begun.id);
    assert!(look!(world, tx => grant::find(tx, gateway, id)).is_some());
}

async fn a_late_replay_ends_the_grant_once(world: World) {
    let presented = presented(&world).await;
    redeem(world.store.clone(), presented.clone(), true)
        .await
        .unwrap();
    let token = world.new_token(&presented.begun);
    commit!(world, tx => refresh_token::insert(tx, &token, world.soon()));
    let before = look!(world, tx => revision::read_latest(tx)).revocations;
    let (gateway, code, begun) = (presented.gateway, presented.code, presented.begun);
    world.clock.advance(Duration::from_mins(1));
    let now = world.now();
    let (project, id) = (begun.project_id, begun.id);
    let ended = all_at_once(&world, 20, |_, store| async move {
        let ended: Result<bool, StoreError> = store
            .transact(Urgency::Person, move |tx| {
                Box::pin(async move {
                    let outcome = authorization_code::redeem(tx, gateway, code, now).await?;
                    assert!(matches!(outcome, Redemption::Replayed { .. }));
                    grant::revoke(tx, project, id, RevocationReason::CodeReplayed, now).await
                })
            })
            .await;
        ended.unwrap()
    })
    .await;
    assert_eq!(ended.into_iter().filter(|ended| *ended).count(), 1);
    let revoked = look!(world, tx => grant::find(tx, gateway, id)).unwrap().revoked;
    assert_eq!(revoked, Some((now, RevocationReason::CodeReplayed)));
    let after = look!(world, tx => revision::read_latest(tx)).revocations;
    assert_eq!(after, before + 1, "numbered in the same transaction");
}

async fn twenty_refreshes_share_one_successor(world: World) {
    let setting = world.setting().await;
    let stored = setting.grant(&world).await;
    let token = world.new_token(&stored);
    commit!(world, tx => refresh_token::insert(tx, &token, world.soon()));
    let (gateway, presented, now) = (setting.gateway.id, token.hash, world.now());
    let outcomes = all_at_once(&world, 20, |number, store| async move {
        let outcome: Result<_, StoreError> = store
            .transact(Urgency::Program, move |tx| {
                Box::pin(async move {
                    let sealed = SealedText(format!("t1.{number}"));
                    let proposal = Proposal {
                        hash: TokenHash::of(&format!("successor {number}")),
                        sealed: &sealed,
                        expires_at: now.plus(Duration::from_hours(1)),
                        generation: 2,
                        access_token_ends_at: now.plus(Duration::from_hours(1)),
                        from: "192.0.2.0/24",
                    };
                    refresh_token::rotate(tx, gateway, CLIENT, presented, &proposal, now).await
                })
            })
            .await;
        (number, outcome.unwrap())
    })
    .await;
    let mut winners = Vec::new();
    let mut repeated = Vec::new();
    for (number, outcome) in outcomes {
        match outcome {
            Rotation::Rotated(_) => winners.push(format!("t1.{number}")),
            Rotation::Repeated { sealed, .. } => repeated.push(sealed.0),
            Rotation::Straggler => {}
            other => panic!("they get the same successor or none: {other:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(repeated, vec![winners[0].clone(); 10]);
}

async fn a_brought_code_keeps_its_first_state_whatever_is_rolled_back_later(world: World) {
    let (code, now) = (TokenHash::of("a provider's code"), world.now());
    let bring = move |store: Store, state: TokenHash, undone: bool| async move {
        let first: Result<TokenHash, StoreError> = store
            .transact(Urgency::Person, move |tx| {
                Box::pin(async move {
                    let first = brought_code::bring(tx, code, state, now).await?;
                    if undone { Err(StoreError::Busy) } else { Ok(first) }
                })
            })
            .await;
        first
    };
    let states = all_at_once(&world, 20, move |number, store| {
        bring(store, TokenHash::of(&format!("state {number}")), false)
    })
    .await;
    let states: Vec<_> = states.into_iter().map(Result::unwrap).collect();
    assert!(states.iter().all(|state| *state == states[0]));
    let undone = bring(world.store.clone(), TokenHash::of("another"), true).await;
    assert!(undone.is_err());
    let later = bring(world.store.clone(), TokenHash::of("another"), false).await;
    assert_eq!(later.unwrap(), states[0]);
}

async fn one_of_many_arrivals_claims_a_sign_in(world: World) {
    let (state, now) = (TokenHash::of("a state"), world.now());
    let claimed = all_at_once(&world, 20, |number, store| async move {
        let row = ClaimedSignIn {
            state_hash: state,
            code_hash: TokenHash::of(&format!("code {number}")),
            claimed_at: now,
            expires_at: now.plus(Duration::from_mins(10)),
            answer: None,
        };
        let code = row.code_hash;
        let claimed: Result<bool, StoreError> = store
            .transact(Urgency::Person, move |tx| {
                Box::pin(async move { claimed_sign_in::claim(tx, &row).await })
            })
            .await;
        claimed.unwrap().then_some(code)
    })
    .await;
    let winners: Vec<_> = claimed.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    let found = look!(world, tx => claimed_sign_in::find(tx, state)).unwrap();
    assert_eq!(found.code_hash, winners[0]);
}
