//! Each token and code in place of another kind: refused, and still valid for its own purpose.

use http::{Method, Request, StatusCode};

use super::world::{Answer, World};

async fn call(world: &World, bearer: &str) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/mcp/acme")
        .header("authorization", format!("Bearer {bearer}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    world.send(request.body(ping.to_owned()).unwrap()).await
}

#[tokio::test]
async fn each_kind_is_valid_for_its_own_use_only() {
    let world = World::new().await;
    let (client, access, refresh) = world.signed_in().await;
    let code = world.code(&client).await;
    let claims = world
        .app
        .signing
        .verify_access_token(&access, world.app.now())
        .unwrap();
    let assertion = world.app.signing.sign_assertion(&claims);

    for (what, bearer) in [
        ("a refresh token", &refresh),
        ("a code", &code),
        ("an assertion", &assertion),
        ("a client id", &client),
    ] {
        let answer = call(&world, bearer).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.contains("invalid_token"), "{what}: {challenge}");
    }
    for (what, token) in [
        ("an access token", &access),
        ("a code", &code),
        ("an assertion", &assertion),
    ] {
        assert_eq!(
            world.refresh(&client, token).await.error(),
            "invalid_grant",
            "{what}"
        );
    }
    for (what, presented) in [("an access token", &access), ("a refresh token", &refresh)] {
        assert_eq!(
            world.redeem(&client, presented).await.error(),
            "invalid_grant",
            "{what}"
        );
    }

    assert!(world.is_live(&access).await);
    assert_ne!(call(&world, &access).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.refresh(&client, &refresh).await.status, StatusCode::OK);
    assert_eq!(world.redeem(&client, &code).await.status, StatusCode::OK);
    assert!(world.revocations().await.is_empty());
}
