//! A code that was brought back for one sign-in does not open another, whatever happened to the first: the defence
//! against a hostile provider that sends people on to an honest one which does not name itself in its answers.

use std::time::Duration;

use gatewright_domain::user_source::UserSource;
use gatewright_store::{gateway, project, user_source};
use http::StatusCode;
use rstest::rstest;

use crate::relying_party::testing::{Fault, SignIn, World};

const CODE: &str = "code=meant-for-the-honest-gateway";

/// What a tenant with a hostile provider does once it has a code from an honest provider.
#[derive(Debug, Clone, Copy)]
enum Forget {
    Nothing,
    DeleteGateway,
    DeleteSource,
    DeleteProject,
    Expire,
    Flood,
}

/// Follows the hostile tenant's link in the victim's browser, which comes back with the honest provider's code.
async fn fall_for(hostile: &World) -> SignIn {
    let victim = hostile.allow().await;
    let seen = hostile.get(&victim.query(CODE), &victim.cookie).await;
    assert_eq!((seen.status, seen.location), (StatusCode::BAD_REQUEST, None));
    victim
}

async fn delete_gateway(world: &World) {
    let mut tx = world.app.store.write().await.unwrap();
    let (project, gateway) = (world.source.project_id, world.gateway.id);
    assert!(gateway::delete(&mut tx, project, gateway).await.unwrap());
    tx.commit().await.unwrap();
}

async fn forget(hostile: &World, how: Forget) {
    match how {
        Forget::Nothing => {}
        Forget::DeleteGateway => delete_gateway(hostile).await,
        Forget::DeleteSource => {
            delete_gateway(hostile).await;
            let mut tx = hostile.app.store.write().await.unwrap();
            let UserSource { project_id, id, .. } = hostile.source;
            user_source::delete(&mut tx, project_id, id).await.unwrap();
            tx.commit().await.unwrap();
        }
        Forget::DeleteProject => {
            let mut tx = hostile.app.store.write().await.unwrap();
            assert!(project::delete(&mut tx, hostile.source.project_id).await.unwrap());
            tx.commit().await.unwrap();
        }
        Forget::Expire => hostile.advance(Duration::from_mins(30)).await,
        Forget::Flood => {
            for _ in 0..250 {
                hostile.allow().await;
            }
        }
    }
    hostile.app.refresh_directory().await.unwrap();
}

/// Brings the victim's code to a sign-in of the attacker's own at the honest gateway.
async fn present(honest: &World) {
    // The clock of its provider follows.
    honest.advance(Duration::ZERO).await;
    let attacker = honest.allow().await;
    let seen = honest.get(&attacker.query(CODE), &attacker.cookie).await;
    honest.assert_refused(&seen, StatusCode::BAD_REQUEST).await;
    assert_eq!(
        honest.provider.asked("token"),
        0,
        "the honest provider is not asked"
    );
    let (_, failure) = honest.refusal(seen.reference()).await;
    assert!(failure.reason.contains("brought back before"), "{failure:?}");
    // The attempt took nothing from the sign-in it was made with, nor from other people.
    honest.come_back(&attacker).await.code();
    honest.sign_in().await.code();
}

#[rstest]
#[case(Forget::Nothing)]
#[case(Forget::DeleteGateway)]
#[case(Forget::DeleteSource)]
#[case(Forget::DeleteProject)]
#[case(Forget::Expire)]
#[case(Forget::Flood)]
#[tokio::test]
async fn a_hostile_providers_tenant_cannot_have_a_code_forgotten(#[case] how: Forget) {
    let honest = World::new().await;
    let hostile = honest.neighbour().await;
    hostile
        .provider
        .script()
        .faults
        .insert("token", Fault::ServerError);
    fall_for(&hostile).await;
    forget(&hostile, how).await;
    present(&honest).await;
}

#[tokio::test]
async fn a_callback_that_is_held_while_its_gateway_goes_is_remembered_too() {
    let honest = World::new().await;
    let hostile = honest.neighbour().await;
    hostile.provider.script().faults.insert("token", Fault::Hang);
    let victim = hostile.allow().await;
    let held = async { hostile.get(&victim.query(CODE), &victim.cookie).await };
    let attack = async {
        hostile.provider.hanging().await;
        forget(&hostile, Forget::DeleteGateway).await;
        present(&honest).await;
        hostile.provider.let_go();
    };
    let (seen, ()) = tokio::join!(held, attack);
    assert_eq!(seen.location, None, "{seen:?}");
}

