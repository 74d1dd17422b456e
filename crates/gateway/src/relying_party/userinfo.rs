//! Name and e-mail for display, from the ID token or else from the userinfo endpoint (OpenID Connect Core section 5.3).
//! They never identify anybody, so that nothing here can fail a sign-in.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::{secret::Secret, user_source::UserSource};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value};

use super::{
    budget::Budget,
    discovery::Provider,
    id_token::{IdToken, UnverifiedToken},
    jwks::KeySet,
    provider::{ProviderError, Resource},
    subject,
};
use crate::Gateways;

/// A person waits for this, and it is only for display.
const DEADLINE: Duration = Duration::from_secs(2);

const MAX_BODY: usize = 256 * 1024;

/// What fits a list of users.
const MAX_NAME: usize = 200;

/// The longest e-mail address (RFC 5321 section 4.5.3.1).
const MAX_EMAIL: usize = 254;

/// What a provider says of a person beside who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Profile {
    /// The name to show.
    pub(super) name: Option<String>,
    /// The address.
    pub(super) email: Email,
}

/// What a provider says of a person's e-mail address. Addresses go into identity assertions, so one that anybody could
/// have typed in about themselves must not pass for theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Email {
    /// Nothing: what was said at an earlier sign-in stays.
    #[default]
    Unsaid,
    /// It says, by `email_verified`, that it does not vouch for an address: none is kept.
    Unverified,
    /// This one. Many providers send no `email_verified` with the addresses they administer themselves.
    Said(String),
}

impl Email {
    /// Both answers of one sign-in taken together; whatever either does not vouch for is not kept.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unverified, _) | (_, Self::Unverified) => Self::Unverified,
            (Self::Unsaid, other) => other,
            (said @ Self::Said(_), _) => said,
        }
    }

    /// The address to show.
    pub(super) fn address(&self) -> Option<&str> {
        match self {
            Self::Said(address) => Some(address),
            Self::Unsaid | Self::Unverified => None,
        }
    }
}

impl Profile {
    /// From claims, of an ID token or of userinfo.
    pub(super) fn from_claims(claims: &Map<String, Value>) -> Self {
        let text = |name: &str, max: usize| {
            let text: String = claims
                .get(name)?
                .as_str()?
                .chars()
                .filter(|character| !character.is_control())
                .collect();
            let text = text.trim();
            (!text.is_empty() && text.chars().nth(max).is_none()).then(|| text.to_owned())
        };
        Self {
            name: ["name", "preferred_username", "nickname"]
                .iter()
                .find_map(|claim| text(claim, MAX_NAME)),
            email: if subject::is_email_unverified(claims) {
                Email::Unverified
            } else {
                text("email", MAX_EMAIL).map_or(Email::Unsaid, Email::Said)
            },
        }
    }

    /// Whether userinfo could add something that was asked for.
    fn lacks_what_was_asked_for(&self, scopes: &[String]) -> bool {
        let asked = |scope: &str| scopes.iter().any(|item| item == scope);
        (self.name.is_none() && asked("profile")) || (self.email == Email::Unsaid && asked("email"))
    }
}

/// The profile of a person who has just signed in.
pub(super) async fn profile(
    app: &Gateways,
    source: &UserSource,
    provider: &Provider,
    keys: &Arc<KeySet>,
    id_token: &IdToken,
    access_token: Option<&Secret>,
    budget: Budget,
) -> Profile {
    let known = Profile::from_claims(&id_token.claims);
    let (Some(endpoint), Some(token)) = (&provider.userinfo_endpoint, access_token) else {
        return known;
    };
    if !known.lacks_what_was_asked_for(&source.scopes) {
        return known;
    }
    let about = About {
        issuer: &source.issuer,
        client_id: &source.client_id,
        sub: &id_token.sub,
    };
    match claims(app, endpoint.as_str(), token, keys, &about, budget).await {
        Ok(claims) => {
            let more = Profile::from_claims(&claims);
            Profile {
                name: known.name.or(more.name),
                email: known.email.or(more.email),
            }
        }
        Err(error) => {
            tracing::info!(user_source = %source.id, %error, "going on without userinfo");
            known
        }
    }
}

/// Whom a userinfo answer must be about.
#[derive(Debug)]
pub(super) struct About<'a> {
    /// The configured issuer.
    pub(super) issuer: &'a str,
    /// The client id registered there.
    pub(super) client_id: &'a str,
    /// `sub` of the ID token.
    pub(super) sub: &'a str,
}

/// The claims of the userinfo endpoint about somebody.
pub(super) async fn claims(
    app: &Gateways,
    endpoint: &str,
    token: &Secret,
    keys: &Arc<KeySet>,
    about: &About<'_>,
    budget: Budget,
) -> Result<Map<String, Value>, ProviderError> {
    let unusable = || ProviderError::NotJson(Resource::Userinfo);
    let (signed, body) = fetch(app, endpoint, token, budget).await?;
    let claims = if signed {
        let text = std::str::from_utf8(&body).map_err(|_| unusable())?;
        let token = UnverifiedToken::parse(text.trim()).map_err(|_| unusable())?;
        let pool = app.providers.signatures();
        let verified = token.verify(pool, keys, budget.until()).await;
        verified
            .ok()
            .and_then(|signed| signed.into_userinfo(about.issuer, about.client_id))
    } else {
        serde_json::from_slice(&body).ok()
    };
    claims
        .filter(|claims| is_about(claims, about))
        .ok_or_else(unusable)
}

