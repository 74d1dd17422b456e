//! Which revisions of MCP are tried with a server.

use serde::{Deserialize, Serialize};

use crate::words::worded;

worded! {
    /// Which revisions of MCP are tried with a server.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub enum ProtocolChoice {
        /// The newest first: it is asked for `server/discover` of 2026-07-28, and with `initialize` if it does not support that.
        #[default]
        Automatic = "automatic", "Automatic";
        /// Only revisions with sessions, 2025-11-25 and before: a conversation begins with `initialize`.
        SessionsOnly = "sessions_only", "Sessions only";
    }
}
