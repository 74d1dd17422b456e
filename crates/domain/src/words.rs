//! The words of enums, listed once: what an enum value is called in the API, in forms and addresses, and on pages.

/// An enum whose values have a word each, for programs, and a label, for people.
pub trait Worded: Copy + PartialEq + 'static {
    /// All values, each with its word and its label.
    const WORDS: &'static [(Self, &'static str, &'static str)];

    /// All words.
    fn words() -> Vec<&'static str> {
        Self::WORDS.iter().map(|(_, word, _)| *word).collect()
    }

    /// The value of a word, if it is one.
    fn of_word(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(_, known, _)| *known == word)
            .map(|(value, _, _)| *value)
    }

    /// All words with their labels, for a choice on a page.
    fn choices() -> Vec<(&'static str, &'static str)> {
        Self::WORDS
            .iter()
            .map(|(_, word, label)| (*word, *label))
            .collect()
    }
}

/// Defines an enum with the word and the label of each value. The word is also what serde reads and writes, so the enum must
/// derive `Serialize` and `Deserialize`.
macro_rules! worded {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$value_meta:meta])* $value:ident = $word:literal, $label:literal;)+
        }
    ) => {
        $(#[$meta])*
        $visibility enum $name {
            $($(#[$value_meta])* #[serde(rename = $word)] $value,)+
        }

        impl $name {
            /// The word in API, database and forms.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }

            /// What pages call it.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$value => $label,)+
                }
            }
        }

        impl $crate::words::Worded for $name {
            const WORDS: &'static [(Self, &'static str, &'static str)] =
                &[$((Self::$value, $word, $label)),+];
        }
    };
}
pub(crate) use worded;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gateway::Mode, sign_in_attempt::Outcome};

    fn agree<T: Worded + serde::Serialize + serde::de::DeserializeOwned>() {
        for (value, word, label) in T::WORDS {
            assert_eq!(serde_json::to_value(value).unwrap(), *word);
            assert!(serde_json::from_value::<T>((*word).into()).unwrap() == *value);
            assert!(T::of_word(word) == Some(*value));
            assert!(label.starts_with(char::is_uppercase), "{label}");
        }
        assert!(T::of_word("no such word").is_none());
    }

    #[test]
    fn a_value_is_written_and_read_by_its_word() {
        agree::<Mode>();
        agree::<Outcome>();
        assert_eq!(Mode::UserSource.as_str(), "user_source");
        assert_eq!(Mode::UserSource.label(), "User Source");
        assert_eq!(Mode::words(), ["project_members", "user_source", "headers"]);
    }
}
