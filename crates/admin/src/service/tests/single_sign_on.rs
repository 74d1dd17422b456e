//! Signing in as an administrator at the identity provider of the instance.

use std::sync::Arc;

use axum::body::Body;
use gatewright_domain::{audit::Origin, registration::SecretMethod, secret::Secret};
use gatewright_store::PageRequest;
use http::Request;
use serde_json::json;
use tower::ServiceExt as _;

use crate::{
    relying_party::testing::TokenRule,
    request::{RequestContext, RequestId},
    service::single_sign_on::provider::AdministratorError,
    service::{
        Authority, account_sessions, sign_in,
        single_sign_on::{self, SingleSignOnError},
        users,
    },
    testing::{
        TestAdmin,
        single_sign_on::{PASSWORD, World, visitor},
    },
};

#[tokio::test]
async fn an_invited_person_gets_an_account_and_is_known_by_subject_from_then_on() {
    let world = World::new().await;
    world.invite("grace@example.com").await;
    world.person("grace", "Grace@example.com", true);
    let away = world.leave("/projects?x=1").await;
    assert_eq!(away.url.path(), "/authorize");
    let redirect = away
        .url
        .query_pairs()
        .find(|(name, _)| name == "redirect_uri")
        .unwrap()
        .1
        .into_owned();
    assert_eq!(redirect, "http://127.0.0.1:8080/account/oidc/callback");
    let query = format!("code=c&state={}", away.state());
    let first = world.come_back(&query, &away.cookie).await.unwrap();
    assert_eq!(first.next, "/projects?x=1");
    assert!(!first.begun.account.has_password && !first.begun.account.is_instance_admin);
    assert!(
        account_sessions::find(world.app(), &first.begun.token)
            .await
            .unwrap()
            .is_some()
    );
    // The address may change at the provider; the person stays.
    world.person("grace", "grace@elsewhere.example", false);
    let second = world.sign_in().await.unwrap();
    assert_eq!(second.begun.account.id, first.begun.account.id);
    assert_eq!(world.accounts().await, 2);
    // No end user came of it.
    let operator = Authority::operator(Origin::Cli);
    let page = PageRequest::first(50);
    let projects = crate::service::projects::list(world.app(), &operator, &page)
        .await
        .unwrap();
    let filter = users::UserFilter::default();
    let found = users::list(world.app(), &operator, projects.items[0].id, &filter, &page)
        .await
        .unwrap();
    assert!(found.items.is_empty());
}

#[tokio::test]
async fn the_way_to_send_the_secret_is_found_and_remembered_and_a_token_may_be_dated_back() {
    let mut world = World::new().await;
    world.person("sam", "sam@staff.example.com", true);
    {
        let mut script = world.provider.script();
        script.method = Some(SecretMethod::Post);
        let issued = script.now - 600;
        script.claims["iat"] = json!(issued);
    }
    for asked in [2, 3] {
        world.sign_in().await.unwrap();
        assert_eq!(world.provider.asked("token"), asked);
    }
    world.test.app = world.test.another().await.unwrap();
    world.sign_in().await.unwrap();
    assert_eq!(world.provider.asked("token"), 4, "remembered after a restart");
}

#[tokio::test]
async fn a_stranger_gets_no_account_and_a_listed_domain_does() {
    let world = World::new().await;
    world.person("eve", "eve@example.com", true);
    assert!(matches!(
        world.sign_in().await,
        Err(SingleSignOnError::NotInvited)
    ));
    world.person("eve", "eve@evil-staff.example.com", true);
    assert!(matches!(
        world.sign_in().await,
        Err(SingleSignOnError::NotInvited)
    ));
    world.person("eve", "eve@staff.example.com", false);
    assert!(matches!(
        world.sign_in().await,
        Err(SingleSignOnError::NoVerifiedAddress)
    ));
    world.provider.script().claims =
        json!({"sub": "eve", "email": "eve@staff.example.com", "email_verified": "true"});
    assert!(matches!(
        world.sign_in().await,
        Err(SingleSignOnError::NoVerifiedAddress)
    ));
    assert_eq!(world.accounts().await, 1);
    world.person("sam", "Sam@STAFF.example.com", true);
    let begun = world.sign_in().await.unwrap().begun;
    let session = account_sessions::find(world.app(), &begun.token)
        .await
        .unwrap()
        .unwrap();
    assert!(session.memberships.is_empty());
}

