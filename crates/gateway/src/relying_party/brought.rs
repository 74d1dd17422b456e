//! Codes that browsers bring back. Each is remembered before anything else is asked or done, so that neither the end of its
//! sign-in nor its deletion lets it open another one (RFC 9700 section 4.4).

use gatewright_domain::token_hash::TokenHash;
use gatewright_oauth::parameters::Parameters;
use gatewright_store::{StoreError, Urgency, brought_code};

use crate::Gateways;

/// Codes of one callback that are remembered at most. A provider sends one; with two a callback makes no sense.
const MAX_CODES: usize = 2;

/// A canonical form shorter than this says too little: the code is remembered as it is.
const LEAST: usize = 8;

/// In a canonical form longer than this, the last character is left out.
const LONG: usize = 16;

/// Hexadecimal digits of the groups of a UUID.
const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// Whose the codes of a callback are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought {
    /// They came with this state, now or before; or there are none.
    Here,
    /// One of them came with another state before.
    Elsewhere,
}

/// Remembers the codes of a callback, whatever else it holds, in its own transaction.
pub async fn bring(app: &Gateways, parameters: &Parameters, state: TokenHash) -> Result<Brought, StoreError> {
    let codes: Vec<TokenHash> = parameters
        .all("code")
        .take(MAX_CODES)
        .map(|code| TokenHash::of(&canonical(code)))
        .collect();
    if codes.is_empty() {
        return Ok(Brought::Here);
    }
    let now = app.now();
    app.store
        .transact(Urgency::Person, move |tx| {
            Box::pin(async move {
                let mut brought = Brought::Here;
                for code in codes {
                    if brought_code::bring(tx, code, state, now).await? != state {
                        brought = Brought::Elsewhere;
                    }
                }
                Ok(brought)
            })
        })
        .await
}

/// The state of a callback, even if it appears twice or not at all.
pub fn state(parameters: &Parameters) -> TokenHash {
    TokenHash::of(parameters.all("state").next().unwrap_or_default())
}

/// What all spellings have in common that a provider may take for the same code. Otherwise a code that was brought back
/// could be spelled in another way and opened with another sign-in. Providers read hexadecimal digits in either case, and
/// UUIDs with zeros and digits too many or too few; decoders of base64 skip padding and other marks, and ignore the spare
/// bits of the last character.
///
/// Two codes with the same form are harmless: the second sign-in is refused and begins again. Codes are random and have far more
/// characters than are lost here, so that does not happen.
fn canonical(code: &str) -> String {
    let parts = code.split('.');
    let text: String = parts
        .map(|part| uuid(part).unwrap_or_else(|| part.to_owned()))
        .collect();
    let mut kept: String = text
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    if kept.len() > LONG {
        kept.pop();
    }
    if kept.len() < LEAST { code.to_owned() } else { kept }
}

/// The 32 digits of a UUID, read as Java reads it: a group may lack leading zeros, and only its last digits count.
fn uuid(part: &str) -> Option<String> {
    let groups: Result<Vec<u64>, _> = part
        .split('-')
        .map(|group| u64::from_str_radix(group, 16))
        .collect();
    let groups = groups.ok().filter(|groups| groups.len() == UUID_GROUPS.len())?;
    let digits = |(group, width): (u64, usize)| {
        let all = format!("{group:016x}");
        all[all.len() - width..].to_owned()
    };
    Some(groups.into_iter().zip(UUID_GROUPS).map(digits).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_code_have_one_form() {
        for (code, others) in [
            (
                "0f3b6a10-7c1d-4e52-8b0a-00c4d5e6f708.s3ssion.cl1ent",
                [
                    "0F3B6A10-7C1D-4E52-8B0A-00C4D5E6F708.s3ssion.cl1ent",
                    "f3b6a10-7c1d-4e52-8b0a-c4d5e6f708.s3ssion.cl1ent",
                    "f3b6a10-7c1d-14e52-8b0a-00c4d5e6f708.s3ssion.cl1ent",
                    "+f3b6a10-7c1d-4e52-8b0a-00c4d5e6f708.s3ssion.cl1ent",
                ],
            ),
            (
                "MDEyMzQ1Njc4OWFiY2RlZg",
                [
                    "MDEyMzQ1Njc4OWFiY2RlZg==",
                    "MDEyMzQ1Njc4OWFiY2RlZh",
                    "MDEyMzQ1 Njc4OWFiY2RlZg",
                    "MDEyMzQ1.Njc4OWFiY2RlZg=",
                ],
            ),
        ] {
            for other in others {
                assert_eq!(canonical(other), canonical(code), "{other}");
            }
        }
    }

    #[test]
    fn codes_that_differ_have_forms_that_differ() {
        let codes = [
            "a",
            "b",
            "code-1",
            "code_1",
            "provider-code-AAAAAAAA",
            "provider-code-AAAAAABA",
            "0f3b6a10-7c1d-4e52-8b0a-00c4d5e6f708",
            "0f3b6a11-7c1d-4e52-8b0a-00c4d5e6f708",
        ];
        let forms: std::collections::HashSet<String> = codes.into_iter().map(canonical).collect();
        assert_eq!(forms.len(), codes.len());
    }
}
