//! Clients that an administrator registered beforehand: found, authenticated, rotated and gone.

use std::time::Duration;

use gatewright_domain::audit::Origin;
use http::StatusCode;

use super::app;
use super::world::{REDIRECT, World, authorize, code_form};
use crate::service::{
    Authority, IfMatch,
    preregistered_clients::{self as service, NewPreregisteredClient, SecretRotation, WithSecret},
};

const TOKEN: &str = "/mcp/acme/oauth2/token";

fn operator() -> Authority {
    Authority::operator(Origin::Cli)
}

/// Registers a client at `acme`; its id and its secret, empty for a public one.
async fn register(world: &World, method: &str) -> (String, String) {
    let new = NewPreregisteredClient {
        name: format!("Ticket desk with {method}"),
        redirect_uris: vec![REDIRECT.to_owned()],
        token_endpoint_auth_method: method.to_owned(),
        jwks: None,
    };
    let gateway = world.entry("acme").gateway.id;
    let made = service::create(&app(&world.app), &operator(), world.project, gateway, new).await;
    let made = made.unwrap();
    (made.client.id.to_string(), secret_of(&made))
}

fn secret_of(made: &WithSecret) -> String {
    made.secret
        .as_ref()
        .map_or_else(String::new, |secret| secret.expose().to_owned())
}

async fn redeem(world: &World, client: &str, secret: &str) -> (StatusCode, String) {
    let code = world.code(client).await;
    let mut form = code_form(client, &code);
    if !secret.is_empty() {
        form.push(("client_secret", secret));
    }
    let answer = world.post(TOKEN, &form).await;
    (answer.status, answer.error())
}

fn refused() -> (StatusCode, String) {
    (StatusCode::UNAUTHORIZED, "invalid_client".to_owned())
}

fn accepted() -> (StatusCode, String) {
    (StatusCode::OK, String::new())
}

#[tokio::test]
async fn a_public_client_signs_in_with_its_id_alone_and_is_shown_by_its_name() {
    let world = World::new().await;
    let (client, secret) = register(&world, "none").await;
    assert!(secret.is_empty());
    let page = world.get(&authorize(&client, &[])).await;
    assert!(page.is_page(200));
    assert!(page.body.contains("Ticket desk with none"));
    assert!(
        page.body
            .contains("Registered by the people who run this gateway")
    );
    assert!(!page.body.contains("We do not know this app"));
    assert_eq!(redeem(&world, &client, "").await, accepted());
    let elsewhere = authorize(&client, &[("redirect_uri", "https://evil.example/cb")]);
    assert!(world.get(&elsewhere).await.is_page(400));
    // Tokens carry the id as it is, so that an administrator finds the client by it.
    let code = world.code(&client).await;
    let answer = world.redeem(&client, &code).await.json();
    let claims = world
        .app
        .signing
        .verify_access_token(answer["access_token"].as_str().unwrap(), world.app.now())
        .unwrap();
    assert_eq!(claims.client_id, client);
}

