//! When what the answer depends on is not there, the answer is 503 and never "allow".

use std::time::Duration;

use gatewright_domain::gateway::Authentication;
use http::{Request, StatusCode};

use super::world::{World, authorize, code_form, parameter, sealed};

#[tokio::test]
async fn a_store_that_is_gone_is_503_with_retry_after() {
    let world = World::new().await;
    let (client, _, refresh) = world.signed_in().await;
    let code = world.code(&client).await;
    let form = sealed(&world.get(&authorize(&client, &[])).await);
    world.app.store.close().await;
    let refresh_form = [
        ("grant_type", "refresh_token"),
        ("client_id", client.as_str()),
        ("refresh_token", refresh.as_str()),
    ];
    for (path, form) in [
        ("/mcp/acme/oauth2/token", code_form(&client, &code)),
        ("/mcp/acme/oauth2/token", refresh_form.to_vec()),
        (
            "/mcp/acme/oauth2/revoke",
            vec![("client_id", client.as_str()), ("token", refresh.as_str())],
        ),
    ] {
        let answer = world.post(path, &form).await;
        assert_eq!(
            answer.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{path}: {}",
            answer.body
        );
        assert_eq!(answer.error(), "temporarily_unavailable");
        assert!(
            answer
                .header("retry-after")
                .parse::<u32>()
                .is_ok_and(|seconds| seconds > 0)
        );
    }
    let allow = [("request", form.as_str()), ("decision", "allow")];
    let page = world
        .post_with(
            "/mcp/acme/oauth2/authorize",
            &allow,
            &[("sec-fetch-site", "same-origin")],
        )
        .await;
    // Beginning a sign-in needs no store. Coming back does.
    let location = page.location();
    let state = parameter(&location, "state").unwrap();
    let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
    let back = Request::get(format!("/oauth2/intermediate_callback?code=c&state={state}"))
        .header("cookie", cookie)
        .body(String::new())
        .unwrap();
    let page = world.send(back).await;
    assert!(page.is_page(503), "{page:?}");
}

#[tokio::test]
async fn a_configuration_that_is_not_confirmed_is_503() {
    let world = World::new().await;
    let client = world.client().await;
    world.clock.advance(Duration::from_secs(6));
    let metadata = world.get("/.well-known/oauth-protected-resource/mcp/acme").await;
    assert_eq!(metadata.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(world.get(&authorize(&client, &[])).await.is_page(503));
    let token = world
        .post("/mcp/acme/oauth2/token", &[("client_id", &client)])
        .await;
    assert_eq!(token.status, StatusCode::SERVICE_UNAVAILABLE);
    world.app.refresh_directory().await.unwrap();
    assert!(world.get(&authorize(&client, &[])).await.is_page(200));
}

#[tokio::test]
async fn a_gateway_of_another_mode_refuses_sign_ins() {
    let world = World::new().await;
    world
        .add_gateway("headers", |gateway| {
            gateway.authentication = Authentication::Headers;
        })
        .await;
    let client = world.client().await;
    let page = world
        .get(&authorize(&client, &[]).replace("/mcp/acme/", "/mcp/headers/"))
        .await;
    assert!(page.is_page(404), "{page:?}");
}
