//! Authorization codes: valid once, at their gateway, while everything they depend on is unchanged.

use std::time::Duration;

use gatewright_domain::{
    gateway::{Authentication, GatewayStatus},
    token_hash::TokenHash,
    user::UserStatus,
};
use gatewright_store::{
    authorization_code::{self, Redemption},
    gateway, user,
    user_source::{self, Guarded},
};

use crate::{
    fixtures::Setting,
    world::{World, commit, contract, look},
};

contract!(
    a_code_is_good_once,
    a_redemption_that_is_dropped_did_not_happen,
    a_code_of_another_gateway_or_time_is_refused,
    no_code_is_issued_once_anything_changed,
    no_code_is_redeemed_once_anything_changed,
    old_codes_are_deleted,
);

async fn redeem(world: &World, setting: &Setting, code: TokenHash) -> Redemption {
    commit!(world, tx => authorization_code::redeem(tx, setting.gateway.id, code, world.now()))
}

async fn a_code_is_good_once(world: World) {
    let setting = world.setting().await;
    let code = setting.new_code(&world);
    assert!(commit!(world, tx => authorization_code::insert(tx, &code)).is_done());
    assert_eq!(
        redeem(&world, &setting, code.hash).await,
        Redemption::Redeemed(Box::new(code.clone()))
    );
    let redeemed_at = world.now();
    world.clock.advance(Duration::from_hours(2));
    let replayed = Redemption::Replayed {
        code: Box::new(code.clone()),
        redeemed_at,
    };
    assert_eq!(redeem(&world, &setting, code.hash).await, replayed);
}

async fn a_redemption_that_is_dropped_did_not_happen(world: World) {
    let setting = world.setting().await;
    let code = setting.new_code(&world);
    assert!(commit!(world, tx => authorization_code::insert(tx, &code)).is_done());
    let mut tx = world.write().await;
    let outcome = authorization_code::redeem(&mut tx, setting.gateway.id, code.hash, world.now()).await;
    assert!(matches!(outcome.unwrap(), Redemption::Redeemed(_)));
    drop(tx);
    assert!(matches!(
        redeem(&world, &setting, code.hash).await,
        Redemption::Redeemed(_)
    ));
}

async fn a_code_of_another_gateway_or_time_is_refused(world: World) {
    let setting = world.setting().await;
    let code = setting.new_code(&world);
    assert!(commit!(world, tx => authorization_code::insert(tx, &code)).is_done());
    let other = Setting {
        gateway: world.gateway(&setting.source).await,
        ..setting.clone()
    };
    assert_eq!(redeem(&world, &other, code.hash).await, Redemption::Refused);
    assert_eq!(
        redeem(&world, &setting, TokenHash::of("unknown")).await,
        Redemption::Refused
    );
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(redeem(&world, &setting, code.hash).await, Redemption::Refused);
}

/// The changes that may happen during a sign-in.
async fn changes(world: &World) -> Vec<(&'static str, Setting)> {
    let mut moved = Vec::new();

    let setting = world.setting().await;
    moved.push(("user blocked", setting));
    let setting = world.setting().await;
    moved.push(("user deleted", setting));
    let setting = world.setting().await;
    moved.push(("epoch", setting));
    let setting = world.setting().await;
    moved.push(("gateway off", setting));
    let setting = world.setting().await;
    moved.push(("source off", setting));
    let setting = world.setting().await;
    moved.push(("other source", setting));
    let setting = world.setting().await;
    moved.push(("headers mode", setting));
    moved
}

async fn happen(world: &World, change: &str, setting: &Setting) {
    let project = setting.project.id;
    let mut gateway = setting.gateway.clone();
    match change {
        "user blocked" => {
            let blocked = UserStatus::Blocked;
            assert!(commit!(world, tx => user::set_status(tx, project, setting.user.id, blocked)));
            return;
        }
        "user deleted" => {
            assert!(commit!(world, tx => user::delete(tx, project, setting.user.id, world.now())));
            return;
        }
        "epoch" => {
            let mut source = setting.source.clone();
            source.identity_epoch += 1;
            assert!(commit!(world, tx => user_source::update(tx, &source, &source)));
            return;
        }
        "gateway off" | "source off" => gateway.status = GatewayStatus::Inactive,
        "other source" => {
            gateway.authentication = Authentication::UserSource(world.source(project).await.id);
        }
        "headers mode" => gateway.authentication = Authentication::Headers,
        _ => unreachable!("every change is listed above"),
    }
    let written = commit!(world, tx => gateway::update(tx, &gateway, gateway.updated_at));
    assert_eq!(written, gateway::GatewayWrite::Done);
    if change == "source off" {
        let source = setting.source.id;
        let outcome = commit!(world, tx => user_source::deactivate(tx, project, source, world.now()));
        assert_eq!(outcome, Guarded::Done);
    }
}

async fn no_code_is_issued_once_anything_changed(world: World) {
    for (change, setting) in changes(&world).await {
        assert!(commit!(world, tx => authorization_code::insert(tx, &setting.new_code(&world))).is_done());
        happen(&world, change, &setting).await;
        let issued =
            commit!(world, tx => authorization_code::insert(tx, &setting.new_code(&world))).is_done();
        assert!(!issued, "{change}");
    }
}

async fn no_code_is_redeemed_once_anything_changed(world: World) {
    for (change, setting) in changes(&world).await {
        let code = setting.new_code(&world);
        assert!(commit!(world, tx => authorization_code::insert(tx, &code)).is_done());
        happen(&world, change, &setting).await;
        assert_eq!(
            redeem(&world, &setting, code.hash).await,
            Redemption::Refused,
            "{change}"
        );
    }
}

async fn old_codes_are_deleted(world: World) {
    let setting = world.setting().await;
    let codes: Vec<_> = (0..3).map(|_| setting.new_code(&world)).collect();
    for code in &codes {
        assert!(commit!(world, tx => authorization_code::insert(tx, code)).is_done());
        redeem(&world, &setting, code.hash).await;
    }
    let expired = codes[0].expires_at;
    assert_eq!(
        commit!(world, tx => authorization_code::prune(tx, expired, 10)),
        0
    );
    let later = expired.plus(Duration::from_millis(1));
    assert_eq!(commit!(world, tx => authorization_code::prune(tx, later, 2)), 2);
    assert_eq!(commit!(world, tx => authorization_code::prune(tx, later, 2)), 1);
    assert_eq!(redeem(&world, &setting, codes[0].hash).await, Redemption::Refused);
    assert!(look!(world, tx => user::find(tx, setting.project.id, setting.user.id)).is_some());
}
