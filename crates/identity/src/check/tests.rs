//! Each check of a discovery document, beside the document that passes them all.

mod reached;

use rstest::rstest;
use serde_json::{Value, json};

use super::{
    report::{ORDER, unreachable},
    *,
};
use crate::{
    discovery::{Document, UrlRule},
    jose::{
        key_set as jwks,
        signer::{Signer, SignerKind},
    },
    providers::{ProviderError, Resource},
};

const RULE: UrlRule = UrlRule { loopback_http: false };

/// What is said about a provider that another could pass for.
fn another_may_pass() -> Finding {
    finding(
        "/callback",
        "Another may pass for it.",
        "Trust it, or give it its own.",
    )
}

fn results(issuer: &str, changes: &Value, scopes: &[&str], claim: &str) -> Vec<CheckResult> {
    results_with(issuer, changes, scopes, claim, AuthenticationChoice::Automatic)
}

fn results_with(
    issuer: &str,
    changes: &Value,
    scopes: &[&str],
    claim: &str,
    choice: AuthenticationChoice,
) -> Vec<CheckResult> {
    let mut document = json!({
        "issuer": "https://idp.example.com",
        "authorization_endpoint": "https://idp.example.com/authorize",
        "token_endpoint": "https://idp.example.com/token",
        "jwks_uri": "https://idp.example.com/jwks",
        "response_types_supported": ["code", "id_token"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "id_token_signing_alg_values_supported": ["HS256", "RS256"],
        "scopes_supported": ["openid", "profile", "email"],
        "claims_supported": ["sub", "email", "oid"],
        "authorization_response_iss_parameter_supported": true,
    });
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    let document = Document::parse(document.to_string().as_bytes()).unwrap();
    let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let mut report = Report::default();
    report.issuer_url(issuer, RULE);
    report.pass(CheckName::Discovery);
    let candidate = Candidate {
        issuer,
        scopes: &scopes,
        subject_claim: claim,
        unnamed: Some(&another_may_pass()),
        client_authentication: choice,
    };
    report.document(&document, candidate, RULE);
    let keys = json!({"keys": [Signer::new(SignerKind::P256, None).jwk()]});
    report.keys(Ok(jwks::KeySet::parse(
        jwks::Owner::Provider,
        keys.to_string().as_bytes(),
    )
    .unwrap()));
    report.finish()
}

fn of(changes: &Value) -> Vec<CheckResult> {
    results(
        "https://idp.example.com",
        changes,
        &["openid", "profile", "email"],
        "sub",
    )
}

fn failed(results: &[CheckResult]) -> Vec<(CheckName, &str)> {
    results
        .iter()
        .filter_map(|result| match &result.outcome {
            Outcome::Failed(finding) => Some((result.name, finding.pointer.as_str())),
            _ => None,
        })
        .collect()
}

#[rstest]
#[case::everything(json!({}))]
#[case::no_lists(json!({
    "response_types_supported": null, "code_challenge_methods_supported": null, "scopes_supported": null,
    "id_token_signing_alg_values_supported": null, "claims_supported": null,
}))]
#[case::sub_goes_without_saying(json!({"claims_supported": ["name"]}))]
fn a_good_provider_passes_every_check(#[case] changes: Value) {
    let results = of(&changes);
    assert_eq!(
        results.iter().map(|result| result.name).collect::<Vec<_>>(),
        ORDER
    );
    assert!(
        results.iter().all(|result| result.outcome == Outcome::Passed),
        "{results:?}"
    );
    assert!(into_result(&results).is_ok());
    assert!(verified_at(&results, Timestamp::from_seconds(1)).is_some());
}

#[rstest]
#[case(json!({"issuer": "https://idp.example.com/"}), CheckName::Issuer, "/issuer")]
#[case(json!({"issuer": null}), CheckName::Issuer, "/issuer")]
#[case(json!({"token_endpoint": "http://idp.example.com/token"}), CheckName::Endpoints, "/issuer")]
#[case(json!({"authorization_endpoint": "javascript:alert(1)"}), CheckName::Endpoints, "/issuer")]
#[case(json!({"jwks_uri": null}), CheckName::Endpoints, "/issuer")]
#[case(json!({"response_types_supported": ["id_token"]}), CheckName::CodeFlow, "/issuer")]
#[case(json!({"grant_types_supported": ["implicit"]}), CheckName::CodeFlow, "/issuer")]
#[case(json!({"code_challenge_methods_supported": ["plain"]}), CheckName::Pkce, "/issuer")]
#[case(json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}), CheckName::ClientAuthentication, "/client_secret")]
#[case(json!({"id_token_signing_alg_values_supported": ["HS512"]}), CheckName::SignatureAlgorithm, "/issuer")]
#[case(json!({"require_pushed_authorization_requests": true}), CheckName::Endpoints, "/issuer")]
fn each_failed_check_is_its_own_finding(
    #[case] changes: Value,
    #[case] name: CheckName,
    #[case] pointer: &str,
) {
    let results = of(&changes);
    assert_eq!(failed(&results), [(name, pointer)]);
    assert!(into_result(&results).is_err());
    assert_eq!(verified_at(&results, Timestamp::from_seconds(1)), None);
}

#[rstest]
#[case("https://idp.example.com/", "enter https://idp.example.com")]
#[case("https://idp.example.com/x", "enter https://idp.example.com")]
fn a_wrong_issuer_says_what_to_enter(#[case] issuer: &str, #[case] hint: &str) {
    let results = results(issuer, &json!({}), &["openid"], "sub");
    let invalid = into_result(&results).unwrap_err();
    assert!(invalid.violations()[0].detail.ends_with(hint), "{invalid}");
}

