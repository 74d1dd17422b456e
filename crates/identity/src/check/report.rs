//! The checks one by one, each with its findings.

use gatewright_domain::registration::{AuthenticationChoice, SecretMethod};
use http::StatusCode;
use url::Url;

use super::{
    Candidate, CheckName, CheckResult, Finding, Outcome,
    findings::{is_b2c, of_many_tenants, without_document},
};
use crate::{
    discovery::{Document, PUSHED_REQUESTS, UrlRule, document_url},
    excerpt::excerpt,
    fetch::FetchError,
    id_token::IssuerDifference,
    jose::key_set::{self as jwks, Owner, SignatureAlgorithm},
    providers::ProviderError,
    subject::{EMAIL_CHANGES_HANDS, UNLESS_SURE},
};

/// How much of a value a provider publishes is repeated in a finding.
const SHOWN: usize = 200;

/// The checks made so far, in the order of [`ORDER`] once it is finished.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) results: Vec<CheckResult>,
}

/// The order in which people read them: each rests on those before it.
pub(super) const ORDER: [CheckName; 12] = [
    CheckName::IssuerUrl,
    CheckName::Discovery,
    CheckName::Issuer,
    CheckName::Endpoints,
    CheckName::CodeFlow,
    CheckName::Pkce,
    CheckName::ClientAuthentication,
    CheckName::SignatureAlgorithm,
    CheckName::Keys,
    CheckName::Scopes,
    CheckName::IssuerParameter,
    CheckName::SubjectClaim,
];

impl Report {
    /// Adds the outcome of a check.
    pub(super) fn add(&mut self, name: CheckName, outcome: Outcome) {
        self.results.push(CheckResult { name, outcome });
    }

    /// A check that holds.
    pub(super) fn pass(&mut self, name: CheckName) {
        self.add(name, Outcome::Passed);
    }

    /// A check that does not hold.
    pub(super) fn fail(&mut self, name: CheckName, finding: Finding) {
        self.add(name, Outcome::Failed(finding));
    }

    /// Fails with each finding, or passes when there is none.
    fn fail_with_all(&mut self, name: CheckName, findings: Vec<Finding>) {
        if findings.is_empty() {
            self.pass(name);
        }
        for finding in findings {
            self.fail(name, finding);
        }
    }

    /// All checks in order; those not made are skipped.
    pub(super) fn finish(mut self) -> Vec<CheckResult> {
        for name in ORDER {
            if !self.results.iter().any(|result| result.name == name) {
                self.add(name, Outcome::Skipped);
            }
        }
        self.results
            .sort_by_key(|result| ORDER.iter().position(|name| *name == result.name));
        self.results
    }

    /// Whether the issuer is a URL at all, and that URL.
    pub(super) fn issuer_url(&mut self, issuer: &str, rule: UrlRule) -> Option<Url> {
        let blank = |character: char| character.is_whitespace() || character.is_control();
        let problem = match rule.read(issuer) {
            Ok(_) if issuer.contains(blank) => "has a space or line break".to_owned(),
            Ok(url) if url.query().is_none() => {
                self.pass(CheckName::IssuerUrl);
                return Some(url);
            }
            Ok(_) => "has a query".to_owned(),
            Err(problem) => problem.to_string(),
        };
        let remedy =
            "Enter the provider's issuer exactly as it publishes it, like https://login.example.com.";
        self.fail(
            CheckName::IssuerUrl,
            finding("/issuer", format!("The issuer {problem}."), remedy),
        );
        None
    }

    /// All checks of the discovery document itself.
    pub(super) fn document(&mut self, document: &Document, candidate: Candidate<'_>, rule: UrlRule) {
        self.issuer(document, candidate.issuer);
        self.endpoints(document, rule);
        self.code_flow(document);
        self.pkce(document);
        self.client_authentication(document, candidate.client_authentication);
        self.signature_algorithm(document);
        self.scopes(document, candidate.scopes);
        self.issuer_parameter(document, candidate.unnamed);
        self.subject_claim(document, candidate.subject_claim);
    }

    fn issuer(&mut self, document: &Document, configured: &str) {
        let Some(difference) = document.issuer_difference(configured) else {
            return self.pass(CheckName::Issuer);
        };
        let Some(published) = document.issuer().map(|issuer| excerpt(issuer, SHOWN)) else {
            return self.fail(
                CheckName::Issuer,
                finding(
                    "/issuer",
                    "The discovery document names no issuer.",
                    "Check that this address belongs to an OpenID Connect provider.",
                ),
            );
        };
        let found = match difference {
            IssuerDifference::ProviderHasSlash => {
                format!("The provider's issuer ends with a slash ({published}), and this one does not.")
            }
            IssuerDifference::ConfiguredHasSlash => {
                format!("The provider's issuer has no slash at the end ({published}), and this one does.")
            }
            IssuerDifference::Template => return self.fail(CheckName::Issuer, of_many_tenants(&published)),
            IssuerDifference::Missing | IssuerDifference::Other if is_b2c(configured) => {
                return self.fail(CheckName::Issuer, without_document(&published));
            }
            IssuerDifference::Case => {
                format!("The provider's issuer ({published}) differs in upper and lower case.")
            }
            IssuerDifference::Missing | IssuerDifference::Other => {
                format!("The provider's issuer is {published}.")
            }
        };
        let remedy = format!(
            "Issuers are compared character by character: if this is the provider you mean, enter {published}"
        );
        self.fail(CheckName::Issuer, finding("/issuer", found, remedy));
    }

