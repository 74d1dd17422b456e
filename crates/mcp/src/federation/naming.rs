//! How tools and prompts of servers are named for clients.
//!
//! Every name is one that model providers accept: at most 64 letters, digits, `_` and `-`. A name that is one already
//! stays as it is. In any other, other characters become `_`, what is too long is cut, and it ends in a short hash of the
//! name it was made of, so that two names stay different. The name of a tool depends only on its server's prefix and its
//! name there: it is the same on every replica and after every restart, whatever else is offered.
//!
//! A prefix has no underscore, so `{prefix}_{name}` can be read in one way only, and no server can take the name of a tool of
//! another.

use std::{borrow::Cow, fmt::Write as _};

use sha2::{Digest as _, Sha256};

use crate::wire::listing::ListKind;

/// The most characters of a name: the APIs of the large model providers accept no longer names of tools, and some accept
/// exactly 64.
pub const NAME_CHARS_MAX: usize = 64;
/// What comes before the hash of a name that was changed. A server's own name that ends like one of these is changed too, so
/// that it cannot be taken for another.
const MARK: &str = "_x";
/// Bytes of the hash, each two digits.
const HASH_BYTES: usize = 5;
/// Characters at the end of a name that was changed.
const TAIL_CHARS: usize = MARK.len() + 2 * HASH_BYTES;

/// How names are exposed. It depends on the configuration of the gateway, never on the health of its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Names begin with nothing.
    Plain,
    /// `{prefix}_{name}`.
    Prefixed,
}

impl Naming {
    /// The exposed name of `name` at the server with this prefix.
    pub fn expose(self, prefix: &str, name: &str) -> String {
        let full = match self {
            Self::Plain => Cow::Borrowed(name),
            Self::Prefixed => Cow::Owned(format!("{prefix}_{name}")),
        };
        if is_accepted(&full) && !ends_in_hash(&full) {
            return full.into_owned();
        }
        let stem = full.chars().take(NAME_CHARS_MAX - TAIL_CHARS);
        let mut exposed: String = stem
            .map(|stands| if is_plain(stands) { stands } else { '_' })
            .collect();
        exposed.push_str(MARK);
        for byte in &Sha256::digest(full.as_bytes())[..HASH_BYTES] {
            let _ = write!(exposed, "{byte:02x}");
        }
        exposed
    }

    /// What clients know an entry of this kind by: URIs and templates stay as they are, because links in results name them.
    pub fn expose_entry<'k>(self, kind: ListKind, prefix: &str, key: &'k str) -> Cow<'k, str> {
        if kind.is_named() {
            Cow::Owned(self.expose(prefix, key))
        } else {
            Cow::Borrowed(key)
        }
    }

    /// Whether something of the server with this prefix could have this exposed name. Whether it has, only the selection says.
    pub fn could_be_of(self, prefix: &str, exposed: &str) -> bool {
        self.without_prefix(prefix, exposed).is_some()
    }

    /// The name at the server with this prefix, if the exposed one shows it: it could be of this server, and was not changed.
    pub fn unchanged<'n>(self, prefix: &str, exposed: &'n str) -> Option<&'n str> {
        let name = self.without_prefix(prefix, exposed)?;
        (is_accepted(exposed) && !ends_in_hash(exposed)).then_some(name)
    }

    fn without_prefix<'n>(self, prefix: &str, exposed: &'n str) -> Option<&'n str> {
        match self {
            Self::Plain => Some(exposed),
            // A prefix holds no underscore, so the first one ends it.
            Self::Prefixed => exposed.strip_prefix(prefix)?.strip_prefix('_'),
        }
    }
}

const fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// Whether model providers accept a name.
fn is_accepted(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.chars().all(is_plain)
}

