//! The short reference that a page shows to a person, and with which an administrator finds out what happened. It is read
//! aloud on the phone and typed by hand, so it is short and has no look-alike letters.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Crockford's base 32: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Forty bits: among a hundred thousand references, the chance that any two are equal is one in two hundred.
const LENGTH: usize = 8;
const BITS_PER_LETTER: u32 = 5;

/// A reference, like `K7QM-2XWB`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reference([u8; LENGTH]);

impl Reference {
    /// The reference of a random number, from its upper forty bits.
    pub fn of(number: u64) -> Self {
        let mut rest = number;
        Self(std::array::from_fn(|_| {
            rest = rest.rotate_left(BITS_PER_LETTER);
            ALPHABET[(rest & 0b1_1111) as usize]
        }))
    }

    /// Reads a reference as people type it: in any case, with or without the hyphen, with `O` for zero and `I` or `L` for one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut letters = text
            .bytes()
            .filter(|byte| !matches!(byte, b'-' | b' '))
            .map(|byte| {
                let letter = match byte.to_ascii_uppercase() {
                    b'O' => b'0',
                    b'I' | b'L' => b'1',
                    other => other,
                };
                ALPHABET.contains(&letter).then_some(letter)
            });
        let mut read = [0; LENGTH];
        for place in &mut read {
            *place = letters.next()??;
        }
        letters.next().is_none().then_some(Self(read))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, letter) in self.0.iter().enumerate() {
            if place == LENGTH / 2 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*letter))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let expected = || serde::de::Error::custom("expected a reference, like `K7QM-2XWB`");
        Self::parse(&text).ok_or_else(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_however_it_is_entered() {
        let reference = Reference::of(0x0123_4567_89ab_cdef);
        let text = reference.to_string();
        assert_eq!(text, "04HM-ASW9");
        for typed in ["04HM-ASW9", "04hmasw9", "O4HM ASW9", " 04-HM-AS-W9 "] {
            assert_eq!(Reference::parse(typed), Some(reference), "{typed}");
        }
        assert_eq!(Reference::parse("LIOO-0000"), Reference::parse("1100-0000"));
        for wrong in [
            "",
            "04HM-ASW",
            "04HM-ASW99",
            "U4HM-ASW9",
            "04HM_ASW9",
            "Ä4HM-ASW9",
        ] {
            assert_eq!(Reference::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_upper_forty_bits_count() {
        assert_ne!(Reference::of(1 << 63), Reference::of(0));
        assert_ne!(Reference::of(1 << 24), Reference::of(0));
        assert_eq!(Reference::of(1 << 23), Reference::of(0));
    }
}