#[tokio::test]
async fn a_callback_on_another_replica_is_remembered_here() {
    let honest = World::new().await;
    let hostile = honest.neighbour().await;
    hostile
        .provider
        .script()
        .faults
        .insert("token", Fault::ServerError);
    let victim = hostile.allow().await;
    let replica = hostile.replica().await;
    let seen = replica.get(&victim.query(CODE), &victim.cookie).await;
    assert_eq!(seen.location, None);
    forget(&replica, Forget::DeleteGateway).await;
    forget(&hostile, Forget::Nothing).await;
    present(&honest).await;
}

/// Callbacks that fail before their sign-in is claimed.
#[derive(Debug, Clone, Copy)]
enum Failed {
    WithoutCookie,
    WithUnknownState,
    WithoutState,
    WithTwoCodes,
    WithAnErrorToo,
    WithAnotherIssuer,
    SourceChanged,
    ProviderAway,
    SignInExpired,
}

#[rstest]
#[case(Failed::WithoutCookie)]
#[case(Failed::WithUnknownState)]
#[case(Failed::WithoutState)]
#[case(Failed::WithTwoCodes)]
#[case(Failed::WithAnErrorToo)]
#[case(Failed::WithAnotherIssuer)]
#[case(Failed::SourceChanged)]
#[case(Failed::ProviderAway)]
#[case(Failed::SignInExpired)]
#[tokio::test]
async fn a_callback_that_fails_early_is_remembered_too(#[case] how: Failed) {
    let honest = World::new().await;
    let hostile = honest.neighbour().await;
    let victim = hostile.allow().await;
    match how {
        Failed::SourceChanged => hostile.edit_source(|source| source.identity_epoch += 1).await,
        Failed::ProviderAway => {
            hostile
                .provider
                .script()
                .faults
                .insert("jwks", Fault::ServerError);
        }
        Failed::SignInExpired => hostile.advance(Duration::from_mins(11)).await,
        _ => {}
    }
    let query = match how {
        Failed::WithUnknownState => format!("{CODE}&state=unknown"),
        Failed::WithoutState => CODE.to_owned(),
        Failed::WithTwoCodes => victim.query(&format!("code=another&{CODE}")),
        Failed::WithAnErrorToo => victim.query(&format!("{CODE}&error=access_denied")),
        Failed::WithAnotherIssuer => victim.query(&format!("{CODE}&iss=https%3A%2F%2Felsewhere.example")),
        _ => victim.query(CODE),
    };
    let cookie = if let Failed::WithoutCookie = how {
        ""
    } else {
        &victim.cookie
    };
    let seen = hostile.get(&query, cookie).await;
    assert_eq!(seen.location, None, "{seen:?}");
    assert_eq!(hostile.provider.asked("token"), 0);
    present(&honest).await;
}

/// The same code in another spelling: some providers take it for the first one.
#[rstest]
#[case("MEANT-FOR-THE-HONEST-GATEWAY")]
#[case("Meant-For-The-Honest-Gateway%3D%3D")]
#[case("meant-for-the-honest-gatewaz")]
#[case("meant.for.the.honest.gateway")]
#[tokio::test]
async fn a_code_in_another_spelling_is_the_same_code(#[case] spelling: &str) {
    let honest = World::new().await;
    let hostile = honest.neighbour().await;
    hostile
        .provider
        .script()
        .faults
        .insert("token", Fault::ServerError);
    fall_for(&hostile).await;
    let attacker = honest.allow().await;
    let query = attacker.query(&format!("code={spelling}"));
    let seen = honest.get(&query, &attacker.cookie).await;
    honest.assert_refused(&seen, StatusCode::BAD_REQUEST).await;
    assert_eq!(honest.provider.asked("token"), 0);
    let (_, failure) = honest.refusal(seen.reference()).await;
    assert!(failure.reason.contains("brought back before"), "{failure:?}");
    honest.come_back(&attacker).await.code();
}

/// Java reads digits of every script, also in hexadecimal numbers.
#[tokio::test]
async fn a_code_with_characters_of_no_code_is_refused() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    let query = sign_in.query("code=0f3b6a%EF%BC%91%EF%BC%90-7c1d-4e52-8b0a-00c4d5e6f708");
    let seen = world.get(&query, &sign_in.cookie).await;
    world.assert_refused(&seen, StatusCode::BAD_REQUEST).await;
    assert_eq!(world.provider.asked("token"), 0);
    world.come_back(&sign_in).await.code();
}