/// Whether a name ends as one that was changed does.
fn ends_in_hash(name: &str) -> bool {
    let tail = name.len().checked_sub(TAIL_CHARS).and_then(|at| name.get(at..));
    let digits = tail.and_then(|tail| tail.strip_prefix(MARK));
    digits.is_some_and(|digits| {
        digits
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_that_models_accept_stays_as_it_is() {
        let longest = "n".repeat(NAME_CHARS_MAX);
        for name in [
            "read",
            "Read-File_2",
            "_",
            "x3fa9c2d1e0",
            "a_x3FA9C2D1E0",
            &longest,
        ] {
            assert_eq!(Naming::Plain.expose("files", name), name);
            assert_eq!(Naming::Plain.unchanged("files", name), Some(name));
        }
        assert_eq!(Naming::Prefixed.expose("files", "read"), "files_read");
        assert_eq!(
            Naming::Prefixed.unchanged("files", "files_read_all"),
            Some("read_all")
        );
        assert_eq!(Naming::Prefixed.unchanged("file", "files_read"), None);
        assert!(!Naming::Prefixed.could_be_of("files", "read"));
    }

    /// The names themselves are written here: clients, prompts and models remember them, so they must never become others.
    #[test]
    fn a_changed_name_is_the_same_for_ever() {
        let long = "n".repeat(NAME_CHARS_MAX);
        for (naming, name, exposed) in [
            (Naming::Plain, "files.read", "files_read_x601e4eb608"),
            (Naming::Plain, "lies/größe", "lies_gr__e_x493ee08eae"),
            (Naming::Plain, "", "_xe3b0c44298"),
            (Naming::Prefixed, "files.read", "s-1_files_read_x4cdfc75343"),
            (
                Naming::Prefixed,
                &long,
                &format!("s-1_{}_xe642fc6490", "n".repeat(48)),
            ),
            (Naming::Plain, "a_x0123456789", "a_x0123456789_x3ad289cfc8"),
        ] {
            assert_eq!(naming.expose("s-1", name), exposed, "{name}");
            assert_eq!(naming.unchanged("s-1", exposed), None);
            assert!(naming.could_be_of("s-1", exposed));
        }
    }

    fn prefix() -> impl Strategy<Value = String> {
        "[a-z0-9-]{1,40}"
    }

    /// Names as servers have them, and such as could be mistaken for others: long ones that begin alike, and ones that end
    /// like a changed name.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[a-zA-Z0-9_./ -]{0,70}",
            "n{50,70}[ab.]{0,2}",
            "[ab_.]{0,3}_x[0-9a-f]{10}",
        ]
    }

    proptest! {
        #[test]
        fn every_exposed_name_is_one_that_models_accept(prefix in prefix(), name in name()) {
            for naming in [Naming::Plain, Naming::Prefixed] {
                let exposed = naming.expose(&prefix, &name);
                prop_assert!(is_accepted(&exposed), "{}", exposed);
                prop_assert!(naming.could_be_of(&prefix, &exposed));
                match naming.unchanged(&prefix, &exposed) {
                    Some(own) => prop_assert_eq!(own, &name),
                    None => prop_assert!(ends_in_hash(&exposed)),
                }
            }
        }

        /// Different names stay different, of one server as of several, and of an exposed name only one server can be.
        #[test]
        fn no_two_names_become_one(servers in proptest::collection::btree_map(prefix(), proptest::collection::btree_set(name(), 0..12), 1..4)) {
            let mut made_of = HashMap::new();
            for (prefix, names) in &servers {
                let plain: BTreeSet<_> = names.iter().map(|name| Naming::Plain.expose(prefix, name)).collect();
                prop_assert_eq!(plain.len(), names.len());
                for name in names {
                    let exposed = Naming::Prefixed.expose(prefix, name);
                    let of: Vec<_> = servers.keys().filter(|prefix| Naming::Prefixed.could_be_of(prefix, &exposed)).collect();
                    prop_assert_eq!(of, vec![prefix]);
                    prop_assert_eq!(made_of.insert(exposed, (prefix, name)), None);
                }
            }
        }
    }
}
