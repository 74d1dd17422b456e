//! The outcome of a request, and why it was refused.

use serde::{Deserialize, Serialize};

use crate::words::worded;

worded! {
    /// The outcome of a request.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub enum Outcome {
        /// It was answered.
        Ok = "ok", "OK";
        /// The tool says that it failed: its result has `isError`.
        ToolError = "tool_error", "Tool error";
        /// The server answered with a JSON-RPC error.
        Error = "error", "Error";
        /// The server asked for input first; the answer comes with another request.
        InputRequired = "input_required", "Asked for input";
        /// The gateway refused it; its rule says why.
        Refused = "refused", "Refused";
        /// No usable answer of the server came, or the gateway could not check the request.
        Unavailable = "unavailable", "Unavailable";
        /// The client cancelled it, or left before the answer ended.
        Cancelled = "cancelled", "Cancelled";
        /// The server's answer broke off after its beginning had been passed on.
        Broken = "broken", "Answer broke off";
    }
}

impl Outcome {
    /// Whether something failed that an administrator may have to look at: not what clients did wrong or cancelled.
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::ToolError | Self::Error | Self::Unavailable | Self::Broken
        )
    }
}

worded! {
    /// Why a request was refused.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub enum Rule {
        /// It came without credentials.
        NotSignedIn = "not_signed_in", "Not signed in";
        /// Its token or key is not valid here, or no longer.
        BadCredentials = "bad_credentials", "Credentials not valid";
        /// It came from a web page of another origin.
        ForeignOrigin = "foreign_origin", "Web page of another origin";
        /// It is not a request as the protocol has it.
        Malformed = "malformed", "Not a valid request";
        /// Its body is too large, or did not arrive.
        Body = "body", "Message too large or incomplete";
        /// As many requests of the person run as may run.
        PersonBusy = "person_busy", "Too many requests of the person";
        /// As many requests of the project run as may run.
        ProjectBusy = "project_busy", "Too many requests of the project";
        /// Its session is not known, or has ended.
        NoSession = "no_session", "No such session";
        /// The gateway has no such method.
        UnknownMethod = "unknown_method", "Unknown method";
        /// The gateway offers nothing of that name.
        NotOffered = "not_offered", "Not offered by the gateway";
        /// What it says does not fit what it names.
        BadParams = "bad_params", "Parameters not valid";
        /// The person has to connect an account of theirs first.
        ConnectFirst = "connect_first", "Account not connected";
    }
}