#[tokio::test]
async fn an_address_links_only_when_verified_and_only_once() {
    let world = World::new().await;
    world.person("eve", "ada@example.com", false);
    assert!(matches!(
        world.sign_in().await,
        Err(SingleSignOnError::NoVerifiedAddress)
    ));
    assert!(
        account_sessions::find(world.app(), &world.owner.token)
            .await
            .unwrap()
            .is_some()
    );
    world.person("ada", "ada@example.com", true);
    let linked = world.sign_in().await.unwrap().begun;
    assert_eq!(linked.account.id, world.owner.account.id);
    assert!(linked.account.is_instance_admin);
    // What was set before the provider vouched for the person is deleted.
    assert!(
        account_sessions::find(world.app(), &world.owner.token)
            .await
            .unwrap()
            .is_none()
    );
    let password =
        sign_in::with_password(world.app(), &visitor(), "ada@example.com", &Secret::new(PASSWORD)).await;
    assert!(matches!(password, Err(sign_in::SignInError::Wrong)));
    // The address passes on to someone else at the provider; the account does not.
    world.person("new employee", "ada@example.com", true);
    assert!(matches!(
        world.sign_in().await,
        Err(SingleSignOnError::AnotherPerson)
    ));
    world.person("ada", "ada@example.com", true);
    world.sign_in().await.unwrap();
}

#[tokio::test]
async fn only_the_browser_that_began_finishes_and_only_with_its_own_state() {
    let world = World::new().await;
    world.person("ada", "ada@example.com", true);
    let (away, other) = (world.leave("/").await, world.leave("/").await);
    let forms = || world.provider.script().forms.len();
    for (query, cookie) in [
        (format!("code=c&state={}", away.state()), ""),
        (format!("code=c&state={}", away.state()), other.cookie.as_str()),
        (format!("code=c&state={}", other.state()), away.cookie.as_str()),
        ("code=c&state=forged".to_owned(), away.cookie.as_str()),
        ("code=c".to_owned(), away.cookie.as_str()),
        (
            format!("code=c&code=d&state={}", away.state()),
            away.cookie.as_str(),
        ),
        (
            format!("code=c&state={}&iss=https%3A%2F%2Fevil.example", away.state()),
            away.cookie.as_str(),
        ),
        (
            format!("code=c&state={}", away.state()),
            "gatewright-administrator-sign-in=v1.forged.AAAA",
        ),
    ] {
        let refused = world.come_back(&query, cookie).await;
        assert!(matches!(refused, Err(SingleSignOnError::Provider(_))), "{query}");
        assert_eq!(forms(), 0, "the code was redeemed: {query}");
    }
    let denied = format!("error=access_denied&state={}", away.state());
    let refused = world.come_back(&denied, &away.cookie).await;
    assert!(matches!(
        refused,
        Err(SingleSignOnError::Provider(AdministratorError::Refused(_)))
    ));
    world.test.clock.advance(std::time::Duration::from_mins(10));
    let late = world
        .come_back(&format!("code=c&state={}", away.state()), &away.cookie)
        .await;
    assert!(matches!(
        late,
        Err(SingleSignOnError::Provider(AdministratorError::NotBegun))
    ));
    assert_eq!(forms(), 0);
}

