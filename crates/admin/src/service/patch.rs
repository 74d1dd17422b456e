//! How a change names what it changes: members of a JSON merge patch (RFC 7396), and the version it starts from.

use gatewright_domain::{Invalid, Timestamp, secret::Secret, token_hash::TokenHash, words::Worded};
use serde::{Deserialize, Deserializer, Serialize};

use super::ServiceError;

/// One member of a merge patch. Left out it keeps the value; `null` resets it to its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Not mentioned.
    #[default]
    Keep,
    /// `null`.
    Clear,
    /// A new value.
    Set(T),
}

impl<T> Patch<T> {
    /// The value after the change; `Clear` means the default.
    pub fn over(self, current: &T) -> T
    where
        T: Clone + Default,
    {
        self.over_or(current, T::default())
    }

    /// The value after the change; `Clear` means `default`.
    pub fn over_or(self, current: &T, default: T) -> T
    where
        T: Clone,
    {
        match self {
            Self::Keep => current.clone(),
            Self::Clear => default,
            Self::Set(value) => value,
        }
    }

    /// The new value of a member that has no default to go back to. `null` is a violation, which names what can be entered.
    pub(super) fn required(self, invalid: &mut Invalid, pointer: &str, values: &[&str]) -> Option<T> {
        match self {
            Self::Keep => None,
            Self::Clear => {
                invalid.add(
                    pointer,
                    format!(
                        "This has no default: enter `{}`, or leave it out to keep the current value.",
                        values.join("` or `")
                    ),
                );
                None
            }
            Self::Set(value) => Some(value),
        }
    }

    /// The same for a member whose values are words.
    pub(super) fn required_word(self, invalid: &mut Invalid, pointer: &str) -> Option<T>
    where
        T: Worded,
    {
        self.required(invalid, pointer, &T::words())
    }

    /// The same change of something that is made of the value.
    pub(super) fn map<U>(self, make: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(make(value)),
        }
    }

    /// Whether it was not mentioned.
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

/// What can be left out when creating is a change if it is present.
impl<T> From<Option<T>> for Patch<T> {
    fn from(new: Option<T>) -> Self {
        new.map_or(Self::Keep, Self::Set)
    }
}

impl Patch<Secret> {
    /// A new secret in the place of a stored one, checked. `null` is a violation, for which `needed` says what to do.
    pub(super) fn required_secret(
        self,
        invalid: &mut Invalid,
        pointer: &str,
        needed: &str,
        check: impl FnOnce(&str, &Secret) -> Result<(), Invalid>,
    ) -> Option<Secret> {
        match self {
            Self::Keep => None,
            Self::Clear => {
                invalid.add(pointer, needed);
                None
            }
            Self::Set(secret) => {
                invalid.take(check(pointer, &secret));
                Some(secret)
            }
        }
    }
}

// With `#[serde(default)]` at the field, a member that is left out is `Keep`.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::deserialize(deserializer)? {
            Some(value) => Self::Set(value),
            None => Self::Clear,
        })
    }
}

/// The version of an object: the time it was last changed, or if it has none, a digest of what can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

impl Version {
    /// Of an object that keeps no time of its last change, by what can be changed of it.
    pub fn of(state: &impl Serialize) -> Self {
        /// 96 bits: two states of one object never share it.
        const CHARACTERS: usize = 16;
        let state = serde_json::to_string(state).expect("the state of an object is plain data");
        let mut text = TokenHash::of(&state).to_text();
        text.truncate(CHARACTERS);
        Self(text)
    }
}

impl From<Timestamp> for Version {
    fn from(updated_at: Timestamp) -> Self {
        Self(updated_at.as_millis().to_string())
    }
}

/// The versions a change may start from (RFC 9110 section 13.1.1). The default is any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IfMatch {
    /// Whatever is there.
    #[default]
    Any,
    /// One of these.
    OneOf(Vec<Version>),
}

impl IfMatch {
    /// Fails unless the present version is one of them.
    pub(super) fn holds(&self, present: impl Into<Version>) -> Result<(), ServiceError> {
        match self {
            Self::Any => Ok(()),
            Self::OneOf(versions) if versions.contains(&present.into()) => Ok(()),
            Self::OneOf(_) => Err(ServiceError::Stale),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        name: Patch<String>,
    }

    fn name(json: &str) -> Patch<String> {
        serde_json::from_str::<Body>(json).unwrap().name
    }

    #[test]
    fn left_out_null_and_a_value_are_three_things() {
        assert_eq!(name("{}"), Patch::Keep);
        assert_eq!(name(r#"{"name":null}"#), Patch::Clear);
        assert_eq!(name(r#"{"name":"x"}"#), Patch::Set("x".to_owned()));
        assert_eq!(name("{}").over(&"old".to_owned()), "old");
        assert_eq!(name(r#"{"name":null}"#).over(&"old".to_owned()), "");
    }

    #[test]
    fn a_version_must_be_among_those_named() {
        let at = Timestamp::from_millis;
        assert!(IfMatch::Any.holds(at(1)).is_ok());
        assert!(
            IfMatch::OneOf(vec![at(1).into(), at(2).into()])
                .holds(at(2))
                .is_ok()
        );
        assert!(matches!(
            IfMatch::OneOf(vec![]).holds(at(1)),
            Err(ServiceError::Stale)
        ));
    }
}
