//! The provider's RSA key: every OpenID provider must support RS256 (Core 1.0, section 15.1).

use anyhow::Context as _;
use aws_lc_rs::{
    error::Unspecified,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, jwk::Jwk};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A key pair and its public half as JSON.
pub(super) struct SigningKey {
    pair: KeyPair,
    public: Value,
    id: String,
}

impl SigningKey {
    /// Creates a key of 2048 bits.
    pub(super) fn generate() -> anyhow::Result<Self> {
        let pair =
            KeyPair::generate(KeySize::Rsa2048).context("the demo provider's key could not be generated")?;
        let public = DecodingKey::from_rsa_der(pair.public_key().as_ref());
        let jwk = Jwk::from_decoding_key(&public, Some(Algorithm::RS256))
            .context("the demo provider's key could not be published")?;
        let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(pair.public_key().as_ref())[..12]);
        let mut public = serde_json::to_value(jwk)?;
        public["kid"] = json!(id);
        public["use"] = json!("sig");
        Ok(Self { pair, public, id })
    }

    /// The JWK set (RFC 7517 section 5).
    pub(super) fn jwks(&self) -> Value {
        json!({ "keys": [self.public] })
    }

    /// Signs an ID token in the compact serialization (RFC 7515 section 7.1).
    pub(super) fn sign(&self, claims: &Value) -> Result<String, Unspecified> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.id });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encode(&header), encode(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message.as_bytes(),
            &mut signature,
        )?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
