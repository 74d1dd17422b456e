//! Sealing: XChaCha20-Poly1305 under a subkey per purpose (HKDF-SHA256, RFC 5869), with the context as
//! associated data, so that a sealed value opens only where and for what it was sealed.
//!
//! The text form is `v1.<key-id>.<base64url of nonce and ciphertext>`. A keyring encrypts with its first key and
//! opens with any, which makes rotation possible.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::{Entropy, entropy, secret::Secret, stored_secret::SealedText};

const NONCE_BYTES: usize = 24;

/// The purpose of a sealed value. Two purposes never share a subkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A secret at rest; the context is table, column and row id.
    StoredSecret,
    /// A private signing key at rest; the context is its id.
    SigningKey,
    /// The proof in the database that this is the right keyring.
    KeyCheck,
    /// A dynamically registered client's id.
    ClientId,
    /// The secret of a confidential dynamic client, as an HMAC of its id.
    ClientSecret,
    /// An authorization request inside the consent form.
    Consent,
    /// A pending sign-in's request and its answer.
    SignIn,
    /// A refresh token's grant and generation.
    RefreshToken,
    /// An MCP session ID for clients of session-based revisions.
    McpSession,
    /// The state of a multi round-trip MCP request.
    RequestState,
    /// The ID of our request to an MCP client; the context is the client's session.
    Question,
    /// A call that an administrator tries out, while its server waits for an answer; the context is the administrator's
    /// session and the gateway.
    Trial,
    /// The ID of a task of an MCP server; the context is gateway and user.
    Task,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::StoredSecret => "stored secret",
            Self::SigningKey => "signing key",
            Self::KeyCheck => "key check",
            Self::ClientId => "client id",
            Self::ClientSecret => "client secret",
            Self::Consent => "consent",
            Self::SignIn => "sign-in",
            Self::RefreshToken => "refresh token",
            Self::McpSession => "mcp session",
            Self::RequestState => "request state",
            Self::Question => "question",
            Self::Trial => "trial",
            Self::Task => "task",
        }
    }
}

/// Why a master key is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// It does not decode to 32 bytes.
    #[error(
        "a master key is 32 random bytes in base64 (43 or 44 characters); this one is not. Generate one with: openssl rand -base64 32"
    )]
    Malformed,
    /// It decodes, but is a placeholder or clearly not random.
    #[error(
        "this master key looks like a placeholder, not like 32 random bytes. Generate one with: openssl rand -base64 32"
    )]
    Placeholder,
    /// There is no key.
    #[error("the keyring has no key")]
    Empty,
}

/// Why a sealed value did not open. Deliberately a single case, because the reason would mainly help attackers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value was not sealed here for this purpose and context")]
pub struct OpenError;

/// One master key: 32 random bytes.
#[derive(Clone)]
pub struct MasterKey {
    id: String,
    bytes: [u8; 32],
}

impl MasterKey {
    /// Reads a key from base64 (either alphabet, padded or not); refuses keys that are short or clearly not random.
    pub fn parse(text: &Secret) -> Result<Self, MasterKeyError> {
        let normal = text
            .expose()
            .trim()
            .trim_end_matches('=')
            .replace('+', "-")
            .replace('/', "_");
        let bytes: [u8; 32] = URL_SAFE_NO_PAD
            .decode(normal)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(MasterKeyError::Malformed)?;
        let mut seen = [false; 256];
        for byte in bytes {
            seen[usize::from(byte)] = true;
        }
        let distinct = seen.iter().filter(|seen| **seen).count();
        let printable = bytes.iter().all(u8::is_ascii_graphic);
        // 32 random bytes have 30 distinct values on average. Fewer than 16, or only printable ones, occur less than
        // once in 10^13 keys.
        if distinct < 16 || printable {
            return Err(MasterKeyError::Placeholder);
        }
        Ok(Self::from_bytes(bytes))
    }

