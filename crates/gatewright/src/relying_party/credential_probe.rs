//! Whether a provider knows our client id and secret, found out without a sign-in: a code that was never issued is
//! redeemed. A provider that authenticates the client first (RFC 6749 section 4.1.3) refuses the code of a client whose
//! secret is right, and the client where it is wrong. Some look at the code first and so refuse it either way;
//! redeeming it once more with a secret that is certainly wrong tells them apart.

use gatewright_domain::{
    entropy,
    sealed::Purpose,
    secret::Secret,
    user_source::{CredentialsVerdict, TestedCredentials, UserSource, client_secret_context},
};

use super::{
    budget::Budget,
    discovery::Provider,
    token_request::{self, Redemption, TokenError},
};
use crate::app::App;

/// What an answer of the token endpoint says of the client.
#[derive(Debug, PartialEq, Eq)]
enum Sign {
    /// The client itself was refused: HTTP status and error code.
    ClientRefused(u16, String),
    /// The client may have been accepted: something else was refused.
    OtherRefused,
    /// Nothing can be told from it, for this reason.
    Silent(String),
}

/// Asks the provider of a source, as it is stored; takes ten seconds at most. The newest secret is the one that is
/// tried, and nothing about it is noted.
pub async fn probe(app: &App, source: &UserSource) -> TestedCredentials {
    let budget = Budget::start();
    let provider = match app.relying_party.provider(app, &source.issuer, budget).await {
        Ok(provider) => provider,
        Err(error) => return cannot_tell(&format!("The token endpoint was not asked: {error}.")),
    };
    let opened = app.keyring.open_secret(
        Purpose::StoredSecret,
        &client_secret_context(source.id),
        &source.client_secret.current,
    );
    let Ok(secret) = opened else {
        return cannot_tell(
            "The stored client secret cannot be opened with the master key of this instance. Type it again.",
        );
    };
    let (status, error) = match ask(app, source, &provider, &secret, budget).await {
        Sign::ClientRefused(status, error) => return wrong(status, &error),
        Sign::Silent(reason) => return cannot_tell(&reason),
        Sign::OtherRefused => {
            let made_up = Secret::new(entropy::token(app.entropy.as_ref()));
            match ask(app, source, &provider, &made_up, budget).await {
                Sign::ClientRefused(status, error) => (status, error),
                Sign::Silent(reason) => return cannot_tell(&reason),
                Sign::OtherRefused => {
                    return cannot_tell(
                        "The provider looks at the code before the client secret: it answers alike to the stored secret and \
                         to a wrong one. Only a sign-in can tell.",
                    );
                }
            }
        }
    };
    TestedCredentials {
        verdict: CredentialsVerdict::Right,
        detail: format!(
            "The provider takes client id and secret, and refuses a wrong secret (HTTP {status}, {error})."
        ),
    }
}

async fn ask(app: &App, source: &UserSource, provider: &Provider, secret: &Secret, budget: Budget) -> Sign {
    let redemption = Redemption {
        code: &entropy::token(app.entropy.as_ref()),
        verifier: &entropy::token(app.entropy.as_ref()),
        redirect_uri: &app.config.redirect_url(source.id, source.callback),
    };
    match token_request::send(app, source, provider, &redemption, secret, budget).await {
        Ok(_) | Err(TokenError::NoIdToken) => Sign::Silent(
            "The provider answered with success to a code it never issued, so its answers tell nothing."
                .to_owned(),
        ),
        Err(error) => sign(error),
    }
}

/// Reads a refusal. A status of 401 alone does not do: some providers answer so to a wrong code.
fn sign(error: TokenError) -> Sign {
    match error {
        TokenError::ClientRefused { status, error, .. } => match error.as_str() {
            "invalid_client" | "unauthorized_client" => Sign::ClientRefused(status, error),
            _ => Sign::OtherRefused,
        },
        TokenError::Refused { status: 429, .. } => Sign::Silent(
            "The provider has had too many requests from here. Test again in some minutes.".to_owned(),
        ),
        TokenError::CodeRefused | TokenError::Refused { .. } => Sign::OtherRefused,
        TokenError::Provider(_) | TokenError::NoIdToken | TokenError::SecretUnreadable => {
            Sign::Silent(format!("The token endpoint gave no answer that tells: {error}."))
        }
    }
}

fn wrong(status: u16, error: &str) -> TestedCredentials {
    TestedCredentials {
        verdict: CredentialsVerdict::Wrong,
        detail: format!(
            "The provider refused the client id or the client secret (HTTP {status}, {error}). Compare the client id with \
             the provider's, and type a client secret that is valid there."
        ),
    }
}

/// The verdict where answers do not tell.
pub fn cannot_tell(reason: &str) -> TestedCredentials {
    TestedCredentials {
        verdict: CredentialsVerdict::CannotTell,
        detail: reason.to_owned(),
    }
}
