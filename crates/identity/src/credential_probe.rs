//! Whether a provider knows our client id and secret, found out without a sign-in: a code that was never issued is
//! redeemed. A provider that authenticates the client first (RFC 6749 section 4.1.3) refuses the code of a client whose
//! secret is right, and the client if it is wrong. Some look at the code first and so refuse it either way;
//! redeeming it again with a secret that is certainly wrong distinguishes them.

use gatewright_domain::{
    registration::{CredentialsVerdict, SecretMethod, TestedCredentials},
    secret::Secret,
};

use crate::{
    budget::Budget,
    providers::Providers,
    registration::Registration,
    token_request::{Redemption, TokenError},
    visit::Visit,
};

/// What an answer of the token endpoint says about the client.
#[derive(Debug, PartialEq, Eq)]
enum Sign {
    /// The client itself was refused: HTTP status and error code.
    ClientRefused(u16, String),
    /// Refused with 401 in words that do not say whether it is the client: HTTP status and error code.
    Unclear(u16, String),
    /// The client may have been accepted: something else was refused.
    OtherRefused,
    /// It proves nothing, for this reason.
    Silent(String),
}

/// What is said about a provider that answers the same whatever the secret is.
const ALIKE: &str = "The provider answers alike to the stored client secret and to a wrong one: it looks at the code first, or \
                     refuses both. A test sign-in tells whether the secret is right.";

/// What a probe showed.
#[derive(Debug)]
pub struct Probed {
    /// Whether the provider knows the client.
    pub credentials: TestedCredentials,
    /// How the secret had to be sent, if that is not what was tried first.
    pub other_method: Option<SecretMethod>,
}

impl From<TestedCredentials> for Probed {
    fn from(credentials: TestedCredentials) -> Self {
        Self {
            credentials,
            other_method: None,
        }
    }
}

/// Asks the provider of a registration; takes ten seconds at most. The newest secret is the one that is tried; `unreadable`
/// says what to do if it cannot be opened with the master key.
pub async fn probe(
    providers: &Providers,
    registration: &Registration<'_>,
    budget: Budget,
    unreadable: &str,
) -> Probed {
    let provider = match providers.provider(registration.issuer, budget).await {
        Ok(provider) => provider,
        Err(error) => {
            return cannot_tell(&format!(
                "The token endpoint was not asked: {error}. Test again in a minute."
            ))
            .into();
        }
    };
    let Some(secret) = registration.secrets.newest() else {
        return cannot_tell(unreadable).into();
    };
    providers
        .visit(registration, &provider, budget)
        .probe(secret)
        .await
}

impl Visit<'_> {
    async fn probe(&self, secret: &Secret) -> Probed {
        let methods = self.registration.methods(self.provider);
        let mut refused = None;
        for method in &methods {
            match self.sign_of(secret, *method).await {
                Sign::ClientRefused(status, error) => refused = Some((status, error)),
                Sign::Silent(reason) => return cannot_tell(&reason).into(),
                first @ (Sign::OtherRefused | Sign::Unclear(..)) => {
                    let made_up = Secret::new(self.providers.token());
                    let second = self.sign_of(&made_up, *method).await;
                    match (first, second) {
                        (_, Sign::Silent(reason)) => return cannot_tell(&reason).into(),
                        (_, Sign::ClientRefused(status, error))
                        | (Sign::OtherRefused, Sign::Unclear(status, error)) => {
                            return Probed {
                                credentials: right(*method, status, &error),
                                other_method: Some(*method).filter(|_| methods.first() != Some(method)),
                            };
                        }
                        // A provider that refused the other way looks at no secret that comes in this one.
                        _ if refused.is_some() => {}
                        _ => return cannot_tell(ALIKE).into(),
                    }
                }
            }
        }
        match refused {
            Some((status, error)) => wrong(&methods, status, &error),
            None => cannot_tell(ALIKE),
        }
        .into()
    }

    async fn sign_of(&self, secret: &Secret, method: SecretMethod) -> Sign {
        let redemption = Redemption {
            code: &self.providers.token(),
            verifier: &self.providers.token(),
        };
        match self.exchange(&redemption, secret, method).await {
            Ok(_) | Err(TokenError::NoIdToken) => Sign::Silent(
                "The provider answered with success to a code it never issued, so its answers show nothing. A test sign-in \
                 tells whether the secret is right."
                    .to_owned(),
            ),
            Err(error) => sign(error),
        }
    }
}

fn right(method: SecretMethod, status: u16, error: &str) -> TestedCredentials {
    let name = method.name();
    TestedCredentials {
        verdict: CredentialsVerdict::Right,
        detail: format!(
            "The provider takes client id and secret ({name}), and refuses a wrong secret (HTTP {status}, {error})."
        ),
    }
}

/// Reads a refusal. A status of 401 alone does not do: some providers answer so to a wrong code.
fn sign(error: TokenError) -> Sign {
    match error {
        TokenError::ClientRefused {
            status,
            error,
            is_said,
            ..
        } => {
            if is_said {
                Sign::ClientRefused(status, error)
            } else {
                Sign::Unclear(status, error)
            }
        }
        TokenError::Refused { status: 429, .. } => Sign::Silent(
            "The provider has had too many requests from here. Test again in some minutes.".to_owned(),
        ),
        TokenError::CodeRefused | TokenError::Refused { .. } => Sign::OtherRefused,
        TokenError::Provider(_) | TokenError::NoIdToken | TokenError::SecretUnreadable => {
            Sign::Silent(format!(
                "The token endpoint did not answer as it should: {error}. Look at the provider's status page, and test again."
            ))
        }
    }
}

fn wrong(methods: &[SecretMethod], status: u16, error: &str) -> TestedCredentials {
    let names: Vec<_> = methods.iter().map(|method| method.name()).collect();
    let names = names.join(" and ");
    TestedCredentials {
        verdict: CredentialsVerdict::Wrong,
        detail: format!(
            "The provider refused the client id or the client secret, sent as {names} (HTTP {status}, {error}). Compare the \
             client id with the provider's, and type a client secret that is valid there."
        ),
    }
}

/// The verdict if the responses do not show it.
pub fn cannot_tell(reason: &str) -> TestedCredentials {
    TestedCredentials {
        verdict: CredentialsVerdict::CannotTell,
        detail: reason.to_owned(),
    }
}
