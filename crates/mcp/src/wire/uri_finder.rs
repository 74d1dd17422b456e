//! URIs that an answer names: the members `uri` of links and embedded resources in it (2026-07-28 server/tools, "Resource
//! Links" and "Embedded Resources"), found while it passes in pieces. Any string member of that name counts, wherever it
//! stands.

use super::{scan::decode_string, uri_template::URI_MAX};

const KEY: &[u8] = b"\"uri\"";
/// What is kept of a member that a piece ends in, bytes. A longer one is not a URI anyone can read.
const KEPT_MAX: usize = URI_MAX + 64;
/// URIs taken from one answer.
const FOUND_MAX: u32 = 1_000;

/// Finds URIs in one answer that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct UriFinder {
    /// The end of the pieces so far, if that can be the beginning of a member `uri`.
    kept: Vec<u8>,
    found: u32,
}

/// What is found where a member can be.
enum Member<'a> {
    /// It ends later.
    Open,
    /// Its value, quotes included.
    Uri(&'a [u8]),
    /// It is another one.
    Other,
}

impl UriFinder {
    /// Reads on; `seen` receives each URI.
    pub(crate) fn read(&mut self, piece: &[u8], seen: impl FnMut(&str)) {
        if self.kept.is_empty() {
            self.scan(piece, seen);
        } else {
            let mut joined = std::mem::take(&mut self.kept);
            joined.extend_from_slice(piece);
            self.scan(&joined, seen);
        }
    }

    fn scan(&mut self, text: &[u8], mut seen: impl FnMut(&str)) {
        let mut at = 0;
        while let Some(found) = memchr::memmem::find(&text[at..], KEY) {
            if self.found >= FOUND_MAX {
                return;
            }
            let start = at + found;
            at = start + KEY.len();
            match member(&text[at..]) {
                Member::Open => return self.keep(&text[start..]),
                Member::Other => {}
                Member::Uri(quoted) => {
                    at += quoted.len();
                    if quoted.len() <= KEPT_MAX
                        && let Some(uri) = decode_string(quoted)
                    {
                        self.found += 1;
                        seen(&uri);
                    }
                }
            }
        }
        let rest = &text[at..];
        let begun = (1..KEY.len())
            .rev()
            .find(|length| rest.ends_with(&KEY[..*length]));
        if let Some(length) = begun {
            self.keep(&rest[rest.len() - length..]);
        }
    }

    fn keep(&mut self, rest: &[u8]) {
        if rest.len() <= KEPT_MAX {
            self.kept = rest.to_vec();
        }
    }
}

/// What follows the name of a member.
fn member(text: &[u8]) -> Member<'_> {
    let skip = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let colon = skip(text);
    match text.get(colon) {
        None => return Member::Open,
        Some(b':') => {}
        Some(_) => return Member::Other,
    }
    let start = colon + 1 + skip(&text[colon + 1..]);
    match text.get(start) {
        None => return Member::Open,
        Some(b'"') => {}
        Some(_) => return Member::Other,
    }
    let mut at = start + 1;
    while let Some(offset) = memchr::memchr2(b'"', b'\\', &text[at..]) {
        at += offset;
        if text[at] == b'"' {
            return Member::Uri(&text[start..=at]);
        }
        // The escaped character can be in the next piece.
        at = (at + 2).min(text.len());
    }
    Member::Open
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn found(pieces: &[&[u8]]) -> Vec<String> {
        let mut finder = UriFinder::default();
        let mut found = Vec::new();
        for piece in pieces {
            finder.read(piece, |uri| found.push(uri.to_owned()));
        }
        found
    }

    #[test]
    fn members_of_that_name_are_found_and_texts_that_look_like_them_are_not() {
        let text = br#"{"uri" : "a://1","x":"\"uri\":\"a://no\"","uri":5,"y":["uri","a://no"],"resource":{"uri":"a://\u0032"}}"#;
        assert_eq!(found(&[text]), ["a://1", "a://2"]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let long = format!(r#"{{"uri":"{}"#, "x".repeat(3 * URI_MAX));
        let mut finder = UriFinder::default();
        for piece in long.as_bytes().chunks(100) {
            finder.read(piece, |_| panic!("no URI"));
            assert!(finder.kept.len() <= KEPT_MAX);
        }
        let many = r#"{"uri":"a://x"}"#.repeat(2 * FOUND_MAX as usize);
        assert_eq!(found(&[many.as_bytes()]).len(), FOUND_MAX as usize);
    }

    proptest! {
        /// However the answer is cut, the same URIs are found.
        #[test]
        fn cuts_change_nothing(uris in proptest::collection::vec(any::<String>(), 0..6), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12)) {
            let links: Vec<_> = uris.iter().map(|uri| json!({"type": "resource_link", "uri": uri, "text": "\"uri\""})).collect();
            let text = json!({"result": {"content": links}}).to_string().into_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
            let wanted: Vec<String> = uris.into_iter().filter(|uri| uri.len() < URI_MAX).collect();
            prop_assert_eq!(found(&pieces), wanted);
        }
    }
}