    /// A new random key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self::from_bytes(entropy::bytes(entropy))
    }

    /// The text form that [`MasterKey::parse`] reads.
    pub fn to_text(&self) -> Secret {
        Secret::new(URL_SAFE_NO_PAD.encode(self.bytes))
    }

    /// Identifies the key without revealing anything about it: eight hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn from_bytes(bytes: [u8; 32]) -> Self {
        let digest = Sha256::new()
            .chain_update(b"gatewright key id\0")
            .chain_update(bytes)
            .finalize();
        let id = digest[..4]
            .iter()
            .fold(String::with_capacity(8), |id, byte| format!("{id}{byte:02x}"));
        Self { id, bytes }
    }

    fn subkey(&self, label: &str) -> [u8; 32] {
        let mut subkey = [0; 32];
        Hkdf::<Sha256>::new(Some(b"gatewright/v1"), &self.bytes)
            .expand(label.as_bytes(), &mut subkey)
            .expect("32 bytes are within what HKDF-SHA256 returns");
        subkey
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// The master keys of an instance: the first one seals, all of them open.
#[derive(Debug, Clone)]
pub struct Keyring {
    keys: Vec<MasterKey>,
}

impl Keyring {
    /// A keyring with at least one key.
    pub fn new(keys: Vec<MasterKey>) -> Result<Self, MasterKeyError> {
        if keys.is_empty() {
            Err(MasterKeyError::Empty)
        } else {
            Ok(Self { keys })
        }
    }

    /// The id of the key that seals.
    pub fn sealing_key_id(&self) -> &str {
        self.keys[0].id()
    }

    /// Seals bytes for a purpose and context.
    pub fn seal(&self, entropy: &dyn Entropy, purpose: Purpose, context: &str, plain: &[u8]) -> SealedText {
        let key = &self.keys[0];
        let nonce = entropy::bytes(entropy);
        let body = encrypt(&key.subkey(purpose.label()), nonce, context, plain);
        SealedText(format!("v1.{}.{}", key.id, URL_SAFE_NO_PAD.encode(body)))
    }

    /// Seals bytes like [`Keyring::seal`], and the same bytes always to the same text while the sealing key is the same. For
    /// identifiers that their holders compare; anyone who sees two such texts learns whether they mean the same. The nonce
    /// is an HMAC of context and bytes under a separate subkey, as synthetic initialization vectors are (RFC 5297).
    pub fn seal_alike(&self, purpose: Purpose, context: &str, plain: &[u8]) -> SealedText {
        let key = &self.keys[0];
        let subkey = key.subkey(&format!("{} nonce", purpose.label()));
        let mut mac = Hmac::<Sha256>::new_from_slice(&subkey).expect("HMAC takes keys of any length");
        mac.update(&(context.len() as u64).to_be_bytes());
        mac.update(context.as_bytes());
        mac.update(plain);
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&mac.finalize().into_bytes()[..NONCE_BYTES]);
        let body = encrypt(&key.subkey(purpose.label()), nonce, context, plain);
        SealedText(format!("v1.{}.{}", key.id, URL_SAFE_NO_PAD.encode(body)))
    }

    /// Opens a value that [`Keyring::seal`] sealed for the same purpose and context.
    pub fn open(&self, purpose: Purpose, context: &str, sealed: &SealedText) -> Result<Vec<u8>, OpenError> {
        let mut parts = sealed.0.splitn(3, '.');
        let (Some("v1"), Some(key_id), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(OpenError);
        };
        let key = self.keys.iter().find(|key| key.id == key_id).ok_or(OpenError)?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| OpenError)?;
        decrypt(&key.subkey(purpose.label()), context, &body)
    }

    /// Opens a text value, such as a client secret.
    pub fn open_secret(
        &self,
        purpose: Purpose,
        context: &str,
        sealed: &SealedText,
    ) -> Result<Secret, OpenError> {
        let bytes = self.open(purpose, context, sealed)?;
        String::from_utf8(bytes).map(Secret::new).map_err(|_| OpenError)
    }

    /// Whether a value is sealed with the current sealing key; if not, a rotation re-encrypts it.
    pub fn is_current(&self, sealed: &SealedText) -> bool {
        sealed.key_id() == Some(self.sealing_key_id())
    }

    /// HMAC-SHA256 under every key's subkey of a purpose, the sealing key's first.
    pub(crate) fn macs<'a>(
        &'a self,
        purpose: Purpose,
        message: &'a [u8],
    ) -> impl Iterator<Item = [u8; 32]> + 'a {
        self.keys.iter().map(move |key| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key.subkey(purpose.label()))
                .expect("HMAC takes keys of any length");
            mac.update(message);
            mac.finalize().into_bytes().into()
        })
    }
}

/// Seals a value so that only the holder of `token` can open it: the store alone never reveals it.
pub fn seal_under(token: &Secret, entropy: &dyn Entropy, context: &str, plain: &[u8]) -> SealedText {
    let body = encrypt(&token_key(token), entropy::bytes(entropy), context, plain);
    SealedText(format!("t1.{}", URL_SAFE_NO_PAD.encode(body)))
}

/// Opens a value that [`seal_under`] sealed with the same token and context.
pub fn open_under(token: &Secret, context: &str, sealed: &SealedText) -> Result<Vec<u8>, OpenError> {
    let body = sealed.0.strip_prefix("t1.").ok_or(OpenError)?;
    decrypt(
        &token_key(token),
        context,
        &URL_SAFE_NO_PAD.decode(body).map_err(|_| OpenError)?,
    )
}

fn token_key(token: &Secret) -> [u8; 32] {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(b"gatewright/v1"), token.expose().as_bytes())
        .expand(b"refresh successor", &mut key)
        .expect("32 bytes are within what HKDF-SHA256 returns");
    key
}

