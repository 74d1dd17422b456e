//! What a person reads whose single sign-on comes to nothing, at a provider that does each of the things that lead there. The
//! texts are read from the source, so that a new one without such a provider fails here.

use std::sync::Arc;

use axum::body::Body;
use gatewright_domain::account::AccountStatus;
use gatewright_store::account::{self, AccountWrite};
use http::{Request, header};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use crate::{
    relying_party::testing::{Fault, Log, SECRET, Script, literals},
    request::{RequestContext, RequestId},
    testing::single_sign_on::World,
};

const BROKEN: &str = "The identity provider does not answer as it should";

/// The page at the callback.
async fn page(world: &World, query: &str, cookie: &str) -> String {
    let request = Request::get(format!("/account/oidc/callback?{query}"))
        .header(header::COOKIE, cookie)
        .body(Body::empty());
    answer(world, request.unwrap()).await
}

/// The page for an answer that the provider posts as a form.
async fn posted(world: &World) -> String {
    let request = Request::post("/account/oidc/callback")
        .header("sec-fetch-site", "cross-site")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from("code=c&state=forged"));
    answer(world, request.unwrap()).await
}

async fn answer(world: &World, mut request: Request<Body>) -> String {
    request
        .extensions_mut()
        .insert(RequestContext::known(RequestId::known(1), [192, 0, 2, 7]));
    let router = crate::router(Arc::clone(&world.test.app));
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 422);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The page after a whole sign-in that comes to nothing.
async fn refused(world: &World) -> String {
    let away = world.leave("/").await;
    let state = away.state();
    page(
        world,
        &format!("code=code-{}&state={state}", &state[..8]),
        &away.cookie,
    )
    .await
}

#[tokio::test]
async fn every_text_is_reached() {
    let world = World::new().await;
    let mut pages = vec![
        page(&world, "code=c&state=forged", "").await,
        posted(&world).await,
    ];
    let away = world.leave("/").await;
    let query = format!("error=access_denied&state={}", away.state());
    pages.push(page(&world, &query, &away.cookie).await);
    world.provider.script().claims = json!({"nonce": "another"});
    pages.push(refused(&world).await);
    for verified in [false, true] {
        world.person("eve", "eve@example.com", verified);
        pages.push(refused(&world).await);
    }
    world.person("ada", "ada@example.com", true);
    world.sign_in().await.unwrap();
    world.person("somebody else", "ada@example.com", true);
    pages.push(refused(&world).await);
    world.person("sam", "sam@staff.example.com", true);
    let sam = world.sign_in().await.unwrap().begun.account.id;
    let mut tx = world.app().gateways().store.write().await.unwrap();
    let (disabled, now) = (AccountStatus::Disabled, world.app().now());
    let written = account::set_status(&mut tx, sam, disabled, now).await.unwrap();
    assert!(matches!(written, AccountWrite::Done));
    tx.commit().await.unwrap();
    pages.push(refused(&world).await);
    let texts = literals(include_str!("../single_sign_on.rs"));
    assert_eq!(texts.len(), pages.len(), "{texts:?}");
    for text in texts {
        let is_reached = pages.iter().any(|page| page.contains(&text));
        assert!(is_reached, "no test reaches {text:?}");
    }
}

/// What a provider does, and what those who run the instance read in the log.
type Row = (fn(&mut Script), &'static str);

const ROWS: [Row; 7] = [
    (
        |script| {
            script.secrets.clear();
            let words = "AADSTS7000222: The provided client secret keys are expired.";
            script.client_words = Some(json!({"error": "invalid_client", "error_description": words}));
        },
        "refused the client credentials (HTTP 401, invalid_client, AADSTS7000222)",
    ),
    (
        |script| script.claims = json!({"azp": "another"}),
        "`azp` of the ID token",
    ),
    (
        |script| script.claims = json!({"iss": "https://login.microsoftonline.com/{tenantid}/v2.0"}),
        "the provider's is a template for many tenants",
    ),
    (
        |script| script.answer = json!({"id_token": null}),
        "has no ID token",
    ),
    (
        |script| script.answer = json!({"error": "temporarily_unavailable"}),
        "temporarily_unavailable",
    ),
    (
        |script| script.faults = [("token", Fault::Status(503))].into(),
        "HTTP status 503",
    ),
    (
        |script| script.faults = [("jwks", Fault::Html)].into(),
        "the key set (jwks_uri) is not what it should be",
    ),
];

#[tokio::test]
async fn whatever_a_provider_does_wrong_is_one_page_and_its_reason_is_in_the_log() {
    for (does, reason) in ROWS {
        let world = World::new().await;
        world.person("ada", "ada@example.com", true);
        does(&mut world.provider.script());
        let log = Log::listen();
        let page = refused(&world).await;
        assert!(page.contains(BROKEN), "{reason:?}: {page}");
        let text = log.text();
        assert!(text.contains(reason), "{reason:?}: {text}");
        assert!(!text.contains(SECRET) && !page.contains(reason), "{reason:?}");
    }
}
