//! Browsers that come back with something else than a code for their sign-in, and what the administrator can do.

use std::time::Duration;

use axum::body::Body;
use gatewright_domain::{authorization::ClaimedSignIn, token_hash::TokenHash, user::UserStatus};
use gatewright_store::{claimed_sign_in, gateway, user, user_source};
use http::{Request, StatusCode, header};
use rstest::rstest;
use serde_json::json;

use crate::relying_party::testing::{Fault, Log, SignIn, World};

const MALFORMED: &str = "Nothing, unless it happens often: then look for a proxy";
const FORM_POST: &str = "Set the response mode of this client at the provider";
const EXPIRED: &str = "The user signs in again. If people need more time";
const OTHER_CODE: &str = "Nothing: the person went back at the provider";
const INTERRUPTED: &str = "The user signs in again. If it happens often, look in the log for restarts";
const STILL_WORKING: &str = "The user reloads the page";
const OTHER_REDIRECT_URL: &str = "Nothing, unless it happens often: then see that the provider has exactly";
const CODE_OF_ANOTHER: &str = "Look at who administers the providers";
const NO_COOKIE: &str = "The user signs in again in one browser";
const ISSUER_MISSING: &str = "The provider's discovery document promises `iss`";
const OTHER_ISSUER: &str = "Compare the issuer of the User Source";
const SLASH: &str = "Edit the issuer of the User Source: a slash";
const SAID_NO: &str = "The person said no at the provider, or may not use";
const NOT_ALLOWED: &str = "Look the error up in the provider's log: often it is a scope";
const PASSING: &str = "The provider says that it cannot answer at the moment";
const SIGN_IN_AGAIN: &str = "Nothing: the user signs in again.";
const NOTHING_LEFT: &str = "Nothing: there is nothing left to test";
const TEST_OVER: &str = "Look at its result where you started it";
const MASTER_KEYS: &str = "Check that all replicas have the same master keys";
const UNBLOCK: &str = "Unblock the user";
const DATABASE: &str = "Check the database.";
const INTERNAL: &str = "Look for an error with the same reference in the log";

/// All of them.
pub(super) const ADVICE: [&str; 22] = [
    MALFORMED,
    FORM_POST,
    EXPIRED,
    OTHER_CODE,
    INTERRUPTED,
    STILL_WORKING,
    OTHER_REDIRECT_URL,
    CODE_OF_ANOTHER,
    NO_COOKIE,
    ISSUER_MISSING,
    OTHER_ISSUER,
    SLASH,
    SAID_NO,
    NOT_ALLOWED,
    PASSING,
    SIGN_IN_AGAIN,
    NOTHING_LEFT,
    TEST_OVER,
    MASTER_KEYS,
    UNBLOCK,
    DATABASE,
    INTERNAL,
];

/// That the log has one failure, with this reason and this advice.
fn assert_told(log: &Log, reason: &str, advice: &str) {
    let failure = log.failure();
    let is_so = failure.contains(reason) && failure.contains(&format!("advice=\"{advice}"));
    assert!(is_so, "{reason:?}, {advice:?}: {failure}");
}

/// The query that brings the provider's own code back.
fn with_code(sign_in: &SignIn) -> String {
    sign_in.query(&format!("code={}", sign_in.provider_code()))
}

