//! Discovery: every position clients look in, and 404 everywhere else.

use gatewright_domain::gateway::{Authentication, GatewayStatus};
use http::{Method, Request, StatusCode, header::CONTENT_LENGTH};
use serde_json::json;

use super::world::{ISSUER, PUBLIC_URL, World};

#[tokio::test]
async fn a_slash_behind_the_url_of_a_gateway_leads_to_the_same_challenge() {
    let world = World::new().await;
    let challenge = async |path: &str| {
        let request = Request::post(path).header("content-type", "application/json");
        let answer = world.send(request.body("{}".to_owned()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        answer.header("www-authenticate").to_owned()
    };
    let told = challenge("/mcp/acme").await;
    assert!(told.contains("resource_metadata="), "{told}");
    assert_eq!(challenge("/mcp/acme/").await, told);
}

#[tokio::test]
async fn metadata_is_found_in_every_position_and_names_one_issuer() {
    let world = World::new().await;
    for path in [
        "/.well-known/oauth-authorization-server/mcp/acme",
        "/mcp/acme/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration/mcp/acme",
        "/mcp/acme/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/mcp/acme/",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        let document = answer.json();
        assert_eq!(document["issuer"], ISSUER, "{path}");
        assert_eq!(
            document["code_challenge_methods_supported"],
            json!(["S256"]),
            "{path}"
        );
        assert_eq!(
            document["token_endpoint"],
            format!("{ISSUER}/oauth2/token"),
            "{path}"
        );
        assert_eq!(
            document["jwks_uri"],
            format!("{PUBLIC_URL}/.well-known/jwks.json"),
            "{path}"
        );
        assert_eq!(
            document.get("subject_types_supported").is_some(),
            path.contains("openid"),
            "{path}"
        );
    }
    let resource = world
        .get("/.well-known/oauth-protected-resource/mcp/acme")
        .await
        .json();
    assert_eq!(resource["resource"], ISSUER);
    assert_eq!(resource["authorization_servers"], json!([ISSUER]));
    let keys = world.get("/.well-known/jwks.json").await.json();
    assert!(keys["keys"].as_array().is_some_and(|keys| !keys.is_empty()));
    assert!(
        keys["keys"]
            .as_array()
            .unwrap()
            .iter()
            .all(|key| key.get("d").is_none())
    );
}

#[tokio::test]
async fn unknown_paths_gateways_and_modes_are_404_in_json() {
    let world = World::new().await;
    world
        .add_gateway("headers", |gateway| {
            gateway.authentication = Authentication::Headers;
        })
        .await;
    world
        .add_gateway("off", |gateway| {
            gateway.status = GatewayStatus::Inactive;
        })
        .await;
    world.add_gateway("Mixed", |_| {}).await;
    let mixed = world.get("/.well-known/oauth-protected-resource/mcp/Mixed").await;
    assert_eq!(mixed.json()["resource"], format!("{PUBLIC_URL}/mcp/Mixed"));
    let unknown = world
        .get("/.well-known/oauth-protected-resource/mcp/nobody")
        .await;
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server",
        "/.well-known/something/else",
        "/mcp/acme/.well-known/something",
        "/.well-known/oauth-protected-resource/mcp/headers",
        "/.well-known/oauth-authorization-server/mcp/headers",
        "/mcp/headers/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource/mcp/off",
        "/.well-known/oauth-protected-resource/mcp/Acme",
        "/.well-known/oauth-authorization-server/mcp/ACME",
        "/mcp/Acme/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource/mcp/mixed",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.body, unknown.body, "{path}");
        assert!(answer.json().is_object(), "{path}");
    }
    let token = world
        .post("/mcp/headers/oauth2/token", &[("grant_type", "refresh_token")])
        .await;
    assert_eq!(token.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_host_header_builds_no_url() {
    let world = World::new().await;
    let request = Request::get("/.well-known/oauth-protected-resource/mcp/acme")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "https");
    let answer = world.send(request.body(String::new()).unwrap()).await;
    assert_eq!(answer.json()["resource"], ISSUER);
    assert!(!answer.body.contains("evil"));
}

#[tokio::test]
async fn scripts_of_any_origin_may_ask_where_programs_do_and_nowhere_else() {
    let world = World::new().await;
    let preflight = |path: &str| {
        Request::builder()
            .method(Method::OPTIONS)
            .uri(path)
            .header("origin", "https://inspector.example")
            .header("access-control-request-method", "POST")
            .body(String::new())
            .unwrap()
    };
    for path in [
        "/mcp/acme/oauth2/token",
        "/mcp/acme/oauth2/register",
        "/mcp/acme/oauth2/revoke",
        "/.well-known/oauth-protected-resource/mcp/acme",
    ] {
        let answer = world.send(preflight(path)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}");
        assert!(
            answer
                .header("access-control-allow-headers")
                .contains("Authorization"),
            "{path}"
        );
    }
    let consent = world.send(preflight("/mcp/acme/oauth2/authorize")).await;
    assert_eq!(consent.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn what_is_answered_before_the_router_is_answered_alike() {
    let world = World::new().await;
    for name in ["oauth-protected-resource", "oauth-authorization-server"] {
        for (slug, status) in [("acme", StatusCode::OK), ("nobody", StatusCode::NOT_FOUND)] {
            let path = format!("/.well-known/{name}/mcp/{slug}");
            let direct = world.get(&path).await;
            let mut routed = world.get(&format!("{path}/")).await;
            // On the wire the server writes it for both.
            routed.headers.remove(CONTENT_LENGTH);
            assert_eq!(direct.status, status, "{path}");
            assert_eq!(direct.status, routed.status, "{path}");
            assert_eq!(direct.body, routed.body, "{path}");
            assert_eq!(direct.headers, routed.headers, "{path}");
            let posted = world
                .send(Request::post(&path).body(String::new()).unwrap())
                .await;
            assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }
}

#[tokio::test]
async fn metadata_says_what_is_switched_off() {
    let world = World::new().await;
    world
        .add_gateway("closed", |gateway| {
            gateway.settings.dynamic_registration = false;
            gateway.settings.metadata_documents = false;
        })
        .await;
    let document = world
        .get("/.well-known/oauth-authorization-server/mcp/closed")
        .await
        .json();
    assert!(document.get("registration_endpoint").is_none());
    assert_eq!(document["client_id_metadata_document_supported"], false);
    let refused = world
        .register(
            "/mcp/closed/oauth2/register",
            &json!({"redirect_uris": ["https://app.example/cb"]}),
        )
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}
