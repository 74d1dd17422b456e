//! What real clients were seen to do, each as they do it. `docs/clients.md` lists them all with the tests that see to them.

use http::StatusCode;
use serde_json::json;

use super::{
    host,
    world::{ISSUER, REDIRECT, World, authorize, code_form, parameter, way_back},
};

const REGISTER: &str = "/mcp/acme/oauth2/register";
const TOKEN: &str = "/mcp/acme/oauth2/token";
const DOCUMENT: &str = "https://app.example/oauth/client.json";

#[tokio::test]
async fn the_port_of_a_loopback_redirect_is_free_for_every_kind_of_client() {
    let world = World::new().await;
    // As Claude Code and VS Code list them.
    let listed = [
        "http://localhost/callback",
        "http://127.0.0.1/",
        "http://127.0.0.1:33418/",
    ];
    let registered = world.client_with(&listed, "Registered").await;
    let document = json!({"client_id": DOCUMENT, "redirect_uris": listed});
    host::publish(&world, &document).await;
    for client in [registered.as_str(), DOCUMENT] {
        for good in [
            "http://localhost:53124/callback",
            "http://localhost/callback",
            "http://127.0.0.1:61000/",
            "http://127.0.0.1:61000",
        ] {
            let page = world.get(&authorize(client, &[("redirect_uri", good)])).await;
            assert!(page.is_page(200), "{client} {good}");
        }
        for bad in [
            "http://localhost:53124/other",
            "http://127.0.0.1:61000/callback",
            "http://[::1]:61000/",
            "https://localhost:53124/callback",
        ] {
            let page = world.get(&authorize(client, &[("redirect_uri", bad)])).await;
            assert!(page.is_page(400), "{client} {bad}");
        }
    }
}

#[tokio::test]
async fn apps_with_their_own_scheme_and_clients_on_premises_are_accepted() {
    let world = World::new().await;
    let listed = [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "http://10.1.2.3:8080/callback",
    ];
    let client = world.client_with(&listed, "Cursor").await;
    for redirect in listed {
        let page = world
            .get(&authorize(&client, &[("redirect_uri", redirect)]))
            .await;
        assert!(page.is_page(200), "{redirect}");
        // Told of an error by a link, with the issuer.
        let wrong = [("redirect_uri", redirect), ("code_challenge_method", "plain")];
        let location = way_back(&world.get(&authorize(&client, &wrong)).await);
        assert!(location.as_str().starts_with(redirect), "{location}");
        assert_eq!(parameter(&location, "iss").as_deref(), Some(ISSUER));
    }
    let elsewhere = authorize(&client, &[("redirect_uri", "cursor://evil/oauth/callback")]);
    assert!(world.get(&elsewhere).await.is_page(400));
}

#[tokio::test]
async fn a_client_that_registers_again_and_again_from_one_address_is_accepted() {
    let world = World::new().await;
    for _ in 0..500 {
        world.client().await;
    }
    let client = world.client().await;
    assert!(world.get(&authorize(&client, &[])).await.is_page(200));
}

#[tokio::test]
async fn a_public_client_may_send_a_secret_that_it_never_received() {
    let world = World::new().await;
    let metadata = json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"});
    let registered = world.register(REGISTER, &metadata).await.json();
    assert!(registered.get("client_secret").is_none());
    let client = registered["client_id"].as_str().unwrap();
    let code = world.code(client).await;
    let mut form = code_form(client, &code);
    form.push(("client_secret", ""));
    assert_eq!(world.post(TOKEN, &form).await.status, StatusCode::OK);
    let code = world.code(client).await;
    let mut form = code_form(client, &code);
    form.push(("client_secret", "undefined"));
    assert_eq!(world.post(TOKEN, &form).await.status, StatusCode::OK);
}

#[tokio::test]
async fn granted_scopes_are_those_asked_for_and_a_refresh_token_comes_either_way() {
    let world = World::new().await;
    let client = world.client().await;
    for scope in ["mcp", "mcp offline_access"] {
        let code = world.code_of(&client, scope).await;
        let answer = world.redeem(&client, &code).await.json();
        assert_eq!(answer["scope"], scope);
        let refreshed = world
            .refresh(&client, answer["refresh_token"].as_str().unwrap())
            .await;
        assert_eq!(refreshed.status, StatusCode::OK, "{scope}");
        assert_eq!(refreshed.json()["scope"], scope);
    }
}

#[tokio::test]
async fn scopes_beyond_what_was_registered_or_exists_are_ignored() {
    let world = World::new().await;
    let metadata = json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none", "scope": "mcp"});
    let registered = world.register(REGISTER, &metadata).await.json();
    let client = registered["client_id"].as_str().unwrap();
    for scope in ["mcp offline_access tools:write", "openid profile email", ""] {
        let page = world.get(&authorize(client, &[("scope", scope)])).await;
        assert!(page.is_page(200), "{scope}");
    }
}

#[tokio::test]
async fn the_resource_may_be_named_at_refresh_too_with_or_without_its_slash() {
    let world = World::new().await;
    let (client, _, mut token) = world.signed_in().await;
    for resource in [ISSUER.to_owned(), format!("{ISSUER}/")] {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client.as_str()),
            ("refresh_token", token.as_str()),
            ("resource", resource.as_str()),
        ];
        let answer = world.post(TOKEN, &form).await;
        assert_eq!(answer.status, StatusCode::OK, "{resource}: {}", answer.body);
        let access = answer.json()["access_token"].as_str().unwrap().to_owned();
        let claims = world.app.signing.verify_access_token(&access, world.app.now());
        assert_eq!(claims.unwrap().aud, ISSUER, "however it was written");
        token = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    }
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", client.as_str()),
        ("refresh_token", token.as_str()),
        ("resource", "http://127.0.0.1:8080/mcp/other"),
    ];
    assert_eq!(world.post(TOKEN, &form).await.error(), "invalid_target");
    assert_eq!(world.refresh(&client, &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn metadata_offers_all_three_ways_side_by_side() {
    let world = World::new().await;
    let path = "/.well-known/oauth-authorization-server/mcp/acme";
    let document = world.get(path).await.json();
    assert_eq!(document["client_id_metadata_document_supported"], true);
    assert_eq!(
        document["registration_endpoint"],
        format!("{ISSUER}/oauth2/register")
    );
    let methods = document["token_endpoint_auth_methods_supported"]
        .as_array()
        .unwrap();
    for method in [
        "none",
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
    ] {
        assert!(methods.contains(&json!(method)), "{method}");
    }
    let algorithms = document["token_endpoint_auth_signing_alg_values_supported"]
        .as_array()
        .unwrap();
    assert!(algorithms.contains(&json!("ES256")) && !algorithms.contains(&json!("none")));
    assert!(
        !algorithms
            .iter()
            .any(|name| name.as_str().unwrap().starts_with("HS"))
    );
}

#[tokio::test]
async fn an_app_without_a_name_is_called_so_in_a_sentence() {
    let world = World::new().await;
    let client = world.client_with(&[REDIRECT], "").await;
    let page = world.get(&authorize(&client, &[])).await;
    assert!(page.is_page(200));
    assert!(
        page.body
            .contains("<h1>Allow an unnamed app to use <bdi>Tools of acme</bdi>?</h1>")
    );
    assert!(page.body.contains("An app without a name"));
    assert!(!page.body.contains("chose this name"));
}
