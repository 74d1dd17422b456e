//! Why a request was refused or failed, and what to do about it, in words.

use gatewright_domain::activity::{Activity, Outcome, RequestKind, Rule};

/// An explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Explanation {
    /// What happened.
    pub(super) what: &'static str,
    /// What to do.
    pub(super) advice: &'static str,
    /// Where that can be done.
    pub(super) at: Option<At>,
}

/// Where something can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// On the page of the gateway.
    Gateway,
    /// On the page of the server.
    Server,
    /// On the page of the person.
    Person,
    /// In the list of sign-ins.
    SignIns,
}

const fn explanation(what: &'static str, advice: &'static str, at: Option<At>) -> Explanation {
    Explanation { what, advice, at }
}

/// The explanation of an activity; `None` if it went well.
pub(super) fn of(activity: &Activity) -> Option<Explanation> {
    Some(match activity.outcome {
        Outcome::Ok => return None,
        Outcome::Refused => refused(activity.rule),
        Outcome::ToolError => explanation(
            "The server ran the tool, and the tool reported that it failed. Gatewright passed its answer on unchanged.",
            "The person sees the reason in their client. If many calls of this tool fail, check the log of the server.",
            Some(At::Server),
        ),
        Outcome::Error => explanation(
            "The server answered with an error instead of a result. Gatewright passed the error on unchanged.",
            "Usually something in the request does not fit, like an argument. If all calls fail, check the server.",
            Some(At::Server),
        ),
        Outcome::InputRequired => explanation(
            "The server asked the person for input before it goes on.",
            "Nothing is wrong. The answer comes with the next request of the same session.",
            None,
        ),
        Outcome::Unavailable => explanation(
            unavailable(activity),
            "The page of the server says what was wrong when it was last asked, and what to do. The log has a line with \
             the same request ID.",
            Some(At::Server),
        ),
        Outcome::Cancelled => explanation(
            "The client cancelled the request, or closed its connection before the answer was complete.",
            "People do that when they stop an answer. If it happens after the same time again and again, the client has a \
             time limit that is too short for this tool.",
            None,
        ),
        Outcome::Broken => explanation(
            "The server began its answer and closed the connection before the end. The client got only a part.",
            "Check the log of the server, and of proxies in front of it, for what happened at this time. A time limit of a proxy \
             is a common cause.",
            Some(At::Server),
        ),
    })
}

const fn unavailable(activity: &Activity) -> &'static str {
    match (&activity.server_id, activity.upstream_us) {
        (Some(_), Some(_)) => "The server was asked, and no usable answer came in time.",
        (Some(_), None) => "The server could not be asked.",
        (None, _) => "Gatewright could not check or serve the request at this moment.",
    }
}

fn refused(rule: Option<Rule>) -> Explanation {
    let Some(rule) = rule else {
        return explanation(
            "The gateway refused the request.",
            "The log has a line with the same request ID.",
            None,
        );
    };
    match rule {
        Rule::NotSignedIn => explanation(
            "The request came without credentials.",
            "Clients begin like this and then ask the person to sign in. If nothing follows, connect the client again.",
            Some(At::SignIns),
        ),
        Rule::BadCredentials => explanation(
            "The token or key is not valid here: it expired, was revoked, or belongs to another gateway.",
            "The client should get a new token or ask the person to sign in again. If it does not, connect it again.",
            Some(At::SignIns),
        ),
        Rule::ForeignOrigin => explanation(
            "The request came from a web page of another origin.",
            "Gateways serve no web pages of other origins, so that a page cannot act for the person who opens it.",
            None,
        ),
        Rule::Malformed => explanation(
            "The message is not a request as MCP defines it.",
            "Update the client, or report the fault to its makers with the request ID.",
            None,
        ),
        Rule::Body => explanation(
            "The message is larger than the gateway accepts, or did not arrive completely.",
            "Send less at once. If it is small, look for a connection that breaks between the client and the gateway.",
            None,
        ),
        Rule::PersonBusy => explanation(
            "This person already had the maximum number of requests running.",
            "The client can try again when one of them is done. If this keeps happening, a program may be calling in a loop.",
            Some(At::Person),
        ),
        Rule::ProjectBusy => explanation(
            "This project already had the maximum number of requests running.",
            "Look for a slow server or a program that calls in a loop. The limits are in the configuration of the instance.",
            None,
        ),
        Rule::NoSession => explanation(
            "The session that the client named is unknown, or has ended.",
            "Clients begin a new session after this. If the client does not, restart it.",
            None,
        ),
        Rule::UnknownMethod => explanation(
            "The gateway has no such method.",
            "The client asked for something that none of the servers declares, or that its protocol version does not have.",
            None,
        ),
        Rule::NotOffered => explanation(
            "The gateway offers nothing of this name to this person.",
            "The name may have changed, or it is not among what was chosen for the gateway. The page of the gateway lists what it offers.",
            Some(At::Gateway),
        ),
        Rule::BadParams => explanation(
            "What the request says does not fit what it names.",
            "The client should list the tools again and follow their schema.",
            None,
        ),
        Rule::ConnectFirst => explanation(
            "The person has not connected their account at the server's service yet.",
            "The client shows a link with which the person connects it. After that, the same call works.",
            Some(At::Person),
        ),
    }
}

/// What a request is, as the beginning of a title: "Call of", "List".
pub(super) const fn noun(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Call => "Call of",
        RequestKind::Prompt => "Prompt",
        RequestKind::Resource => "Read of",
        RequestKind::Completion => "Completion for",
        RequestKind::Other => "Request",
        RequestKind::List
        | RequestKind::Begin
        | RequestKind::Task
        | RequestKind::Listen
        | RequestKind::Answer => kind.label(),
    }
}
