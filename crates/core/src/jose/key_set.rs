//! A key set (RFC 7517) of an identity provider or a client, and the choice of the key that verifies a signature (RFC
//! 7515, RFC 8725).
//!
//! Their owners leave out `kid`, `alg` and `use`; what they do state must hold. Keys come from the published set alone: a
//! key or an address inside a token is never looked at.

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

/// What a key set comes as, for `Accept` (RFC 7517 section 8.5.1); most owners send plain JSON.
pub const ACCEPTED_TYPES: &str = "application/jwk-set+json, application/json";

/// Keys that are tried on one signature. An owner who uses a different ID for each key needs one.
const MAX_TRIED: usize = 4;

/// RSA keys are at least this long (NIST SP 800-131A; RFC 7518 section 3.3).
const MIN_RSA_BITS: usize = 2048;

/// And at most this long, which bounds the work of one verification.
const MAX_RSA_BITS: usize = 4096;

/// The longest RSA exponent: the work grows with it, and everyone uses 65537.
const MAX_RSA_EXPONENT_BYTES: usize = 4;

/// Base64url, padded or not: some providers pad.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Signature algorithms accepted: asymmetric ones only, each with the kind of key it takes.
const ACCEPTED: [(&str, Algorithm, KeyKind); 10] = [
    ("RS256", Algorithm::RS256, KeyKind::Rsa),
    ("RS384", Algorithm::RS384, KeyKind::Rsa),
    ("RS512", Algorithm::RS512, KeyKind::Rsa),
    ("PS256", Algorithm::PS256, KeyKind::Rsa),
    ("PS384", Algorithm::PS384, KeyKind::Rsa),
    ("PS512", Algorithm::PS512, KeyKind::Rsa),
    ("ES256", Algorithm::ES256, KeyKind::P256),
    ("ES384", Algorithm::ES384, KeyKind::P384),
    ("EdDSA", Algorithm::EdDSA, KeyKind::Ed25519),
    ("Ed25519", Algorithm::EdDSA, KeyKind::Ed25519),
];

/// What a key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// A signature algorithm that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureAlgorithm {
    name: &'static str,
    algorithm: Algorithm,
    key: KeyKind,
}

impl SignatureAlgorithm {
    /// By its JOSE name; `None` for `none`, the HMAC family and anything unknown.
    pub fn named(name: &str) -> Option<Self> {
        ACCEPTED
            .iter()
            .find(|(accepted, ..)| *accepted == name)
            .map(|&(name, algorithm, key)| Self { name, algorithm, key })
    }

    /// The algorithm as the signature library knows it.
    pub const fn algorithm(self) -> Algorithm {
        self.algorithm
    }
}

/// The names of all accepted algorithms, for error messages.
pub fn accepted_names() -> String {
    ACCEPTED.map(|(name, ..)| name).join(", ")
}

/// One usable key.
#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    kind: KeyKind,
    material: DecodingKey,
}

/// Whose keys they are. A client may belong to a stranger, so its set has narrower bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Owner {
    /// An identity provider that an administrator connected.
    #[default]
    Provider,
    /// A client that signs (`private_key_jwt`).
    Client,
}

impl Owner {
    /// Keys read from one set; the rest are counted only. Providers publish a handful, a few of them one per tenant or
    /// application.
    pub const fn max_keys(self) -> usize {
        match self {
            Self::Provider => 200,
            Self::Client => 20,
        }
    }

    /// How many fitting keys there may be when the signature names none. OpenID Connect Core section 10.1 demands `kid`
    /// beside several keys, and some providers leave it out all the same.
    const fn max_unnamed(self) -> usize {
        match self {
            Self::Provider => MAX_TRIED,
            Self::Client => 1,
        }
    }
}

/// The usable keys of one owner.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    owner: Owner,
    keys: Vec<Key>,
    unusable: Vec<&'static str>,
    unread: usize,
}

/// The result of checking a signature against a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// A key of the set made the signature.
    Good,
    /// No key of the set fits the token's `kid` and `alg`: the set may be out of date.
    NoKey,
    /// Keys fit, and none of them made the signature.
    Bad,
    /// More keys fit than are tried, and the token names none of them (`kid`).
    Ambiguous,
}

impl KeySet {
    /// Reads the JWK set of an owner. Keys that cannot verify a signature are left out; `None` when it is not a JWK set
    /// at all.
    pub fn parse(owner: Owner, body: &[u8]) -> Option<Self> {
        let set: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let published = set.get("keys")?.as_array()?;
        let mut keys = Self {
            owner,
            unread: published.len().saturating_sub(owner.max_keys()),
            ..Self::default()
        };
        for jwk in published.iter().take(owner.max_keys()) {
            match read_key(jwk) {
                Ok(key) => keys.keys.push(key),
                Err(reason) => keys.unusable.push(reason),
            }
        }
        Some(keys)
    }

    /// How many keys were not read, because the set has more than its owner may publish.
    pub const fn unread(&self) -> usize {
        self.unread
    }