#[tokio::test]
async fn a_token_that_is_not_for_this_sign_in_is_refused() {
    let world = World::new().await;
    for wrong in [
        json!({"nonce": "another"}),
        json!({"aud": "another"}),
        json!({"iss": "https://evil.example"}),
        json!({"exp": 1_700_000_000}),
    ] {
        let mut claims = json!({"sub": "ada", "email": "ada@example.com", "email_verified": true});
        claims
            .as_object_mut()
            .unwrap()
            .extend(wrong.as_object().unwrap().clone());
        world.provider.script().claims = claims;
        let refused = world.sign_in().await;
        assert!(
            matches!(
                refused,
                Err(SingleSignOnError::Provider(AdministratorError::IdToken(_)))
            ),
            "{wrong}"
        );
    }
    world.person("ada", "ada@example.com", true);
    world.provider.script().token_rule = TokenRule::ClientFirst;
    assert!(matches!(
        world.sign_in().await,
        Err(SingleSignOnError::Provider(AdministratorError::Token(_)))
    ));
    world.provider.script().token_rule = TokenRule::AnyCode;
    world.sign_in().await.unwrap();
}

#[tokio::test]
async fn an_address_only_userinfo_has_counts_with_its_own_verification() {
    let world = World::new().await;
    // The ID token says that something is verified, and userinfo says what: the two are not put together.
    world.provider.script().claims = json!({"email": null, "email_verified": true});
    world.provider.script().userinfo = json!({"sub": "alice", "email": "ada@example.com"});
    assert!(matches!(
        world.sign_in().await,
        Err(SingleSignOnError::NoVerifiedAddress)
    ));
    world.provider.script().userinfo =
        json!({"sub": "eve", "email": "ada@example.com", "email_verified": true});
    assert!(matches!(
        world.sign_in().await,
        Err(SingleSignOnError::NoVerifiedAddress)
    ));
    world.provider.script().userinfo =
        json!({"sub": "alice", "email": "ada@example.com", "email_verified": true});
    assert_eq!(
        world.sign_in().await.unwrap().begun.account.id,
        world.owner.account.id
    );
}

#[tokio::test]
async fn without_a_provider_there_is_no_button() {
    let world = World::new().await;
    assert_eq!(
        single_sign_on::label(world.app()),
        Some("Sign in with single sign-on")
    );
    let plain = TestAdmin::new().await;
    assert_eq!(single_sign_on::label(&plain.app), None);
    let refused = single_sign_on::begin(&plain.app, None).await;
    assert!(matches!(
        refused,
        Err(SingleSignOnError::Provider(AdministratorError::NotConfigured))
    ));
}

#[tokio::test]
async fn what_leads_elsewhere_leads_home_afterwards() {
    let world = World::new().await;
    world.person("ada", "ada@example.com", true);
    let away = world.leave("//evil.example").await;
    let query = format!("code=c&state={}", away.state());
    assert_eq!(world.come_back(&query, &away.cookie).await.unwrap().next, "/");
}

#[tokio::test]
async fn a_code_that_came_back_for_an_end_user_opens_no_account() {
    let world = World::new().await;
    world.person("ada", "ada@example.com", true);
    let away = world.leave("/").await;
    let context = RequestContext::known(RequestId::known(1), [192, 0, 2, 7]);
    let request = Request::get("/oauth2/intermediate_callback?code=passed-on&state=of-a-hostile-tenant")
        .extension(context)
        .body(Body::empty())
        .unwrap();
    let router = crate::router(Arc::clone(&world.test.app), crate::Beside::default());
    assert_eq!(router.oneshot(request).await.unwrap().status(), 403);
    let query = format!("code=passed-on&state={}", away.state());
    let refused = world.come_back(&query, &away.cookie).await;
    assert!(matches!(
        refused,
        Err(SingleSignOnError::Provider(AdministratorError::CodeOfAnother))
    ));
    assert!(world.provider.script().forms.is_empty(), "the code was redeemed");
    let query = format!("code=its-own&state={}", away.state());
    world.come_back(&query, &away.cookie).await.unwrap();
}
