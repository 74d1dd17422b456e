//! Every finding and every remedy is reached, at a provider that publishes what real ones have published. The texts are read
//! from the source, so that a new one without such a provider fails here.

use std::collections::BTreeSet;

use gatewright_core::testing::TestCore;
use gatewright_domain::registration::AuthenticationChoice;
use serde_json::{Value, json};

use crate::{
    check::{Candidate, CheckName, Finding, Outcome, check, report::unreachable},
    providers::{ProviderError, Providers, Resource},
    testing::{Fault, HostileProvider, Script, literals},
};

/// A provider, and what is known about it.
struct World {
    provider: HostileProvider,
    providers: Providers,
    _core: TestCore,
}

impl World {
    async fn new() -> Self {
        let core = TestCore::with(|config| {
            "http://127.0.0.1:8080".clone_into(&mut config.server.public_url);
        })
        .await;
        Self {
            provider: HostileProvider::start(1_800_000_000).await,
            providers: Providers::new(&core.core),
            _core: core,
        }
    }
}

/// What an administrator types.
struct Typed {
    issuer: String,
    scopes: Vec<String>,
    claim: &'static str,
    /// Whether another provider could pass for it.
    is_shared: bool,
    choice: AuthenticationChoice,
}

/// What the provider of this issuer does, what is entered, and a part of the finding.
type Row = (fn(&mut Script, &str), fn(&mut Typed), &'static str);

/// Makes the provider publish this in addition to the usual.
fn publish(script: &mut Script, more: &Value) {
    script.discovery = json!({"authorization_response_iss_parameter_supported": true});
    script
        .discovery
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
}

fn nothing(_: &mut Script, _: &str) {}

fn as_usual(_: &mut Typed) {}

const ROWS: [Row; 31] = [
    (
        |script, _| publish(script, &json!({})),
        as_usual,
        "The subject claim can be used.",
    ),
    (
        nothing,
        |typed| typed.issuer.push_str("?tenant=1"),
        "The issuer has a query.",
    ),
    (
        nothing,
        |typed| typed.issuer.push(' '),
        "The issuer has a space or line break.",
    ),
    (
        nothing,
        |typed| typed.issuer = "http://idp.example.com".to_owned(),
        "is not an https URL",
    ),
    (
        nothing,
        |typed| typed.issuer = "https://169.254.169.254".to_owned(),
        "link-local and cloud metadata addresses are never allowed",
    ),
    (
        nothing,
        |typed| typed.issuer = "http://127.0.0.1:1".to_owned(),
        "this machine can reach the provider",
    ),
    (
        |script, _| script.faults = [("openid-configuration", Fault::Status(404))].into(),
        as_usual,
        "must answer with JSON and status 200",
    ),
    (
        |script, _| script.faults = [("openid-configuration", Fault::Html)].into(),
        as_usual,
        "must answer with JSON and status 200",
    ),
    (
        |script, _| script.faults = [("openid-configuration", Fault::Status(503))].into(),
        as_usual,
        "Try again in a few minutes",
    ),
    (
        |script, _| script.faults = [("openid-configuration", Fault::Status(429))].into(),
        as_usual,
        "Try again in a few minutes",
    ),
    (
        |script, _| script.faults = [("openid-configuration", Fault::Coded)].into(),
        as_usual,
        "Turn off compression",
    ),
    (
        |script, _| publish(script, &json!({"issuer": null})),
        as_usual,
        "names no issuer. Check that this address belongs to an OpenID Connect provider.",
    ),
    (
        |script, own| publish(script, &json!({"issuer": format!("{own}/")})),
        as_usual,
        "ends with a slash",
    ),
    (nothing, |typed| typed.issuer.push('/'), "has no slash at the end"),
    (
        |script, own| publish(script, &json!({"issuer": own.to_uppercase()})),
        as_usual,
        "differs in upper and lower case",
    ),
    (
        |script, _| publish(script, &json!({"issuer": "https://sts.windows.net/1b2c/"})),
        as_usual,
        "The provider's issuer is https://sts.windows.net/1b2c/.",
    ),
    (
        |script, _| {
            publish(
                script,
                &json!({"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"}),
            );
        },
        as_usual,
        "with the Directory (tenant) ID and not `common`",
    ),
    (
        |script, _| publish(script, &json!({"token_endpoint": "http://idp.example.com/token"})),
        as_usual,
        "plain http is accepted on loopback only",
    ),
    (
        |script, _| publish(script, &json!({"response_types_supported": ["id_token"]})),
        as_usual,
        "does not offer the response type `code`",
    ),
    (
        |script, _| publish(script, &json!({"grant_types_supported": ["implicit"]})),
        as_usual,
        "does not offer the grant type `authorization_code`",
    ),
    (
        |script, _| publish(script, &json!({"code_challenge_methods_supported": ["plain"]})),
        as_usual,
        "not the method S256",
    ),
    (
        |script, _| {
            publish(
                script,
                &json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}),
            );
        },
        as_usual,
        "only private_key_jwt",
    ),
    (
        |script, _| {
            publish(
                script,
                &json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]}),
            );
        },
        |typed| typed.choice = AuthenticationChoice::Basic,
        "Choose `automatic`",
    ),
    (
        |script, _| {
            publish(
                script,
                &json!({"id_token_signing_alg_values_supported": ["HS512"]}),
            );
        },
        as_usual,
        "signs ID tokens with HS512 only",
    ),
    (
        |script, _| script.keys = (0..201).map(|n| numbered(script, n)).collect(),
        as_usual,
        "1 keys more than the 200 that are read",
    ),
    (
        |script, _| script.keys = vec![json!({"kty": "oct", "k": "c2VjcmV0"})],
        as_usual,
        "a key there is a symmetric key",
    ),
    (
        |script, _| script.faults = [("jwks", Fault::Status(404))].into(),
        as_usual,
        "Check that `jwks_uri` of the provider answers",
    ),
    (
        nothing,
        |typed| typed.scopes.clear(),
        "without it the provider sends no ID token",
    ),
    (
        |script, _| publish(script, &json!({"scopes_supported": ["openid"]})),
        as_usual,
        "a test sign-in shows whether it takes this one",
    ),
    (
        |script, _| publish(script, &json!({"claims_supported": ["sub"]})),
        |typed| typed.claim = "oid",
        "Make sure that it is in the ID token of every user",
    ),
    (
        nothing,
        |typed| typed.claim = "email",
        "Use `sub` unless you are sure",
    ),
];

