//! Consent: nothing happens without a choice on our own page, and everything with one.

use std::time::Duration;

use http::StatusCode;

use super::world::{Answer, ISSUER, REDIRECT, World, authorize, parameter, sealed};
use crate::{authorization_server::limits::Action, request::RequestContext};

const PATH: &str = "/mcp/acme/oauth2/authorize";
const OURS: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];

async fn form(world: &World) -> String {
    let client = world.client().await;
    sealed(&world.get(&authorize(&client, &[])).await)
}

async fn decide(world: &World, sealed: &str, decision: &str, headers: &[(&str, &str)]) -> Answer {
    world
        .post_with(PATH, &[("request", sealed), ("decision", decision)], headers)
        .await
}

#[tokio::test]
async fn allow_sends_the_browser_to_the_provider_with_a_cookie() {
    let world = World::new().await;
    let form = form(&world).await;
    // A proxy that sets `Referrer-Policy: no-referrer` makes the browser's origin `null`.
    let under_a_proxy: &[(&str, &str)] = &[("sec-fetch-site", "same-origin"), ("origin", "null")];
    for headers in [OURS, &[("origin", "http://127.0.0.1:8080")], under_a_proxy] {
        let answer = decide(&world, &form, "allow", headers).await;
        let location = answer.location();
        assert_eq!(location.path(), "/authorize");
        for name in ["state", "nonce", "code_challenge", "redirect_uri"] {
            assert!(parameter(&location, name).is_some(), "{name}");
        }
        assert!(!location.as_str().contains("the+state"));
        assert!(answer.header("set-cookie").contains("HttpOnly"), "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn deny_informs_the_client_and_sets_no_cookie() {
    let world = World::new().await;
    let answer = decide(&world, &form(&world).await, "deny", OURS).await;
    let location = answer.location();
    assert!(location.as_str().starts_with(REDIRECT));
    assert_eq!(parameter(&location, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&location, "state").as_deref(), Some("the state"));
    assert_eq!(parameter(&location, "iss").as_deref(), Some(ISSUER));
    assert!(!answer.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn a_form_posted_from_another_site_does_nothing() {
    let world = World::new().await;
    let form = form(&world).await;
    let cases: &[&[(&str, &str)]] = &[
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("origin", "null")],
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://127.0.0.1:8080"),
        ],
    ];
    // Anyone who wanted to write something would wait in vain.
    let held = world.app.store.write().await.unwrap();
    for headers in cases {
        for decision in ["allow", "deny"] {
            let page = decide(&world, &form, decision, headers).await;
            assert!(page.is_page(403), "{headers:?}: {page:?}");
        }
    }
    drop(held);
    assert_eq!(
        decide(&world, &form, "allow", OURS).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn forms_of_other_gateways_changed_old_or_undecided_ones_do_nothing() {
    let world = World::new().await;
    let form = form(&world).await;
    let fields = [("request", form.as_str()), ("decision", "allow")];
    assert!(
        world
            .post_with("/mcp/other/oauth2/authorize", &fields, OURS)
            .await
            .is_page(400)
    );
    let mut changed = form.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'B' } else { 'A' });
    changed.insert(40, 'x');
    for (form, decision) in [
        (changed.as_str(), "allow"),
        ("", "allow"),
        (form.as_str(), "maybe"),
        (form.as_str(), ""),
    ] {
        assert!(
            decide(&world, form, decision, OURS).await.is_page(400),
            "{decision}"
        );
    }
    world.advance(Duration::from_secs(599)).await;
    assert_eq!(
        decide(&world, &form, "allow", OURS).await.status,
        StatusCode::SEE_OTHER
    );
    world.advance(Duration::from_secs(1)).await;
    assert!(decide(&world, &form, "allow", OURS).await.is_page(400));
}

#[tokio::test]
async fn a_double_click_begins_two_separate_sign_ins() {
    let world = World::new().await;
    let form = form(&world).await;
    let state = |answer: Answer| parameter(&answer.location(), "state").unwrap();
    let first = state(decide(&world, &form, "allow", OURS).await);
    let second = state(decide(&world, &form, "allow", OURS).await);
    assert_ne!(first, second);
}

#[tokio::test]
async fn too_many_sign_ins_from_one_network_are_slowed_before_anything_is_written() {
    let world = World::new().await;
    let form = form(&world).await;
    let context = RequestContext::known(
        crate::request::RequestId::known(0x0123_4567_89ab_cdef),
        std::net::Ipv4Addr::LOCALHOST,
    );
    assert_eq!(
        decide(&world, &form, "allow", OURS).await.status,
        StatusCode::SEE_OTHER
    );
    world
        .app
        .authorization_server
        .limits
        .use_up(Action::BeginSignIn, &context);
    // The writer is busy: a request that waited for it would get another response.
    let held = world.app.store.write().await.unwrap();
    let slowed = decide(&world, &form, "allow", OURS).await;
    assert!(slowed.is_page(429), "{slowed:?}");
    assert_ne!(slowed.header("retry-after"), "");
    // No client's word for another address is taken.
    let mut forged = OURS.to_vec();
    forged.extend([
        ("x-forwarded-for", "203.0.113.9"),
        ("forwarded", "for=203.0.113.9"),
        ("x-real-ip", "203.0.113.9"),
    ]);
    assert!(decide(&world, &form, "allow", &forged).await.is_page(429));
    drop(held);
    let denied = decide(&world, &form, "deny", OURS).await;
    assert_eq!(denied.status, StatusCode::SEE_OTHER, "which begins nothing");
}
