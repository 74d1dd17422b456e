//! A compact JWS, parsed with nothing proven yet (RFC 7515 section 3.1), and its signature checked.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::key_set::{KeySet, SignatureAlgorithm, Verification};

/// Why a text is not a JWS that could be verified. Holds nothing of it but the name of its algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// It is not three base64url parts with JSON objects in the first two.
    #[error("it is not a signed JWT: {0}")]
    Malformed(&'static str),
    /// It has five parts.
    #[error("it is encrypted")]
    Encrypted,
    /// `alg` is `none`, symmetric or unknown.
    #[error("it is signed with an algorithm that is not accepted")]
    Algorithm(String),
    /// The header has `crit`, which names extensions that must be understood (section 4.1.11).
    #[error("it has a critical header extension, and none is supported")]
    CriticalHeader,
}

/// A JWS with a JSON object as payload.
#[derive(Debug)]
pub struct Jws<'a> {
    /// The algorithm its header names, one of those accepted.
    pub algorithm: SignatureAlgorithm,
    /// The key its header names.
    pub kid: Option<String>,
    /// The kind of token its header says it is (section 4.1.9).
    pub typ: Option<String>,
    /// The payload. Believe it only when [`Signed::verify`] says so.
    pub claims: Map<String, Value>,
    message: &'a str,
    signature: &'a str,
}

/// What is needed to check a signature, without the token, so that another thread can do it.
#[derive(Debug)]
pub struct Signed {
    algorithm: SignatureAlgorithm,
    kid: Option<String>,
    message: String,
    signature: String,
}

impl Signed {
    /// Checks the signature. Anything but [`Verification::Good`] may mean that the keys have been rotated.
    pub fn verify(&self, keys: &KeySet) -> Verification {
        let message = self.message.as_bytes();
        keys.verify(self.algorithm, self.kid.as_deref(), message, &self.signature)
    }
}

impl<'a> Jws<'a> {
    /// Parses a token and refuses algorithms that are not accepted.
    pub fn parse(token: &'a str) -> Result<Self, JwsError> {
        let parts: Vec<&str> = token.splitn(6, '.').collect();
        let [header, payload, signature] = parts[..] else {
            return Err(match parts.len() {
                5 => JwsError::Encrypted,
                _ => JwsError::Malformed("it does not have three parts"),
            });
        };
        let object = |part: &str, problem| -> Result<Map<String, Value>, JwsError> {
            URL_SAFE_NO_PAD
                .decode(part)
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                .ok_or(JwsError::Malformed(problem))
        };
        let header = object(header, "its header is not a JSON object in base64url")?;
        if header.contains_key("crit") {
            return Err(JwsError::CriticalHeader);
        }
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        let name = text("alg").ok_or(JwsError::Malformed("its header has no `alg`"))?;
        let algorithm =
            SignatureAlgorithm::named(name).ok_or_else(|| JwsError::Algorithm(name.to_owned()))?;
        Ok(Self {
            algorithm,
            kid: text("kid").map(str::to_owned),
            typ: text("typ").map(str::to_owned),
            claims: object(payload, "its payload is not a JSON object in base64url")?,
            message: &token[..token.len() - signature.len() - 1],
            signature,
        })
    }

    /// What its signature is checked by.
    pub fn signed(&self) -> Signed {
        Signed {
            algorithm: self.algorithm,
            kid: self.kid.clone(),
            message: self.message.to_owned(),
            signature: self.signature.to_owned(),
        }
    }
}
