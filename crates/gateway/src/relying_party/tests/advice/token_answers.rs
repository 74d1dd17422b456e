//! Answers of token endpoints that bring no ID token, in the words of real ones, and what the administrator can do.

use gatewright_domain::stored_secret::SealedText;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Row, assert_is, assert_told, refused};
use crate::relying_party::testing::{Fault, SECRET, Script, TokenRule, World};

const UNPROVEN: &str =
    "Enter the client secret again in the User Source: the provider does not accept the stored one. It may";
const PASSING: &str = "The provider says that it cannot answer at the moment";
const CODE: &str = "Usually the code was redeemed twice or too late";
const REFUSED: &str = "Look the error up in the provider's log. The client there must be a web application";
const BROKEN: &str = "The provider's endpoint does not answer as it should";

/// Has the provider answer so to a code of a client that is right.
fn answer(script: &mut Script, status: u16, body: Value) {
    script.token_rule = TokenRule::ClientThen(status, body);
}

fn endpoint(script: &mut Script, fault: Fault) {
    script.faults.insert("token", fault);
}

pub(super) const ROWS: [Row; 16] = [
    (
        |script, _| {
            answer(
                script,
                400,
                json!({"error": "invalid_grant", "error_description": "Code not valid"}),
            );
        },
        "refused the authorization code",
        CODE,
    ),
    (
        |script, _| answer(script, 401, json!({"error": "invalid_grant"})),
        "refused the authorization code",
        CODE,
    ),
    (
        |script, _| {
            let words = "AADSTS90033: A transient error has occurred. Please try again.";
            answer(
                script,
                503,
                json!({"error": "temporarily_unavailable", "error_description": words}),
            );
        },
        "HTTP 503, temporarily_unavailable, AADSTS90033",
        PASSING,
    ),
    (
        |script, _| answer(script, 500, json!({"error": "server_error"})),
        "HTTP 500, server_error",
        PASSING,
    ),
    (
        |script, _| answer(script, 200, json!({"error": "slow_down"})),
        "HTTP 200, slow_down",
        PASSING,
    ),
    (|script, _| answer(script, 429, json!({})), "HTTP 429", PASSING),
    (
        |script, _| endpoint(script, Fault::Status(503)),
        "status 503",
        PASSING,
    ),
    (
        |script, _| {
            let words = "AADSTS9002327: Tokens issued for the 'Single-Page Application' client-type may only be redeemed \
                         via cross-origin requests.";
            answer(
                script,
                400,
                json!({"error": "invalid_request", "error_description": words}),
            );
        },
        "invalid_request, AADSTS9002327",
        REFUSED,
    ),
    (
        |script, _| answer(script, 400, json!({"error": "unsupported_grant_type"})),
        "unsupported_grant_type",
        REFUSED,
    ),
    (
        |script, _| {
            answer(
                script,
                200,
                json!({"access_token": "a", "token_type": "bearer", "scope": "user"}),
            );
        },
        "no ID token",
        "The scope `openid` must be among the scopes",
    ),
    (
        |script, _| endpoint(script, Fault::Html),
        "is not what it should be",
        BROKEN,
    ),
    (
        |script, _| endpoint(script, Fault::Status(502)),
        "status 502",
        BROKEN,
    ),
    (
        |script, _| endpoint(script, Fault::Coded),
        "compressed (gzip)",
        "The provider, or a proxy before it, compresses answers",
    ),
    (
        |script, _| endpoint(script, Fault::Endless),
        "too large",
        "The provider's answer is longer than any that is read",
    ),
    (
        |script, _| endpoint(script, Fault::Truncated),
        "broke off",
        "Check that the provider is up and reachable from this machine, and that the host",
    ),
    (
        |script, _| script.discovery = json!({"token_endpoint": "http://127.0.0.1:1/token"}),
        "could not connect",
        "Check that the provider is up and reachable from this machine, and that its certificate",
    ),
];

const PROVEN: &str = "The secret was replaced or has expired at the provider";
const BOTH: &str = "The provider no longer accepts the old secret";
const MASTER_KEYS: &str = "Check that all replicas have the same master keys";
const NOT_ALLOWED_TO_FETCH: &str = "The address is not allowed for outbound requests";

/// Those that take more than the provider.
pub(super) const MORE: [&str; 5] = [UNPROVEN, PROVEN, BOTH, MASTER_KEYS, NOT_ALLOWED_TO_FETCH];

#[tokio::test]
async fn a_token_response_without_tokens_is_reported_with_what_to_do() {
    assert_told(&ROWS).await;
}

