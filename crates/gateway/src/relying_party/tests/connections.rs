//! The connections page: a person proves who they are at the provider, sees their own clients and signs them out.

use std::{collections::HashMap, time::Duration};

use gatewright_domain::{
    audit::{ActorKind, Origin},
    sign_in_attempt::Outcome,
    user::UserStatus,
};
use gatewright_store::{
    PageRequest,
    audit::{self, AuditFilter},
    connection_session, revision, user,
};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use url::Url;

use crate::relying_party::testing::{Client, Seen, SignIn, VERIFIER, World};

const PAGE: &str = "/mcp/acme/connections";
const OURS: &str = "same-origin";

async fn get(world: &World, path: &str, cookie: &str) -> Seen {
    let request = Request::get(path).header(header::COOKIE, cookie);
    world.through_front(request.body(String::new()).unwrap()).await
}

async fn post(world: &World, path: &str, site: &str, cookie: &str) -> Seen {
    let request = Request::post(path)
        .header(header::COOKIE, cookie)
        .header("sec-fetch-site", site);
    world.through_front(request.body(String::new()).unwrap()).await
}

/// Clicks *Sign in* on the page.
async fn click(world: &World) -> SignIn {
    let seen = post(world, &format!("{PAGE}/sign-in"), OURS, "").await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{seen:?}");
    let sign_in = SignIn {
        url: Url::parse(seen.location.as_deref().unwrap()).unwrap(),
        pushed: HashMap::new(),
        cookie: pair(&seen.cookies[0]),
        expired: Vec::new(),
    };
    world.provider.script().nonce = sign_in.parameter("nonce");
    sign_in
}

fn pair(set_cookie: &str) -> String {
    set_cookie.split(';').next().unwrap().to_owned()
}

fn who_signs_in(world: &World, subject: &str) {
    world.provider.script().claims = json!({"sub": subject, "name": subject, "email": null});
}

/// A session on the page, of this person.
async fn session(world: &World, subject: &str) -> String {
    who_signs_in(world, subject);
    let sign_in = click(world).await;
    let seen = world.come_back(&sign_in).await;
    assert_eq!(seen.location.as_deref(), Some(PAGE), "{seen:?}");
    pair(&seen.cookies[0])
}

/// A client of this person, with its tokens.
async fn connect<'a>(world: &'a World, subject: &str) -> (Client<'a>, Value) {
    who_signs_in(world, subject);
    let client = Client::register(world).await;
    let (_, sealed) = client.ask().await;
    let sign_in = client.allow(&sealed).await;
    let code = world.come_back(&sign_in).await.code();
    let (status, tokens) = client.redeem(&code, VERIFIER).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    (client, tokens)
}

fn access(tokens: &Value) -> &str {
    tokens["access_token"].as_str().unwrap()
}

/// The addresses of the forms that sign apps out.
fn forms(page: &Seen) -> Vec<String> {
    let actions = page.body.split("action=\"").skip(1);
    actions
        .filter_map(|rest| rest.split_once('"'))
        .map(|(action, _)| action.to_owned())
        .filter(|action| action.ends_with("/sign-out"))
        .collect()
}

#[tokio::test]
async fn a_person_signs_in_at_the_provider_and_sees_their_own_clients_only() {
    let world = World::new().await;
    let unknown = get(&world, PAGE, "").await;
    assert_eq!(unknown.status, StatusCode::OK);
    assert!(unknown.body.contains("Sign in first") && unknown.cookies.is_empty());
    connect(&world, "alice").await;
    connect(&world, "bob").await;
    connect(&world, "bob").await;
    for (subject, apps) in [("alice", 1), ("bob", 2), ("carol", 0)] {
        let cookie = session(&world, subject).await;
        let page = get(&world, PAGE, &cookie).await;
        assert!(page.body.contains(&format!("<bdi>{subject}</bdi>")), "{page:?}");
        assert_eq!(forms(&page).len(), apps, "{subject}: {page:?}");
        assert_eq!(page.body.contains("A program on a computer"), apps > 0);
        assert_eq!(page.body.contains("<code>mcp</code>"), apps > 0);
        assert_eq!(page.body.contains("15 January 2027, 08:00 UTC"), apps > 0);
    }
}