#[tokio::test]
async fn a_confidential_client_needs_its_secret_wherever_it_sends_it() {
    let world = World::new().await;
    for method in ["client_secret_basic", "client_secret_post"] {
        let (client, secret) = register(&world, method).await;
        assert_eq!(redeem(&world, &client, "").await, refused(), "{method}");
        assert_eq!(redeem(&world, &client, "wrong").await, refused(), "{method}");
        assert_eq!(redeem(&world, &client, &secret).await, accepted(), "{method}");
        let code = world.code(&client).await;
        let basic = {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
        };
        let headers = [("authorization", basic.as_str())];
        let answer = world.post_with(TOKEN, &code_form(&client, &code), &headers).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_replaced_secret_works_for_its_overlap_and_no_longer() {
    let world = World::new().await;
    let (client, old) = register(&world, "client_secret_post").await;
    let (gateway, id) = (world.entry("acme").gateway.id, client.parse().unwrap());
    let rotate = async |overlap_seconds| {
        let rotation = SecretRotation { overlap_seconds };
        let operator = operator();
        let app = app(&world.app);
        let made = service::rotate_secret(
            &app,
            &operator,
            world.project,
            gateway,
            id,
            rotation,
            &IfMatch::Any,
        );
        secret_of(&made.await.unwrap())
    };
    let new = rotate(Some(600)).await;
    assert_eq!(redeem(&world, &client, &old).await, accepted());
    assert_eq!(redeem(&world, &client, &new).await, accepted());
    world.advance(Duration::from_mins(10)).await;
    assert_eq!(redeem(&world, &client, &old).await, refused());
    assert_eq!(redeem(&world, &client, &new).await, accepted());
    let newest = rotate(Some(0)).await;
    assert_eq!(redeem(&world, &client, &new).await, refused());
    assert_eq!(redeem(&world, &client, &newest).await, accepted());
}

#[tokio::test]
async fn a_client_of_one_gateway_is_unknown_at_every_other_and_the_root_finds_its_gateway() {
    let world = World::new().await;
    let (client, _) = register(&world, "none").await;
    let elsewhere = authorize(&client, &[("resource", "")]).replace("/mcp/acme/", "/mcp/other/");
    assert!(world.get(&elsewhere).await.is_page(400));
    let code = world.code(&client).await;
    let answer = world
        .post("/mcp/other/oauth2/token", &code_form(&client, &code))
        .await;
    assert_eq!((answer.status, answer.error()), refused());
    let root = authorize(&client, &[("resource", "")]).replace("/mcp/acme/oauth2/", "/");
    assert!(world.get(&root).await.is_page(200));
    let answer = world.post("/token", &code_form(&client, &code)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    // An ID of the right form that does not exist.
    let nobody = "cli_0192f0c1a2b37c4d8e5f60718293a4b5";
    assert!(world.get(&authorize(nobody, &[])).await.is_page(400));
    assert_eq!(world.redeem(nobody, "code").await.error(), "invalid_client");
    let root = authorize(nobody, &[("resource", "")]).replace("/mcp/acme/oauth2/", "/");
    assert!(world.get(&root).await.is_page(400));
    assert_eq!(
        world.post("/token", &code_form(nobody, "c")).await.error(),
        "invalid_client"
    );
}

#[tokio::test]
async fn the_short_form_of_a_registered_client_is_not_a_client_id() {
    let world = World::new().await;
    let (client, _, refresh) = world.signed_in().await;
    let short = gatewright_domain::client::short_id(&client);
    assert!(world.get(&authorize(&short, &[])).await.is_page(400));
    assert_eq!(world.refresh(&short, &refresh).await.error(), "invalid_client");
    assert_eq!(world.refresh(&client, &refresh).await.status, StatusCode::OK);
}

#[tokio::test]
async fn deleting_a_client_ends_its_grants_before_the_answer() {
    let world = World::new().await;
    let (client, _) = register(&world, "none").await;
    let code = world.code(&client).await;
    let answer = world.redeem(&client, &code).await.json();
    let access = answer["access_token"].as_str().unwrap();
    assert!(world.is_live(access).await);
    // Someone is signing in at this very moment.
    let pending = world.code(&client).await;
    let (gateway, id) = (world.entry("acme").gateway.id, client.parse().unwrap());
    let any = IfMatch::Any;
    service::delete(&app(&world.app), &operator(), world.project, gateway, id, &any)
        .await
        .unwrap();
    assert!(!world.is_live(access).await);
    let refresh = answer["refresh_token"].as_str().unwrap();
    assert_eq!(world.refresh(&client, refresh).await.error(), "invalid_client");
    assert_eq!(world.redeem(&client, &pending).await.error(), "invalid_client");
    assert!(world.get(&authorize(&client, &[])).await.is_page(400));
}

#[tokio::test]
async fn where_they_are_switched_off_preregistered_clients_are_refused_and_others_are_not() {
    let world = World::new().await;
    let (client, _) = register(&world, "none").await;
    let code = world.code(&client).await;
    let answer = world.redeem(&client, &code).await.json();
    world.set(|settings| settings.preregistered_clients = false).await;
    assert!(world.get(&authorize(&client, &[])).await.is_page(400));
    let refresh = answer["refresh_token"].as_str().unwrap();
    assert_eq!(world.refresh(&client, refresh).await.error(), "invalid_client");
    assert!(
        world
            .get(&authorize(&world.client().await, &[]))
            .await
            .is_page(200)
    );
    world.set(|settings| settings.preregistered_clients = true).await;
    assert_eq!(world.refresh(&client, refresh).await.status, StatusCode::OK);
}
