//! How a change names what it changes: members of a JSON merge patch (RFC 7396), and the version it starts from.

use gatewright_domain::{Invalid, Timestamp};
use serde::{Deserialize, Deserializer};

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
    /// The value after the change; `Clear` gives the default.
    pub fn over(self, current: &T) -> T
    where
        T: Clone + Default,
    {
        self.over_or(current, T::default())
    }

    /// The value after the change; `Clear` gives `default`.
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

    /// The new value of a member that has no default to go back to. `null` is a violation, which names what may be typed.
    pub(super) fn required(self, invalid: &mut Invalid, pointer: &str, values: &[&str]) -> Option<T> {
        match self {
            Self::Keep => None,
            Self::Clear => {
                invalid.add(
                    pointer,
                    format!(
                        "This has no default to go back to: type `{}`, or leave it out to keep what it is.",
                        values.join("` or `")
                    ),
                );
                None
            }
            Self::Set(value) => Some(value),
        }
    }

    /// Whether it was not mentioned.
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
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

/// The versions a change may start from (RFC 9110 section 13.1.1). The default is any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IfMatch {
    /// Whatever is there.
    #[default]
    Any,
    /// One of the versions last changed at these times.
    OneOf(Vec<Timestamp>),
}

impl IfMatch {
    /// Fails unless the version last changed at `updated_at` is one of them.
    pub(super) fn holds(&self, updated_at: Timestamp) -> Result<(), ServiceError> {
        match self {
            Self::Any => Ok(()),
            Self::OneOf(versions) if versions.contains(&updated_at) => Ok(()),
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
        assert!(IfMatch::OneOf(vec![at(1), at(2)]).holds(at(2)).is_ok());
        assert!(matches!(
            IfMatch::OneOf(vec![]).holds(at(1)),
            Err(ServiceError::Stale)
        ));
    }
}
