//! The form of a server: its values, and what they mean.

use gatewright_domain::{
    header_template,
    server::{CustomHeader, DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS, IdentityForwarding, ProtocolChoice, Server},
    stored_secret::{StoredSecret, origin_of},
    words::Worded,
};
use gatewright_store::PageRequest;
use url::{Url, form_urlencoded};

use crate::{
    Admin,
    error::PageError,
    form::{Form, Posted},
    service::{ServiceError, secrets, servers::NewServer},
    session::InProject,
};

/// Fields that show what was typed.
const SHOWN: [&str; 11] = [
    "slug",
    "prefix",
    "name",
    "url",
    "timeout",
    "retries",
    "identity",
    "protocol",
    "header_name",
    "header_value",
    "header_secret",
];
/// Where the service finds fault with fields that the form calls otherwise.
const HIDDEN: [&str; 2] = ["timeout_ms", "headers"];

/// Secrets to choose from. Another one is named by typing its reference.
const SECRETS: u32 = 200;

/// How often a request can be tried again.
pub(super) const RETRIES: [(&str, &str); 6] = [
    ("0", "Never"),
    ("1", "Once"),
    ("2", "Twice"),
    ("3", "3 times"),
    ("4", "4 times"),
    ("5", "5 times"),
];

/// A header as in the form.
pub(super) struct HeaderRow {
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) secret: String,
}

/// A secret that a header names and that is not allowed to be sent to the server.
pub(super) struct Unallowed {
    pub(super) name: String,
    /// The page where that origin is allowed.
    pub(super) href: String,
}

/// The form and what is shown with it.
pub(super) struct Fields {
    pub(super) form: Form,
    pub(super) rows: Vec<HeaderRow>,
    pub(super) secrets: Vec<String>,
    pub(super) unallowed: Vec<Unallowed>,
    pub(super) retries: &'static [(&'static str, &'static str)],
}

/// The form of a new server.
pub(super) async fn fresh(app: &Admin, place: &InProject) -> Result<Fields, PageError> {
    let form = Form::with([
        ("timeout", &seconds(DEFAULT_TIMEOUT_MS)),
        ("retries", &DEFAULT_RETRIES.to_string()),
        ("identity", IdentityForwarding::default().as_str()),
        ("protocol", ProtocolChoice::default().as_str()),
    ]);
    with(app, place, form, Vec::new()).await
}

/// The form of a server as it is stored.
pub(super) async fn of_server(app: &Admin, place: &InProject, server: &Server) -> Result<Fields, PageError> {
    let form = Form::with([
        ("slug", server.slug.as_str()),
        ("prefix", server.prefix.as_deref().unwrap_or_default()),
        ("name", &server.name),
        ("url", &server.url),
        ("timeout", &seconds(server.timeout_ms)),
        ("retries", &server.retries.to_string()),
        ("identity", server.identity.as_str()),
        ("protocol", server.protocol.as_str()),
    ]);
    let rows = server
        .headers
        .iter()
        .enumerate()
        .map(|(number, header)| HeaderRow {
            number,
            name: header.name.clone(),
            value: header.value.clone(),
            secret: String::new(),
        });
    with(app, place, form, rows.collect()).await
}

/// The form again, with what was typed; without an error if another row was requested.
pub(super) async fn again(
    app: &Admin,
    place: &InProject,
    posted: &Posted,
    error: Option<ServiceError>,
) -> Result<Fields, PageError> {
    let error = error.unwrap_or_else(|| gatewright_domain::Invalid::default().into());
    let form = Form::refused(posted, &SHOWN, &HIDDEN, error)?;
    let mut rows: Vec<HeaderRow> = rows(posted).collect();
    rows.retain(|row| !(row.name.is_empty() && row.value.is_empty() && row.secret.is_empty()));
    with(app, place, form, rows).await
}

/// Whether the button for another row was pressed.
pub(super) fn wants_more_rows(posted: &Posted) -> bool {
    posted.text("more") == "row"
}

async fn with(
    app: &Admin,
    place: &InProject,
    form: Form,
    mut rows: Vec<HeaderRow>,
) -> Result<Fields, PageError> {
    let page = PageRequest::first(SECRETS);
    let secrets = secrets::list(app, &place.visit.authority, place.project.id, &page).await?;
    let has_wrong_header = form.error("headers").is_some();
    let unallowed = if has_wrong_header {
        unallowed(place, form.value("url"), &rows, &secrets.items)
    } else {
        Vec::new()
    };
    // One empty row is always there to type into.
    rows.push(HeaderRow {
        number: 0,
        name: String::new(),
        value: String::new(),
        secret: String::new(),
    });
    for (number, row) in rows.iter_mut().enumerate() {
        row.number = number + 1;
    }
    Ok(Fields {
        form,
        rows,
        secrets: secrets.items.into_iter().map(|secret| secret.name).collect(),
        unallowed,
        retries: &RETRIES,
    })
}

