//! The connections page of a gateway for the members of its project.

use gatewright_domain::{
    audit::{ActorKind, Origin},
    member::Role,
};
use gatewright_store::{
    PageRequest,
    audit::{self, AuditFilter},
};
use http::StatusCode;

use super::{
    members::{allow_as, call, get_as, person, world},
    world::{Answer, World, authorize, parameter, sealed},
};

const PAGE: &str = "/mcp/acme/connections";

/// A client of a member, and its access token.
async fn connect(world: &World, cookie: &str) -> String {
    let client = world.client().await;
    let form = sealed(&get_as(world, &authorize(&client, &[]), cookie).await);
    let allowed = allow_as(world, &form, cookie).await.location();
    let code = parameter(&allowed, "code").unwrap();
    let tokens = world.redeem(&client, &code).await.json();
    tokens["access_token"].as_str().unwrap().to_owned()
}

fn forms(page: &Answer) -> Vec<String> {
    let actions = page.body.split("action=\"").skip(1);
    actions
        .filter_map(|rest| rest.split_once('"'))
        .map(|(action, _)| action.to_owned())
        .collect()
}

#[tokio::test]
async fn a_member_sees_and_signs_out_their_own_clients_only() {
    let world = world().await;
    let (ada, ada_cookie) = person(&world, "ada", Some(Role::Viewer)).await;
    let (_, bob_cookie) = person(&world, "bob", Some(Role::Owner)).await;
    let tokens = [
        connect(&world, &ada_cookie).await,
        connect(&world, &bob_cookie).await,
    ];
    let page = get_as(&world, PAGE, &ada_cookie).await;
    assert!(page.is_page(200), "{page:?}");
    assert!(page.body.contains("app.example") && page.body.contains("even while you are away"));
    // Members leave by signing out of the dashboard, so that the page has one form: that of the one app.
    let [action] = &forms(&page)[..] else {
        panic!("one form: {page:?}");
    };
    let headers = |cookie| [("sec-fetch-site", "same-origin"), ("cookie", cookie)];
    let seen = world.post_with(action, &[], &headers(&bob_cookie)).await;
    assert_eq!(seen.header("location"), PAGE);
    for token in &tokens {
        assert_eq!(call(&world, token).await, StatusCode::OK);
    }
    let seen = world.post_with(action, &[], &headers(&ada_cookie)).await;
    assert_eq!(seen.header("location"), "/mcp/acme/connections?signed_out=1");
    assert_eq!(call(&world, &tokens[0]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(call(&world, &tokens[1]).await, StatusCode::OK);
    let mut tx = world.app.store.read().await.unwrap();
    let filter = AuditFilter {
        action: Some("grant.ended".to_owned()),
        ..AuditFilter::default()
    };
    let events = audit::list(&mut tx, Some(world.project), &filter, &PageRequest::first(9)).await;
    let actor = events.unwrap().items.remove(0).actor;
    assert_eq!(
        (actor.kind, actor.origin),
        (ActorKind::Account(ada), Origin::Gateway)
    );
}

#[tokio::test]
async fn who_is_no_member_sees_nothing_and_signs_in_first() {
    let world = world().await;
    let (_, cookie) = person(&world, "ada", Some(Role::Viewer)).await;
    connect(&world, &cookie).await;
    let unknown = world.get(PAGE).await;
    assert!(unknown.is_page(200) && forms(&unknown).is_empty());
    assert!(
        unknown.body.contains("/sign-in?next=%2Fmcp%2Facme%2Fconnections"),
        "{unknown:?}"
    );
    let (_, stranger) = person(&world, "eve", None).await;
    let refused = get_as(&world, PAGE, &stranger).await;
    assert!(
        refused.is_page(403) && !refused.body.contains("app.example"),
        "{refused:?}"
    );
    // There is no provider to sign in at.
    let headers = [("sec-fetch-site", "same-origin")];
    let begun = world.post_with(&format!("{PAGE}/sign-in"), &[], &headers).await;
    assert!(begun.is_page(502), "{begun:?}");
}
