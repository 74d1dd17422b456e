//! The mode of members: who is asked, what *Allow* issues, and what ends it.

use gatewright_domain::{
    audit::Origin,
    gateway::{Authentication, TrustedClient},
    member::Role,
};
use http::StatusCode;

use super::{
    app, host,
    world::{REDIRECT, World, authorize, parameter, sealed},
};
use gatewright_gateway::authorization_server::testing::members::{
    PATH, allow_as, call, get_as, person, world,
};

use crate::service::{Authority, IfMatch, accounts, members as service};

const DOCUMENT: &str = "https://client.example/oauth/client.json";

/// A client and the tokens that a member got for it.
async fn signed_in(world: &World, cookie: &str) -> (String, String, String) {
    let client = world.client().await;
    let page = get_as(world, &authorize(&client, &[]), cookie).await;
    let location = allow_as(world, &sealed(&page), cookie).await.location();
    let code = parameter(&location, "code").unwrap();
    let answer = world.redeem(&client, &code).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let json = answer.json();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    (client, text("access_token"), text("refresh_token"))
}

#[tokio::test]
async fn a_person_who_is_not_signed_in_does_that_first_and_comes_back() {
    let world = world().await;
    let path = authorize(&world.client().await, &[]);
    let answer = world.get(&path).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let here = url::Url::parse("http://127.0.0.1:8080").unwrap();
    let location = here.join(answer.header("location")).unwrap();
    assert_eq!(location.path(), "/sign-in");
    assert_eq!(parameter(&location, "next"), Some(path));
    let stale = get_as(
        &world,
        &authorize(&world.client().await, &[]),
        "gatewright-session=old",
    )
    .await;
    assert!(stale.header("location").starts_with("/sign-in?next="));
}

#[tokio::test]
async fn a_member_who_allows_gets_a_code_in_their_own_name() {
    let world = world().await;
    let (ada, cookie) = person(&world, "Ada", Some(Role::Viewer)).await;
    let client = world.client().await;
    let page = get_as(&world, &authorize(&client, &[]), &cookie).await;
    assert!(page.is_page(200), "{page:?}");
    assert!(page.body.contains("Ada") && page.body.contains("Ada@example.com"));
    let answer = allow_as(&world, &sealed(&page), &cookie).await;
    let location = answer.location();
    assert!(location.as_str().starts_with(REDIRECT));
    assert_eq!(parameter(&location, "state").as_deref(), Some("the state"));
    assert!(parameter(&location, "iss").is_some());
    assert!(!answer.headers.contains_key("set-cookie"));

    let (_, token, _) = signed_in(&world, &cookie).await;
    let claims = world
        .app
        .signing
        .verify_access_token(&token, world.app.now())
        .unwrap();
    assert_eq!(claims.person.account_id(), Some(ada));
    assert_eq!(call(&world, &token).await, StatusCode::OK);
}

#[tokio::test]
async fn a_person_who_is_not_a_member_reads_whom_to_ask() {
    let world = world().await;
    person(&world, "Olga", Some(Role::Owner)).await;
    let (_, cookie) = person(&world, "Bo", None).await;
    let answer = get_as(&world, &authorize(&world.client().await, &[]), &cookie).await;
    assert!(answer.is_page(403), "{answer:?}");
    assert!(answer.body.contains("Ask Olga, who owns the project") && answer.body.contains("Bo@example.com"));
}

#[tokio::test]
async fn only_who_was_asked_can_allow() {
    let world = world().await;
    let (_, ada) = person(&world, "Ada", Some(Role::Admin)).await;
    let (_, bo) = person(&world, "Bo", Some(Role::Admin)).await;
    let client = world.client().await;
    let form = sealed(&get_as(&world, &authorize(&client, &[]), &ada).await);
    for cookie in [bo.as_str(), "", "gatewright-session=made-up"] {
        assert!(allow_as(&world, &form, cookie).await.is_page(403));
    }
    let cross_site = [("sec-fetch-site", "cross-site"), ("cookie", ada.as_str())];
    let fields = [("request", form.as_str()), ("decision", "allow")];
    assert!(world.post_with(PATH, &fields, &cross_site).await.is_page(403));
    assert!(parameter(&allow_as(&world, &form, &ada).await.location(), "code").is_some());
}

