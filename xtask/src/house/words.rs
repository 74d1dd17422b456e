//! The rule about words: comments and pages are in the English that `CONTRIBUTING.md` asks for. It knows only words that have
//! no use here at all.

use super::workspace::{Files, is_of_kind};

/// Words, each with what to write.
const WORDS: [(&str, &str); 7] = [
    ("somebody", "who it is, like *another request*"),
    ("nobody", "no one, or a sentence without it"),
    ("whoever", "who it is, like *a client*"),
    ("anew", "again"),
    ("thereby", "a sentence of its own"),
    ("wherein", "where"),
    ("whereby", "with which"),
];

/// Lines that people read and that have one of the words.
pub(crate) fn broken(files: &Files) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in files {
        for (number, line) in text.lines().enumerate() {
            let Some(read) = read_by_people(path, line) else {
                continue;
            };
            let read = read.to_lowercase();
            let words = || read.split(|letter: char| !letter.is_alphabetic());
            for (word, instead) in WORDS {
                if words().any(|known| known == word) {
                    let line = number + 1;
                    broken.push(format!("{path}:{line} says `{word}`: write {instead}"));
                }
            }
        }
    }
    broken
}

/// What people read of a line: a comment, or a line of a page.
fn read_by_people<'a>(path: &str, line: &'a str) -> Option<&'a str> {
    if is_of_kind(path, &["html"]) {
        return Some(line);
    }
    if is_of_kind(path, &["rs", "mjs"]) {
        let begins = line.trim_start();
        let is_comment = begins.starts_with("//") || begins.starts_with("* ") || begins.starts_with("/**");
        return is_comment.then_some(line);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::workspace::testing::files;

    #[test]
    fn words_without_a_use_are_found_where_people_read_them() {
        let found = broken(&files(&[
            ("a.rs", "/// It is begun anew.\nlet nobody = 1;\n"),
            ("b.html", "<p>Nobody is here</p>"),
            ("c.mjs", "/** What somebody typed. */\nconst whoever = 1;\n"),
            ("d.rs", "// The newest, renewed: no one sees it.\n"),
        ]));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("a.rs:1") && found[0].contains("`anew`"));
        assert!(found[1].contains("b.html:1") && found[2].contains("c.mjs:1"));
    }
}