    /// Whether any key can verify an accepted algorithm.
    pub fn is_usable(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Why keys were left out, each reason once.
    pub fn unusable(&self) -> Vec<&'static str> {
        let mut reasons = self.unusable.clone();
        reasons.sort_unstable();
        reasons.dedup();
        reasons
    }

    /// Checks `signature` (base64url) over `message`. A `kid` picks the keys that bear it, or else those without any
    /// `kid`; without one the few keys that fit the algorithm are tried.
    pub fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        kid: Option<&str>,
        message: &[u8],
        signature: &str,
    ) -> Verification {
        let fitting: Vec<&Key> = self.keys.iter().filter(|key| key.fits(algorithm)).collect();
        let named: Vec<&Key> = fitting
            .iter()
            .copied()
            .filter(|key| kid.is_some() && key.id.as_deref() == kid)
            .collect();
        let candidates = if named.is_empty() {
            let unnamed: Vec<&Key> = fitting
                .into_iter()
                .filter(|key| kid.is_none() || key.id.is_none())
                .collect();
            if unnamed.len() > self.owner.max_unnamed() {
                return Verification::Ambiguous;
            }
            unnamed
        } else {
            named
        };
        if candidates.is_empty() {
            return Verification::NoKey;
        }
        let made_it = |key: &&Key| {
            jsonwebtoken::crypto::verify(signature, message, &key.material, algorithm.algorithm)
                .unwrap_or(false)
        };
        if candidates.iter().take(MAX_TRIED).any(made_it) {
            Verification::Good
        } else {
            Verification::Bad
        }
    }
}

impl Key {
    /// Whether it can verify signatures of this algorithm.
    fn fits(&self, algorithm: SignatureAlgorithm) -> bool {
        let is_stated = |stated: &str| {
            SignatureAlgorithm::named(stated).map(|it| it.algorithm) == Some(algorithm.algorithm)
        };
        self.kind == algorithm.key && self.algorithm.as_deref().is_none_or(is_stated)
    }
}

/// Reads one JWK, or says why it cannot verify a signature.
fn read_key(jwk: &Value) -> Result<Key, &'static str> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return Err("is not for signatures (`use`)");
    }
    if let Some(Value::Array(operations)) = jwk.get("key_ops")
        && !operations
            .iter()
            .any(|operation| operation == "verify" || operation == "sign")
    {
        return Err("is not for signatures (`key_ops`)");
    }
    if text("alg").is_some_and(|name| SignatureAlgorithm::named(name).is_none()) {
        return Err("is for an algorithm that is not accepted (`alg`)");
    }
    let bytes = |name: &str| text(name).and_then(|value| BASE64URL.decode(value).ok());
    let (kind, material) = match (text("kty"), text("crv")) {
        (Some("RSA"), _) => {
            let n = without_leading_zeros(bytes("n").ok_or("lacks a modulus")?);
            let e = without_leading_zeros(bytes("e").ok_or("lacks an exponent")?);
            let bits = n
                .first()
                .map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
            if bits < MIN_RSA_BITS {
                return Err("is an RSA key of less than 2048 bits");
            }
            if bits > MAX_RSA_BITS {
                return Err("is an RSA key of more than 4096 bits");
            }
            if e.len() > MAX_RSA_EXPONENT_BYTES {
                return Err("is an RSA key with an exponent of more than 32 bits");
            }
            (KeyKind::Rsa, DecodingKey::from_rsa_raw_components(&n, &e))
        }
        (Some("EC"), Some("P-256")) => (KeyKind::P256, point(bytes("x"), bytes("y"), 32)?),
        (Some("EC"), Some("P-384")) => (KeyKind::P384, point(bytes("x"), bytes("y"), 48)?),
        (Some("OKP"), Some("Ed25519")) => {
            let x = bytes("x")
                .filter(|x| x.len() == 32)
                .ok_or("is not an Ed25519 key of 32 bytes")?;
            (KeyKind::Ed25519, DecodingKey::from_ed_der(&x))
        }
        (Some("EC" | "OKP"), _) => return Err("is on a curve that is not accepted"),
        (Some("oct"), _) => return Err("is a symmetric key"),
        _ => return Err("is of an unknown type (`kty`)"),
    };
    Ok(Key {
        id: text("kid").map(str::to_owned),
        algorithm: text("alg").map(str::to_owned),
        kind,
        material,
    })
}

fn without_leading_zeros(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

/// An uncompressed point (SEC 1 section 2.3.3). Coordinates are padded on the left, because some providers strip
/// leading zeros although RFC 7518 section 6.2.1.2 forbids it.
fn point(x: Option<Vec<u8>>, y: Option<Vec<u8>>, size: usize) -> Result<DecodingKey, &'static str> {
    let mut encoded = vec![4];
    for coordinate in [x, y] {
        let coordinate = coordinate.ok_or("lacks a coordinate")?;
        let padding = size
            .checked_sub(coordinate.len())
            .ok_or("has a coordinate that is too long for its curve")?;
        encoded.resize(encoded.len() + padding, 0);
        encoded.extend(coordinate);
    }
    Ok(DecodingKey::from_ec_der(&encoded))
}

#[cfg(test)]
mod tests;