#[tokio::test]
async fn an_app_that_is_signed_out_can_do_nothing_more_on_any_replica_and_the_trail_says_who_did_it() {
    let world = World::new().await;
    let (client, tokens) = connect(&world, "alice").await;
    let cookie = session(&world, "alice").await;
    let action = &forms(&get(&world, PAGE, &cookie).await)[0];
    let (_, others) = connect(&world, "alice").await;
    let replica = world.replica().await;
    let elsewhere = Client::with_id(&replica, client.id());
    assert_eq!(elsewhere.call(access(&tokens)).await, StatusCode::OK);
    assert_eq!(forms(&get(&world, PAGE, &cookie).await).len(), 2);
    let seen = post(&world, action, OURS, &cookie).await;
    assert_eq!(
        seen.location.as_deref(),
        Some("/mcp/acme/connections?signed_out=1")
    );
    assert_eq!(client.call(access(&tokens)).await, StatusCode::UNAUTHORIZED);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(client.refresh(refresh).await.1["error"], "invalid_grant");
    replica.app.refresh_directory().await.unwrap();
    assert_eq!(elsewhere.call(access(&tokens)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(elsewhere.call(access(&others)).await, StatusCode::OK);
    let after = get(&world, "/mcp/acme/connections?signed_out=1", &cookie).await;
    assert_eq!(forms(&after).len(), 1);
    assert!(after.body.contains("The app is signed out"));

    // The second of a double click changes nothing.
    let again = post(&world, action, OURS, &cookie).await;
    assert_eq!(again.location.as_deref(), Some(PAGE));
    let mut tx = world.app.store.read().await.unwrap();
    let filter = AuditFilter {
        action: Some("grant.ended".to_owned()),
        ..AuditFilter::default()
    };
    let project = Some(world.source.project_id);
    let events = audit::list(&mut tx, project, &filter, &PageRequest::first(9)).await;
    let events = events.unwrap().items;
    let [event] = events.as_slice() else {
        panic!("one event: {events:?}");
    };
    assert_eq!(event.actor.kind, ActorKind::User(world.users().await[0].id));
    assert_eq!(
        (event.actor.origin, event.object_name.as_str()),
        (Origin::Gateway, "Claude")
    );
    assert!(action.contains(&event.object_id));
}

#[tokio::test]
async fn no_one_signs_out_what_is_another_persons() {
    let world = World::new().await;
    let (client, tokens) = connect(&world, "alice").await;
    let alice = session(&world, "alice").await;
    let action = forms(&get(&world, PAGE, &alice).await).remove(0);
    let bob = session(&world, "bob").await;
    for cookie in ["", "gatewright-connections-00000000=x", bob.as_str()] {
        let seen = post(&world, &action, OURS, cookie).await;
        assert_eq!(seen.location.as_deref(), Some(PAGE), "{cookie}: {seen:?}");
    }
    for wrong in ["grt_1", "%00", "usr_0192f0c1a2b37c4d8e5f60718293a4b5"] {
        let seen = post(&world, &format!("{PAGE}/{wrong}/sign-out"), OURS, &alice).await;
        assert_eq!(seen.location.as_deref(), Some(PAGE), "{wrong}: {seen:?}");
    }
    assert_eq!(client.call(access(&tokens)).await, StatusCode::OK);
    assert_eq!(forms(&get(&world, PAGE, &alice).await).len(), 1);
}

#[tokio::test]
async fn a_session_of_one_gateway_opens_nothing_at_another() {
    let world = World::new().await;
    let neighbour = world.neighbour().await;
    let cookie = session(&world, "alice").await;
    let value = cookie.split_once('=').unwrap().1;
    let tag = neighbour.gateway.id.number() & u128::from(u32::MAX);
    let moved = format!("gatewright-connections-{tag:08x}={value}");
    for cookie in [cookie.as_str(), moved.as_str()] {
        let page = get(&neighbour, "/mcp/neighbour/connections", cookie).await;
        assert!(page.body.contains("Sign in first"), "{page:?}");
    }
    assert!(!get(&world, PAGE, &cookie).await.body.contains("Sign in first"));
}

#[tokio::test]
async fn clicks_on_pages_of_others_change_nothing() {
    let world = World::new().await;
    let (client, tokens) = connect(&world, "alice").await;
    let cookie = session(&world, "alice").await;
    let action = forms(&get(&world, PAGE, &cookie).await).remove(0);
    let asked = world.provider.asked("openid-configuration");
    for site in ["cross-site", "same-site", "none"] {
        for path in [&action, &format!("{PAGE}/leave"), &format!("{PAGE}/sign-in")] {
            let seen = post(&world, path, site, &cookie).await;
            assert_eq!(seen.status, StatusCode::FORBIDDEN, "{path} {site}: {seen:?}");
            assert_eq!((seen.cookies.len(), &seen.location), (0, &None), "{path} {site}");
        }
    }
    assert_eq!(client.call(access(&tokens)).await, StatusCode::OK);
    assert_eq!(forms(&get(&world, PAGE, &cookie).await).len(), 1);
    assert_eq!(world.provider.asked("openid-configuration"), asked);
}

#[tokio::test]
async fn a_session_ends_with_its_time_by_a_click_and_with_the_person() {
    let world = World::new().await;
    let is_open = async |cookie: &str| !get(&world, PAGE, cookie).await.body.contains("Sign in first");
    let short = session(&world, "alice").await;
    world
        .advance(Duration::from_mins(15) - Duration::from_secs(1))
        .await;
    assert!(is_open(&short).await);
    world.advance(Duration::from_secs(1)).await;
    assert!(!is_open(&short).await);

    let left = session(&world, "alice").await;
    let seen = post(&world, &format!("{PAGE}/leave"), OURS, &left).await;
    assert!(
        seen.cookies[0].contains("=; Path=/; Max-Age=0; HttpOnly"),
        "{seen:?}"
    );
    // The cookie itself opens nothing any more, wherever a copy of it was kept.
    assert!(!is_open(&left).await);

    let blocked = session(&world, "alice").await;
    let set = async |status| {
        let id = world.users().await[0].id;
        let mut tx = world.app.store.write().await.unwrap();
        user::set_status(&mut tx, world.source.project_id, id, status)
            .await
            .unwrap();
        revision::bump(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        world.app.refresh_directory().await.unwrap();
    };
    set(UserStatus::Blocked).await;
    assert!(!is_open(&blocked).await);
    let seen = world.come_back(&click(&world).await).await;
    assert_eq!(
        (seen.status, seen.cookies.len()),
        (StatusCode::FORBIDDEN, 0),
        "{seen:?}"
    );
    set(UserStatus::Active).await;

    let changed = session(&world, "alice").await;
    assert!(is_open(&changed).await);
    world.edit_source(|source| source.identity_epoch += 1).await;
    assert!(!is_open(&changed).await);
}

#[tokio::test]
async fn a_browser_that_reloads_its_way_back_gets_the_same_session_and_others_get_none() {
    let world = World::new().await;
    let sign_in = click(&world).await;
    let first = world.come_back(&sign_in).await;
    assert_eq!(world.come_back(&sign_in).await, first);
    let query = sign_in.query(&format!("code={}", sign_in.provider_code()));
    let stranger = world.get(&query, "").await;
    assert_eq!(
        (stranger.status, stranger.cookies.len()),
        (StatusCode::FORBIDDEN, 0)
    );
    assert_eq!(world.provider.asked("token"), 1);
}

#[tokio::test]
async fn a_person_has_five_sessions_and_a_sixth_ends_the_oldest() {
    let world = World::new().await;
    let mut cookies = Vec::new();
    for _ in 0..=connection_session::MAX_PER_USER {
        cookies.push(session(&world, "alice").await);
        world.advance(Duration::from_secs(1)).await;
    }
    let mut open = Vec::new();
    for cookie in &cookies {
        open.push(!get(&world, PAGE, cookie).await.body.contains("Sign in first"));
    }
    assert_eq!(open, [false, true, true, true, true, true]);
}

#[tokio::test]
async fn a_sign_in_to_the_page_is_traced_and_a_failed_one_leads_to_its_reason() {
    let world = World::new().await;
    session(&world, "alice").await;
    let attempts = world.attempts(None).await;
    assert_eq!(attempts[0].part.head.client_name, "Connections page");
    assert_eq!(attempts[0].outcome(world.now()), Outcome::Succeeded);
    assert_eq!(attempts[0].subject.as_deref(), Some("alice"));

    world.provider.script().claims = json!({"sub": null});
    let seen = world.come_back(&click(&world).await).await;
    assert_eq!((seen.status, seen.cookies.len()), (StatusCode::BAD_REQUEST, 0));
    let (_, failure) = world.refusal(seen.reference()).await;
    assert!(failure.reason.contains("sub"), "{failure:?}");
    world.provider.script().claims = json!({});
    let sign_in = click(&world).await;
    world.advance(Duration::from_mins(11)).await;
    let late = world.come_back(&sign_in).await;
    assert!(
        late.body.contains("Open the page of your connected apps again"),
        "{late:?}"
    );
    assert!(late.cookies.is_empty());
}

#[tokio::test]
async fn a_gateway_without_people_has_no_such_page() {
    let world = World::new().await;
    assert_eq!(
        get(&world, "/mcp/nothing/connections", "").await.status,
        StatusCode::NOT_FOUND
    );
    let seen = post(&world, "/mcp/nothing/connections/sign-in", OURS, "").await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND);
}
