//! Every advice to an administrator is reached, by a provider that behaves like one of those people have reported. The
//! texts are read from the source, so that a new one without such a provider fails here.

mod connections;

/// The sentences in a source file, without what is filled in: of each text that begins with a capital letter and has
/// several words, the longest piece between placeholders.
pub(in crate::relying_party) fn literals(source: &str) -> Vec<String> {
    let code: Vec<&str> = source
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"))
        .collect();
    // A text that goes on in the next line ends with a backslash there.
    let code = code.join("\n").replace("\\\n", "");
    let quoted = code.split('"').skip(1).step_by(2);
    let is_sentence = |text: &&str| text.contains(' ') && text.starts_with(char::is_uppercase);
    let longest = |text: &str| {
        let pieces = text.split(['{', '}']).step_by(2);
        pieces.max_by_key(|piece| piece.len()).map(str::to_owned)
    };
    quoted.filter(is_sentence).filter_map(longest).collect()
}

#[test]
fn sentences_are_found_in_a_source() {
    let source = r#"
        // "Not this one."
        fail("A sentence goes on \
              here.", format!("It has {a} and so it ends: {}", "lower case", "Word"));
    "#;
    assert_eq!(
        literals(source),
        ["A sentence goes on here.", " and so it ends: "]
    );
}