#[tokio::test]
async fn a_form_of_a_gateway_that_was_for_users_of_a_source_allows_nothing_afterwards() {
    let world = World::new().await;
    let form = sealed(&world.get(&authorize(&world.client().await, &[])).await);
    let members = |gateway: &mut gatewright_domain::gateway::Gateway| {
        gateway.authentication = Authentication::ProjectMembers;
    };
    world.change_gateway("acme", members).await;
    let (_, cookie) = person(&world, "Ada", Some(Role::Admin)).await;
    assert!(allow_as(&world, &form, &cookie).await.is_page(403));
}

#[tokio::test]
async fn removal_and_disabling_end_the_grants_on_the_next_request() {
    let world = world().await;
    let operator = Authority::operator(Origin::Cli);
    person(&world, "Olga", Some(Role::Owner)).await;
    let (ada, cookie) = person(&world, "Ada", Some(Role::Viewer)).await;
    let (client, token, refresh) = signed_in(&world, &cookie).await;
    assert_eq!(call(&world, &token).await, StatusCode::OK);
    service::remove(&app(&world.app), &operator, world.project, ada, &IfMatch::Any)
        .await
        .unwrap();
    assert_eq!(call(&world, &token).await, StatusCode::UNAUTHORIZED);
    assert_eq!(world.refresh(&client, &refresh).await.error(), "invalid_grant");
    let again = get_as(&world, &authorize(&client, &[]), &cookie).await;
    assert!(
        again.header("location").starts_with("/sign-in"),
        "the session ended too"
    );

    let (bo, cookie) = person(&world, "Bo", Some(Role::Viewer)).await;
    let (client, token, refresh) = signed_in(&world, &cookie).await;
    assert_eq!(call(&world, &token).await, StatusCode::OK);
    let patch = serde_json::from_value(serde_json::json!({ "status": "disabled" })).unwrap();
    accounts::update(&app(&world.app), &operator, bo, patch, &IfMatch::Any)
        .await
        .unwrap();
    assert_eq!(call(&world, &token).await, StatusCode::UNAUTHORIZED);
    let patch = serde_json::from_value(serde_json::json!({ "status": "active" })).unwrap();
    accounts::update(&app(&world.app), &operator, bo, patch, &IfMatch::Any)
        .await
        .unwrap();
    assert_eq!(
        call(&world, &token).await,
        StatusCode::UNAUTHORIZED,
        "it does not come back"
    );
    assert_eq!(world.refresh(&client, &refresh).await.error(), "invalid_grant");
}

#[tokio::test]
async fn an_administrator_ends_what_a_member_holds() {
    let world = world().await;
    let operator = Authority::operator(Origin::Cli);
    let (ada, cookie) = person(&world, "Ada", Some(Role::Viewer)).await;
    let (_, first, _) = signed_in(&world, &cookie).await;
    let (_, second, _) = signed_in(&world, &cookie).await;
    let page = gatewright_store::PageRequest::first(10);
    let listed = service::grants(&app(&world.app), &operator, world.project, ada, &page)
        .await
        .unwrap();
    assert_eq!(listed.items.len(), 2);
    let claims = world
        .app
        .signing
        .verify_access_token(&first, world.app.now())
        .unwrap();
    service::end_grant(&app(&world.app), &operator, world.project, ada, claims.grant)
        .await
        .unwrap();
    assert_eq!(call(&world, &first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(call(&world, &second).await, StatusCode::OK);
    let ended = service::end_grants(&app(&world.app), &operator, world.project, ada)
        .await
        .unwrap();
    assert_eq!(ended, 1);
    assert_eq!(call(&world, &second).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_trusted_client_gets_the_code_of_a_signed_in_member_at_once() {
    let world = world().await;
    let redirect = "https://client.example/cb";
    let document =
        serde_json::json!({ "client_id": DOCUMENT, "client_name": "Known", "redirect_uris": [redirect] });
    host::publish(&world, &document).await;
    let trust = |gateway: &mut gatewright_domain::gateway::Gateway| {
        gateway.trusted_clients = vec![TrustedClient {
            url: DOCUMENT.to_owned(),
            allow_loopback: false,
        }];
    };
    world.change_gateway("acme", trust).await;
    let path = authorize(DOCUMENT, &[("redirect_uri", redirect)]);
    assert!(world.get(&path).await.header("location").starts_with("/sign-in"));
    let (_, cookie) = person(&world, "Ada", Some(Role::Viewer)).await;
    let location = get_as(&world, &path, &cookie).await.location();
    assert!(parameter(&location, "code").is_some());
}