/// Whether the body is a signed JWT, and the body.
async fn fetch(
    app: &Gateways,
    endpoint: &str,
    token: &Secret,
    budget: Budget,
) -> Result<(bool, Bytes), ProviderError> {
    let unusable = || ProviderError::NotJson(Resource::Userinfo);
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| unusable())?;
    bearer.set_sensitive(true);
    let request = Request::get(endpoint)
        .header(header::ACCEPT, Resource::Userinfo.accepted())
        .header(header::AUTHORIZATION, bearer)
        .body(Full::new(Bytes::new()))
        .map_err(|_| unusable())?;
    let response = budget
        .ask(&app.fetch, request, DEADLINE, MAX_BODY)
        .await
        .map_err(|error| ProviderError::Fetch(Resource::Userinfo, error))?;
    if response.status() != StatusCode::OK {
        return Err(ProviderError::Status(Resource::Userinfo, response.status()));
    }
    let signed = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .trim_start()
                .to_ascii_lowercase()
                .starts_with("application/jwt")
        });
    Ok((signed, response.into_body()))
}

/// Whether an answer is about `sub` (OpenID Connect Core section 5.3.2: an answer about anyone else must not be used).
fn is_about(claims: &Map<String, Value>, about: &About<'_>) -> bool {
    subject::read(claims, "sub").is_ok_and(|sub| sub == about.sub)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn of(claims: &Value) -> Profile {
        Profile::from_claims(claims.as_object().unwrap())
    }

    #[test]
    fn names_and_addresses_are_taken_as_they_are_shown() {
        let profile = of(&json!({"name": " Ada\u{7} Lovelace ", "email": "ada@example.com"}));
        assert_eq!(profile.name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(profile.email.address(), Some("ada@example.com"));
        assert_eq!(
            of(&json!({"preferred_username": "ada"})).name.as_deref(),
            Some("ada")
        );
        assert_eq!(
            of(&json!({"name": ["x"], "email": "a".repeat(300)})),
            Profile::default()
        );
    }

    #[rstest]
    #[case(json!({"email": "a@x"}), Email::Said("a@x".to_owned()))]
    #[case(json!({"email": "a@x", "email_verified": true}), Email::Said("a@x".to_owned()))]
    #[case(json!({"email": "a@x", "email_verified": "true"}), Email::Said("a@x".to_owned()))]
    #[case(json!({"email": "a@x", "email_verified": false}), Email::Unverified)]
    #[case(json!({"email": "a@x", "email_verified": "False"}), Email::Unverified)]
    #[case(json!({"email_verified": false}), Email::Unverified)]
    #[case(json!({}), Email::Unsaid)]
    fn an_address_the_provider_does_not_vouch_for_is_none(#[case] claims: Value, #[case] email: Email) {
        assert_eq!(of(&claims).email, email);
    }

    #[test]
    fn either_answer_may_withdraw_an_address() {
        let said = || Email::Said("a@x".to_owned());
        assert_eq!(Email::Unsaid.or(said()), said());
        assert_eq!(said().or(Email::Unsaid), said());
        assert_eq!(said().or(Email::Said("b@x".to_owned())), said());
        assert_eq!(said().or(Email::Unverified), Email::Unverified);
        assert_eq!(Email::Unverified.or(said()), Email::Unverified);
    }

    #[rstest]
    #[case(json!({"name": "n", "email": "e", "email_verified": false}), &["openid", "profile", "email"], false)]
    #[case(json!({"name": "n", "email": "e"}), &["openid", "profile", "email"], false)]
    #[case(json!({"name": "n"}), &["openid", "profile", "email"], true)]
    #[case(json!({"name": "n"}), &["openid", "profile"], false)]
    #[case(json!({}), &["openid"], false)]
    fn userinfo_is_asked_only_for_what_is_missing_and_was_asked_for(
        #[case] claims: Value,
        #[case] scopes: &[&str],
        #[case] asked: bool,
    ) {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        assert_eq!(of(&claims).lacks_what_was_asked_for(&scopes), asked);
    }

    fn about(sub: &str) -> About<'_> {
        About {
            issuer: "https://idp.example.com",
            client_id: "client-1",
            sub,
        }
    }

    #[rstest]
    #[case(json!({"sub": "alice", "name": "Alice"}), true)]
    #[case(json!({"sub": "bob", "name": "Alice"}), false)]
    #[case(json!({"name": "Alice"}), false)]
    fn an_answer_about_somebody_else_is_not_used(#[case] claims: Value, #[case] used: bool) {
        assert_eq!(is_about(claims.as_object().unwrap(), &about("alice")), used);
    }
}
