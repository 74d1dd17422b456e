//! What a provider sends back through the browser (RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207).

use gatewright_oauth::parameters::Parameters;

use super::{brought, excerpt::excerpt, failure::Failure};

/// The parameters of the callback beside its state, each at most once.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) outcome: Outcome,
    pub(super) issuer: Option<String>,
}

/// What the provider decided.
#[derive(Debug)]
pub(super) enum Outcome {
    Code(String),
    Error(String),
}

impl Returned {
    /// Reads the parameters of a callback.
    pub(super) fn read(parameters: &Parameters) -> Result<Self, Failure> {
        let one = |name| {
            parameters
                .one(name)
                .map(|value| value.map(str::to_owned))
                .map_err(|_| Failure::Malformed(format!("`{name}` stands there more than once")))
        };
        let (code, error, issuer) = (one("code")?, one("error")?, one("iss")?);
        let outcome = match (code, error) {
            (Some(code), None) if brought::is_code(&code) => Outcome::Code(code),
            (Some(_), None) => {
                return Err(Failure::Malformed(
                    "its `code` has characters that no code may have".to_owned(),
                ));
            }
            (None, Some(error)) => Outcome::Error(excerpt(&error, 60)),
            (Some(_), Some(_)) => {
                return Err(Failure::Malformed("it has both `code` and `error`".to_owned()));
            }
            (None, None) => return Err(Failure::Malformed("it has neither `code` nor `error`".to_owned())),
        };
        match (one("state")?, outcome) {
            (Some(_), outcome) => Ok(Self { outcome, issuer }),
            // Some providers leave `state` out when they refuse; their reason is still worth a log line.
            (None, Outcome::Error(error)) => Err(Failure::ProviderAnswer(error)),
            (None, Outcome::Code(_)) => Err(Failure::Malformed("it has no `state`".to_owned())),
        }
    }
}
