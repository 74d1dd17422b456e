//! Sentences of the service as pages show them: text between backticks is code.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;

/// A sentence, which can repeat what a provider sent or a person entered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a>(&'a str);

/// A sentence as a page shows it.
pub(super) const fn told(text: &str) -> Told<'_> {
    Told(text)
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.split('`').enumerate() {
            let is_code = index % 2 == 1;
            f.write_str(if is_code { "<bdi><code>" } else { "" })?;
            escape(part, f)?;
            f.write_str(if is_code { "</code></bdi>" } else { "" })?;
        }
        Ok(())
    }
}

fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for letter in text.chars() {
        match letter {
            '&' => f.write_str("&#38;")?,
            '<' => f.write_str("&#60;")?,
            '>' => f.write_str("&#62;")?,
            '"' => f.write_str("&#34;")?,
            '\'' => f.write_str("&#39;")?,
            other => f.write_char(other)?,
        }
    }
    Ok(())
}

/// Everything in it is escaped above.
impl HtmlSafe for Told<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_becomes_code_and_nothing_becomes_markup() {
        assert_eq!(
            told("Type `sub`, please.").to_string(),
            "Type <bdi><code>sub</code></bdi>, please."
        );
        assert_eq!(
            told("`<script>` & \"x\" 'y'").to_string(),
            "<bdi><code>&#60;script&#62;</code></bdi> &#38; &#34;x&#34; &#39;y&#39;"
        );
        assert_eq!(
            told("an open ` end").to_string(),
            "an open <bdi><code> end</code></bdi>"
        );
    }
}
