//! Accounts of administrators, never of end users.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::{Invalid, Timestamp, id::AccountId, words::worded};

/// An address has at most this many characters (RFC 5321 section 4.5.3.1).
const MAX_EMAIL: usize = 254;
/// And this many before the `@`.
const MAX_LOCAL: usize = 64;

/// An administrator. Does not include the password hash: only signing in reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The address it signs in with.
    pub email: Email,
    /// What people call it, 1-80 characters.
    pub name: String,
    /// Whether it can sign in with a password.
    pub has_password: bool,
    /// Whether it manages projects and accounts of the instance. It still needs to be a member of a project to act inside it.
    pub is_instance_admin: bool,
    /// Whether single sign-on or an administrator of the instance has proved that the address belongs to the person. Until then
    /// it is what an inviter typed.
    pub address_proven: bool,
    /// Whether it may sign in.
    pub status: AccountStatus,
    /// Increases whenever all sessions have to end: sessions of another epoch are refused.
    pub session_epoch: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it last signed in.
    pub last_sign_in_at: Option<Timestamp>,
}

impl Account {
    /// A new account that can sign in, but has no password, has no proven address and does not manage the instance.
    pub const fn new(id: AccountId, email: Email, name: String, at: Timestamp) -> Self {
        Self {
            id,
            email,
            name,
            has_password: false,
            is_instance_admin: false,
            address_proven: false,
            status: AccountStatus::Active,
            session_epoch: 1,
            created_at: at,
            updated_at: at,
            last_sign_in_at: None,
        }
    }

    /// The address as a claim about the person; an address that an inviter typed is not one.
    pub fn proven_email(&self) -> Option<&str> {
        self.address_proven.then(|| self.email.as_str())
    }
}

worded! {
    /// Whether an account may sign in.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum AccountStatus {
        /// It can sign in.
        Active = "active", "Active";
        /// It cannot sign in, and its sessions have ended.
        Disabled = "disabled", "Disabled";
    }
}

/// An e-mail address as typed. Two are the same when their [keys](Self::key) are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Checks the form of a typed address. An invitation or a provider proves that a person reads it.
    pub fn check(pointer: &str, text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let refuse = |detail: &str| Err(Invalid::one(pointer, detail));
        if text.is_empty() {
            return refuse("An e-mail address is required: enter one like `ada@example.com`.");
        }
        let Some((local, domain)) = text.rsplit_once('@') else {
            return refuse("This is not an e-mail address: enter one like `ada@example.com`.");
        };
        if text.len() > MAX_EMAIL || local.len() > MAX_LOCAL {
            return refuse("This e-mail address is too long: check it.");
        }
        let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[]\\,;:\"@".contains(c);
        let is_domain = domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
        if local.is_empty() || !local.chars().all(is_plain) || !is_domain {
            return refuse("This is not an e-mail address: enter one like `ada@example.com`.");
        }
        if !is_plain_text(text) {
            return refuse(
                "This address has a letter that looks like another one or is written in several ways, such as `\u{212a}` or \
                 `\u{df}`: type plain letters.",
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// An address that was checked before, as read from the store.
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What makes two addresses equal: the whole address, ignoring case.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// The part after the `@`, in lower case.
    pub fn domain(&self) -> String {
        let domain = self.0.rsplit_once('@').map_or("", |(_, domain)| domain);
        domain.to_lowercase()
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

/// Whether a text stays unchanged when it is normalised (Unicode NFKC, UAX #15) or its case is folded: two addresses that look
/// the same to people or to other programs must not differ here, nor the other way round.
fn is_plain_text(text: &str) -> bool {
    text.chars().nfkc().eq(text.chars()) && text.chars().all(keeps_its_case)
}

/// Whether a letter has exactly one lower-case form, and is not a non-ASCII letter that folds into ASCII:
/// `\u{212a}` (the Kelvin sign) becomes `k`, `\u{df}` becomes `ss`.
fn keeps_its_case(letter: char) -> bool {
    if letter.is_ascii() {
        return true;
    }
    let back = letter.to_uppercase().flat_map(char::to_lowercase);
    let becomes_ascii = letter
        .to_lowercase()
        .chain(letter.to_uppercase())
        .any(|c| c.is_ascii());
    !becomes_ascii && back.eq(letter.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_fold_into_others_are_refused() {
        for text in [
            "\u{212a}elvin@example.com",
            "ada@\u{212a}elvin.example",
            "a\u{17f}h@example.com",
            "d\u{131}na@example.com",
            "\u{130}da@example.com",
            "stra\u{df}e@example.com",
            "\u{ff41}da@example.com",
            "o\u{fb01}ce@example.com",
            "re\u{301}mi@example.com",
            "ada@ex\u{ff41}mple.com",
            "nik\u{3bf}\u{3c2}@example.com",
        ] {
            let refused = Email::check("/email", text).unwrap_err();
            assert!(refused.to_string().contains("plain letters"), "{text}");
        }
        let shouted = Email::check("", "R\u{c9}MI@EXAMPLE.COM").unwrap();
        let remi = Email::check("", "r\u{e9}mi@example.com").unwrap();
        assert_eq!(shouted.key(), remi.key());
        assert!(Email::check("", "\u{4f60}\u{597d}@\u{4f8b}\u{5b50}.example").is_ok());
    }

    #[test]
    fn an_address_is_trimmed_and_compared_whatever_its_case() {
        let ada = Email::check("/email", " Ada@Example.COM ").unwrap();
        assert_eq!(ada.as_str(), "Ada@Example.COM");
        assert_eq!(ada.key(), "ada@example.com");
        assert_eq!((ada.local(), ada.domain().as_str()), ("Ada", "example.com"));
        assert!(Email::check("/email", "ada.l+work@intern").is_ok());
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a b@example.com",
            "a@b@example.com",
            "ada@example..com",
            "ada@-example.com",
            "Ada <ada@example.com>",
            "ada\n@example.com",
            &format!("{}@example.com", "a".repeat(65)),
            &format!("a@{}.com", "b".repeat(254)),
        ] {
            assert!(Email::check("/email", text).is_err(), "{text:?}");
        }
    }
}
