//! The test of a connection at providers that answer as real ones do: they say whether the client secret is right, or what
//! to do if that cannot be determined.

use std::collections::BTreeSet;

use gatewright_domain::{
    registration::CredentialsVerdict::{self, CannotTell, Right, Wrong},
    stored_secret::SealedText,
};
use serde_json::{Value, json};

use crate::relying_party::testing::literals;
use crate::relying_party::{
    connection::{self, probe},
    testing::tested,
    testing::{Fault, Script, TokenRule, World},
};

/// What a provider answers to a client whose secret is wrong, and to one whose code is.
struct Vendor {
    name: &'static str,
    wrong_secret: (u16, Value),
    wrong_code: (u16, Value),
    /// Whether its answers distinguish right from wrong.
    tells: bool,
    /// What is shown of its refusal.
    shown: &'static str,
}

fn vendors() -> [Vendor; 8] {
    let entra = |number: &str, words: &str| {
        json!({"error": "invalid_client", "error_description": format!("{number}: {words} Trace ID: canary"),
            "error_codes": [7], "error_uri": "https://login.microsoftonline.com/error?code=7"})
    };
    let no_code =
        json!({"error": "invalid_grant", "error_description": "The authorization code is invalid."});
    [
        Vendor {
            name: "Entra ID, another secret",
            wrong_secret: (401, entra("AADSTS7000215", "Invalid client secret provided.")),
            wrong_code: (400, no_code.clone()),
            tells: true,
            shown: "HTTP 401, invalid_client, AADSTS7000215",
        },
        Vendor {
            name: "Entra ID, a secret that expired",
            wrong_secret: (
                401,
                entra("AADSTS7000222", "The provided client secret keys are expired."),
            ),
            wrong_code: (400, no_code.clone()),
            tells: true,
            shown: "HTTP 401, invalid_client, AADSTS7000222",
        },
        Vendor {
            name: "Okta",
            wrong_secret: (
                401,
                json!({"errorCode": "invalid_client", "errorSummary": "Invalid value for 'client_id' parameter.",
                    "errorLink": "invalid_client", "errorId": "oae1", "errorCauses": []}),
            ),
            wrong_code: (400, no_code.clone()),
            tells: true,
            shown: "HTTP 401, invalid_client",
        },
        Vendor {
            name: "Auth0",
            wrong_secret: (
                401,
                json!({"error": "access_denied", "error_description": "Unauthorized"}),
            ),
            wrong_code: (
                403,
                json!({"error": "invalid_grant", "error_description": "Invalid authorization code"}),
            ),
            tells: true,
            shown: "HTTP 401, access_denied",
        },
        Vendor {
            name: "Keycloak",
            wrong_secret: (
                401,
                json!({"error": "unauthorized_client",
                    "error_description": "Invalid client or Invalid client credentials"}),
            ),
            wrong_code: (
                400,
                json!({"error": "invalid_grant", "error_description": "Code not valid"}),
            ),
            tells: true,
            shown: "HTTP 401, unauthorized_client",
        },
        Vendor {
            name: "Google",
            wrong_secret: (
                401,
                json!({"error": "invalid_client", "error_description": "The provided client secret is invalid."}),
            ),
            wrong_code: (
                400,
                json!({"error": "invalid_grant", "error_description": "Malformed auth code."}),
            ),
            tells: true,
            shown: "HTTP 401, invalid_client",
        },
        Vendor {
            name: "one that says it with success",
            wrong_secret: (200, json!({"error": "incorrect_client_credentials"})),
            wrong_code: (200, json!({"error": "bad_verification_code"})),
            tells: true,
            shown: "HTTP 200, incorrect_client_credentials",
        },
        Vendor {
            name: "one that refuses both with 401 and no word",
            wrong_secret: (401, json!({})),
            wrong_code: (401, json!({})),
            tells: false,
            shown: "A test sign-in tells",
        },
    ]
}

/// Has the provider behave like a vendor.
fn behave(script: &mut Script, vendor: &Vendor) {
    let (status, body) = &vendor.wrong_secret;
    script.client_refusal.0 = *status;
    script.client_words = Some(body.clone());
    let (status, body) = &vendor.wrong_code;
    script.token_rule = TokenRule::ClientThen(*status, body.clone());
}

#[tokio::test]
async fn each_vendors_refusal_of_a_secret_is_distinguished_from_its_refusal_of_a_code() {
    for vendor in vendors() {
        let world = World::new().await;
        behave(&mut world.provider.script(), &vendor);
        let test = tested(&world).await.test.credentials;
        let verdict = if vendor.tells { Right } else { CannotTell };
        assert_eq!(test.verdict, verdict, "{}: {}", vendor.name, test.detail);
        assert!(
            test.detail.contains(vendor.shown),
            "{}: {}",
            vendor.name,
            test.detail
        );

        world.provider.script().secrets.clear();
        let test = tested(&world).await.test.credentials;
        let verdict = if vendor.tells { Wrong } else { CannotTell };
        assert_eq!(test.verdict, verdict, "{}: {}", vendor.name, test.detail);
        assert!(
            test.detail.contains(vendor.shown),
            "{}: {}",
            vendor.name,
            test.detail
        );
        assert!(
            !test.detail.contains("canary"),
            "{}: {}",
            vendor.name,
            test.detail
        );
    }
}

/// A row: what the provider does, the outcome, and a word of the advice.
type Row = (fn(&mut Script), CredentialsVerdict, &'static str);

const ROWS: [Row; 6] = [
    (
        |script| script.token_rule = TokenRule::AnyCode,
        CannotTell,
        "never issued",
    ),
    (
        |script| script.token_rule = TokenRule::ClientFirst,
        Right,
        "client_secret_basic",
    ),
    (|script| script.secrets.clear(), Wrong, "Compare the client id"),
    (
        |script| script.token_rule = TokenRule::Always(400, "invalid_grant".to_owned()),
        CannotTell,
        "looks at the code first",
    ),
    (
        |script| script.token_rule = TokenRule::Always(429, "too_many_requests".to_owned()),
        CannotTell,
        "in some minutes",
    ),
    (
        |script| {
            script.faults.insert("token", Fault::Html);
        },
        CannotTell,
        "status page",
    ),
];

#[tokio::test]
async fn every_word_of_the_probe_is_reached() {
    let mut said = BTreeSet::new();
    for (does, verdict, word) in ROWS {
        let world = World::new().await;
        does(&mut world.provider.script());
        let told = tested(&world).await.test.credentials;
        assert_eq!(told.verdict, verdict, "{}", told.detail);
        assert!(told.detail.contains(word), "{}", told.detail);
        said.insert(told.detail);
    }
    let world = World::new().await;
    world
        .edit_source(|source| source.client_secret.current = SealedText("v1.none.none".to_owned()))
        .await;
    let told = tested(&world).await.test.credentials;
    assert!(told.detail.contains("Enter it again"), "{}", told.detail);
    said.insert(told.detail);
    // It goes away between the checks and the question.
    let fault = Fault::ServerError;
    world
        .provider
        .script()
        .faults
        .insert("openid-configuration", fault);
    world.app.providers.forget(&world.source.issuer);
    let told = probe(&world.app, &world.source).await;
    assert!(told.detail.contains("Test again in a minute"), "{}", told.detail);
    said.insert(told.detail);
    let texts = [
        literals(include_str!("../../../../../identity/src/credential_probe.rs")),
        vec![connection::UNREADABLE.to_owned()],
    ];
    for text in texts.concat() {
        let reached = said.iter().any(|detail| detail.contains(&text));
        assert!(reached, "no test reaches {text:?}");
    }
}
