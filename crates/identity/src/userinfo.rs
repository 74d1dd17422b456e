//! Name and e-mail for display, from the ID token or else from the userinfo endpoint (OpenID Connect Core section 5.3).
//! They never identify a person, so that nothing here can fail a sign-in.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::secret::Secret;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value};

use crate::{
    id_token::{IdToken, UnverifiedToken},
    jose::key_set::KeySet,
    providers::{ProviderError, Resource},
    subject,
    visit::Visit,
};

/// A person waits for this, and it is only for display.
const DEADLINE: Duration = Duration::from_secs(2);

const MAX_BODY: usize = 256 * 1024;

/// What fits a list of users.
const MAX_NAME: usize = 200;

/// The longest e-mail address (RFC 5321 section 4.5.3.1).
const MAX_EMAIL: usize = 254;

/// What a provider says about a person in addition to who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The name to show.
    pub name: Option<String>,
    /// The address.
    pub email: Email,
}

/// What a provider says about a person's e-mail address. Addresses go into identity assertions, so one that anyone could
/// have entered about themselves must not be taken for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Email {
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
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Said(address) => Some(address),
            Self::Unsaid | Self::Unverified => None,
        }
    }
}

impl Profile {
    /// From claims, of an ID token or of userinfo.
    pub fn from_claims(claims: &Map<String, Value>) -> Self {
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

/// Whom a userinfo answer must be about.
#[derive(Debug)]
struct About<'a> {
    /// The configured issuer.
    issuer: &'a str,
    /// The client id registered there.
    client_id: &'a str,
    /// `sub` of the ID token.
    sub: &'a str,
}

impl Visit<'_> {
    /// The profile of a person who has just signed in; and why userinfo, which could have added to it, did not.
    pub async fn profile(
        &self,
        id_token: &IdToken,
        access_token: Option<&Secret>,
        keys: &Arc<KeySet>,
    ) -> (Profile, Option<ProviderError>) {
        let known = Profile::from_claims(&id_token.claims);
        if !known.lacks_what_was_asked_for(self.registration.scopes) {
            return (known, None);
        }
        match self.userinfo(id_token, access_token, keys).await {
            None => (known, None),
            Some(Ok(claims)) => {
                let more = Profile::from_claims(&claims);
                let both = Profile {
                    name: known.name.or(more.name),
                    email: known.email.or(more.email),
                };
                (both, None)
            }
            Some(Err(error)) => (known, Some(error)),
        }
    }

    /// The claims of the userinfo endpoint about the person of an ID token; `None` if there is no endpoint or nothing to
    /// show there.
    pub async fn userinfo(
        &self,
        id_token: &IdToken,
        access_token: Option<&Secret>,
        keys: &Arc<KeySet>,
    ) -> Option<Result<Map<String, Value>, ProviderError>> {
        let endpoint = self.provider.userinfo_endpoint.as_ref()?;
        let about = About {
            issuer: self.registration.issuer,
            client_id: self.registration.client_id,
            sub: &id_token.sub,
        };
        Some(self.claims(endpoint.as_str(), access_token?, keys, &about).await)
    }

    async fn claims(
        &self,
        endpoint: &str,
        token: &Secret,
        keys: &Arc<KeySet>,
        about: &About<'_>,
    ) -> Result<Map<String, Value>, ProviderError> {
        let unusable = || ProviderError::NotJson(Resource::Userinfo);
        let (signed, body) = self.fetch_userinfo(endpoint, token).await?;
        let claims = if signed {
            let text = std::str::from_utf8(&body).map_err(|_| unusable())?;
            let token = UnverifiedToken::parse(text.trim()).map_err(|_| unusable())?;
            token
                .verify(keys)
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
    async fn fetch_userinfo(&self, endpoint: &str, token: &Secret) -> Result<(bool, Bytes), ProviderError> {
        let unusable = || ProviderError::NotJson(Resource::Userinfo);
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()));
        let mut bearer = bearer.map_err(|_| unusable())?;
        bearer.set_sensitive(true);
        let request = Request::get(endpoint)
            .header(header::ACCEPT, Resource::Userinfo.accepted())
            .header(header::AUTHORIZATION, bearer)
            .body(Full::new(Bytes::new()))
            .map_err(|_| unusable())?;
        let response = self
            .ask(request, DEADLINE, MAX_BODY)
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
    fn an_answer_about_another_person_is_not_used(#[case] claims: Value, #[case] used: bool) {
        assert_eq!(is_about(claims.as_object().unwrap(), &about("alice")), used);
    }
}
