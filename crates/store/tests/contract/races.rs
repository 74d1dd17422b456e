//! Races: many at once, over two stores on the same data, like two replicas.

use std::{future::Future, time::Duration};

use gatewright_domain::{
    gateway::GatewayStatus, grant::RevocationReason, stored_secret::SealedText, token_hash::TokenHash,
    user::UserStatus, user_source::UserSourceStatus,
};
use gatewright_store::{
    Store, StoreError,
    authorization_code::{self, Redemption},
    gateway::{self, GatewayWrite},
    grant::{self, Holder},
    keys,
    refresh_token::{self, Proposal, Rotation},
    revision, server, user,
    user_source::{self, Guarded},
};
use tokio::task::JoinSet;

use crate::{
    fixtures::CLIENT,
    world::{World, commit, contract, look},
};

contract!(
    one_of_fifty_redemptions_wins,
    twenty_refreshes_share_one_successor,
    a_source_goes_or_a_gateway_comes_never_both,
    a_server_goes_or_a_gateway_names_it_never_both,
    first_starts_make_one_signing_key,
    one_of_many_gets_a_slug,
    one_of_many_edits_is_written,
    one_person_signing_in_many_times_is_one_user,
    a_blocked_user_keeps_no_grant,
    administrators_and_the_token_endpoint_never_deadlock,
);

/// Runs many at once, alternating between two stores on the same data, and returns the outcome of each.
pub(crate) async fn all_at_once<T, F, W>(world: &World, count: usize, work: W) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
    W: Fn(usize, Store) -> F,
{
    let replica = world.replica().await;
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let store = if number % 2 == 0 { &world.store } else { &replica };
        tasks.spawn(work(number, store.clone()));
    }
    let outcomes = tasks.join_all().await;
    replica.close().await;
    outcomes
}

async fn one_of_fifty_redemptions_wins(world: World) {
    let setting = world.setting().await;
    let code = setting.new_code(&world);
    assert!(commit!(world, tx => authorization_code::insert(tx, &code)).is_done());
    let (gateway, hash, now) = (setting.gateway.id, code.hash, world.now());
    let begun = setting.new_grant(&world);
    let outcomes = all_at_once(&world, 50, |_, store| {
        let begun = begun.clone();
        async move {
            let mut tx = store.write().await.unwrap();
            let outcome = authorization_code::redeem(&mut tx, gateway, hash, now)
                .await
                .unwrap();
            if matches!(outcome, Redemption::Redeemed(_)) {
                // A second winner would also fail here, on the ID.
                grant::insert(&mut tx, &begun).await.unwrap();
            }
            tx.commit().await.unwrap();
            outcome
        }
    })
    .await;
    let winners = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Redemption::Redeemed(_)));
    assert_eq!(winners.count(), 1);
    let replays = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Redemption::Replayed { .. }));
    assert_eq!(replays.count(), 49);
}

async fn twenty_refreshes_share_one_successor(world: World) {
    let setting = world.setting().await;
    let stored = setting.grant(&world).await;
    let token = world.new_token(&stored);
    commit!(world, tx => refresh_token::insert(tx, &token, world.soon()));
    let (gateway, presented, now) = (setting.gateway.id, token.hash, world.now());
    let outcomes = all_at_once(&world, 20, |number, store| async move {
        let sealed = SealedText(format!("t1.{number}"));
        let proposal = Proposal {
            hash: TokenHash::of(&format!("successor {number}")),
            sealed: &sealed,
            expires_at: now.plus(Duration::from_hours(1)),
            generation: 2,
            access_token_ends_at: now.plus(Duration::from_hours(1)),
            from: "192.0.2.0/24",
        };
        let mut tx = store.write().await.unwrap();
        let outcome = refresh_token::rotate(&mut tx, gateway, CLIENT, presented, &proposal, now).await;
        tx.commit().await.unwrap();
        (sealed, outcome.unwrap())
    })
    .await;
    let is_winner = |(_, outcome): &&(SealedText, Rotation)| matches!(outcome, Rotation::Rotated(_));
    let winners: Vec<_> = outcomes.iter().filter(is_winner).collect();
    assert_eq!(winners.len(), 1);
    let mut repeats = 0;
    for (_, outcome) in &outcomes {
        match outcome {
            Rotation::Rotated(_) | Rotation::Straggler => {}
            Rotation::Repeated { sealed, .. } => {
                assert_eq!(*sealed, winners[0].0);
                repeats += 1;
            }
            other => panic!("they get the same successor or none: {other:?}"),
        }
    }
    assert_eq!(repeats, 10, "and no more than that");
    assert!(look!(world, tx => grant::find_live(tx, gateway, stored.id, now)).is_some());
}