fn encrypt(key: &[u8; 32], nonce: [u8; NONCE_BYTES], context: &str, plain: &[u8]) -> Vec<u8> {
    let payload = Payload {
        msg: plain,
        aad: context.as_bytes(),
    };
    let sealed = XChaCha20Poly1305::new(key.into())
        .encrypt(&XNonce::from(nonce), payload)
        .expect("values sealed here are far below the cipher's limit");
    [&nonce[..], &sealed].concat()
}

fn decrypt(key: &[u8; 32], context: &str, body: &[u8]) -> Result<Vec<u8>, OpenError> {
    let (nonce, sealed) = body.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError)?;
    let payload = Payload {
        msg: sealed,
        aad: context.as_bytes(),
    };
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(*nonce), payload)
        .map_err(|_| OpenError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    fn keyring(seed: u64) -> Keyring {
        Keyring::new(vec![MasterKey::generate(&SeededEntropy::new(seed))]).unwrap()
    }

    #[test]
    fn a_value_opens_for_its_own_purpose_and_context_only() {
        let (ring, entropy) = (keyring(1), SeededEntropy::new(9));
        let sealed = ring.seal(&entropy, Purpose::StoredSecret, "secrets/value/sec_1", b"hush");
        assert_eq!(
            ring.open(Purpose::StoredSecret, "secrets/value/sec_1", &sealed)
                .unwrap(),
            b"hush"
        );
        assert_eq!(
            ring.open(Purpose::StoredSecret, "secrets/value/sec_2", &sealed),
            Err(OpenError)
        );
        assert_eq!(
            ring.open(Purpose::Consent, "secrets/value/sec_1", &sealed),
            Err(OpenError)
        );
        assert_eq!(
            keyring(2).open(Purpose::StoredSecret, "secrets/value/sec_1", &sealed),
            Err(OpenError)
        );
    }

    #[test]
    fn identifiers_seal_alike_in_one_context_only_and_open_like_any_other_value() {
        let ring = keyring(1);
        let seal = |context: &str, plain: &[u8]| ring.seal_alike(Purpose::Task, context, plain);
        let sealed = seal("a", b"one");
        assert_eq!(sealed, seal("a", b"one"));
        for other in [seal("a", b"two"), seal("b", b"one"), seal("ao", b"ne")] {
            assert_ne!(sealed, other);
            assert_ne!(sealed.0[..40], other.0[..40], "no nonce serves two values");
        }
        assert_eq!(ring.open(Purpose::Task, "a", &sealed).unwrap(), b"one");
        assert_eq!(ring.open(Purpose::Task, "b", &sealed), Err(OpenError));
        assert_eq!(ring.open(Purpose::Question, "a", &sealed), Err(OpenError));
        assert_eq!(keyring(2).open(Purpose::Task, "a", &sealed), Err(OpenError));
    }

    #[test]
    fn a_rotated_keyring_opens_old_values_and_seals_with_the_new_key() {
        let entropy = SeededEntropy::new(4);
        let (old, new) = (MasterKey::generate(&entropy), MasterKey::generate(&entropy));
        let before = Keyring::new(vec![old.clone()]).unwrap();
        let sealed = before.seal(&entropy, Purpose::SignIn, "x", b"value");
        let after = Keyring::new(vec![new, old]).unwrap();
        assert_eq!(after.open(Purpose::SignIn, "x", &sealed).unwrap(), b"value");
        assert!(!after.is_current(&sealed));
        assert!(after.is_current(&after.seal(&entropy, Purpose::SignIn, "x", b"value")));
    }

    #[test]
    fn short_and_placeholder_master_keys_are_refused() {
        let refused = |text: &str| MasterKey::parse(&Secret::new(text)).unwrap_err();
        assert_eq!(refused("changeme"), MasterKeyError::Malformed);
        assert_eq!(
            refused(&URL_SAFE_NO_PAD.encode([0_u8; 32])),
            MasterKeyError::Placeholder
        );
        assert_eq!(
            refused(&URL_SAFE_NO_PAD.encode(b"please-change-this-master-key-ok")),
            MasterKeyError::Placeholder
        );
        let good = MasterKey::generate(&SeededEntropy::new(5));
        assert_eq!(MasterKey::parse(&good.to_text()).unwrap().id(), good.id());
    }

    #[test]
    fn a_successor_opens_with_its_predecessor_only() {
        let entropy = SeededEntropy::new(6);
        let sealed = seal_under(&Secret::new("old token"), &entropy, "grt_1", b"new token");
        assert_eq!(
            open_under(&Secret::new("old token"), "grt_1", &sealed).unwrap(),
            b"new token"
        );
        assert_eq!(
            open_under(&Secret::new("other"), "grt_1", &sealed),
            Err(OpenError)
        );
    }

    proptest::proptest! {
        #[test]
        fn opening_any_text_never_panics(text in ".{0,200}") {
            let sealed = SealedText(text);
            let _ = keyring(1).open(Purpose::ClientId, "", &sealed);
            let _ = open_under(&Secret::new("t"), "", &sealed);
        }
    }
}
