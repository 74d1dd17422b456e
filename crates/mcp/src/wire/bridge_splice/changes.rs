//! What an answer that streams needs changed or checked.

use bytes::Bytes;

/// What a streamed answer needs changed. Beside that, `"error":null` and `"result":null` are always taken out: some
/// servers write both members, and the SDKs refuse a message that has both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The id the server knows the request by, as JSON text, and the one the client does. Where they are the same text, the id
    /// stays as the server wrote it; an answer with another one is refused all the same: clients look for the request of an
    /// answer by its id, whichever exchange it came in, so a server could answer the calls of another.
    pub id: Option<(Bytes, Bytes)>,
    /// What happens to `resultType` in a `result` object.
    pub result_type: ResultType,
}

/// What happens to the member `resultType` of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultType {
    /// It passes, or its absence does.
    Keep,
    /// It is taken out, for clients of the era with sessions: some refuse what they do not know.
    Remove,
    /// It becomes `complete` and the first member. Servers with sessions mean nothing else by a result.
    Complete,
    /// The same, and it says that the result is not to be kept: what such a result must say about that, servers with sessions
    /// do not.
    CompleteOnce,
}

impl Changes {
    /// Whether the answer can pass unchanged, except for a `null`.
    pub fn is_empty(&self) -> bool {
        self.keeps_id() && matches!(self.result_type, ResultType::Keep)
    }

    fn keeps_id(&self) -> bool {
        self.id.as_ref().is_none_or(|(ours, theirs)| ours == theirs)
    }
}

impl ResultType {
    /// Whether a member of the result that has this name is taken out.
    pub(super) fn replaces(self, name: &[u8]) -> bool {
        match name {
            b"resultType" => self != Self::Keep,
            b"ttlMs" | b"cacheScope" => self == Self::CompleteOnce,
            _ => false,
        }
    }

    /// What becomes the first members of the result.
    pub(super) const fn first_members(self) -> Option<&'static [u8]> {
        match self {
            Self::Keep | Self::Remove => None,
            Self::Complete => Some(br#""resultType":"complete""#),
            Self::CompleteOnce => Some(br#""resultType":"complete","ttlMs":0,"cacheScope":"private""#),
        }
    }
}
