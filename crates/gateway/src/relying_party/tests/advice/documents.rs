//! Discovery documents and pushed requests with which no sign-in can begin, and what the administrator can do.

use gatewright_domain::stored_secret::SealedText;
use serde_json::{Value, json};

use super::{Row, assert_is};
use crate::relying_party::testing::{Fault, Script, World};

const PASSING: &str = "The provider says that it cannot answer at the moment";
const NO_JSON: &str = "Check the issuer: its discovery document must answer";
const ENDPOINT: &str = "Correct the discovery document at the provider";
const NOT_ALLOWED: &str = "Look the error up in the provider's log: often it is a scope";

fn issuer(script: &mut Script, published: &str) {
    script.discovery = json!({"issuer": published});
}

fn document(script: &mut Script, fault: Fault) {
    script.faults.insert("openid-configuration", fault);
}

/// Has the provider require that requests are pushed, and refuse them so.
fn push(script: &mut Script, provider: &str, refusal: Option<(u16, Value)>) {
    script.discovery = json!({
        "require_pushed_authorization_requests": true,
        "pushed_authorization_request_endpoint": format!("{provider}/par"),
    });
    script.push_refusal = refusal;
}

pub(super) const ROWS: [Row; 18] = [
    (
        |script, _| issuer(script, "https://login.microsoftonline.com/{tenantid}/v2.0"),
        "template for many tenants",
        "The provider publishes one document for many tenants",
    ),
    (
        |script, own| issuer(script, &format!("{own}/")),
        "ends with a slash",
        "Edit the issuer of the User Source: a slash",
    ),
    (
        |script, own| issuer(script, &own.to_uppercase()),
        "upper and lower case",
        "Edit the issuer of the User Source: upper and lower case",
    ),
    (
        |script, _| issuer(script, "https://sts.windows.net/1b2c/"),
        "another issuer",
        "Compare the issuer of the User Source",
    ),
    (
        |script, _| script.discovery = json!({"issuer": null}),
        "it is missing",
        "OpenID Connect requires that the provider names its issuer",
    ),
    (
        |script, _| script.discovery = json!({"token_endpoint": null}),
        "`token_endpoint` in the discovery document is missing",
        ENDPOINT,
    ),
    (
        |script, _| script.discovery = json!({"jwks_uri": "http://idp.example.com/keys"}),
        "is not an https URL",
        ENDPOINT,
    ),
    (
        |script, _| script.discovery = json!({"require_pushed_authorization_requests": true}),
        "`pushed_authorization_request_endpoint`",
        ENDPOINT,
    ),
    (
        // So does Azure AD B2C at its default issuer.
        |script, _| document(script, Fault::Status(404)),
        "status 404",
        "The provider publishes no discovery document at this issuer",
    ),
    (
        |script, _| document(script, Fault::ServerError),
        "status 500",
        NO_JSON,
    ),
    (
        |script, _| document(script, Fault::Html),
        "is not what it should be",
        NO_JSON,
    ),
    (
        |script, _| document(script, Fault::Status(503)),
        "status 503",
        PASSING,
    ),
    (
        |script, _| document(script, Fault::Status(429)),
        "status 429",
        PASSING,
    ),
    (
        |script, own| push(script, own, Some((400, json!({"error": "invalid_scope"})))),
        "HTTP 400, invalid_scope",
        NOT_ALLOWED,
    ),
    (
        |script, own| push(script, own, Some((400, json!({"error": "invalid_redirect_uri"})))),
        "HTTP 400, invalid_redirect_uri",
        NOT_ALLOWED,
    ),
    (
        |script, own| {
            push(
                script,
                own,
                Some((503, json!({"error": "temporarily_unavailable"}))),
            );
        },
        "temporarily_unavailable",
        PASSING,
    ),
    (
        |script, own| push(script, own, Some((429, json!({})))),
        "HTTP 429",
        PASSING,
    ),
    (
        |script, own| {
            push(script, own, None);
            script.secrets.clear();
        },
        "HTTP 401, invalid_client",
        "Enter the client secret again in the User Source: the provider does not accept the stored one. Check",
    ),
];

const MASTER_KEYS: &str = "Check that all replicas have the same master keys";
const LIMITED: &str = "Usually nothing: more requests were waiting for the provider";

/// Those that take more than the provider.
pub(super) const MORE: [&str; 2] = [MASTER_KEYS, LIMITED];

/// What is said about a sign-in that cannot begin.
async fn assert_does_not_begin(world: &World, reason: &str, advice: &str) {
    assert!(world.try_allow("").await.is_err(), "{reason}");
    let attempt = world.attempts(None).await.remove(0);
    let (_, failure) = attempt.failure(world.now()).unwrap();
    assert_is(&failure, reason, advice);
}

#[tokio::test]
async fn a_sign_in_that_cannot_begin_is_reported_with_what_to_do() {
    for (does, reason, advice) in ROWS {
        let world = World::new().await;
        does(&mut world.provider.script(), world.provider.issuer());
        assert_does_not_begin(&world, reason, advice).await;
    }
}

#[tokio::test]
async fn a_pushed_request_without_a_secret_or_beyond_the_limit_is_not_sent() {
    let world = World::new().await;
    push(&mut world.provider.script(), world.provider.issuer(), None);
    world.app.providers.pushes().use_up(world.source.id.number());
    assert_does_not_begin(&world, "too many requests", LIMITED).await;

    let world = World::new().await;
    push(&mut world.provider.script(), world.provider.issuer(), None);
    world
        .edit_source(|source| source.client_secret.current = SealedText("v1.none.none".to_owned()))
        .await;
    assert_does_not_begin(&world, "cannot be opened", MASTER_KEYS).await;
    assert_eq!(world.provider.asked("par"), 0);
}