#[rstest]
#[case("code=a&code=b", "more than once", MALFORMED)]
#[case("session_state=s", "neither `code` nor `error`", MALFORMED)]
#[case(
    "error=access_denied&error_description=User+is+not+assigned",
    "access_denied",
    SAID_NO
)]
#[case("error=temporarily_unavailable", "temporarily_unavailable", PASSING)]
#[case("error=server_error", "server_error", PASSING)]
#[case("error=invalid_scope", "invalid_scope", NOT_ALLOWED)]
#[case("error=unauthorized_client", "unauthorized_client", NOT_ALLOWED)]
#[case("code=c&iss=https%3A%2F%2Fevil.example", "another issuer", OTHER_ISSUER)]
#[case("code=c", "the callback has none", ISSUER_MISSING)]
#[tokio::test]
async fn an_answer_without_a_valid_code_is_reported_with_what_to_do(
    #[case] query: &str,
    #[case] reason: &str,
    #[case] advice: &str,
) {
    let log = Log::listen();
    let world = World::new().await;
    let promises = json!({"authorization_response_iss_parameter_supported": true});
    world.provider.script().discovery = promises;
    let sign_in = world.allow().await;
    // A person who says no is sent back to the app, and a test reports it.
    if advice == SAID_NO {
        world.provider.script().discovery = json!({});
        world.app.providers.forget(world.provider.issuer());
        let test = world.start_test().await;
        let sign_in = world.click(&test).await;
        world.get(&sign_in.query(query), &sign_in.cookie).await;
        return assert_told(&log, reason, advice);
    }
    let iss: String = url::form_urlencoded::byte_serialize(world.provider.issuer().as_bytes()).collect();
    let query = if query.starts_with("error") {
        format!("{query}&iss={iss}")
    } else {
        query.to_owned()
    };
    let seen = world.get(&sign_in.query(&query), &sign_in.cookie).await;
    world.assert_refused(&seen, StatusCode::BAD_REQUEST).await;
    assert_told(&log, reason, advice);
}

#[tokio::test]
async fn an_issuer_with_an_extra_slash_is_reported_with_what_to_edit() {
    let log = Log::listen();
    let world = World::new().await;
    let sign_in = world.allow().await;
    let named = format!("{}/", world.provider.issuer());
    let named: String = url::form_urlencoded::byte_serialize(named.as_bytes()).collect();
    let query = sign_in.query(&format!("code=c&iss={named}"));
    world.get(&query, &sign_in.cookie).await;
    assert_told(&log, "ends with a slash", SLASH);
}

#[tokio::test]
async fn a_form_that_is_posted_is_reported_with_the_response_mode() {
    let log = Log::listen();
    let world = World::new().await;
    let sign_in = world.allow().await;
    let posted = Request::post("/oauth2/intermediate_callback")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(with_code(&sign_in)))
        .unwrap();
    world.send(posted).await;
    assert_told(&log, "posted form", FORM_POST);
}

#[tokio::test]
async fn a_person_who_takes_too_long_or_loses_the_cookie_signs_in_again() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    let log = Log::listen();
    world.get(&with_code(&sign_in), "").await;
    assert_told(&log, "no cookie", NO_COOKIE);
    drop(log);
    world.advance(Duration::from_mins(11)).await;
    let log = Log::listen();
    world.come_back(&sign_in).await;
    assert_told(&log, "longer than a sign-in may take", EXPIRED);
}

#[tokio::test]
async fn a_second_code_and_one_of_another_sign_in_are_distinguished() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    world.come_back(&sign_in).await.code();
    let log = Log::listen();
    world
        .get(&sign_in.query("code=the-second"), &sign_in.cookie)
        .await;
    assert_told(&log, "another code than the first time", OTHER_CODE);
    drop(log);
    let other = world.allow().await;
    let log = Log::listen();
    let stolen = other.query(&format!("code={}", sign_in.provider_code()));
    world.get(&stolen, &other.cookie).await;
    assert_told(&log, "brought back before", CODE_OF_ANOTHER);
}

#[tokio::test]
async fn another_redirect_url_is_reported() {
    let log = Log::listen();
    let world = World::new().await;
    let sign_in = world.allow().await;
    let own = format!("/oauth2/intermediate_callback/{}", world.source.id);
    world.get_at(&own, &with_code(&sign_in), &sign_in.cookie).await;
    assert_told(&log, "another redirect URL", OTHER_REDIRECT_URL);
}

/// Claims a sign-in as an arrival would that is cut off afterwards.
async fn claim(world: &World, sign_in: &SignIn) {
    let row = ClaimedSignIn {
        state_hash: TokenHash::of(&sign_in.parameter("state")),
        code_hash: TokenHash::of(&sign_in.provider_code()),
        claimed_at: world.now(),
        expires_at: world.now().plus(Duration::from_mins(10)),
        answer: None,
    };
    let mut tx = world.app.store.write().await.unwrap();
    assert!(claimed_sign_in::claim(&mut tx, &row).await.unwrap());
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn an_arrival_that_was_cut_off_and_one_that_is_slow_are_distinguished() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    claim(&world, &sign_in).await;
    let log = Log::listen();
    // It waits for the other for as long as a browser is kept waiting.
    let seen = world.come_back(&sign_in).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_told(&log, "still being handled", STILL_WORKING);
    drop(log);
    world.advance(Duration::from_secs(30)).await;
    let log = Log::listen();
    world.come_back(&sign_in).await;
    assert_told(&log, "was interrupted", INTERRUPTED);
}

