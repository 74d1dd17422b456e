//! What a provider sends back through the browser (RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207).

use gatewright_oauth::parameters::Parameters;

use crate::{discovery::Provider, excerpt::excerpt, id_token::IssuerDifference};

/// How much of a provider's error is repeated.
const SHOWN: usize = 60;

/// The parameters of a callback, each at most once.
#[derive(Debug)]
pub struct Returned {
    /// Names the sign-in. Some providers leave it out when they refuse.
    pub state: Option<String>,
    /// The provider that responds, if it names itself.
    pub issuer: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

/// What the provider decided.
#[derive(Debug)]
pub enum Outcome {
    /// A code.
    Code(String),
    /// An error, made safe to show.
    Error(String),
}

/// What is wrong with the parameters of a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A parameter appears more than once.
    #[error("`{0}` appears more than once")]
    Repeated(&'static str),
    /// The code has characters that a code cannot have.
    #[error("its `code` has characters that no code may have")]
    Code,
    /// A code and an error at once.
    #[error("it has both `code` and `error`")]
    Both,
    /// Neither of the two.
    #[error("it has neither `code` nor `error`")]
    Neither,
    /// The state is missing.
    #[error("it has no `state`")]
    NoState,
}

impl Returned {
    /// Reads the parameters of a callback.
    pub fn read(parameters: &Parameters) -> Result<Self, Malformed> {
        let one = |name| {
            let value = parameters.one(name).map(|value| value.map(str::to_owned));
            value.map_err(|_| Malformed::Repeated(name))
        };
        Ok(Self {
            code: one("code")?,
            error: one("error")?,
            issuer: one("iss")?,
            state: one("state")?,
        })
    }

    /// What the provider decided.
    pub fn outcome(&self) -> Result<Outcome, Malformed> {
        match (&self.code, &self.error) {
            (Some(code), None) if is_code(code) => Ok(Outcome::Code(code.clone())),
            (Some(_), None) => Err(Malformed::Code),
            (None, Some(error)) => Ok(Outcome::Error(excerpt(error, SHOWN))),
            (Some(_), Some(_)) => Err(Malformed::Both),
            (None, None) => Err(Malformed::Neither),
        }
    }

    /// How the issuer that answers differs from the configured one; `None` if it is the same or not named.
    pub fn issuer_difference(&self, configured: &str) -> Option<IssuerDifference> {
        let issuer = self.issuer.as_deref()?;
        IssuerDifference::between(configured, Some(issuer))
    }

    /// Whether the issuer is missing although the provider says that it sends it (RFC 9207 section 2.4).
    pub fn lacks_issuer(&self, provider: &Provider) -> bool {
        self.issuer.is_none() && provider.sends_issuer
    }
}

/// Whether a code has only characters that a code can have (RFC 6749 appendix A.11). Some providers read others as digits.
fn is_code(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_visible_characters_of_ascii_only() {
        assert!(is_code("4/0AX~ y_-="));
        assert!(!is_code("\u{ff11}23") && !is_code("a\n") && !is_code("\u{7f}"));
    }
}
