//! Revocation: only by the client whose token it is, and immediately.

use http::StatusCode;

use super::world::World;

async fn revoke(world: &World, client: &str, token: &str) -> StatusCode {
    let form = [("client_id", client), ("token", token)];
    world.post("/mcp/acme/oauth2/revoke", &form).await.status
}

#[tokio::test]
async fn either_token_ends_the_grant_before_the_answer_is_sent() {
    let world = World::new().await;
    for by_refresh_token in [true, false] {
        let (client, access, refresh) = world.signed_in().await;
        assert!(world.is_live(&access).await);
        let token = if by_refresh_token { &refresh } else { &access };
        assert_eq!(revoke(&world, &client, token).await, StatusCode::OK);
        assert!(!world.is_live(&access).await);
        let claims = world
            .app
            .signing
            .verify_access_token(&access, world.app.now())
            .unwrap();
        let directory = world.app.directory.current().unwrap();
        assert!(directory.denies(gatewright_store::revocation::Denied::Grant(claims.grant)));
        assert_eq!(world.refresh(&client, &refresh).await.error(), "invalid_grant");
        assert_eq!(revoke(&world, &client, token).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn another_clients_token_and_unknown_ones_answer_200_and_nothing_happens() {
    let world = World::new().await;
    let (client, access, refresh) = world.signed_in().await;
    let stranger = world.client().await;
    for token in [access.as_str(), refresh.as_str(), "nothing"] {
        assert_eq!(revoke(&world, &stranger, token).await, StatusCode::OK, "{token}");
    }
    assert!(world.is_live(&access).await);
    assert_eq!(revoke(&world, "nobody", &refresh).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        world
            .post("/revoke", &[("client_id", &client), ("token", &refresh)])
            .await
            .status,
        StatusCode::OK
    );
    assert!(!world.is_live(&access).await);
}