async fn a_source_goes_or_a_gateway_comes_never_both(world: World) {
    let project = world.project().await.id;
    let source = world.source(project).await;
    let mut inactive = world.new_gateway(project, source.id);
    inactive.status = GatewayStatus::Inactive;
    assert_eq!(
        commit!(world, tx => gateway::insert(tx, &inactive)),
        GatewayWrite::Done
    );
    let mut active = inactive.clone();
    active.status = GatewayStatus::Active;
    let replica = world.replica().await;
    let now = world.now();
    for round in 0..60 {
        let activate = async {
            let mut tx = replica.write().await.unwrap();
            let written = gateway::update(&mut tx, &active, now).await.unwrap();
            if written == GatewayWrite::Done {
                tx.commit().await.unwrap();
            }
            written
        };
        let deactivate = async {
            let mut tx = world.store.write().await.unwrap();
            let outcome = user_source::deactivate(&mut tx, project, source.id, now)
                .await
                .unwrap();
            if outcome == Guarded::Done {
                tx.commit().await.unwrap();
            }
            outcome
        };
        let (written, outcome) = if round % 2 == 0 {
            tokio::join!(activate, deactivate)
        } else {
            let (outcome, written) = tokio::join!(deactivate, activate);
            (written, outcome)
        };
        let expected = matches!(
            (&written, &outcome),
            (GatewayWrite::Done, Guarded::InUse(_)) | (GatewayWrite::SourceInactive, Guarded::Done)
        );
        assert!(expected, "round {round}: {written:?} and {outcome:?}");
        let status = look!(world, tx => user_source::find(tx, project, source.id))
            .unwrap()
            .status;
        let gateway = look!(world, tx => gateway::find(tx, project, active.id))
            .unwrap()
            .status;
        assert!(status == UserSourceStatus::Active || gateway == GatewayStatus::Inactive);
        // Back to the start.
        commit!(world, tx => user_source::activate(tx, project, source.id, now));
        assert_eq!(
            commit!(world, tx => gateway::update(tx, &inactive, now)),
            GatewayWrite::Done
        );
    }
    replica.close().await;
}

async fn a_server_goes_or_a_gateway_names_it_never_both(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let replica = world.replica().await;
    for _ in 0..30 {
        let doomed = world.server(project).await;
        let mut gateway = world.new_gateway(project, setting.source.id);
        gateway.servers = vec![doomed.id];
        let save = async {
            let mut tx = replica.write().await.unwrap();
            let written = gateway::insert(&mut tx, &gateway).await.unwrap();
            if written == GatewayWrite::Done {
                tx.commit().await.unwrap();
            }
            written
        };
        let delete = async {
            let mut tx = world.store.write().await.unwrap();
            let outcome = server::delete(&mut tx, project, doomed.id).await.unwrap();
            tx.commit().await.unwrap();
            outcome
        };
        let (written, outcome) = tokio::join!(save, delete);
        match (written, outcome) {
            (GatewayWrite::Done, server::ServerDelete::InUse(gateways)) => {
                assert_eq!(gateways[0].0, gateway.id);
            }
            (GatewayWrite::ServerNotFound(id), server::ServerDelete::Done) => assert_eq!(id, doomed.id),
            other => panic!("one of them must see the other: {other:?}"),
        }
    }
    replica.close().await;
}

async fn first_starts_make_one_signing_key(world: World) {
    let proposed: Vec<_> = (0..8)
        .map(|_| world.new_signing_key(keys::SigningPurpose::AccessToken))
        .collect();
    let ours = proposed.clone();
    let signing = all_at_once(&world, proposed.len(), |number, store| {
        let key = ours[number].clone();
        async move {
            let mut tx = store.write().await.unwrap();
            let signing = keys::insert_if_none(&mut tx, &key).await.unwrap();
            tx.commit().await.unwrap();
            signing
        }
    })
    .await;
    assert!(signing.iter().all(|key| *key == signing[0]));
    assert!(proposed.contains(&signing[0]));
    assert_eq!(look!(world, tx => keys::list(tx)).len(), 1);
}

async fn one_of_many_gets_a_slug(world: World) {
    let mut gateways = Vec::new();
    for number in 0..8 {
        let setting = world.setting().await;
        let mut gateway = world.new_gateway(setting.project.id, setting.source.id);
        gateway.slug = String::from(if number % 2 == 0 { "Wanted" } else { "wANTED" });
        gateways.push(gateway);
    }
    let outcomes = all_at_once(&world, gateways.len(), |number, store| {
        let gateway = gateways[number].clone();
        async move {
            let mut tx = store.write().await.unwrap();
            let written = gateway::insert(&mut tx, &gateway).await.unwrap();
            if written == GatewayWrite::Done {
                tx.commit().await.unwrap();
            }
            written
        }
    })
    .await;
    let won = outcomes.iter().filter(|written| **written == GatewayWrite::Done);
    assert_eq!(won.count(), 1);
    let lost = outcomes
        .iter()
        .filter(|written| **written == GatewayWrite::SlugTaken);
    assert_eq!(lost.count(), 7);
}

