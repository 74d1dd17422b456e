//! Checksums.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::Artefact;

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `SHA256SUMS` of all artefacts, as `sha256sum --check` reads it.
pub(crate) fn sums(artefacts: &[Artefact]) -> Artefact {
    let mut lines: Vec<String> = artefacts
        .iter()
        .map(|artefact| format!("{}  {}\n", sha256(&artefact.bytes), artefact.name))
        .collect();
    lines.sort_by(|one, other| one[64..].cmp(&other[64..]));
    Artefact {
        name: "SHA256SUMS".to_owned(),
        bytes: lines.concat().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_listed_by_name() {
        let artefact = |name: &str| Artefact {
            name: name.to_owned(),
            bytes: b"abc".to_vec(),
        };
        let sums = sums(&[artefact("b"), artefact("a")]);
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            String::from_utf8(sums.bytes).unwrap(),
            format!("{abc}  a\n{abc}  b\n")
        );
    }
}
