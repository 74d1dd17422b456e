//! Activity: what gateways were asked, by whom, and what became of it. Never results, nor anything else of a message
//! but the name it is about; arguments only of gateways that record them, and apart from the rest.

mod arguments;
mod outcome;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    id::{ActivityId, GatewayId, ProjectId, ServerId},
    words::worded,
};

pub use crate::trace_context::TraceId;
pub use arguments::{ARGUMENTS_MAX, RecordedArguments};
pub use outcome::{Outcome, Rule};

/// Bytes of a name that are kept: of a tool or prompt, of a URI, of a user or client. Servers and clients choose them.
pub const NAME_MAX: usize = 256;

/// One request of a gateway. A batch has one for each of its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// When its response ended. Rows are in this order; `duration_us` says when it began.
    pub at: Timestamp,
    /// The project.
    pub project_id: ProjectId,
    /// The gateway.
    pub gateway_id: GatewayId,
    /// Who made it; `None` if it was refused before that was known. Requests of one caller share it.
    pub caller: Option<Arc<ActivityCaller>>,
    /// The server it went to, or would have gone to.
    pub server_id: Option<ServerId>,
    /// The kind of request.
    pub kind: RequestKind,
    /// What it names: a tool or prompt as clients know it, or a URI; at most [`NAME_MAX`] bytes.
    pub item: Option<Arc<str>>,
    /// The outcome.
    pub outcome: Outcome,
    /// Why it was refused, if it was.
    pub rule: Option<Rule>,
    /// From its first byte to the last byte of its answer, in microseconds.
    pub duration_us: i64,
    /// The part of it from when it was sent to the server, in microseconds; `None` if no server was asked.
    pub upstream_us: Option<i64>,
    /// Bytes of its body.
    pub bytes_in: i64,
    /// Bytes of the body of its answer.
    pub bytes_out: i64,
    /// The ID of its HTTP request, as log lines have it.
    pub request: RequestNumber,
    /// The trace it belongs to: the one its client named (W3C Trace Context), or one that began here.
    pub trace: Option<TraceId>,
    /// Identifies a session of an MCP client.
    pub session: Option<SessionMark>,
}

/// An activity as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredActivity {
    /// Its ID, which was assigned when it was written.
    pub id: ActivityId,
    /// What happened.
    pub activity: Activity,
}

/// Who made a request, and with which client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ActivityCaller {
    /// `usr_…`, `acc_…`, or in Headers mode the user ID after a `|`. What else identifies a user is read from the user, as
    /// long as the user exists.
    pub person: Option<Arc<str>>,
    /// The client.
    pub client: Option<ActivityClient>,
}

/// The client of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ActivityClient {
    /// An OAuth client in the short form that grants carry, or in Headers mode the API key.
    pub id: Arc<str>,
    /// The name reported by the client; empty if it is not known.
    pub name: Arc<str>,
}

impl ActivityClient {
    /// A client, with both texts cut to [`NAME_MAX`].
    pub fn new(id: &str, name: &str) -> Self {
        Self {
            id: cut(id).into(),
            name: cut(name).into(),
        }
    }
}

/// The ID of a person whom the holder of an API key names: no user or account is meant, whatever it looks like.
pub fn header_user(user_id: &str) -> String {
    let mut person = format!("|{user_id}");
    person.truncate(cut(&person).len());
    person
}

/// The beginning of a text, at most [`NAME_MAX`] bytes.
pub fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(NAME_MAX)]
}

worded! {
    /// The kind of a request.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub enum RequestKind {
        /// A tool is called.
        Call = "call", "Tool call";
        /// A prompt is requested.
        Prompt = "prompt", "Prompt";
        /// A resource is read.
        Resource = "resource", "Resource";
        /// An argument is completed.
        Completion = "completion", "Completion";
        /// A list is requested, of tools, prompts, resources or tasks.
        List = "list", "List";
        /// A client begins: `initialize` or `server/discover`.
        Begin = "begin", "Beginning";
        /// A task is asked for or cancelled.
        Task = "task", "Task";
        /// A stream that only listens, and subscriptions to resources.
        Listen = "listen", "Listening";
        /// A client answers what a server asked: input, a confirmation.
        Answer = "answer", "Answer to a server";
        /// Anything else: notifications, pings, the end of a session, what was refused before it was read.
        Other = "other", "Other";
    }
}

/// The ID of an HTTP request: sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RequestNumber(pub u64);

impl fmt::Display for RequestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Tells sessions of MCP clients apart, and opens none: a part of a hash, twelve hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionMark(u64);

/// The bits of a mark.
const MARK: u64 = 0xffff_ffff_ffff;

impl SessionMark {
    /// The mark of a session with this key, which is random or a hash.
    pub fn of_key(key: &[u8; 16]) -> Self {
        let mut last = [0; 8];
        last.copy_from_slice(&key[8..]);
        Self(u64::from_be_bytes(last) & MARK)
    }

    /// The mark as a number, for the store.
    pub const fn number(self) -> i64 {
        self.0.cast_signed()
    }

    /// The mark of a number.
    pub const fn of_number(number: i64) -> Self {
        Self(number.cast_unsigned() & MARK)
    }
}

impl fmt::Display for SessionMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let name = format!("{}é and more", "x".repeat(NAME_MAX - 1));
        assert_eq!(cut(&name), "x".repeat(NAME_MAX - 1));
        assert_eq!(cut("short"), "short");
    }

    #[test]
    fn a_session_mark_reads_back_and_shows_a_part_of_the_key() {
        let mark = SessionMark::of_key(&[0xab; 16]);
        assert_eq!(mark.to_string(), "abababababab");
        assert_eq!(SessionMark::of_number(mark.number()), mark);
    }
}