async fn one_of_many_edits_is_written(world: World) {
    let project = world.project().await.id;
    let stored = world.server(project).await;
    world.clock.advance(Duration::from_secs(1));
    let now = world.now();
    let outcomes = all_at_once(&world, 10, |number, store| {
        let mut edited = stored.clone();
        edited.name = format!("Edit {number}");
        edited.updated_at = now;
        let seen = stored.updated_at;
        async move {
            let mut tx = store.write().await.unwrap();
            let written = server::update(&mut tx, &edited, seen).await.unwrap();
            tx.commit().await.unwrap();
            written.then_some(edited)
        }
    })
    .await;
    let written: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(written.len(), 1);
    assert_eq!(
        look!(world, tx => server::find(tx, project, stored.id)).as_ref(),
        written.first()
    );
}

async fn one_person_signing_in_many_times_is_one_user(world: World) {
    let setting = world.setting().await;
    let key = world.new_user(setting.project.id, setting.source.id).key;
    let ids = all_at_once(&world, 20, |_, store| {
        let mut user = world.new_user(setting.project.id, setting.source.id);
        user.key = key.clone();
        async move {
            let mut tx = store.write().await.unwrap();
            let user = user::sign_in(&mut tx, &user).await.unwrap();
            tx.commit().await.unwrap();
            user.id
        }
    })
    .await;
    assert!(ids.iter().all(|id| *id == ids[0]));
}

async fn a_blocked_user_keeps_no_grant(world: World) {
    let replica = world.replica().await;
    for _ in 0..20 {
        let setting = world.setting().await;
        let code = setting.new_code(&world);
        assert!(commit!(world, tx => authorization_code::insert(tx, &code)).is_done());
        let begun = setting.new_grant(&world);
        let now = world.now();
        let redeem = async {
            let mut tx = replica.write().await?;
            let outcome = authorization_code::redeem(&mut tx, setting.gateway.id, code.hash, now).await?;
            if matches!(outcome, Redemption::Redeemed(_)) {
                grant::insert(&mut tx, &begun).await?;
            }
            tx.commit().await
        };
        let block = async {
            let (project, user) = (setting.project.id, setting.user.id);
            let mut tx = world.store.write().await?;
            user::set_status(&mut tx, project, user, UserStatus::Blocked).await?;
            let reason = RevocationReason::UserRemoved;
            grant::revoke_of(&mut tx, project, Holder::User(user), reason, now).await?;
            tx.commit().await
        };
        let (redeemed, blocked): (Result<(), StoreError>, Result<(), StoreError>) =
            tokio::join!(redeem, block);
        redeemed.unwrap();
        blocked.unwrap();
        let left = look!(world, tx => grant::find(tx, setting.gateway.id, begun.id));
        assert!(left.is_none_or(|grant| grant.revoked.is_some()));
    }
    replica.close().await;
}

async fn administrators_and_the_token_endpoint_never_deadlock(world: World) {
    let replica = world.replica().await;
    let setting = world.setting().await;
    let (project, user, gateway) = (setting.project.id, setting.user.id, setting.gateway.id);
    let now = world.now();
    for round in 0..30 {
        let (first, second) = (setting.grant(&world).await, setting.grant(&world).await);
        // The administrator's change takes the revision first and ends all grants; the token endpoint ends one grant
        // and increases the revision at the end.
        let administrator = async {
            let mut tx = world.store.write().await?;
            revision::bump(&mut tx).await?;
            let reason = RevocationReason::Administrator;
            let ended = if round % 2 == 0 {
                grant::revoke_of(&mut tx, project, Holder::User(user), reason, now).await?
            } else {
                grant::revoke_of_gateway(&mut tx, project, gateway, reason, now).await?
            };
            tx.commit().await?;
            Ok::<_, StoreError>(ended)
        };
        let token_endpoint = async {
            let mut tx = replica.write().await?;
            let reason = RevocationReason::ClientRequest;
            let ended = grant::revoke(&mut tx, project, second.id, reason, now).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(ended)
        };
        let (by_administrator, by_client) = tokio::join!(administrator, token_endpoint);
        let ended = by_administrator.unwrap() + u64::from(by_client.unwrap());
        assert_eq!(ended, 2, "round {round}");
        assert!(look!(world, tx => grant::find_live(tx, gateway, first.id, now)).is_none());
    }
    replica.close().await;
}
