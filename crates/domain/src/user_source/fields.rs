//! The fields that an administrator enters for a User Source, and their rules.

use url::Url;

use super::UserSource;
use crate::{
    Invalid,
    loopback::is_loopback,
    project::{check_name, check_text},
    secret::Secret,
};

/// The scopes of a new source: who the user is, and name and e-mail address for display (OpenID Connect Core section 5.4).
const DEFAULT_SCOPES: [&str; 3] = ["openid", "profile", "email"];
/// The default claim that identifies the user (OpenID Connect Core section 2).
const DEFAULT_SUBJECT_CLAIM: &str = "sub";

/// Browsers and servers cut URLs near 2 kB, and an issuer is only the beginning of one.
const MAX_ISSUER: usize = 1_000;
const MAX_CLIENT_ID: usize = 255;
/// Far above what any provider issues; signed assertions used as secrets stay below it.
const MAX_CLIENT_SECRET: usize = 4_000;
const MAX_SCOPES: usize = 50;
const MAX_SCOPE: usize = 100;
const MAX_CLAIM: usize = 255;
/// Claims that describe the token and not the user (OpenID Connect Core section 2): the same for many people, or
/// different at every sign-in.
const CLAIMS_OF_THE_TOKEN: [&str; 14] = [
    "iss",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "nonce",
    "azp",
    "acr",
    "amr",
    "at_hash",
    "c_hash",
    "auth_time",
    "sid",
];
const DISCOVERY_SUFFIX: &str = "/.well-known/openid-configuration";

impl UserSource {
    /// Fills in defaults, checks every field that an administrator enters, except for the secret, and reports everything that
    /// is wrong.
    pub fn check(mut self) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        self.name = invalid.take(check_name("/name", &self.name)).unwrap_or_default();
        invalid.take(check_text("/description", &self.description));
        invalid.take(check_issuer("/issuer", &self.issuer));
        invalid.take(check_client_id("/client_id", &self.client_id));
        self.scopes = invalid
            .take(check_scopes("/scopes", self.scopes))
            .unwrap_or_default();
        self.subject_claim = invalid
            .take(check_subject_claim("/subject_claim", self.subject_claim))
            .unwrap_or_default();
        invalid.into_result()?;
        Ok(self)
    }
}

/// Checks the form of an issuer (OpenID Connect Discovery section 3): https with a host and no query or fragment, or
/// http on loopback. The text itself is never changed, because it is compared byte for byte.
pub fn check_issuer(pointer: &str, issuer: &str) -> Result<(), Invalid> {
    let wrong = |detail: String| Err(Invalid::one(pointer, detail));
    if issuer.is_empty() {
        return wrong(
            "An issuer is required: enter the provider's issuer URL, like `https://login.example.com`."
                .into(),
        );
    }
    if issuer.len() > MAX_ISSUER {
        return wrong(format!(
            "The issuer has more than {MAX_ISSUER} characters: check what was pasted."
        ));
    }
    if issuer.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return wrong("The issuer contains a space or a line break: remove it, because it is compared character by character.".into());
    }
    if let Some(start) = issuer.strip_suffix(DISCOVERY_SUFFIX) {
        return wrong(format!(
            "This is the address of the discovery document: enter only the issuer, `{start}`, with a slash at its end \
             only if the document's `issuer` has one."
        ));
    }
    let Ok(url) = Url::parse(issuer) else {
        return wrong("The issuer is not a URL: enter it in full, like `https://login.example.com`.".into());
    };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("The issuer contains a user name or password: remove the part before `@`.".into());
    }
    if issuer.contains(['?', '#']) {
        return wrong(
            "An issuer has no query or fragment: remove everything from the first `?` or `#`.".into(),
        );
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => {
            wrong("The issuer must begin with `https://`; `http://` is accepted only on loopback.".into())
        }
        _ => wrong("The issuer must begin with `https://`.".into()),
    }
}

fn check_client_id(pointer: &str, client_id: &str) -> Result<(), Invalid> {
    if client_id.is_empty() {
        return Err(Invalid::one(
            pointer,
            "A client ID is required: copy it from the application registered at the provider.",
        ));
    }
    if client_id.len() > MAX_CLIENT_ID
        || client_id.trim() != client_id
        || client_id.chars().any(char::is_control)
    {
        return Err(Invalid::one(
            pointer,
            format!(
                "A client ID has at most {MAX_CLIENT_ID} characters, without spaces at its ends or line breaks: copy it \
                 again."
            ),
        ));
    }
    Ok(())
}

/// Checks a new client secret.
pub fn check_client_secret(pointer: &str, secret: &Secret) -> Result<(), Invalid> {
    let text = secret.expose();
    if text.is_empty() {
        return Err(Invalid::one(
            pointer,
            "A client secret is required: copy it from the application registered at the provider.",
        ));
    }
    if text.len() > MAX_CLIENT_SECRET || text.trim() != text || text.chars().any(char::is_control) {
        return Err(Invalid::one(
            pointer,
            format!(
                "A client secret has at most {MAX_CLIENT_SECRET} characters, without spaces at its ends or line breaks: \
                 copy it again."
            ),
        ));
    }
    Ok(())
}

