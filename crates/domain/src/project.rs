//! Projects.

use serde::Serialize;

use crate::{Invalid, Timestamp, id::ProjectId};

/// The unit of isolation and trust: everything except accounts belongs to exactly one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// What people call it, 1-80 characters, unique in the instance.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Project {
    /// A new project of this name, which has been [checked](check_name).
    pub const fn new(id: ProjectId, name: String, at: Timestamp) -> Self {
        Self {
            id,
            name,
            created_at: at,
            updated_at: at,
        }
    }
}

/// Checks the name of an object: 1-80 characters after trimming, none of them a control character.
pub fn check_name(pointer: &str, name: &str) -> Result<String, Invalid> {
    let trimmed = name.trim();
    let length = trimmed.chars().count();
    if length == 0 {
        return Err(Invalid::one(
            pointer,
            "A name is required: enter 1 to 80 characters.",
        ));
    }
    if length > 80 {
        return Err(Invalid::one(
            pointer,
            format!("The name has {length} characters: shorten it to 80."),
        ));
    }
    if trimmed.chars().any(char::is_control) {
        return Err(Invalid::one(
            pointer,
            "The name contains a control character such as a line break: remove it.",
        ));
    }
    Ok(trimmed.to_owned())
}

/// The maximum length of a description or similar free text in characters: it is shown, not stored as a document.
const MAX_TEXT: usize = 2_000;

/// Checks an optional free text.
pub(crate) fn check_text(pointer: &str, text: &str) -> Result<(), Invalid> {
    check_text_up_to(pointer, text, MAX_TEXT)
}

/// Checks an optional free text with its own length limit. Line breaks and tabs are allowed; other control characters are not.
pub(crate) fn check_text_up_to(pointer: &str, text: &str, limit: usize) -> Result<(), Invalid> {
    let length = text.chars().count();
    if length > limit {
        return Err(Invalid::one(
            pointer,
            format!("The text has {length} characters: shorten it to {limit}."),
        ));
    }
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(Invalid::one(
            pointer,
            "The text contains a control character other than line breaks and tabs: remove it.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_has_a_length() {
        assert_eq!(check_name("/name", "  Acme  ").unwrap(), "Acme");
        assert!(check_name("/name", &"é".repeat(80)).is_ok());
        for name in ["", "   ", "a\nb", &"x".repeat(81)] {
            assert!(check_name("/name", name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_text_may_have_lines_but_no_other_control_characters() {
        assert!(check_text("/description", "one\n\ttwo").is_ok());
        assert!(check_text("/description", "\u{0}").is_err());
        assert!(check_text_up_to("/description", "abc", 2).is_err());
    }
}
