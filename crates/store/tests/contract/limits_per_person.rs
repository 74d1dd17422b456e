//! Limits per person: codes per minute, codes per consent page, and live grants, of which the least recently used are ended.

use std::time::Duration;

use gatewright_domain::{
    grant::{Grant, RevocationReason},
    id::GrantId,
};
use gatewright_store::{
    authorization_code::{self, Insertion, Redemption},
    grant::{self, Holder},
    held_grants, refresh_token,
    revocation::Denied,
};

use crate::{
    denials,
    fixtures::{CLIENT, Setting},
    races::all_at_once,
    world::{World, commit, contract, look},
};

contract!(
    a_person_can_get_thirty_codes_a_minute,
    two_replicas_count_the_codes_of_a_person_together,
    a_consent_page_issues_ten_codes,
    the_least_recently_used_grant_is_ended,
    a_person_has_a_hundred_grants_at_a_gateway_whatever_the_clients,
    grants_that_begin_at_once_stay_within_the_limit,
);

async fn begin(world: &World, setting: &Setting, client: &str) -> Grant {
    let mut stored = setting.new_grant(world);
    client.clone_into(&mut stored.client_id);
    let token = world.new_token(&stored);
    let mut tx = world.write().await;
    grant::insert(&mut tx, &stored).await.unwrap();
    refresh_token::insert(&mut tx, &token, world.soon())
        .await
        .unwrap();
    grant::make_room(&mut tx, &stored, world.now()).await.unwrap();
    tx.commit().await.unwrap();
    stored
}

async fn live(world: &World, setting: &Setting) -> i64 {
    let (project, user) = (setting.project.id, setting.user.id);
    look!(world, tx => held_grants::count_of_user(tx, project, user, world.now())).live
}

async fn a_person_can_get_thirty_codes_a_minute(world: World) {
    let setting = world.setting().await;
    let neighbour = Setting {
        user: world.user(&setting.source).await,
        ..setting.clone()
    };
    let issue = async |setting: &Setting| {
        let code = setting.new_code(&world);
        commit!(world, tx => authorization_code::insert(tx, &code))
    };
    let first = world.now();
    for _ in 0..30 {
        assert_eq!(issue(&setting).await, Insertion::Done);
        world.clock.advance(Duration::from_secs(1));
    }
    let again_at = first.plus(Duration::from_mins(1));
    assert_eq!(issue(&setting).await, Insertion::TooMany { again_at });
    assert_eq!(issue(&neighbour).await, Insertion::Done);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.now(), again_at);
    assert_eq!(issue(&setting).await, Insertion::Done);
    assert!(matches!(issue(&setting).await, Insertion::TooMany { .. }));
}

async fn two_replicas_count_the_codes_of_a_person_together(world: World) {
    let setting = world.setting().await;
    let codes: Vec<_> = (0..50).map(|_| setting.new_code(&world)).collect();
    let outcomes = all_at_once(&world, 50, |number, store| {
        let code = codes[number].clone();
        async move {
            let mut tx = store.write().await.unwrap();
            let outcome = authorization_code::insert(&mut tx, &code).await.unwrap();
            tx.commit().await.unwrap();
            outcome
        }
    })
    .await;
    let done = outcomes.iter().filter(|outcome| outcome.is_done()).count();
    assert_eq!(done, 30);
}

async fn a_consent_page_issues_ten_codes(world: World) {
    let setting = world.setting().await;
    let issue = async |consent: Option<&str>| {
        let mut code = setting.new_code(&world);
        code.consent_id = consent.map(str::to_owned);
        commit!(world, tx => authorization_code::insert(tx, &code))
    };
    for _ in 0..10 {
        assert_eq!(issue(Some("page")).await, Insertion::Done);
    }
    assert_eq!(issue(Some("page")).await, Insertion::ConsentUsedUp);
    assert_eq!(issue(Some("another page")).await, Insertion::Done);
    world.clock.advance(Duration::from_mins(10));
    assert_eq!(issue(Some("page")).await, Insertion::ConsentUsedUp);
    for _ in 0..11 {
        assert_eq!(
            issue(None).await,
            Insertion::Done,
            "a trusted client shows no page"
        );
    }
}

async fn the_least_recently_used_grant_is_ended(world: World) {
    let setting = world.setting().await;
    let mut grants = Vec::new();
    for _ in 0..20 {
        grants.push(begin(&world, &setting, CLIENT).await);
        world.clock.advance(Duration::from_secs(1));
    }
    let other_client = begin(&world, &setting, "another-client").await;
    assert_eq!(live(&world, &setting).await, 21);
    // The oldest is used again.
    let token = world.new_token(&grants[0]);
    commit!(world, tx => refresh_token::insert(tx, &token, world.soon()));
    let newest = begin(&world, &setting, CLIENT).await;
    assert_eq!(live(&world, &setting).await, 21);
    let gateway = setting.gateway.id;
    let of = async |id: GrantId| look!(world, tx => grant::find(tx, gateway, id)).unwrap().revoked;
    for kept in [grants[0].id, grants[2].id, other_client.id, newest.id] {
        assert_eq!(of(kept).await, None);
    }
    let expected = Some((world.now(), RevocationReason::GaveWay));
    assert_eq!(of(grants[1].id).await, expected);
    let denied = look!(world, tx => denials::denied(tx, world.now()));
    assert_eq!(denied, [Denied::Grant(grants[1].id)]);
}

async fn a_person_has_a_hundred_grants_at_a_gateway_whatever_the_clients(world: World) {
    let setting = world.setting().await;
    let first = begin(&world, &setting, "client 0").await;
    for number in 1..105 {
        world.clock.advance(Duration::from_secs(1));
        begin(&world, &setting, &format!("client {number}")).await;
    }
    assert_eq!(live(&world, &setting).await, 100);
    let (project, user) = (setting.project.id, Holder::User(setting.user.id));
    let found = look!(world, tx => grant::find_unrevoked(tx, project, user, first.id));
    assert_eq!(found, None);
}

async fn grants_that_begin_at_once_stay_within_the_limit(world: World) {
    let setting = world.setting().await;
    let codes: Vec<_> = (0..30).map(|_| setting.new_code(&world)).collect();
    for code in &codes {
        assert!(commit!(world, tx => authorization_code::insert(tx, code)).is_done());
    }
    let (gateway, now) = (setting.gateway.id, world.now());
    let template = setting.new_grant(&world);
    let outcomes = all_at_once(&world, 30, |number, store| {
        let (code, grant) = (codes[number].clone(), template.clone());
        async move {
            let mut tx = store.write().await.unwrap();
            let outcome = authorization_code::redeem(&mut tx, gateway, code.hash, now)
                .await
                .unwrap();
            let begun = Grant {
                id: code.grant_id,
                ..grant
            };
            grant::insert(&mut tx, &begun).await.unwrap();
            grant::make_room(&mut tx, &begun, now).await.unwrap();
            tx.commit().await.unwrap();
            matches!(outcome, Redemption::Redeemed(_))
        }
    })
    .await;
    assert!(outcomes.into_iter().all(|redeemed| redeemed));
    assert_eq!(live(&world, &setting).await, 20);
}