    fn endpoints(&mut self, document: &Document, rule: UrlRule) {
        let pushed = document.requires_pushed_requests().then_some(PUSHED_REQUESTS);
        let findings = ["authorization_endpoint", "token_endpoint", "jwks_uri"]
            .into_iter()
            .chain(pushed)
            .filter_map(|member| Some((member, document.endpoint(member, rule).err()?)))
            .map(|(member, problem)| {
                let shown = document
                    .text(member)
                    .map(|text| format!(" ({})", excerpt(text, SHOWN)))
                    .unwrap_or_default();
                finding(
                    "/issuer",
                    format!("`{member}` in the provider's discovery document {problem}{shown}."),
                    "Correct it at the provider; plain http is accepted on loopback only, while this instance is on loopback too.",
                )
            })
            .collect();
        self.fail_with_all(CheckName::Endpoints, findings);
    }

    fn code_flow(&mut self, document: &Document) {
        let lacks = |member: &str, value: &str| {
            document
                .list(member)
                .is_some_and(|list| !list.iter().any(|item| item == value))
        };
        let mut findings = Vec::new();
        if lacks("response_types_supported", "code") {
            findings.push(finding(
                "/issuer",
                "The provider does not offer the response type `code`.",
                "Enable the authorization code flow at the provider.",
            ));
        }
        if lacks("grant_types_supported", "authorization_code") {
            findings.push(finding(
                "/issuer",
                "The provider does not offer the grant type `authorization_code`.",
                "Enable the authorization code flow at the provider.",
            ));
        }
        self.fail_with_all(CheckName::CodeFlow, findings);
    }

    fn pkce(&mut self, document: &Document) {
        match document.list("code_challenge_methods_supported") {
            Some(methods) if !methods.iter().any(|method| method == "S256") => self.fail(
                CheckName::Pkce,
                finding(
                    "/issuer",
                    "The provider supports PKCE, but not the method S256.",
                    "Enable S256 at the provider; it is the only method used here.",
                ),
            ),
            _ => self.pass(CheckName::Pkce),
        }
    }

    fn client_authentication(&mut self, document: &Document, choice: AuthenticationChoice) {
        let sent = ["client_secret_basic", "client_secret_post"];
        match document.list("token_endpoint_auth_methods_supported") {
            Some(methods) if !methods.iter().any(|method| sent.contains(&method.as_str())) => self.fail(
                CheckName::ClientAuthentication,
                finding(
                    "/client_secret",
                    format!(
                        "The provider takes neither client_secret_basic nor client_secret_post, only {}.",
                        shown(&methods)
                    ),
                    "Enable one of the two at the provider.",
                ),
            ),
            Some(methods) => {
                let chosen = choice.fixed().map(SecretMethod::name);
                let unlisted = chosen.filter(|chosen| !methods.iter().any(|method| method == chosen));
                let Some(unlisted) = unlisted else {
                    return self.pass(CheckName::ClientAuthentication);
                };
                self.add(
                    CheckName::ClientAuthentication,
                    Outcome::Warning(finding(
                        "/client_authentication",
                        format!("The provider does not list {unlisted}, only {}.", shown(&methods)),
                        "Choose `automatic`, unless a test sign-in works.",
                    )),
                );
            }
            None => self.pass(CheckName::ClientAuthentication),
        }
    }

    fn signature_algorithm(&mut self, document: &Document) {
        match document.list("id_token_signing_alg_values_supported") {
            Some(names) if !names.iter().any(|name| SignatureAlgorithm::named(name).is_some()) => self.fail(
                CheckName::SignatureAlgorithm,
                finding(
                    "/issuer",
                    format!("The provider signs ID tokens with {} only.", shown(&names)),
                    format!(
                        "Set the ID token signature algorithm of this client at the provider to one of {} (RS256 works everywhere).",
                        jwks::accepted_names()
                    ),
                ),
            ),
            _ => self.pass(CheckName::SignatureAlgorithm),
        }
    }

