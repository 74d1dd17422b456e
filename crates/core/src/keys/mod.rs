//! Signing keys: ES256, one for access tokens, one for identity assertions and one for anchors of the audit trail.
//!
//! We issue and verify the tokens, so their header is one fixed text per key and verification compares it byte
//! for byte: algorithm, type and key id are right or the token is foreign. Nothing in a token chooses how it is checked.

mod claims;
mod key;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use gatewright_domain::{
    Clock, Entropy, Timestamp,
    id::SigningKeyId,
    sealed::{Keyring, Purpose},
};
use gatewright_store::{
    Store,
    keys::{SigningPurpose, StoredSigningKey, signing_key_context},
};
use serde::{Serialize, de::DeserializeOwned};

pub use claims::AccessClaims;
use key::SigningKey;

/// `typ` of access tokens (RFC 9068 section 2.1).
const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// `typ` of identity assertions.
const ASSERTION_TYPE: &str = "gatewright-assertion+jwt";

/// `typ` of anchors of the audit trail.
const ANCHOR_TYPE: &str = "gatewright-audit-anchor+jwt";
/// What signs.
const PURPOSES: [SigningPurpose; 3] = [
    SigningPurpose::AccessToken,
    SigningPurpose::Assertion,
    SigningPurpose::AuditAnchor,
];

/// Ours are around 800 bytes; longer ones are refused unread.
const MAX_TOKEN_BYTES: usize = 4_096;

/// Why a token is not accepted: one reason, for the log; the client receives only `invalid_token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT, not ES256, not `typ: at+jwt`, or an unknown key.
    #[error("not an access token of this instance")]
    Foreign,
    /// The signature does not match.
    #[error("the signature does not match")]
    Signature,
    /// Past its expiry.
    #[error("the token has expired")]
    Expired,
}

/// The signing keys of the instance.
#[derive(Debug)]
pub struct SigningKeys {
    // Behind a swap, so that a later rotation can replace them while requests run.
    current: ArcSwap<KeySet>,
}

#[derive(Debug)]
struct KeySet {
    access_token: SigningKey,
    assertion: SigningKey,
    anchor: SigningKey,
    /// Keys of access tokens and anchors that no longer sign, while what they signed still counts.
    retired: Vec<SigningKey>,
    jwks: Bytes,
}

impl SigningKeys {
    /// Loads the keys, making them at first start.
    pub async fn load(
        store: &Store,
        keyring: &Keyring,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> anyhow::Result<Self> {
        let stored = ensure(store, keyring, clock, entropy)
            .await
            .context("the signing keys")?;
        Ok(Self {
            current: ArcSwap::from_pointee(KeySet::open(&stored, keyring)?),
        })
    }

    /// Keys that no store keeps, for tests and fuzz targets.
    #[cfg(any(test, fuzzing))]
    pub fn ephemeral(clock: &dyn Clock, entropy: &dyn Entropy) -> anyhow::Result<Self> {
        let keyring = Keyring::new(vec![gatewright_domain::sealed::MasterKey::generate(entropy)])?;
        let stored = PURPOSES
            .into_iter()
            .map(|purpose| generate(purpose, &keyring, clock, entropy))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            current: ArcSwap::from_pointee(KeySet::open(&stored, &keyring)?),
        })
    }

    /// Signs an access token, `typ: at+jwt`.
    pub fn sign_access_token(&self, claims: &AccessClaims) -> String {
        self.current.load().access_token.sign(claims)
    }

    /// Verifies signature, `typ`, `alg` and expiry. Audience, issuer, gateway and epoch are the caller's to check.
    pub fn verify_access_token(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Foreign);
        }
        let keys = self.current.load();
        let claims: AccessClaims = keys.verified(&keys.access_token, token)?;
        if now.as_seconds() >= claims.exp {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }

    /// Signs an identity assertion, `typ: gatewright-assertion+jwt`.
    pub fn sign_assertion(&self, claims: &impl Serialize) -> String {
        self.current.load().assertion.sign(claims)
    }

    /// Signs an anchor of the audit trail, `typ: gatewright-audit-anchor+jwt`.
    pub fn sign_anchor(&self, claims: &impl Serialize) -> String {
        self.current.load().anchor.sign(claims)
    }

    /// What a signed anchor of this instance says. An anchor does not expire.
    pub fn verify_anchor<T: DeserializeOwned>(&self, token: &str) -> Result<T, TokenError> {
        let keys = self.current.load();
        keys.verified(&keys.anchor, token)
    }

    /// The public keys as a JWK set (JSON), for `/.well-known/jwks.json`.
    pub fn jwks(&self) -> Bytes {
        self.current.load().jwks.clone()
    }
}

