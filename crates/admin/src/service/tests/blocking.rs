//! Clients that are kept out of a gateway, and ways of introducing themselves that are switched off.

use gatewright_domain::{audit::Origin, client::short_id, id::ClientBlockId};
use http::StatusCode;
use serde_json::json;

use super::{
    app, host,
    world::{REDIRECT, World, authorize, sealed},
};
use crate::service::{
    Authority,
    clients::{self as service, NewClientBlock},
};

pub(super) async fn block(world: &World, short_id: &str) -> ClientBlockId {
    let new = NewClientBlock {
        client_id: short_id.to_owned(),
    };
    let gateway = world.entry("acme").gateway.id;
    let operator = Authority::operator(Origin::Cli);
    let block = service::block(&app(&world.app), &operator, world.project, gateway, new).await;
    block.unwrap().id
}

async fn unblock(world: &World, id: ClientBlockId) {
    let gateway = world.entry("acme").gateway.id;
    let operator = Authority::operator(Origin::Cli);
    service::unblock(&app(&world.app), &operator, world.project, gateway, id)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_blocked_client_is_refused_wherever_it_asks_and_its_grants_end() {
    let world = World::new().await;
    let (client, access, refresh) = world.signed_in().await;
    let (other, other_access, other_refresh) = world.signed_in().await;
    let pending = world.code(&client).await;
    let form = sealed(&world.get(&authorize(&client, &[])).await);
    assert!(world.is_live(&access).await);
    let id = block(&world, &short_id(&client)).await;

    assert!(!world.is_live(&access).await);
    let page = world.get(&authorize(&client, &[])).await;
    assert!(page.is_page(403), "{}", page.body);
    // A page that was open when it happened leads nowhere either.
    let answer = world
        .post_with(
            "/mcp/acme/oauth2/authorize",
            &[("request", &form), ("decision", "allow")],
            &[("sec-fetch-site", "same-origin")],
        )
        .await;
    assert!(answer.is_page(403), "{}", answer.body);
    for refused in [
        world.redeem(&client, &pending).await,
        world.refresh(&client, &refresh).await,
    ] {
        assert_eq!(
            (refused.status, refused.error().as_str()),
            (StatusCode::UNAUTHORIZED, "invalid_client")
        );
    }
    // Other clients and gateways are not affected.
    assert!(world.is_live(&other_access).await);
    assert_eq!(world.refresh(&other, &other_refresh).await.status, StatusCode::OK);
    let metadata = json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"});
    let unbound = world.register("/register", &metadata).await.json();
    let unbound = unbound["client_id"].as_str().unwrap();
    block(&world, &short_id(unbound)).await;
    assert!(world.get(&authorize(unbound, &[])).await.is_page(403));
    let elsewhere = authorize(unbound, &[("resource", "")]).replace("/mcp/acme/", "/mcp/other/");
    assert!(world.get(&elsewhere).await.is_page(200));

    unblock(&world, id).await;
    assert!(world.get(&authorize(&client, &[])).await.is_page(200));
    assert_eq!(world.refresh(&client, &refresh).await.error(), "invalid_grant");
    assert!(!world.is_live(&access).await);
    let code = world.code(&client).await;
    assert_eq!(world.redeem(&client, &code).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_described_client_is_blocked_by_its_url() {
    let world = World::new().await;
    let url = "https://app.example/client.json";
    let another = "https://app.example/other.json";
    for id in [url, another] {
        host::publish(&world, &json!({"client_id": id, "redirect_uris": [REDIRECT]})).await;
    }
    let code = world.code(url).await;
    let answer = world.redeem(url, &code).await.json();
    let refresh = answer["refresh_token"].as_str().unwrap();
    block(&world, url).await;
    assert_eq!(world.refresh(url, refresh).await.error(), "invalid_client");
    assert!(world.get(&authorize(url, &[])).await.is_page(403));
    let code = world.code(another).await;
    assert_eq!(world.redeem(another, &code).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_switched_off_is_refused_at_sign_in_and_at_refresh() {
    let world = World::new().await;
    let (client, access, refresh) = world.signed_in().await;
    let url = "https://app.example/client.json";
    host::publish(&world, &json!({"client_id": url, "redirect_uris": [REDIRECT]})).await;
    let code = world.code(url).await;
    let described = world.redeem(url, &code).await.json();
    let described = described["refresh_token"].as_str().unwrap();
    world
        .set(|settings| {
            settings.dynamic_registration = false;
            settings.metadata_documents = false;
        })
        .await;
    for (client, refresh) in [(client.as_str(), refresh.as_str()), (url, described)] {
        assert!(world.get(&authorize(client, &[])).await.is_page(400), "{client}");
        let refused = world.refresh(client, refresh).await;
        assert_eq!(
            (refused.status, refused.error().as_str()),
            (StatusCode::UNAUTHORIZED, "invalid_client"),
            "{client}"
        );
    }
    // An access token lives out its time: anyone who wants it gone blocks the client.
    assert!(world.is_live(&access).await);
    world.set(|settings| settings.dynamic_registration = true).await;
    assert_eq!(world.refresh(&client, &refresh).await.status, StatusCode::OK);
    assert_eq!(world.refresh(url, described).await.error(), "invalid_client");
}

#[tokio::test]
async fn the_root_registers_no_client_where_no_gateway_accepts_it() {
    let world = World::new().await;
    let metadata = json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"});
    world.set(|settings| settings.dynamic_registration = false).await;
    let open = world.register("/register", &metadata).await;
    assert_eq!(open.status, StatusCode::CREATED, "another gateway accepts it");
    let unbound = open.json()["client_id"].as_str().unwrap().to_owned();
    assert!(world.get(&authorize(&unbound, &[])).await.is_page(400));
    world
        .change_gateway("other", |gateway| gateway.settings.dynamic_registration = false)
        .await;
    let refused = world.register("/register", &metadata).await;
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (StatusCode::FORBIDDEN, "access_denied")
    );
}
