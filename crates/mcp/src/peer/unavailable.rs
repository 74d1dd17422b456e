//! Why a server did not return an answer that could be passed on, in words for people: what happened and what to do.

use std::fmt;

use http::{HeaderValue, Uri};

/// Why a server did not return an answer that could be passed on. The text is for the users of a gateway and for their models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailable {
    /// Its configuration cannot be used.
    Misconfigured {
        /// Its slug.
        server: String,
        /// What is wrong, without any secret.
        problem: String,
    },
    /// The user has to connect their account there first; nothing was sent.
    ConnectFirst {
        /// Its slug.
        server: String,
        /// Where they connect it.
        url: String,
    },
    /// It cannot be reached: it got nothing of the request.
    Unreachable {
        /// Its slug.
        server: String,
    },
    /// The connection broke before the answer was complete.
    Lost {
        /// Its slug.
        server: String,
    },
    /// It took too long.
    Timeout {
        /// Its slug.
        server: String,
    },
    /// It refused the gateway itself.
    Refused {
        /// Its slug.
        server: String,
        /// 401 or 403.
        status: u16,
    },
    /// It failed.
    Failed {
        /// Its slug.
        server: String,
        /// 429 or 5xx.
        status: u16,
    },
    /// It sends the gateway elsewhere.
    Redirected {
        /// Its slug.
        server: String,
        /// 3xx.
        status: u16,
        /// Where to, in our words; never a path or a query of another URL, which may hold secrets.
        to: String,
    },
    /// It has ended the session this gateway had with it.
    SessionEnded {
        /// Its slug.
        server: String,
        /// What it said so with. Only with 404 does the standard promise that nothing was done.
        status: u16,
    },
    /// It refuses the version of MCP that it used before.
    OtherVersion {
        /// Its slug.
        server: String,
    },
    /// It began no session, and nothing else is tried with it.
    NoSession {
        /// Its slug.
        server: String,
        /// What came instead, in our words.
        what: String,
    },
    /// What it answered is not MCP.
    NotMcp {
        /// Its slug.
        server: String,
        /// What came, in our words.
        what: String,
    },
}

/// What to do if the server most likely recovers by itself.
const LATER: &str = "Try again later; if it lasts, tell the administrator of this gateway.";
/// What to do if a call was sent and its outcome is unknown.
const UNSURE: &str = "The server may have carried the call out: check before you try again.";

impl Unavailable {
    /// One word for metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Misconfigured { .. } | Self::NoSession { .. } => "configuration",
            Self::ConnectFirst { .. } => "account",
            Self::Unreachable { .. } => "connect",
            Self::Lost { .. } => "lost",
            Self::Timeout { .. } => "timeout",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
            Self::SessionEnded { .. } => "session",
            Self::Redirected { .. } | Self::OtherVersion { .. } | Self::NotMcp { .. } => "protocol",
        }
    }

    /// The text for a call that was sent. Its readers must not repeat a payment because of it.
    pub fn of_call(&self) -> String {
        match self {
            // It got nothing, or refused before it looked at the call.
            Self::Misconfigured { .. }
            | Self::ConnectFirst { .. }
            | Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Redirected { .. }
            | Self::OtherVersion { .. }
            | Self::NoSession { .. }
            | Self::SessionEnded { status: 404, .. } => self.to_string(),
            Self::Lost { .. }
            | Self::Timeout { .. }
            | Self::Failed { .. }
            | Self::SessionEnded { .. }
            | Self::NotMcp { .. } => format!("{} {UNSURE}", Happened(self)),
        }
    }

    const fn advice(&self) -> &'static str {
        match self {
            Self::Misconfigured { .. } => "Ask the administrator of this gateway.",
            Self::ConnectFirst { .. } => "Then try again.",
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Timeout { .. } | Self::Failed { .. } => {
                LATER
            }
            Self::Refused { .. } => "Ask the administrator of this gateway to check its headers and secrets.",
            Self::Redirected { .. } => {
                "Gatewright does not follow redirects: ask the administrator of this gateway to enter the URL the server has now."
            }
            Self::SessionEnded { .. } => "Try again: a new session begins with the next request.",
            Self::OtherVersion { .. } => "Try again: the next request detects which version it supports now.",
            Self::NoSession { .. } => {
                "Ask the administrator of this gateway to set it to *Automatic*, or to check its URL."
            }
            Self::NotMcp { .. } => "Tell the administrator of this gateway.",
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Happened(self), self.advice())
    }
}

impl std::error::Error for Unavailable {}

/// What happened, without what to do.
struct Happened<'a>(&'a Unavailable);

