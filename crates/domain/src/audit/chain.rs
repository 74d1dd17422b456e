//! The chain of audit events: each event has a digest of everything in it and of the digest before it, so that a change of
//! any event shows in all that follow.
//!
//! What can be about a person (address, name, changed values) is part of the digest as a separate salted digest. When the
//! value and its salt are erased, that digest stays, so the chain can still be checked and the value cannot be guessed.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::{Clock, Entropy, entropy, id::EventId, words::worded};

/// How digests are computed. Digests of another version would begin with another word.
const VERSION: &str = "v1.";

/// SHA-256 over several values. Each value is preceded by its kind and length, so two lists of values never share an input.
#[derive(Debug, Clone)]
pub struct Digester(Sha256);

impl Digester {
    /// A digest for one use. Two uses never share an input.
    pub fn new(label: &str) -> Self {
        Self(Sha256::new()).text(Some(label))
    }

    /// Adds a text, or NULL.
    #[must_use]
    pub fn text(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.part(b't', text.as_bytes()),
            None => self.part(b'0', &[]),
        }
    }

    /// Adds a number, or NULL.
    #[must_use]
    pub fn number(self, number: Option<i64>) -> Self {
        match number {
            Some(number) => self.part(b'i', &number.to_be_bytes()),
            None => self.part(b'0', &[]),
        }
    }

    /// Adds another digest.
    #[must_use]
    pub fn digest(self, digest: &Digest) -> Self {
        self.part(b'd', &digest.0)
    }

    fn part(self, kind: u8, bytes: &[u8]) -> Self {
        let length = u64::try_from(bytes.len()).expect("memory is smaller than this number");
        Self(
            self.0
                .chain_update([kind])
                .chain_update(length.to_be_bytes())
                .chain_update(bytes),
        )
    }

    /// The digest of what was added.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// A digest: of an event, or of one value of it. Its text is `v1.` and 43 characters of base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest before the first event of a chain. It depends on the chain, so that events do not fit into another one.
    pub fn genesis(chain: &str) -> Self {
        Digester::new("gatewright audit chain").text(Some(chain)).finish()
    }

    /// From its text; `None` if it is not one. There is one text for each digest.
    pub fn from_text(text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(VERSION)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}

worded! {
    /// A part of an event that can be about a person, and that can be erased.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
    pub enum Personal {
        /// The network address.
        Address = "address", "Address";
        /// The name of the object.
        ObjectName = "object_name", "Name";
        /// The values of changed fields.
        Changes = "changes", "Changes";
    }
}

impl Personal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Address, Self::ObjectName, Self::Changes];

    /// What the database contains in place of an erased value.
    pub const fn erased(self) -> Option<&'static str> {
        match self {
            Self::Address => None,
            Self::ObjectName => Some(""),
            Self::Changes => Some("[]"),
        }
    }
}

/// How the digest of one personal value is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// By this salt and the value.
    Salt(Salt),
    /// The value was erased, and only its digest is left.
    Erased(Digest),
}

const SALT: &str = "salt.";
const ERASED: &str = "erased.";

impl Proof {
    /// From its text; `None` if it is not one.
    pub fn from_text(text: &str) -> Option<Self> {
        if let Some(salt) = text.strip_prefix(SALT) {
            let bytes = URL_SAFE_NO_PAD.decode(salt).ok()?;
            return bytes.try_into().ok().map(|bytes| Self::Salt(Salt(bytes)));
        }
        text.strip_prefix(ERASED)
            .and_then(Digest::from_text)
            .map(Self::Erased)
    }

    /// The digest of the value in `part`. `None` if there is a value in place of an erased one.
    pub fn digest(&self, part: Personal, value: Option<&str>) -> Option<Digest> {
        match self {
            Self::Salt(salt) => Some(
                Digester::new("gatewright audit value")
                    .text(Some(part.as_str()))
                    .text(Some(&salt.to_string()))
                    .text(value)
                    .finish(),
            ),
            Self::Erased(digest) => (value == part.erased()).then_some(*digest),
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Salt(salt) => write!(f, "{SALT}{salt}"),
            Self::Erased(digest) => write!(f, "{ERASED}{digest}"),
        }
    }
}

