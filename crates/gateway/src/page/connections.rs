//! The page on which people see which apps act for them at a gateway.

use std::net::IpAddr;

use askama::Template;
use axum::response::Response;
use gatewright_domain::Timestamp;
use http::StatusCode;

use super::{STYLE, render};

/// What the page shows. Texts a stranger chose are escaped and their direction isolated by the template.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionsPage<'a> {
    /// The gateway's name.
    pub gateway_name: &'a str,
    /// What the person is called who is signed in; `None` if no one is.
    pub viewer: Option<&'a str>,
    /// How to sign in.
    pub sign_in: SignInBy,
    /// Where the form goes that ends the session of the page, if it has one of its own.
    pub leave: Option<String>,
    /// Whether an app was signed out just now.
    pub signed_out: bool,
    /// The apps, those that signed in last first.
    pub apps: Vec<ConnectedApp<'a>>,
}

/// How people sign in.
#[derive(Debug, Clone)]
pub(crate) enum SignInBy {
    /// At the identity provider, to which this form leads.
    Form(String),
    /// With their account, behind this link.
    Link(String),
}

/// An app that acts for the person.
#[derive(Debug, Clone)]
pub(crate) struct ConnectedApp<'a> {
    /// What it calls itself, if anything.
    pub name: Option<&'a str>,
    /// Host or scheme of its redirect URI, if known.
    pub destination: Option<&'a str>,
    /// Whether it may act while the person is away.
    pub offline_access: bool,
    /// The scopes, separated by spaces.
    pub scope: &'a str,
    /// When it was allowed.
    pub since: Timestamp,
    /// When it last received a token.
    pub last_used: Timestamp,
    /// Where the form goes that signs it out.
    pub action: String,
}

#[derive(Template)]
#[template(path = "connections.html")]
struct ConnectionsTemplate<'a> {
    style: &'static str,
    page: &'a ConnectionsPage<'a>,
    apps: Vec<Row<'a>>,
}

/// An app as the list shows it.
struct Row<'a> {
    app: &'a ConnectedApp<'a>,
    is_local: bool,
    since: Shown,
    last_used: Shown,
}

/// A moment: in RFC 3339, and as people read it.
struct Shown {
    exact: String,
    text: String,
}

/// Renders the page.
pub(crate) fn connections(page: &ConnectionsPage<'_>) -> Response {
    let row = |app| Row {
        app,
        is_local: app.destination.is_some_and(is_local),
        since: shown(app.since),
        last_used: shown(app.last_used),
    };
    let template = ConnectionsTemplate {
        style: STYLE,
        page,
        apps: page.apps.iter().map(row).collect(),
    };
    render(StatusCode::OK, &template)
}

/// Whether a host is the person's own computer (RFC 8252 section 7.3).
fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn shown(at: Timestamp) -> Shown {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let exact = at.to_rfc3339();
    let month = exact.get(5..7).and_then(|month| month.parse::<usize>().ok());
    let month = month.and_then(|month| MONTHS.get(month.checked_sub(1)?));
    let text = match (exact.get(..4), month, exact.get(8..10), exact.get(11..16)) {
        (Some(year), Some(month), Some(day), Some(time)) => {
            format!("{} {month} {year}, {time} UTC", day.trim_start_matches('0'))
        }
        _ => exact.clone(),
    };
    Shown { exact, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_people_read_them() {
        assert_eq!(
            shown(Timestamp::from_seconds(1_800_000_000)).text,
            "15 January 2027, 08:00 UTC"
        );
        assert_eq!(
            shown(Timestamp::from_seconds(0)).text,
            "1 January 1970, 00:00 UTC"
        );
    }

    #[test]
    fn only_hosts_of_this_computer_are_local() {
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["claude.ai", "cursor:", "10.0.0.1", "localhost.evil.example", ""] {
            assert!(!is_local(host), "{host}");
        }
    }
}