/// The secrets that prevent this URL, each with the page where its origin can be allowed.
fn unallowed(place: &InProject, url: &str, rows: &[HeaderRow], secrets: &[StoredSecret]) -> Vec<Unallowed> {
    let Some(origin) = Url::parse(url).ok().and_then(|url| origin_of(&url)) else {
        return Vec::new();
    };
    let allow = form_urlencoded::Serializer::new(String::new())
        .append_pair("allow", &origin)
        .finish();
    let headers: Vec<CustomHeader> = rows.iter().map(header).collect();
    let named: Vec<&str> = headers.iter().flat_map(header_template::secrets).collect();
    secrets
        .iter()
        .filter(|secret| named.contains(&secret.name.as_str()) && !secret.origins.contains(&origin))
        .map(|secret| Unallowed {
            name: secret.name.clone(),
            href: place.path(&format!("/secrets/{}?{allow}", secret.id)),
        })
        .collect()
}

/// What was typed, as a new server.
pub(super) fn new_server(posted: &Posted) -> NewServer {
    NewServer {
        slug: posted.text("slug").to_owned(),
        prefix: Some(posted.text("prefix").to_owned()),
        name: posted.text("name").to_owned(),
        url: posted.text("url").to_owned(),
        timeout_ms: Some(milliseconds(posted.text("timeout"))),
        retries: Some(retries(posted)),
        headers: headers(posted),
        identity: identity(posted),
        protocol: ProtocolChoice::of_word(posted.text("protocol")).unwrap_or_default(),
    }
}

fn identity(posted: &Posted) -> IdentityForwarding {
    IdentityForwarding::of_word(posted.text("identity")).unwrap_or_default()
}

/// A value that is not a number is more than the service accepts, which says so.
fn retries(posted: &Posted) -> u8 {
    posted.text("retries").parse().unwrap_or(u8::MAX)
}

fn rows(posted: &Posted) -> impl Iterator<Item = HeaderRow> {
    let values = posted.all("header_value");
    let secrets = posted.all("header_secret");
    let names = posted.all("header_name");
    names
        .zip(values)
        .zip(secrets.chain(std::iter::repeat("")))
        .map(|((name, value), secret)| HeaderRow {
            number: 0,
            name: name.to_owned(),
            value: value.to_owned(),
            secret: secret.to_owned(),
        })
}

fn headers(posted: &Posted) -> Vec<CustomHeader> {
    let typed = rows(posted).map(|row| header(&row));
    typed
        .filter(|header| !(header.name.is_empty() && header.value.is_empty()))
        .collect()
}

/// A chosen secret follows the entered text, as in `Bearer ${secret:TOKEN}`.
fn header(row: &HeaderRow) -> CustomHeader {
    let value = match (row.value.as_str(), row.secret.as_str()) {
        (typed, "") => typed.to_owned(),
        ("", secret) => format!("${{secret:{secret}}}"),
        (typed, secret) => format!("{typed} ${{secret:{secret}}}"),
    };
    CustomHeader {
        name: row.name.clone(),
        value,
    }
}

/// Seconds as people enter them, with a point or a comma. A value that is not a number is 0, which the service refuses.
fn milliseconds(seconds: &str) -> u32 {
    let (whole, part) = seconds.split_once(['.', ',']).unwrap_or((seconds, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 3 {
        return 0;
    }
    let part: u32 = format!("{part:0<3}").parse().unwrap_or_default();
    let whole: u32 = whole.parse().unwrap_or_default();
    whole.saturating_mul(1_000).saturating_add(part)
}

/// A time limit as people read it, in seconds.
pub(super) fn seconds(milliseconds: u32) -> String {
    let (whole, part) = (milliseconds / 1_000, milliseconds % 1_000);
    if part == 0 {
        return whole.to_string();
    }
    format!("{whole}.{part:03}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limits_are_entered_in_seconds() {
        for (typed, meant) in [
            ("60", 60_000),
            ("0.5", 500),
            ("1,25", 1_250),
            ("0.001", 1),
            ("5000000", u32::MAX),
            ("", 0),
            ("a minute", 0),
            ("-1", 0),
            ("1.2345", 0),
        ] {
            assert_eq!(milliseconds(typed), meant, "{typed}");
        }
        for shown in ["60", "0.5", "1.25", "0.1"] {
            assert_eq!(seconds(milliseconds(shown)), shown);
        }
    }

    #[test]
    fn a_chosen_secret_follows_the_entered_text() {
        let value = |value: &str, secret: &str| {
            header(&HeaderRow {
                number: 1,
                name: "Authorization".to_owned(),
                value: value.to_owned(),
                secret: secret.to_owned(),
            })
            .value
        };
        assert_eq!(value("Bearer", "TOKEN"), "Bearer ${secret:TOKEN}");
        assert_eq!(value("", "TOKEN"), "${secret:TOKEN}");
        assert_eq!(value("Basic ${secret:A}", ""), "Basic ${secret:A}");
    }
}
