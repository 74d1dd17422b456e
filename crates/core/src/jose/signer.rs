//! A provider's signing key, of each kind that providers use.

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, RsaPublicKeyComponents},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

/// Generating an RSA key takes a noticeable part of a second, so tests share one.
static RSA: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("a key for tests"));

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerKind {
    /// RSA with 2,048 bits.
    Rsa,
    /// The elliptic curve P-256.
    P256,
    /// The elliptic curve P-384.
    P384,
    /// Ed25519.
    Ed25519,
}

/// A key pair with the id under which it is published.
#[derive(Debug)]
pub struct Signer {
    kid: Option<String>,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Rsa(&'static RsaKeyPair),
    Ec(&'static str, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    /// A new key pair, or the shared one of kind RSA.
    pub fn new(kind: SignerKind, key_id: Option<&str>) -> Self {
        let pair = match kind {
            SignerKind::Rsa => Pair::Rsa(&RSA),
            SignerKind::P256 => Pair::Ec(
                "P-256",
                EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key for tests"),
            ),
            SignerKind::P384 => Pair::Ec(
                "P-384",
                EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key for tests"),
            ),
            SignerKind::Ed25519 => Pair::Ed(Ed25519KeyPair::generate().expect("a key for tests")),
        };
        Self {
            kid: key_id.map(str::to_owned),
            pair,
        }
    }

    /// The algorithm such a key is mostly used with.
    pub fn default_algorithm(&self) -> Algorithm {
        match &self.pair {
            Pair::Rsa(_) => Algorithm::RS256,
            Pair::Ec("P-256", _) => Algorithm::ES256,
            Pair::Ec(..) => Algorithm::ES384,
            Pair::Ed(_) => Algorithm::EdDSA,
        }
    }

    /// The public key as published: no `alg`, no `use`, and a `kid` only if it has one.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": encode(&public.n), "e": encode(&public.e)})
            }
            Pair::Ec(curve, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
        };
        if let Some(kid) = &self.kid {
            jwk["kid"] = json!(kid);
        }
        jwk
    }

    /// The signature over `message` in base64url.
    pub fn sign(&self, message: &[u8], algorithm: Algorithm) -> String {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let padding: &'static dyn signature::RsaEncoding = match algorithm {
                    Algorithm::RS256 => &signature::RSA_PKCS1_SHA256,
                    Algorithm::RS384 => &signature::RSA_PKCS1_SHA384,
                    Algorithm::RS512 => &signature::RSA_PKCS1_SHA512,
                    Algorithm::PS256 => &signature::RSA_PSS_SHA256,
                    Algorithm::PS384 => &signature::RSA_PSS_SHA384,
                    Algorithm::PS512 => &signature::RSA_PSS_SHA512,
                    other => panic!("{other:?} is not an RSA algorithm"),
                };
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut made)
                    .expect("a key for tests");
                encode(&made)
            }
            Pair::Ec(_, pair) => encode(pair.sign(&random, message).expect("a key for tests").as_ref()),
            Pair::Ed(pair) => encode(pair.sign(message).as_ref()),
        }
    }

    /// A signed token with the usual header and these claims.
    pub fn token(&self, claims: &Value) -> String {
        let mut header = json!({"alg": format!("{:?}", self.default_algorithm()), "typ": "JWT"});
        if let Some(kid) = &self.kid {
            header["kid"] = json!(kid);
        }
        self.token_with(&header, claims)
    }

    /// A token with any header, signed with the key's usual algorithm whatever the header says.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let algorithm = match header["alg"].as_str().map(str::parse) {
            Some(Ok(algorithm))
                if matches!(self.pair, Pair::Rsa(_)) && format!("{algorithm:?}") != "HS256" =>
            {
                algorithm
            }
            _ => self.default_algorithm(),
        };
        let message = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        let signature = self.sign(message.as_bytes(), algorithm);
        format!("{message}.{signature}")
    }
}

/// Base64url without padding.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