#[rstest]
#[case("http://idp.example.com")]
#[case("idp.example.com")]
#[case("https://idp.example.com?x=1")]
#[case(" https://idp.example.com")]
#[case("https://idp.example.com\n")]
#[case("https://idp.example.com#x")]
#[case("https://a:b@idp.example.com")]
fn an_issuer_that_is_not_a_plain_https_url_fails(#[case] issuer: &str) {
    let mut report = Report::default();
    assert!(report.issuer_url(issuer, RULE).is_none());
    let results = report.finish();
    assert_eq!(failed(&results), [(CheckName::IssuerUrl, "/issuer")]);
    assert_eq!(
        results
            .iter()
            .filter(|result| result.outcome == Outcome::Skipped)
            .count(),
        11
    );
}

#[test]
fn each_check_has_one_word_everywhere() {
    for name in ORDER {
        assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        assert!(name.pointer().starts_with('/') && name.when_passed().ends_with('.'));
    }
}

#[rstest]
#[case(
    "https://login.example.com/{tenantid}/v2.0",
    "https://login.example.com/common/v2.0",
    "own tenant"
)]
#[case(
    "https://acme.b2clogin.com/1b2c/v2.0/",
    "https://acme.b2clogin.com/acme.onmicrosoft.com/b2c_1/v2.0",
    "tfp"
)]
fn an_issuer_that_cannot_be_entered_is_not_advised(
    #[case] published: &str,
    #[case] typed: &str,
    #[case] told: &str,
) {
    let results = results(typed, &json!({"issuer": published}), &["openid"], "sub");
    let invalid = into_result(&results).unwrap_err();
    let detail = &invalid.violations()[0].detail;
    assert!(
        detail.contains(told) && !detail.contains(&format!("enter {published}")),
        "{detail}"
    );
    let away = unreachable(
        typed,
        &ProviderError::Status(Resource::Discovery, http::StatusCode::NOT_FOUND),
    );
    assert_eq!(away.remedy.contains("tfp"), told == "tfp", "{away:?}");
}

#[test]
fn a_scope_that_is_not_listed_is_a_warning() {
    let results = of(&json!({"scopes_supported": ["openid", "email"]}));
    assert!(into_result(&results).is_ok());
    assert!(verified_at(&results, Timestamp::from_seconds(1)).is_some());
    let warnings = warnings(&results);
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].pointer, "/scopes/1");
    assert!(warnings[0].found.contains("profile"), "{warnings:?}");
}

#[test]
fn a_chosen_method_that_is_not_listed_is_a_warning() {
    let listed = json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]});
    let warned = |choice| {
        let issuer = "https://idp.example.com";
        let results = results_with(issuer, &listed, &["openid"], "sub", choice);
        assert!(into_result(&results).is_ok());
        warnings(&results).len()
    };
    assert_eq!(warned(AuthenticationChoice::Automatic), 0);
    assert_eq!(warned(AuthenticationChoice::Post), 0);
    assert_eq!(warned(AuthenticationChoice::Basic), 1);
}

#[test]
fn openid_must_be_among_the_scopes() {
    let results = results("https://idp.example.com", &json!({}), &["profile"], "sub");
    assert_eq!(failed(&results), [(CheckName::Scopes, "/scopes")]);
}

#[rstest]
#[case("email")]
#[case("employee_number")]
fn a_doubtful_subject_claim_is_a_warning(#[case] claim: &str) {
    let results = results("https://idp.example.com", &json!({}), &["openid"], claim);
    let last = results.last().unwrap();
    assert!(matches!(last.outcome, Outcome::Warning(_)));
    assert!(verified_at(&results, Timestamp::from_seconds(1)).is_some());
}

#[rstest]
#[case(json!({"authorization_response_iss_parameter_supported": null}))]
#[case(json!({"authorization_response_iss_parameter_supported": false}))]
fn a_provider_that_does_not_name_itself_is_a_warning(#[case] changes: Value) {
    let results = of(&changes);
    assert!(into_result(&results).is_ok());
    assert!(verified_at(&results, Timestamp::from_seconds(1)).is_some());
    let warnings = warnings(&results);
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].pointer, "/callback");
    assert!(warnings[0] == another_may_pass(), "{warnings:?}");
    assert_eq!(super::warnings(&of(&json!({}))), []);
}

#[test]
fn a_provider_that_no_other_can_pass_for_need_not_name_itself() {
    let document = Document::parse(br#"{"issuer": "https://idp.example.com"}"#).unwrap();
    let mut report = Report::default();
    let candidate = Candidate {
        issuer: "https://idp.example.com",
        scopes: &[],
        subject_claim: "sub",
        unnamed: None,
        client_authentication: AuthenticationChoice::Automatic,
    };
    report.document(&document, candidate, RULE);
    let results = report.finish();
    let result = results
        .iter()
        .find(|result| result.name == CheckName::IssuerParameter);
    assert_eq!(result.unwrap().outcome, Outcome::Passed);
}

#[test]
fn keys_that_are_unusable_or_unreachable_fail() {
    let mut report = Report::default();
    let keys = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).to_string();
    report.keys(Ok(
        jwks::KeySet::parse(jwks::Owner::Provider, keys.as_bytes()).unwrap()
    ));
    report.keys(Err(ProviderError::NotJson(Resource::Keys)));
    let invalid = into_result(&report.results).unwrap_err();
    assert!(
        invalid.violations()[0].detail.contains("is a symmetric key"),
        "{invalid}"
    );
    assert!(
        invalid.violations()[1]
            .detail
            .contains("is not what it should be"),
        "{invalid}"
    );
}