    /// Whether a key there can verify ID tokens.
    pub(super) fn keys(&mut self, fetched: Result<jwks::KeySet, ProviderError>) {
        match fetched {
            Ok(keys) if keys.is_usable() && keys.unread() > 0 => self.add(
                CheckName::Keys,
                Outcome::Warning(finding(
                    "/issuer",
                    format!(
                        "The provider publishes {} keys more than the {} that are read.",
                        keys.unread(),
                        Owner::Provider.max_keys()
                    ),
                    "Remove keys at the provider that are no longer used, or put the current one first: an ID token that \
                     is signed with a key behind them is refused.",
                )),
            ),
            Ok(keys) if keys.is_usable() => self.pass(CheckName::Keys),
            Ok(keys) => {
                let reasons = keys.unusable();
                let why = if reasons.is_empty() {
                    "it is empty".to_owned()
                } else {
                    format!("a key there {}", reasons.join("; another "))
                };
                self.fail(
                    CheckName::Keys,
                    finding(
                        "/issuer",
                        format!("The provider's key set has no key that could verify an ID token: {why}."),
                        "Give the provider an RSA key of 2048 to 4096 bits, or one on P-256, P-384 or Ed25519.",
                    ),
                );
            }
            Err(error) => self.fail(
                CheckName::Keys,
                finding(
                    "/issuer",
                    format!("The provider's keys cannot be read: {error}."),
                    "Check that `jwks_uri` of the provider answers from this machine.",
                ),
            ),
        }
    }

    fn scopes(&mut self, document: &Document, scopes: &[String]) {
        if !scopes.iter().any(|scope| scope == "openid") {
            let remedy = "Add it: without it the provider sends no ID token.";
            self.fail(
                CheckName::Scopes,
                finding("/scopes", "The scope `openid` is missing.", remedy),
            );
            return;
        }
        let mut unlisted = Vec::new();
        let supported = document.list("scopes_supported");
        for (index, scope) in scopes.iter().enumerate() {
            if supported.as_ref().is_some_and(|list| !list.contains(scope)) {
                unlisted.push(finding(
                    &format!("/scopes/{index}"),
                    format!("The provider does not list the scope `{}`.", excerpt(scope, 80)),
                    format!(
                        "It lists {}. Providers need not list every scope (OpenID Connect Discovery 1.0 section 3): a test \
                         sign-in shows whether it takes this one.",
                        shown(supported.as_deref().unwrap_or_default())
                    ),
                ));
            }
        }
        if unlisted.is_empty() {
            self.pass(CheckName::Scopes);
        }
        for finding in unlisted {
            self.add(CheckName::Scopes, Outcome::Warning(finding));
        }
    }

    fn issuer_parameter(&mut self, document: &Document, unnamed: Option<&Finding>) {
        let names_itself = document.flag("authorization_response_iss_parameter_supported");
        match unnamed.filter(|_| !names_itself) {
            Some(unnamed) => self.add(CheckName::IssuerParameter, Outcome::Warning(unnamed.clone())),
            None => self.pass(CheckName::IssuerParameter),
        }
    }

    fn subject_claim(&mut self, document: &Document, claim: &str) {
        if claim == "email" {
            return self.add(
                CheckName::SubjectClaim,
                Outcome::Warning(finding("/subject_claim", EMAIL_CHANGES_HANDS, UNLESS_SURE)),
            );
        }
        match document.list("claims_supported") {
            // Every ID token has `sub` (OpenID Connect Core section 2), and some providers do not list it for that.
            Some(claims) if claim != "sub" && !claims.iter().any(|known| known == claim) => self.add(
                CheckName::SubjectClaim,
                Outcome::Warning(finding(
                    "/subject_claim",
                    format!("The provider does not list the claim `{}`.", excerpt(claim, 80)),
                    "Make sure that it is in the ID token of every user; otherwise sign-ins fail.",
                )),
            ),
            _ => self.pass(CheckName::SubjectClaim),
        }
    }
}

/// The finding about a discovery document that did not come.
pub(super) fn unreachable(issuer: &str, error: &ProviderError) -> Finding {
    if is_b2c(issuer) && matches!(error, ProviderError::Status(_, StatusCode::NOT_FOUND)) {
        return without_document(issuer);
    }
    let remedy = match error {
        ProviderError::Status(_, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) => {
            "Try again in a few minutes. If the problem remains, look at the provider's status page.".to_owned()
        }
        ProviderError::Fetch(_, FetchError::Coded { .. }) => {
            "Turn off compression of this document at the provider, or at the proxy before it that compresses.".to_owned()
        }
        ProviderError::Status(..) | ProviderError::NotJson(_) => format!(
            "Check the issuer: {} must answer with JSON and status 200.",
            document_url(issuer)
        ),
        ProviderError::Fetch(..)
        | ProviderError::Document(_)
        | ProviderError::Pushed { .. }
        | ProviderError::SecretUnreadable
        | ProviderError::Waited(_) => {
            "Check the issuer, and that this machine can reach the provider.".to_owned()
        }
    };
    finding(
        "/issuer",
        format!("The provider cannot be used: {error}."),
        remedy,
    )
}

/// A finding about a field.
pub(super) fn finding(pointer: &str, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding {
        pointer: pointer.to_owned(),
        found: found.into(),
        remedy: remedy.into(),
    }
}

fn shown(list: &[String]) -> String {
    excerpt(&list.join(", "), SHOWN)
}
