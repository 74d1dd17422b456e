//! Passwords of accounts: which ones are accepted. Length and known badness count, not kinds of characters (NIST SP 800-63B
//! section 3.1.1.2, OWASP Authentication Cheat Sheet).

use std::{collections::HashSet, fmt};

use unicode_normalization::UnicodeNormalization as _;

use crate::{Invalid, account::Email, secret::Secret};

/// Shorter passwords can be guessed offline once a hash leaks.
const MIN_CHARACTERS: usize = 12;
/// Long enough for a sentence. More would only cost hashing time.
const MAX_CHARACTERS: usize = 128;
/// No character has more bytes in UTF-8, so longer texts are refused without further checks.
const MAX_BYTES: usize = MAX_CHARACTERS * 4;
/// A password with fewer different characters is a pattern.
const MIN_DIFFERENT: usize = 5;

/// Words that people choose when they have to set a password. A password that contains one of these, and otherwise only digits
/// and symbols, is easy to guess.
const COMMON_WORDS: [&str; 48] = [
    "abc",
    "abcd",
    "abcdef",
    "admin",
    "administrator",
    "asdf",
    "asdfgh",
    "asdfghjkl",
    "baseball",
    "batman",
    "changeit",
    "changeme",
    "charlie",
    "correcthorsebatterystaple",
    "default",
    "dragon",
    "football",
    "freedom",
    "god",
    "hello",
    "iloveyou",
    "letmein",
    "login",
    "love",
    "master",
    "michael",
    "monkey",
    "mustang",
    "mypassword",
    "ninja",
    "pass",
    "passphrase",
    "passw",
    "password",
    "passwort",
    "princess",
    "qazwsx",
    "qwer",
    "qwerty",
    "qwertyuiop",
    "root",
    "secret",
    "shadow",
    "sunshine",
    "superman",
    "test",
    "trustno",
    "welcome",
];

/// Rows of keys and letters that people use in order.
const RUNS: [&str; 7] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
    "q1w2e3r4t5y6u7i8o9p0",
];

/// The name of the product, which is the first guess.
const PRODUCT: &str = "gatewright";

/// A password in the one form that is hashed.
#[derive(Debug, Clone)]
pub struct Password(Secret);

/// The hash of a password in the PHC string format, which names algorithm, cost and salt.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl Password {
    /// A password that someone signs in with. It was checked when it was set, so it is only normalised: the same
    /// letter can be typed as different characters on different machines (NFKC, as SP 800-63B asks). Returns `None` if it is
    /// longer than any password.
    pub fn typed(text: &Secret) -> Option<Self> {
        let text = text.expose();
        if text.len() > MAX_BYTES {
            return None;
        }
        Some(Self(Secret::new(text.nfkc().collect::<String>())))
    }

    /// Checks a new password.
    pub fn check(pointer: &str, text: &Secret, email: &Email) -> Result<Self, Invalid> {
        let refuse = |detail: String| Err(Invalid::one(pointer, detail));
        let too_long = || {
            refuse(format!(
                "The password is too long: shorten it to {MAX_CHARACTERS} characters."
            ))
        };
        let Some(password) = Self::typed(text) else {
            return too_long();
        };
        let length = password.expose().chars().count();
        if length < MIN_CHARACTERS {
            return refuse(format!(
                "The password has {length} characters: enter at least {MIN_CHARACTERS}. A few words that only you would put \
                 together are easy to remember."
            ));
        }
        if length > MAX_CHARACTERS {
            return too_long();
        }
        if password.expose().chars().any(char::is_control) {
            return refuse(
                "The password contains a control character such as a line break: remove it.".to_owned(),
            );
        }
        if let Some(reason) = known_bad(password.expose(), email) {
            return refuse(format!(
                "{reason}, so it would be among the first guesses. Choose a few words that only you would put together."
            ));
        }
        Ok(password)
    }

    /// The text, for the one place that hashes it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