/// Checks scopes (RFC 6749 section 3.3) and returns each once; none means the default.
pub fn check_scopes(pointer: &str, scopes: Vec<String>) -> Result<Vec<String>, Invalid> {
    if scopes.is_empty() {
        return Ok(DEFAULT_SCOPES.map(str::to_owned).to_vec());
    }
    let mut invalid = Invalid::default();
    if scopes.len() > MAX_SCOPES {
        invalid.add(
            pointer,
            format!("There are {} scopes: keep at most {MAX_SCOPES}.", scopes.len()),
        );
    }
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let mut checked: Vec<String> = Vec::with_capacity(scopes.len());
    for (index, scope) in scopes.into_iter().enumerate() {
        if scope.is_empty() || scope.len() > MAX_SCOPE || !scope.bytes().all(allowed) {
            invalid.add(
                format!("{pointer}/{index}"),
                format!(
                    "A scope has 1 to {MAX_SCOPE} characters of ASCII without spaces, quotes and backslashes: enter each \
                     scope as a separate item."
                ),
            );
        } else if !checked.contains(&scope) {
            checked.push(scope);
        }
    }
    if !checked.iter().any(|scope| scope == "openid") {
        invalid.add(
            pointer,
            "The scope `openid` is missing: add it, because without it the provider says nothing about who signed in.",
        );
    }
    invalid.into_result()?;
    Ok(checked)
}

/// Checks the name of the claim that identifies the user, and returns it; an empty one means the default.
pub fn check_subject_claim(pointer: &str, claim: String) -> Result<String, Invalid> {
    if claim.is_empty() {
        return Ok(DEFAULT_SUBJECT_CLAIM.to_owned());
    }
    if claim.len() > MAX_CLAIM || claim.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Invalid::one(
            pointer,
            format!(
                "A claim's name has at most {MAX_CLAIM} characters and no spaces: enter it as it appears in the ID token."
            ),
        ));
    }
    if CLAIMS_OF_THE_TOKEN.contains(&claim.as_str()) {
        return Err(Invalid::one(
            pointer,
            format!(
                "`{claim}` describes the token and not the user: enter a claim that always identifies one person, like `sub`."
            ),
        ));
    }
    Ok(claim)
}

/// Whether two issuers have the same origin, so that a secret entered for one can be sent to the other.
pub fn same_origin(one: &str, other: &str) -> bool {
    match (Url::parse(one), Url::parse(other)) {
        (Ok(one), Ok(other)) => one.origin().is_tuple() && one.origin() == other.origin(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Clock as _,
        clock::FixedClock,
        entropy::SeededEntropy,
        id::{ProjectId, UserSourceId},
        registration::ClientSecretSlots,
        stored_secret::SealedText,
    };

    fn entered() -> UserSource {
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
        let id = UserSourceId::generate(&clock, &entropy);
        let project = ProjectId::generate(&clock, &entropy);
        let secret = ClientSecretSlots::fresh(SealedText("v1.none.none".to_owned()), clock.now());
        UserSource {
            name: " Okta production ".to_owned(),
            issuer: "https://login.example.com/".to_owned(),
            client_id: "0oa1".to_owned(),
            ..UserSource::blank(id, project, secret, clock.now())
        }
    }

    #[test]
    fn defaults_are_filled_in_and_the_issuer_keeps_its_bytes() {
        let checked = entered().check().unwrap();
        assert_eq!(checked.name, "Okta production");
        assert_eq!(checked.issuer, "https://login.example.com/");
        assert_eq!(checked.scopes, DEFAULT_SCOPES);
        assert_eq!(checked.subject_claim, "sub");
    }

    #[test]
    fn everything_wrong_is_reported_together() {
        let invalid = UserSource {
            name: String::new(),
            description: "x".repeat(3_000),
            issuer: "login.example.com".to_owned(),
            client_id: String::new(),
            scopes: vec!["profile email".to_owned()],
            subject_claim: "nonce".to_owned(),
            ..entered()
        }
        .check()
        .unwrap_err();
        let pointers: Vec<_> = invalid.violations().iter().map(|v| v.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/name",
                "/description",
                "/issuer",
                "/client_id",
                "/scopes/0",
                "/scopes",
                "/subject_claim"
            ]
        );
    }

    #[test]
    fn issuers_of_every_real_form_pass_and_others_do_not() {
        for issuer in [
            "https://dev-1.okta.com/oauth2/default",
            "https://tenant.eu.auth0.com/",
            "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
            "http://127.0.0.1:8080/realms/demo",
            "http://localhost:8080",
            "http://[::1]:8080",
        ] {
            assert!(check_issuer("/issuer", issuer).is_ok(), "{issuer}");
        }
        for issuer in [
            "http://login.example.com",
            "http://127.0.0.1.example.com",
            "https://login.example.com?tenant=1",
            "https://login.example.com#",
            "https://user@login.example.com",
            "https://login.example.com/.well-known/openid-configuration",
            " https://login.example.com",
            "https://",
            "ftp://login.example.com",
            "javascript:alert(1)",
        ] {
            assert!(check_issuer("/issuer", issuer).is_err(), "{issuer}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert!(same_origin("https://a.example/x", "https://a.example:443/y"));
        for other in [
            "http://a.example",
            "https://b.example",
            "https://a.example:8443",
            "nonsense",
        ] {
            assert!(!same_origin("https://a.example", other), "{other}");
        }
    }
}