#[tokio::test]
async fn a_claim_that_vanishes_is_a_fault_of_this_gateway() {
    let world = World::new().await;
    world.provider.script().faults.insert("token", Fault::Hang);
    let sign_in = world.allow().await;
    let log = Log::listen();
    let vanish = async {
        world.provider.hanging().await;
        let mut tx = world.app.store.write().await.unwrap();
        let later = world.now().plus(Duration::from_hours(1));
        assert_eq!(claimed_sign_in::prune(&mut tx, later, 10).await.unwrap(), 1);
        tx.commit().await.unwrap();
        world.provider.let_go();
    };
    let (seen, ()) = tokio::join!(world.come_back(&sign_in), vanish);
    assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR, "{seen:?}");
    assert_told(&log, "broke off inside this process", INTERNAL);
}

#[tokio::test]
async fn an_answer_that_another_master_key_sealed_is_reported_with_the_keys() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    claim(&world, &sign_in).await;
    let mut tx = world.app.store.write().await.unwrap();
    let state = TokenHash::of(&sign_in.parameter("state"));
    let code = TokenHash::of(&sign_in.provider_code());
    let foreign = world.seal("sealed for something else");
    assert!(
        claimed_sign_in::answer(&mut tx, state, code, &foreign)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let log = Log::listen();
    world.come_back(&sign_in).await;
    assert_told(&log, "cannot be opened with the master key", MASTER_KEYS);
}

#[tokio::test]
async fn a_gateway_deleted_in_the_meantime_and_a_blocked_user_are_reported() {
    let world = World::new().await;
    world.sign_in().await.code();
    let alice = world.users().await.remove(0);
    let mut tx = world.app.store.write().await.unwrap();
    let project = world.source.project_id;
    assert!(
        user::set_status(&mut tx, project, alice.id, UserStatus::Blocked)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let log = Log::listen();
    world.sign_in().await;
    assert_told(&log, "the user is blocked", UNBLOCK);
    drop(log);
    let sign_in = world.allow().await;
    let mut tx = world.app.store.write().await.unwrap();
    assert!(gateway::delete(&mut tx, project, world.gateway.id).await.unwrap());
    tx.commit().await.unwrap();
    world.app.refresh_directory().await.unwrap();
    let log = Log::listen();
    world.come_back(&sign_in).await;
    assert_told(&log, "the gateway was deleted", SIGN_IN_AGAIN);
}

#[tokio::test]
async fn a_database_that_cannot_be_read_for_too_long_is_reported() {
    let world = World::new().await;
    let sign_in = world.allow().await;
    let log = Log::listen();
    world.lose_touch(Duration::from_secs(10));
    let seen = world.come_back(&sign_in).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_told(&log, "has not been confirmed", DATABASE);
}

#[tokio::test]
async fn a_test_that_has_ended_or_lost_its_source_is_reported() {
    let world = World::new().await;
    let test = world.start_test().await;
    let (first, second, third) = (
        world.click(&test).await,
        world.click(&test).await,
        world.click(&test).await,
    );
    world.provider.script().nonce = first.parameter("nonce");
    assert_eq!(world.come_back(&first).await.status, StatusCode::OK);
    world.provider.script().nonce = second.parameter("nonce");
    let log = Log::listen();
    world.come_back(&second).await;
    assert_told(&log, "has succeeded already", TEST_OVER);
    drop(log);
    let (project, source) = (world.source.project_id, world.source.id);
    let mut tx = world.app.store.write().await.unwrap();
    gateway::delete(&mut tx, project, world.gateway.id).await.unwrap();
    user_source::delete(&mut tx, project, source).await.unwrap();
    tx.commit().await.unwrap();
    world.app.refresh_directory().await.unwrap();
    let log = Log::listen();
    world.come_back(&third).await;
    assert_told(&log, "was deleted during the test", NOTHING_LEFT);
}
