//! Strangers cannot use up what may be fetched from the host of an app's description, and people keep using apps they
//! know during a flood, after a restart, and while the host is unavailable.

use std::{sync::Arc, time::Duration};

use gatewright_domain::{client::short_id, gateway::TrustedClient};
use gatewright_store::client_document;
use http::{StatusCode, header::CACHE_CONTROL};

use super::{
    host::Host,
    world::{World, authorize},
};

/// Asks for descriptions that are not there, from networks of a whole provider of networks or of many.
async fn flood(world: &World, host: &Host, networks: &[&str]) {
    for network in networks {
        for number in 0..40 {
            let made_up = format!(
                "https://localhost:{}/{network}/{number}.json",
                host.address.port()
            );
            let page = world.get_from(network, &authorize(&made_up, &[])).await;
            assert!(page.is_page(400), "{page:?}");
        }
    }
}

/// An app with which someone has signed in.
async fn used(host: &Arc<Host>) -> World {
    host.answers(
        200,
        &[(CACHE_CONTROL, "max-age=60")],
        &host.document().to_string(),
    );
    let world = host.world().await;
    assert!(world.get(&authorize(&host.url(), &[])).await.is_page(200));
    let code = world.code(&host.url()).await;
    assert_eq!(world.redeem(&host.url(), &code).await.status, StatusCode::OK);
    world
}

async fn is_stored(world: &World, url: &str) -> bool {
    let mut tx = world.app.store.read().await.unwrap();
    let found = client_document::find(&mut tx, world.project, url).await;
    found.unwrap().is_some()
}

#[tokio::test]
async fn a_flood_from_one_network_leaves_others_their_first_sign_in() {
    let host = Host::start().await;
    host.answers(404, &[], "");
    let world = host.world().await;
    flood(&world, &host, &["203.0.113.7", "203.0.114.7", "203.0.115.7"]).await;
    host.answers(200, &[], &host.document().to_string());
    let path = authorize(&host.url(), &[]);
    assert!(world.get_from("203.0.113.7", &path).await.is_page(400));
    assert!(world.get_from("198.51.100.7", &path).await.is_page(200));
}

#[tokio::test]
async fn a_known_app_keeps_working_in_a_flood_and_after_a_restart() {
    let host = Host::start().await;
    let world = used(&host).await.restarted().await;
    let networks = ["203.0.113.7", "198.51.100.7", "192.0.2.7", "2001:db8::7"];
    world.advance(Duration::from_mins(2)).await;
    host.answers(404, &[], "");
    flood(&world, &host, &networks).await;
    host.answers(200, &[], &host.document().to_string());
    let asked = host.asked();
    let unknown = format!("https://localhost:{}/first.json", host.address.port());
    assert!(world.get(&authorize(&unknown, &[])).await.is_page(400));
    assert_eq!(host.asked(), asked, "nothing is left of the host's budget");
    assert!(world.get(&authorize(&host.url(), &[])).await.is_page(200));
    assert_eq!(host.asked(), asked + 1);
}

#[tokio::test]
async fn a_known_app_keeps_working_while_its_host_is_unavailable_for_up_to_a_week() {
    let host = Host::start().await;
    let mut world = used(&host).await;
    let path = authorize(&host.url(), &[]);
    for status in [503, 429] {
        host.answers(status, &[], "");
        world.advance(Duration::from_hours(80)).await;
        world = world.restarted().await;
        assert!(world.get(&path).await.is_page(200), "{status}");
    }
    world.advance(Duration::from_hours(8)).await;
    assert!(world.get(&path).await.is_page(400));
    // What its host withdraws is deleted immediately, after a restart too.
    host.answers(200, &[], &host.document().to_string());
    assert!(world.get(&path).await.is_page(200));
    world.advance(Duration::from_mins(5)).await;
    host.answers(404, &[], "");
    assert!(world.get(&path).await.is_page(400));
    assert!(!is_stored(&world, &host.url()).await);
    host.answers(503, &[], "");
    assert!(world.restarted().await.get(&path).await.is_page(400));
}

#[tokio::test]
async fn only_apps_that_were_used_or_listed_are_stored() {
    let host = Host::start().await;
    host.answers(200, &[], &host.document().to_string());
    let world = host.world().await;
    let path = authorize(&host.url(), &[]);
    assert!(world.get(&path).await.is_page(200));
    assert!(!is_stored(&world, &host.url()).await, "a page stores nothing");
    world
        .change_gateway("acme", |gateway| {
            gateway.trusted_clients = vec![TrustedClient {
                url: host.url(),
                allow_loopback: false,
            }];
        })
        .await;
    world.advance(Duration::from_mins(5)).await;
    world.get(&path).await;
    assert!(is_stored(&world, &host.url()).await, "it is listed");
    assert!(is_stored(&used(&host).await, &host.url()).await, "it was used");
}

#[tokio::test]
async fn a_blocked_app_stays_out_although_its_description_is_kept() {
    let host = Host::start().await;
    let world = used(&host).await;
    world.block(&short_id(&host.url())).await;
    host.answers(503, &[], "");
    let world = world.restarted().await;
    assert!(world.get(&authorize(&host.url(), &[])).await.is_page(403));
}
