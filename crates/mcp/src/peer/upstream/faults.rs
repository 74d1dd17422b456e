//! Why a server did not answer, with its name.

use http::{HeaderMap, StatusCode, header::LOCATION};

use super::Upstream;
use crate::peer::unavailable::{Unavailable, redirect_target};

impl Upstream {
    pub(crate) fn unreachable(&self) -> Unavailable {
        Unavailable::Unreachable {
            server: self.config.slug.clone(),
        }
    }

    pub(in crate::peer) fn lost(&self) -> Unavailable {
        Unavailable::Lost {
            server: self.config.slug.clone(),
        }
    }

    pub(crate) fn timed_out(&self) -> Unavailable {
        Unavailable::Timeout {
            server: self.config.slug.clone(),
        }
    }

    /// What an HTTP answer says that carries no JSON-RPC message. `headers` are its own.
    pub(in crate::peer) fn bad_status(&self, status: StatusCode, headers: &HeaderMap) -> Unavailable {
        let server = self.config.slug.clone();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Unavailable::Refused {
                server,
                status: status.as_u16(),
            },
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => Unavailable::Failed {
                server,
                status: status.as_u16(),
            },
            _ if status.is_redirection() && status != StatusCode::NOT_MODIFIED => Unavailable::Redirected {
                server,
                status: status.as_u16(),
                to: redirect_target(&self.config.url, headers.get(LOCATION)),
            },
            _ => self.not_mcp(format!("HTTP {}", status.as_u16())),
        }
    }

    /// The server has ended the session; `status` is what it answered with.
    pub(in crate::peer) fn session_ended(&self, status: StatusCode) -> Unavailable {
        Unavailable::SessionEnded {
            server: self.config.slug.clone(),
            status: status.as_u16(),
        }
    }

    /// What the loss of a session means for the request that found out.
    pub(in crate::peer) fn lost_in_session(&self, status: StatusCode) -> Unavailable {
        match status {
            StatusCode::UNAUTHORIZED
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::SERVICE_UNAVAILABLE => self.bad_status(status, &HeaderMap::new()),
            _ => self.session_ended(status),
        }
    }

    /// The server refuses the version of MCP that it used before.
    pub(in crate::peer) fn other_version(&self) -> Unavailable {
        Unavailable::OtherVersion {
            server: self.config.slug.clone(),
        }
    }

    /// It is set to sessions only, and began none.
    pub(in crate::peer) fn no_session(&self, what: impl Into<String>) -> Unavailable {
        Unavailable::NoSession {
            server: self.config.slug.clone(),
            what: what.into(),
        }
    }

    pub(crate) fn not_mcp(&self, what: impl Into<String>) -> Unavailable {
        Unavailable::NotMcp {
            server: self.config.slug.clone(),
            what: what.into(),
        }
    }
}
