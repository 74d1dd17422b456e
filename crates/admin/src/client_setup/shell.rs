//! Words of a command line, for people who paste it into whatever shell they have.

use std::borrow::Cow;

/// A word as a shell reads it back: unchanged if nothing in it is special, in double quotes if that is enough
/// (every shell knows these, the one of Windows too), in single quotes otherwise.
pub(super) fn quoted(word: &str) -> Cow<'_, str> {
    // An open brace, a star or a tilde has a meaning somewhere, so only what never has any stays bare.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    let is_kept_in_double_quotes = |c: char| !matches!(c, '"' | '$' | '`' | '\\' | '!') && !c.is_control();
    if word.chars().all(is_kept_in_double_quotes) {
        return Cow::Owned(format!("\"{word}\""));
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_word_stays_bare_where_it_can_and_is_quoted_as_little_as_needed() {
        assert_eq!(
            quoted("https://a.example:8443/mcp/x_1-y"),
            "https://a.example:8443/mcp/x_1-y"
        );
        assert_eq!(quoted("Authorization: Bearer K"), "\"Authorization: Bearer K\"");
        assert_eq!(quoted("{\"a\":1}"), "'{\"a\":1}'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("https://a.example/?a&b"), "\"https://a.example/?a&b\"");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_back_what_was_meant(word in "[ -~äé\n]{0,24}") {
            let output = Command::new("sh").arg("-c").arg(format!("printf %s {}", quoted(&word))).output().unwrap();
            prop_assert!(output.status.success());
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
