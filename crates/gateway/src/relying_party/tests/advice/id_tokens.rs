//! ID tokens that cannot be accepted, and what the administrator can do.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::{Row, assert_is, assert_told, refused};
use crate::relying_party::testing::{Script, Signer, SignerKind, World};

const UNPUBLISHED: &str = "The provider signs with a key it does not publish";
const CLOCKS: &str = "Check the clocks of this machine and of the provider";
const SLASH: &str = "Edit the issuer of the User Source: a slash";

/// Keys of others, each with its own id, before the one that signs.
fn behind(script: &mut Script, others: usize) {
    let own = script.keys.remove(0);
    let other = Signer::new(SignerKind::P256, None).jwk();
    let named = |n: usize| {
        let mut key = other.clone();
        key["kid"] = json!(format!("other-{n}"));
        key
    };
    script.keys = (0..others).map(named).collect();
    script.keys.push(own);
}

fn claim(script: &mut Script, name: &str, value: Value) {
    script.claims = json!({});
    script.claims[name] = value;
}

pub(super) const ROWS: [Row; 28] = [
    (
        |script, _| script.header = Some(json!({"alg": "none"})),
        "`none`",
        "Set the ID token signature algorithm",
    ),
    (
        |script, _| script.header = Some(json!({"alg": "HS256", "kid": "k1"})),
        "`HS256`",
        "Set the ID token signature algorithm",
    ),
    (
        |script, _| script.answer = json!({"id_token": "e30.e30.e30.e30.e30"}),
        "is encrypted",
        "Turn off ID token encryption",
    ),
    (
        |script, _| script.answer = json!({"id_token": "an opaque token"}),
        "not a signed JWT",
        "The ID token must be a signed JWT",
    ),
    (
        |script, _| script.header = Some(json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt"})),
        "typ at+jwt",
        "The provider sends another kind of token",
    ),
    (
        |script, _| script.header = Some(json!({"alg": "ES256", "kid": "k1", "crit": ["b64"], "b64": true})),
        "critical header extension",
        "Turn off header extensions",
    ),
    (
        |script, _| script.header = Some(json!({"alg": "ES256", "kid": "k7"})),
        "kid k7",
        UNPUBLISHED,
    ),
    (
        |script, _| script.keys = vec![Signer::new(SignerKind::P256, Some("k1")).jwk()],
        "does not verify",
        UNPUBLISHED,
    ),
    (
        |script, _| behind(script, 200),
        "1 more keys of the provider were not read",
        "The provider publishes more than 200 keys",
    ),
    (
        |script, _| {
            behind(script, 5);
            script.header = Some(json!({"alg": "ES256"}));
        },
        "names no key",
        "The provider publishes more than four keys",
    ),
    (
        |script, issuer| claim(script, "iss", json!(format!("{issuer}/"))),
        "ends with a slash",
        SLASH,
    ),
    (
        |script, issuer| claim(script, "iss", json!(issuer.to_uppercase())),
        "upper and lower case",
        "Edit the issuer of the User Source: upper and lower case",
    ),
    (
        |script, _| {
            claim(
                script,
                "iss",
                json!("https://login.microsoftonline.com/{tenantid}/v2.0"),
            );
        },
        "template for many tenants",
        "The provider publishes one document for many tenants",
    ),
    (
        |script, _| claim(script, "iss", json!("https://accounts.example.com")),
        "another issuer",
        "Compare the issuer of the User Source",
    ),
    (
        |script, _| claim(script, "iss", Value::Null),
        "it is missing",
        "OpenID Connect requires that the provider names its issuer",
    ),
    (
        |script, _| claim(script, "aud", json!("another")),
        "`aud`",
        "Compare the client id of the User Source",
    ),
    (
        |script, _| claim(script, "azp", json!("another")),
        "`azp`",
        "The provider issued the ID token to another client",
    ),
    (
        |script, _| claim(script, "exp", json!("soon")),
        "`exp`",
        "The provider's ID tokens must have `exp` and `iat`",
    ),
    (
        |script, _| claim(script, "iat", Value::Null),
        "`iat`",
        "The provider's ID tokens must have `exp` and `iat`",
    ),
    (
        |script, _| claim(script, "exp", json!(1_799_999_400)),
        "expired 600",
        CLOCKS,
    ),
    (
        |script, _| claim(script, "iat", json!(1_800_000_600)),
        "in the future",
        CLOCKS,
    ),
    (
        |script, _| claim(script, "iat", json!(1_799_996_000)),
        "issued 4000",
        CLOCKS,
    ),
    (
        |script, _| claim(script, "nonce", Value::Null),
        "has no nonce",
        "The provider must return the nonce",
    ),
    (
        |script, _| claim(script, "nonce", json!("another")),
        "not the one sent",
        "The ID token belongs to another sign-in",
    ),
    (
        |script, _| claim(script, "at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        "`at_hash`",
        "The provider's ID token and access token do not belong together",
    ),
    (
        |script, _| claim(script, "sub", Value::Null),
        "`sub` of the ID token",
        "The provider's ID tokens must have a `sub`",
    ),
    (
        |script, _| claim(script, "sub", json!(["alice"])),
        "`sub` of the ID token",
        "The provider's ID tokens must have a `sub`",
    ),
    (
        |script, _| claim(script, "sub", json!("")),
        "`sub` of the ID token",
        "The provider's ID tokens must have a `sub`",
    ),
];

const UNVERIFIED: &str = "Have the address verified at the provider, or choose";
const NO_CLAIM: &str = "Have the provider put the claim into the ID token";

/// Those that take more than the provider.
pub(super) const MORE: [&str; 2] = [UNVERIFIED, NO_CLAIM];

#[tokio::test]
async fn an_id_token_that_is_not_accepted_is_reported_with_what_to_do() {
    assert_told(&ROWS).await;
}

#[tokio::test]
async fn the_right_key_behind_the_hundredth_is_found() {
    let world = World::new().await;
    behind(&mut world.provider.script(), 199);
    world.sign_in().await.code();
}

#[tokio::test]
async fn several_audiences_without_azp_are_accepted() {
    let world = World::new().await;
    let audiences = json!(["https://api.example.com", "client-1"]);
    claim(&mut world.provider.script(), "aud", audiences);
    world.sign_in().await.code();
}

#[tokio::test]
async fn a_key_that_is_published_a_moment_late_works_in_a_minute_as_advised() {
    let world = World::new().await;
    let next = Signer::new(SignerKind::P256, Some("k2"));
    let published = next.jwk();
    world.provider.script().signer = next;
    let failure = refused(&world, |_, _| {}).await;
    assert_is(&failure, "kid k2", UNPUBLISHED);
    world.provider.script().keys.push(published);
    world.advance(Duration::from_mins(1)).await;
    world.sign_in().await.code();
}

#[tokio::test]
async fn a_subject_claim_that_identifies_nothing_is_reported_with_what_to_do() {
    for (claim, claims, reason, advice) in [
        ("oid", json!({}), "has no claim `oid`", NO_CLAIM),
        (
            "groups",
            json!({"groups": ["a"]}),
            "not a string or an integer",
            NO_CLAIM,
        ),
        ("upn", json!({"upn": ""}), "is empty", NO_CLAIM),
        (
            "upn",
            json!({"upn": "a".repeat(256)}),
            "longer than 255",
            NO_CLAIM,
        ),
        ("upn", json!({"upn": "a\nb"}), "control character", NO_CLAIM),
        (
            "email",
            json!({"email_verified": false}),
            "email_verified",
            UNVERIFIED,
        ),
    ] {
        let world = World::with(|source| source.subject_claim = claim.to_owned()).await;
        world.provider.script().claims = claims;
        let seen = world.sign_in().await;
        world.assert_refused(&seen, StatusCode::BAD_REQUEST).await;
        assert_is(&world.refusal(seen.reference()).await.1, reason, advice);
    }
}
