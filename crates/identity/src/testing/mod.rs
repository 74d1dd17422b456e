//! What tests with a provider share: a provider that they control.

mod provider;

pub use provider::{Fault, HostileProvider, SECRET, Script, TokenRule};

/// The sentences in a source file, without what is filled in: of each text that begins with a capital letter and has
/// several words, the longest piece between placeholders.
pub fn literals(source: &str) -> Vec<String> {
    let code: Vec<&str> = source
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"))
        .collect();
    // A text that continues in the next line ends with a backslash there.
    let code = code.join("\n").replace("\\\n", "");
    let quoted = code.split('"').skip(1).step_by(2);
    let is_sentence = |text: &&str| text.contains(' ') && text.starts_with(char::is_uppercase);
    let longest = |text: &str| {
        let pieces = text.split(['{', '}']).step_by(2);
        pieces.max_by_key(|piece| piece.len()).map(str::to_owned)
    };
    quoted.filter(is_sentence).filter_map(longest).collect()
}