/// The published key under another name.
fn numbered(script: &Script, number: usize) -> Value {
    let mut key = script.signer.jwk();
    key["kid"] = json!(format!("key-{number}"));
    key
}

/// All that a check says: of what holds, of what does not, and what to do.
async fn said(world: &World, change: fn(&mut Typed)) -> BTreeSet<String> {
    let mut typed = Typed {
        issuer: world.provider.issuer().to_owned(),
        scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
        claim: "sub",
        is_shared: true,
        choice: AuthenticationChoice::Automatic,
    };
    change(&mut typed);
    let unnamed = Finding {
        pointer: "/callback".to_owned(),
        found: "Another may pass for it.".to_owned(),
        remedy: "Trust it.".to_owned(),
    };
    let candidate = Candidate {
        issuer: &typed.issuer,
        scopes: &typed.scopes,
        subject_claim: typed.claim,
        unnamed: typed.is_shared.then_some(&unnamed),
        client_authentication: typed.choice,
    };
    let results = check(&world.providers, None, candidate).await;
    let words = results.into_iter().filter_map(|result| match result.outcome {
        Outcome::Passed => Some(result.name.when_passed().to_owned()),
        Outcome::Warning(finding) | Outcome::Failed(finding) => Some(words(&finding)),
        Outcome::Skipped => None,
    });
    words.collect()
}

fn words(finding: &Finding) -> String {
    format!("{} {}", finding.found, finding.remedy)
}

#[tokio::test]
async fn every_finding_and_remedy_is_that_of_one_of_these_providers() {
    let mut all = BTreeSet::new();
    for (does, types, piece) in ROWS {
        let world = World::new().await;
        does(&mut world.provider.script(), world.provider.issuer());
        let said = said(&world, types).await;
        assert!(
            said.iter().any(|words| words.contains(piece)),
            "{piece:?}: {said:?}"
        );
        all.extend(said);
    }
    // If no other provider can be taken for it, a provider need not name itself.
    let world = World::new().await;
    all.extend(said(&world, as_usual).await);
    let own = said(&world, |typed| typed.is_shared = false).await;
    assert!(own.contains(CheckName::IssuerParameter.when_passed()), "{own:?}");
    // Azure AD B2C is known by its host, and answers so at its default issuer.
    let b2c = "https://acme.b2clogin.com/1b2c3d4e/v2.0/";
    let away = ProviderError::Status(Resource::Discovery, http::StatusCode::NOT_FOUND);
    all.insert(words(&unreachable(b2c, &away)));
    let texts = [
        literals(include_str!("../../check.rs")),
        literals(include_str!("../report.rs")),
        literals(include_str!("../findings.rs")),
    ]
    .concat();
    assert!(texts.len() > 50, "they are found: {texts:?}");
    for text in texts {
        let is_reached = all.iter().any(|words| words.contains(&text));
        assert!(is_reached, "no test reaches {text:?}");
    }
}
