//! One ES256 key (RFC 7518 section 3.4): P-256, SHA-256, signatures as two numbers of 32 bytes.

use anyhow::{Context as _, anyhow};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatewright_domain::sealed::{Keyring, Purpose};
use gatewright_store::keys::{SigningPurpose, StoredSigningKey, signing_key_context};
use serde::Serialize;

use super::{ACCESS_TOKEN_TYPE, ANCHOR_TYPE, ASSERTION_TYPE, TokenError};

/// A key in memory.
pub(super) struct SigningKey {
    /// The whole header of its tokens, encoded.
    header: String,
    /// The `typ` of its tokens.
    typ: &'static str,
    pair: EcdsaKeyPair,
    public: ParsedPublicKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey([redacted])")
    }
}

impl SigningKey {
    /// Opens a stored key.
    pub(super) fn open(stored: &StoredSigningKey, keyring: &Keyring) -> anyhow::Result<Self> {
        let private = keyring
            .open(
                Purpose::SigningKey,
                &signing_key_context(stored.id),
                &stored.private,
            )
            .with_context(|| format!("the signing key {} does not open with the master key", stored.id))?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &private)
            .map_err(|_| anyhow!("the signing key {} is damaged", stored.id))?;
        let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key())
            .map_err(|_| anyhow!("the signing key {} is damaged", stored.id))?;
        let typ = match stored.purpose {
            SigningPurpose::AccessToken => ACCESS_TOKEN_TYPE,
            SigningPurpose::Assertion => ASSERTION_TYPE,
            SigningPurpose::AuditAnchor => ANCHOR_TYPE,
        };
        let header = serde_json::json!({ "alg": "ES256", "kid": stored.id, "typ": typ });
        Ok(Self {
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            typ,
            pair,
            public,
        })
    }

    /// The header of its tokens, encoded.
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    /// Whether it signs the same kind of token.
    pub(super) fn has_type_of(&self, other: &Self) -> bool {
        self.typ == other.typ
    }

    /// A JWT in compact form (RFC 7515 section 7.1).
    pub(super) fn sign(&self, claims: &impl Serialize) -> String {
        let claims = serde_json::to_vec(claims).expect("claims are plain data with text keys");
        let mut token = String::with_capacity(self.header.len() + claims.len() * 4 / 3 + 96);
        token.push_str(&self.header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&claims, &mut token);
        let signature = self
            .pair
            .sign(&SystemRandom::new(), token.as_bytes())
            .expect("signing with a good key fails only when memory is out");
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// Checks a signature over the first two parts of a token.
    pub(super) fn verify(&self, signed: &str, signature: &str) -> Result<(), TokenError> {
        let mut decoded = [0_u8; 64];
        match URL_SAFE_NO_PAD.decode_slice(signature, &mut decoded) {
            Ok(64) => {}
            _ => return Err(TokenError::Signature),
        }
        self.public
            .verify_sig(signed.as_bytes(), &decoded)
            .map_err(|_| TokenError::Signature)
    }
}

/// A new key: PKCS#8 and the public JWK (RFC 7517, RFC 7518 section 6.2). Its randomness is the cryptographic
/// library's own, which accepts no other.
pub(super) fn generate(kid: &str) -> anyhow::Result<(Vec<u8>, String)> {
    let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| anyhow!("no signing key could be created"))?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_ref())
        .map_err(|_| anyhow!("no signing key could be created"))?;
    // An uncompressed point: 4, then both coordinates.
    let point = pair.public_key().as_ref();
    let (x, y) = point
        .get(1..)
        .context("no signing key could be created")?
        .split_at(32);
    let jwk = serde_json::json!({
        "kty": "EC",
        "crv": "P-256",
        "alg": "ES256",
        "use": "sig",
        "kid": kid,
        "x": URL_SAFE_NO_PAD.encode(x),
        "y": URL_SAFE_NO_PAD.encode(y),
    });
    Ok((private.as_ref().to_vec(), jwk.to_string()))
}
