//! Why a server cannot be used, in words for the people who administer.

use std::time::Duration;

use gatewright_domain::server::{IdentityForwarding, Server};
use gatewright_mcp::upstream::Unavailable;

use super::time_limit;
use crate::relying_party::check::Finding;

fn told(pointer: &str, found: String, remedy: &str) -> Finding {
    Finding {
        pointer: pointer.to_owned(),
        found,
        remedy: remedy.to_owned(),
    }
}

/// What to do about a server that is reached over the transport that Streamable HTTP replaced.
pub(super) fn over_http_sse() -> Finding {
    told(
        "/url",
        "The server uses the HTTP+SSE transport of MCP 2024-11-05, which is deprecated.".to_owned(),
        "It works. If the server also has a Streamable HTTP endpoint, which often ends in /mcp instead of /sse, enter that one.",
    )
}

/// What happened and what to do. `cause` is what the connection said, and `waited` how long the server had.
pub(super) fn finding(server: &Server, why: &Unavailable, cause: Option<&str>, waited: Duration) -> Finding {
    match why {
        Unavailable::Misconfigured { problem, .. } => told(
            "/headers",
            format!(
                "The server is not called, because it is not set up completely: {}.",
                problem.trim_end_matches('.')
            ),
            "Correct its headers.",
        ),
        Unavailable::ConnectFirst { .. } => told(
            "/identity",
            "The server answers only users who have connected their account there, and a check is made for no user."
                .to_owned(),
            "If calls through a gateway work, all is well.",
        ),
        Unavailable::Unreachable { .. } => told(
            "/url",
            match cause {
                Some(cause) => format!("The server cannot be reached: {cause}."),
                None => "The server cannot be reached.".to_owned(),
            },
            "Check the URL, that the server runs, and that this machine may reach it.",
        ),
        Unavailable::Timeout { .. } => late(time_limit(server), waited),
        Unavailable::Lost { .. } => told(
            "/url",
            match cause {
                Some(cause) => format!("The connection to the server broke: {cause}."),
                None => "The connection to the server broke before it answered.".to_owned(),
            },
            "Check the URL, and what the server logs.",
        ),
        Unavailable::Refused { status, .. } if server.identity == IdentityForwarding::Assertion => told(
            "/identity",
            format!(
                "The server refused to answer (HTTP {status}). It receives the identity of the user, and a check from here has no user."
            ),
            "If calls through a gateway work, all is well. Otherwise check its headers and secrets.",
        ),
        Unavailable::Refused { status, .. } => told(
            "/headers",
            format!("The server refused Gatewright (HTTP {status})."),
            "Check its headers and secrets: it most likely wants a key or token.",
        ),
        Unavailable::Failed { status, .. } => told(
            "/url",
            format!("The server answered with an error (HTTP {status})."),
            "Look at what the server logs, and check again.",
        ),
        Unavailable::Redirected { status, to, .. } => told(
            "/url",
            format!("The server redirects to {to} (HTTP {status}), and redirects are not followed."),
            "Enter the URL that the server has now. A slash at the end matters.",
        ),
        Unavailable::SessionEnded { status, .. } => told(
            "/url",
            format!("The server ended its session during the check (HTTP {status})."),
            "Check again. If it lasts, look at what the server logs: it may run several processes that share no sessions.",
        ),
        Unavailable::OtherVersion { .. } => told(
            "/url",
            "The server refused the protocol version that it used a moment ago.".to_owned(),
            "Check again. If it lasts, look at what the server logs.",
        ),
        Unavailable::NoSession { what, .. } => told(
            "/protocol",
            format!(
                "Only versions of MCP with sessions are tried, and the server did not begin a session ({what})."
            ),
            "Set the versions of MCP to *Automatic*, or check the URL.",
        ),
        Unavailable::NotMcp { what, .. } => told(
            "/url",
            format!("Something answers at this URL, but it is not MCP ({what})."),
            "Check that the URL is the server's Streamable HTTP endpoint, which often ends in /mcp.",
        ),
    }
}

/// The server did not answer in time: how long it had, and whether a call would have waited longer.
fn late(time_limit: Duration, waited: Duration) -> Finding {
    let plural = if time_limit == Duration::from_secs(1) {
        ""
    } else {
        "s"
    };
    let limit = format!("{} second{plural}", time_limit.as_secs_f64());
    let found = if waited < time_limit {
        let waited = waited.as_secs();
        format!(
            "The server did not answer within {waited} seconds, the longest a check waits. A request of a gateway may \
             take {limit}."
        )
    } else {
        format!("The server did not answer within {limit}, its time limit.")
    };
    told(
        "/url",
        found,
        "Check that it runs and is not overloaded, and that the URL is its MCP endpoint.",
    )
}

/// The server was changed on another replica a moment ago.
pub(super) fn not_here_yet() -> Finding {
    told(
        "/url",
        "The server was changed a moment ago, and the change has not arrived here yet.".to_owned(),
        "Check again in a few seconds.",
    )
}

/// Too many look at servers.
pub(super) fn busy() -> Finding {
    told(
        "/url",
        "The server was not checked, because too many others are being checked right now.".to_owned(),
        "Check again in a few seconds.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_late_server_says_how_long_it_had() {
        let late = |limit, waited| late(Duration::from_millis(limit), Duration::from_millis(waited)).found;
        assert_eq!(
            late(60_000, 30_004),
            "The server did not answer within 30 seconds, the longest a check waits. A request of a gateway may take 60 \
             seconds."
        );
        assert_eq!(
            late(2_500, 2_501),
            "The server did not answer within 2.5 seconds, its time limit."
        );
        assert_eq!(
            late(1_000, 1_002),
            "The server did not answer within 1 second, its time limit."
        );
    }
}
