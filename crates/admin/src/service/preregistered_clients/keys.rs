//! The public keys of a client that signs, as an administrator types them.

use gatewright_domain::{Invalid, preregistered_client::ClientProof};
use serde_json::Value;

use crate::{
    jose::key_set::{KeySet, Owner},
    service::Patch,
};

/// The largest key set: dozens of keys, which is more than a client signs with.
const MAX_KEYS_BYTES: usize = 16 * 1024;

/// The proof after a change of the keys.
pub(super) fn with_keys(current: &ClientProof, patch: Patch<Value>) -> Result<ClientProof, Invalid> {
    let jwks = match patch {
        Patch::Keep => return Ok(current.clone()),
        Patch::Clear => None,
        Patch::Set(jwks) => Some(jwks),
    };
    match current {
        ClientProof::Key { .. } => check_keys(jwks.as_ref()).map(|jwks| ClientProof::Key { jwks }),
        ClientProof::Public | ClientProof::Secret { .. } => Err(Invalid::one(
            "/jwks",
            "Only a client with `private_key_jwt` has keys, and the method never changes: register another client.",
        )),
    }
}

/// Checks the key set of a client that signs, and returns it as text.
pub(super) fn check_keys(jwks: Option<&Value>) -> Result<String, Invalid> {
    let wrong = |detail: String| Err(Invalid::one("/jwks", detail));
    let Some(jwks) = jwks else {
        return wrong(
            "A client with `private_key_jwt` needs its public keys: enter a JWK set, like `{\"keys\": [{\"kty\": \"EC\", …}]}`."
                .to_owned(),
        );
    };
    // The members that only private and symmetric keys have (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1).
    let is_secret = |key: &Value| ["d", "p", "q", "k"].iter().any(|name| key.get(name).is_some());
    let keys = jwks.get("keys").and_then(Value::as_array);
    if keys.is_some_and(|keys| keys.iter().any(is_secret)) {
        return wrong(
            "This contains a private or symmetric key, which only the client may have. Create a new pair there, and enter \
             only its public part."
                .to_owned(),
        );
    }
    let text = jwks.to_string();
    if text.len() > MAX_KEYS_BYTES {
        return wrong(format!(
            "Enter a key set of at most {MAX_KEYS_BYTES} bytes: only the keys this client signs with."
        ));
    }
    match KeySet::parse(Owner::Client, text.as_bytes()) {
        Some(keys) if keys.unread() > 0 => wrong(format!(
            "Enter at most {} keys: only those this client signs with.",
            Owner::Client.max_keys()
        )),
        Some(keys) if keys.is_usable() => Ok(text),
        Some(keys) => wrong(format!(
            "No key here can verify a signature{}. Enter an RSA key of 2048 to 4096 bits, or one on P-256, P-384 or Ed25519.",
            match keys.unusable().as_slice() {
                [] => String::new(),
                reasons => format!(": a key {}", reasons.join("; another ")),
            }
        )),
        None => wrong(
            "Enter a JWK set, like `{\"keys\": [{\"kty\": \"EC\", …}]}` (RFC 7517 section 5).".to_owned(),
        ),
    }
}
