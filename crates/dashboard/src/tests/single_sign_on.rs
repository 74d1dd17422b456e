//! The pages of single sign-on, with an identity provider for administrators.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderValue, Request, header};
use tower::ServiceExt as _;
use url::Url;

use crate::{
    request::{RequestContext, RequestId},
    service::single_sign_on::{SingleSignOnError, provider::AdministratorError},
    testing::single_sign_on::{Away, World},
};

#[tokio::test]
async fn the_pages_lead_there_and_back() {
    let world = World::new().await;
    world.person("ada", "ada@example.com", true);
    let get = async |path: &str, cookie: &str, site: &str| {
        let context = RequestContext::known(RequestId::known(1), [192, 0, 2, 7]);
        let request = Request::get(path)
            .header(header::COOKIE, cookie)
            .header("sec-fetch-site", site)
            .extension(context)
            .body(Body::empty())
            .unwrap();
        crate::router(Arc::clone(&world.test.app))
            .oneshot(request)
            .await
            .unwrap()
    };
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let pair = |value: &HeaderValue| text(value).split(';').next().unwrap().to_owned();
    // Another site begins nothing.
    let begun = get("/account/oidc?next=%2Faccount", "", "cross-site").await;
    assert_eq!(text(&begun.headers()[header::LOCATION]), "/sign-in");
    let begun = get("/account/oidc?next=%2Faccount", "", "same-origin").await;
    let url = Url::parse(&text(&begun.headers()[header::LOCATION])).unwrap();
    let cookie = pair(&begun.headers()[header::SET_COOKIE]);
    let away = Away { url, cookie };
    let nonce = away
        .url
        .query_pairs()
        .find(|(name, _)| name == "nonce")
        .unwrap()
        .1
        .into_owned();
    world.provider.script().nonce = nonce;
    let path = format!("/account/oidc/callback?code=c&state={}", away.state());
    let stranger = get(&path, "", "cross-site").await;
    assert_eq!(stranger.status(), 422);
    let back = get(&path, &away.cookie, "cross-site").await;
    assert_eq!(text(&back.headers()[header::LOCATION]), "/account");
    let cookies: Vec<_> = back
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .map(pair)
        .collect();
    assert!(
        cookies[0].starts_with("gatewright-session=") && cookies[1].ends_with('='),
        "{cookies:?}"
    );
    assert_eq!(get("/account", &cookies[0], "none").await.status(), 200);
}

#[tokio::test]
async fn an_answer_that_is_posted_is_refused_and_names_a_reference() {
    let world = World::new().await;
    world.person("sam", "sam@staff.example.com", true);
    let away = world.leave("/projects").await;
    let posted = Request::post("/account/oidc/callback")
        .header(header::ORIGIN, "https://login.example.com")
        .header("sec-fetch-site", "cross-site")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .extension(RequestContext::known(RequestId::known(2), [192, 0, 2, 7]))
        .body(Body::from(format!("code=c&state={}", away.state())))
        .unwrap();
    let router = crate::router(Arc::clone(&world.test.app));
    let answer = router.oneshot(posted).await.unwrap();
    assert_eq!(answer.status(), 422);
    let page = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let page = String::from_utf8_lossy(&page);
    assert!(page.contains("sent its answer as a form"), "{page}");
    // Its code belongs only to this sign-in.
    let other = world.leave("/projects").await;
    let query = format!("code=c&state={}", other.state());
    assert!(matches!(
        world.come_back(&query, &other.cookie).await,
        Err(SingleSignOnError::Provider(AdministratorError::CodeOfAnother))
    ));
}
