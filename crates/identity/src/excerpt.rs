//! What a provider sent, made safe to show: short, on one line, and in plain characters.

/// At most `max` characters of `text`; control characters and those that change the direction of writing become `?`.
pub(crate) fn excerpt(text: &str, max: usize) -> String {
    let mut shown: String = text.chars().take(max).map(plain).collect();
    if text.chars().nth(max).is_some() {
        shown.push('…');
    }
    shown
}

fn plain(character: char) -> char {
    let hides = matches!(character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    if character.is_control() || hides {
        '?'
    } else {
        character
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_a_reader_is_replaced_and_the_rest_stays() {
        assert_eq!(excerpt("invalid_scope", 40), "invalid_scope");
        assert_eq!(excerpt("a\nb\u{202e}c\0", 40), "a?b?c?");
        assert_eq!(excerpt("grün", 3), "grü…");
        assert_eq!(excerpt("grün", 4), "grün");
    }
}