/// 16 random bytes stored with a value, so that an address or a name cannot be found by trying all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; 16]);

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// The proofs of the personal values of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proofs {
    /// Of the network address.
    pub address: Proof,
    /// Of the object's name.
    pub object_name: Proof,
    /// Of the changes.
    pub changes: Proof,
}

impl Proofs {
    /// New salts.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let random: [u8; 48] = entropy::bytes(entropy);
        let mut salts = random.as_chunks::<16>().0.iter();
        let mut salt = || Proof::Salt(Salt(*salts.next().expect("48 bytes are three salts")));
        Self {
            address: salt(),
            object_name: salt(),
            changes: salt(),
        }
    }

    /// The parts that were erased.
    pub fn erased(&self) -> Vec<Personal> {
        let proofs = [&self.address, &self.object_name, &self.changes];
        let parts = Personal::ALL.into_iter().zip(proofs);
        parts
            .filter(|(_, proof)| matches!(proof, Proof::Erased(_)))
            .map(|(part, _)| part)
            .collect()
    }
}

/// What is random in an event. It is generated before the transaction that writes the event.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// The event's ID.
    pub id: EventId,
    /// Its salts.
    pub proofs: Proofs,
}

impl Stamp {
    /// A new one.
    pub fn generate(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
        Self {
            id: EventId::generate(clock, entropy),
            proofs: Proofs::generate(entropy),
        }
    }
}

/// The place of an event in the chain of its project, or of the instance. Digests are texts here: one that was changed
/// outside Gatewright can still be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// 1 for the first event of the chain, and one more for each that follows.
    pub seq: i64,
    /// The digest of the event before it.
    pub previous: String,
    /// Its own.
    pub digest: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn values_that_look_alike_together_have_different_digests() {
        let of = |parts: &[Option<&str>]| {
            let parts = parts.iter().copied();
            parts.fold(Digester::new("test"), Digester::text).finish()
        };
        let all = [
            of(&[Some("ab"), Some("c")]),
            of(&[Some("a"), Some("bc")]),
            of(&[Some("abc")]),
            of(&[Some("abc"), None]),
            of(&[None, Some("abc")]),
            of(&[Some(""), Some("abc")]),
            Digester::new("test").number(Some(1)).finish(),
            Digester::new("test").text(Some("\0\0\0\0\0\0\0\u{1}")).finish(),
            Digester::new("tests").finish(),
            Digest::genesis(""),
            Digest::genesis("prj_1"),
        ];
        for (index, digest) in all.iter().enumerate() {
            assert!(!all[..index].contains(digest), "{index}");
        }
    }

    #[test]
    fn an_erased_value_keeps_its_digest_and_no_other_value_can_take_its_place() {
        let entropy = SeededEntropy::new(1);
        for part in Personal::ALL {
            let salted = Proofs::generate(&entropy).address;
            let digest = salted.digest(part, Some("192.0.2.7")).unwrap();
            assert_ne!(salted.digest(part, Some("192.0.2.8")), Some(digest));
            let again = Proofs::generate(&entropy).address;
            assert_ne!(
                again.digest(part, Some("192.0.2.7")),
                Some(digest),
                "it is salted"
            );
            let erased = Proof::Erased(digest);
            assert_eq!(erased.digest(part, part.erased()), Some(digest));
            assert_eq!(erased.digest(part, Some("192.0.2.7")), None);
            for proof in [salted, erased] {
                assert_eq!(Proof::from_text(&proof.to_string()), Some(proof));
            }
        }
    }

    proptest! {
        #[test]
        fn each_digest_and_proof_has_one_text(place in 0_usize..60, byte in any::<u8>()) {
            let entropy = SeededEntropy::new(2);
            let digest = Digest::genesis("prj_1");
            let texts = [
                digest.to_string(),
                Proofs::generate(&entropy).address.to_string(),
                Proof::Erased(digest).to_string(),
            ];
            for text in texts {
                let mut bytes = text.clone().into_bytes();
                let place = place % bytes.len();
                bytes[place] = byte;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                if let Some(read) = Digest::from_text(&changed) {
                    prop_assert_eq!(&read.to_string(), &changed);
                }
                if let Some(read) = Proof::from_text(&changed) {
                    prop_assert_eq!(&read.to_string(), &changed);
                }
            }
        }
    }
}