impl KeySet {
    /// What a token says that `current`, or a retired key of the same kind, has signed. The header names the kind.
    fn verified<T: DeserializeOwned>(&self, current: &SigningKey, token: &str) -> Result<T, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Foreign)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Foreign)?;
        let key = std::iter::once(current)
            .chain(&self.retired)
            .find(|key| key.header() == header && key.has_type_of(current))
            .ok_or(TokenError::Foreign)?;
        key.verify(signed, signature)?;
        let claims = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Foreign)?;
        serde_json::from_slice(&claims).map_err(|_| TokenError::Foreign)
    }

    fn open(stored: &[StoredSigningKey], keyring: &Keyring) -> anyhow::Result<Self> {
        let signing = |purpose| {
            stored
                .iter()
                .find(|key| key.purpose == purpose && key.retired_at.is_none())
                .context("a signing key is missing; restart Gatewright")
        };
        let retired = stored
            .iter()
            .filter(|key| key.purpose != SigningPurpose::Assertion && key.retired_at.is_some());
        let public: Vec<&serde_json::value::RawValue> = stored
            .iter()
            .map(|key| serde_json::from_str(&key.public_jwk))
            .collect::<Result<_, _>>()
            .context("a stored public key is not JSON")?;
        Ok(Self {
            access_token: SigningKey::open(signing(SigningPurpose::AccessToken)?, keyring)?,
            assertion: SigningKey::open(signing(SigningPurpose::Assertion)?, keyring)?,
            anchor: SigningKey::open(signing(SigningPurpose::AuditAnchor)?, keyring)?,
            retired: retired
                .map(|key| SigningKey::open(key, keyring))
                .collect::<Result<_, _>>()?,
            jwks: serde_json::to_vec(&serde_json::json!({ "keys": public }))?.into(),
        })
    }
}

/// The stored keys, with one that signs for each purpose.
async fn ensure(
    store: &Store,
    keyring: &Keyring,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> anyhow::Result<Vec<StoredSigningKey>> {
    let mut tx = store.read().await?;
    let stored = gatewright_store::keys::list(&mut tx).await?;
    drop(tx);
    let missing = |purpose| {
        !stored
            .iter()
            .any(|key| key.purpose == purpose && key.retired_at.is_none())
    };
    let missing: Vec<_> = PURPOSES.into_iter().filter(|purpose| missing(*purpose)).collect();
    if missing.is_empty() {
        return Ok(stored);
    }
    let mut tx = store.write().await?;
    for purpose in missing {
        let key = generate(purpose, keyring, clock, entropy)?;
        gatewright_store::keys::insert_if_none(&mut tx, &key).await?;
    }
    let stored = gatewright_store::keys::list(&mut tx).await?;
    tx.commit().await?;
    Ok(stored)
}

fn generate(
    purpose: SigningPurpose,
    keyring: &Keyring,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> anyhow::Result<StoredSigningKey> {
    let id = SigningKeyId::generate(clock, entropy);
    let (private, public_jwk) = key::generate(&id.to_string())?;
    Ok(StoredSigningKey {
        private: keyring.seal(entropy, Purpose::SigningKey, &signing_key_context(id), &private),
        id,
        purpose,
        public_jwk,
        created_at: clock.now(),
        retired_at: None,
    })
}

#[cfg(test)]
mod tests;