fn known_bad(password: &str, email: &Email) -> Option<&'static str> {
    let lower = password.to_lowercase();
    let letters: String = lower.chars().filter(|c| c.is_alphabetic()).collect();
    let different: HashSet<char> = lower.chars().collect();
    if different.len() < MIN_DIFFERENT {
        return Some("The password repeats a few characters");
    }
    if slides(&lower) {
        return Some("The password follows the keyboard, the alphabet or the numbers");
    }
    let of_address = email.key();
    let local = email.local().to_lowercase();
    let local_letters: String = local.chars().filter(|c| c.is_alphabetic()).collect();
    if lower.contains(&of_address)
        || lower == local
        || (!local_letters.is_empty() && repeats(&letters, &local_letters))
    {
        return Some("The password is based on the e-mail address");
    }
    if repeats(&letters, PRODUCT) {
        return Some("The password is the name of this product");
    }
    // If letters were replaced by look-alikes, the letter is meant; digits and signs at the end are a suffix.
    let core = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    let plain: String = core.chars().filter_map(unmasked).collect();
    if COMMON_WORDS
        .iter()
        .any(|word| repeats(&letters, word) || repeats(&plain, word))
    {
        return Some("The password is a common one");
    }
    None
}

/// The letter that a character represents in a disguised word.
fn unmasked(c: char) -> Option<char> {
    match c {
        '0' => Some('o'),
        '1' | '!' => Some('i'),
        '3' => Some('e'),
        '4' | '@' => Some('a'),
        '5' | '$' => Some('s'),
        '7' => Some('t'),
        c if c.is_alphabetic() => Some(c),
        _ => None,
    }
}

/// Whether a text is a word, once or repeated.
fn repeats(text: &str, word: &str) -> bool {
    !text.is_empty() && text.replace(word, "").is_empty()
}

/// Whether a text consists of pieces of at least three characters that follow a row, in either direction.
fn slides(text: &str) -> bool {
    const PIECE: usize = 3;
    let runs: Vec<String> = RUNS
        .iter()
        .flat_map(|run| [(*run).to_owned(), run.chars().rev().collect()])
        .collect();
    let characters: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < characters.len() {
        let longest = (PIECE..=characters.len() - at).rev().find(|length| {
            let piece: String = characters[at..at + length].iter().collect();
            runs.iter().any(|run| run.contains(&piece))
        });
        match longest {
            Some(length) => at += length,
            None => return false,
        }
    }
    true
}

impl PasswordHash {
    /// From its text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the store and for the one place that verifies.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email() -> Email {
        Email::check("", "ada.lovelace@example.com").unwrap()
    }

    fn check(text: &str) -> Result<Password, Invalid> {
        Password::check("/password", &Secret::new(text), &email())
    }

    #[test]
    fn a_few_words_are_accepted_whatever_their_characters() {
        for text in [
            "violet harbour ninety",
            "kein sonderzeichen nötig",
            "correct horse battery staple sky",
            "9f86d081884c7d65",
            "日本語のパスワードは長いです",
            &"ab cd ef gh ".repeat(10),
        ] {
            assert!(check(text).is_ok(), "{text:?}: {:?}", check(text).err());
        }
    }

    #[test]
    fn short_long_common_and_personal_passwords_are_refused() {
        for text in [
            "",
            "elevenchars",
            &"violet ".repeat(19),
            &"\u{1f600}".repeat(600),
            "aaaaaaaaaaaa",
            "abababababab",
            "123456789012",
            "1234567890qwertyuiop",
            "qwertyuiopasdf",
            "poiuytrewqlkj",
            "Password1234",
            "p4ssw0rd!2026",
            "passwordpassword",
            "Correct Horse Battery Staple",
            "Changeme!2026",
            "Gatewright2026",
            "gatewright-gatewright",
            "ada.lovelace",
            "AdaLovelace1843",
            "ada.lovelace@example.com",
            "x ada.lovelace@example.com y",
            "violet\nharbour ninety",
        ] {
            let invalid = check(text).unwrap_err();
            assert_eq!(invalid.violations()[0].pointer, "/password", "{text:?}");
        }
    }

    #[test]
    fn a_password_is_the_same_from_every_keyboard() {
        let composed = Password::typed(&Secret::new("caf\u{e9} au lait gras")).unwrap();
        let decomposed = Password::typed(&Secret::new("cafe\u{301} au lait gras")).unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
        assert!(Password::typed(&Secret::new("x".repeat(100_000))).is_none());
    }

    #[test]
    fn a_password_is_never_shown() {
        let shown = format!(
            "{:?} {:?}",
            check("violet harbour ninety"),
            PasswordHash::new("$argon2id$x".to_owned())
        );
        assert!(
            !shown.contains("violet") && !shown.contains("argon2id"),
            "{shown}"
        );
    }
}