/// How real providers refuse a client, and what is shown of it.
fn refusals() -> [(u16, Value, &'static str); 12] {
    let of = |error: &str, words: &str| json!({"error": error, "error_description": words});
    [
        (
            401,
            of("invalid_client", "AADSTS7000215: Invalid client secret provided."),
            "HTTP 401, invalid_client, AADSTS7000215",
        ),
        (
            401,
            of(
                "invalid_client",
                "AADSTS7000222: The provided client secret keys are expired.",
            ),
            "HTTP 401, invalid_client, AADSTS7000222",
        ),
        (
            401,
            of(
                "invalid_client",
                "AADSTS700025: Client is public so no secret should be presented.",
            ),
            "HTTP 401, invalid_client, AADSTS700025",
        ),
        (
            400,
            of(
                "unauthorized_client",
                "AADSTS700016: Application was not found in the directory.",
            ),
            "HTTP 400, unauthorized_client, AADSTS700016",
        ),
        (
            400,
            of(
                "invalid_grant",
                "AADB2C90081: The specified client_secret does not match the expected value.",
            ),
            "HTTP 400, invalid_grant, AADB2C90081",
        ),
        (
            401,
            json!({"errorCode": "invalid_client", "errorSummary": "Invalid value for 'client_id' parameter."}),
            "HTTP 401, invalid_client",
        ),
        (
            401,
            of("access_denied", "Unauthorized"),
            "HTTP 401, access_denied",
        ),
        (
            401,
            of(
                "unauthorized_client",
                "Invalid client or Invalid client credentials",
            ),
            "HTTP 401, unauthorized_client",
        ),
        (
            401,
            of("invalid_client", "The provided client secret is invalid."),
            "HTTP 401, invalid_client",
        ),
        (
            400,
            of("invalid_request", "The client_secret parameter is wrong"),
            "HTTP 400, invalid_request",
        ),
        (
            200,
            json!({"error": "incorrect_client_credentials"}),
            "HTTP 200, incorrect_client_credentials",
        ),
        (
            200,
            json!({"ok": false, "error": "bad_client_secret"}),
            "HTTP 200, bad_client_secret",
        ),
    ]
}

#[tokio::test]
async fn a_refused_client_is_recognised_in_the_vendors_words_and_the_previous_secret_is_tried() {
    for (status, words, shown) in refusals() {
        let world = World::new().await;
        {
            let mut script = world.provider.script();
            script.client_refusal.0 = status;
            script.client_words = Some(words);
        }
        let failure = refused(&world, |script, _| script.secrets.clear()).await;
        assert_is(&failure, shown, UNPROVEN);
        // While the newest is not known there, the one before works on.
        let (newest, previous) = (world.seal("not known there"), world.seal(SECRET));
        world
            .edit_source(|source| {
                source.client_secret.current = newest;
                source.client_secret.previous = Some(previous);
            })
            .await;
        world.provider.script().secrets = vec![SECRET.to_owned()];
        let seen = world.sign_in().await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{shown}: {}", seen.body);
        assert!(
            world.stored_source().await.client_secret.needs_attention(),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn what_was_tried_decides_what_to_do_about_a_refused_secret() {
    let world = World::new().await;
    let now = world.now();
    world
        .edit_source(|source| source.client_secret.confirmed_at = Some(now))
        .await;
    let failure = refused(&world, |script, _| script.secrets.clear()).await;
    assert_is(&failure, "was accepted before", PROVEN);
    let previous = world.seal("the one before");
    world
        .edit_source(|source| source.client_secret.previous = Some(previous))
        .await;
    let failure = refused(&world, |_, _| {}).await;
    assert_is(&failure, "then the one before it", BOTH);
}

#[tokio::test]
async fn a_secret_that_this_instance_cannot_open_is_not_the_providers_fault() {
    let world = World::new().await;
    world
        .edit_source(|source| source.client_secret.current = SealedText("v1.none.none".to_owned()))
        .await;
    let failure = refused(&world, |_, _| {}).await;
    assert_is(&failure, "cannot be opened", MASTER_KEYS);
    assert_eq!(world.provider.asked("token"), 0);
}

#[tokio::test]
async fn an_endpoint_in_a_forbidden_network_is_reported_with_the_setting() {
    let world = World::new().await;
    let metadata = |script: &mut Script, _: &str| {
        script.discovery = json!({"token_endpoint": "https://169.254.169.254/token"});
    };
    let failure = refused(&world, metadata).await;
    assert_is(&failure, "169.254.169.254", NOT_ALLOWED_TO_FETCH);
}