impl fmt::Display for Happened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unavailable::Misconfigured { server, problem } => {
                write!(f, "The server `{server}` is not set up completely: {problem}.")
            }
            Unavailable::ConnectFirst { server, url } => write!(
                f,
                "The server `{server}` needs your account there. Open {url} in your browser to connect it."
            ),
            Unavailable::Unreachable { server } => {
                write!(f, "The server `{server}` cannot be reached right now.")
            }
            Unavailable::Lost { server } => write!(
                f,
                "The connection to the server `{server}` broke before its answer was complete."
            ),
            Unavailable::Timeout { server } => {
                write!(f, "The server `{server}` did not answer in time.")
            }
            Unavailable::Refused { server, status } => {
                write!(f, "The server `{server}` refused this gateway (HTTP {status}).")
            }
            Unavailable::Failed { server, status } => {
                write!(f, "The server `{server}` failed (HTTP {status}).")
            }
            Unavailable::Redirected { server, status, to } => {
                write!(f, "The server `{server}` redirects to {to} (HTTP {status}).")
            }
            Unavailable::SessionEnded { server, status } => write!(
                f,
                "The server `{server}` ended its session with this gateway (HTTP {status})."
            ),
            Unavailable::OtherVersion { server } => write!(
                f,
                "The server `{server}` refused the version of MCP that it used before."
            ),
            Unavailable::NoSession { server, what } => write!(
                f,
                "The server `{server}` is set to *Sessions only*, and it did not begin a session ({what})."
            ),
            Unavailable::NotMcp { server, what } => write!(
                f,
                "The server `{server}` answered with something that is not MCP ({what})."
            ),
        }
    }
}

/// Where a redirect leads, in words that are safe to show: the host of another origin, and nothing of its path or query.
pub(super) fn redirect_target(from: &Uri, location: Option<&HeaderValue>) -> String {
    const UNKNOWN: &str = "an address that is not shown";
    let Some(location) = location.and_then(|value| value.to_str().ok()) else {
        return "nowhere".to_owned();
    };
    // `//host/path` is another host with the same scheme (RFC 3986 section 4.2).
    let absolute = match (location.starts_with("//"), from.scheme_str()) {
        (true, Some(scheme)) => format!("{scheme}:{location}"),
        _ => location.to_owned(),
    };
    let Ok(target) = absolute.parse::<Uri>() else {
        return UNKNOWN.to_owned();
    };
    match (target.scheme_str(), target.host()) {
        (None, None) => {}
        (Some(scheme @ ("http" | "https")), Some(host))
            if host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)) =>
        {
            if target.host() != from.host()
                || target.port_u16() != from.port_u16()
                || Some(scheme) != from.scheme_str()
            {
                let port = target
                    .port_u16()
                    .map(|port| format!(":{port}"))
                    .unwrap_or_default();
                return format!("{scheme}://{host}{port}");
            }
        }
        _ => return UNKNOWN.to_owned(),
    }
    let (before, after) = (from.path(), target.path());
    if after.strip_suffix('/') == Some(before) {
        "the same URL with a slash at its end".to_owned()
    } else if before.strip_suffix('/') == Some(after) {
        "the same URL without the slash at its end".to_owned()
    } else {
        "another path of the same host".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_names_the_host_and_never_a_path_or_query() {
        let from: Uri = "https://tools.example/mcp".parse().unwrap();
        for (location, told) in [
            (
                "https://tools.example/mcp/",
                "the same URL with a slash at its end",
            ),
            ("/mcp/", "the same URL with a slash at its end"),
            ("http://tools.example/mcp", "http://tools.example"),
            (
                "https://login.example:8443/in?token=hush",
                "https://login.example:8443",
            ),
            ("https://ada:hush@login.example/", "https://login.example"),
            ("/login?next=hush", "another path of the same host"),
            ("javascript:alert(1)", "an address that is not shown"),
            ("ftp://files.example/", "an address that is not shown"),
            ("//login.example/in", "https://login.example"),
            ("tools.example:443", "an address that is not shown"),
        ] {
            let location = HeaderValue::from_static(location);
            assert_eq!(redirect_target(&from, Some(&location)), told, "{location:?}");
        }
        assert_eq!(redirect_target(&from, None), "nowhere");
    }

    #[test]
    fn after_a_call_the_words_warn_of_a_second_one_only_where_there_may_have_been_a_first() {
        let server = || "one".to_owned();
        for (why, warns) in [
            (Unavailable::Unreachable { server: server() }, false),
            (Unavailable::Lost { server: server() }, true),
            (Unavailable::Timeout { server: server() }, true),
            (
                Unavailable::Failed {
                    server: server(),
                    status: 500,
                },
                true,
            ),
            (
                Unavailable::SessionEnded {
                    server: server(),
                    status: 404,
                },
                false,
            ),
            (
                Unavailable::SessionEnded {
                    server: server(),
                    status: 400,
                },
                true,
            ),
        ] {
            let told = why.of_call();
            assert_eq!(told.contains("may have carried the call out"), warns, "{told}");
            assert_eq!(told.contains("Try again"), !warns, "{told}");
            assert!(!why.to_string().contains("carried"), "a list does nothing: {why}");
        }
    }
}
