//! What the page of activity is about, as in its address.

use gatewright_domain::{
    Timestamp,
    activity::{Outcome, RequestKind, Rule, SessionMark},
    id::{GatewayId, ServerId},
    words::Worded as _,
};
use gatewright_store::activity::ActivityFilter;

use crate::{
    Admin,
    error::PageError,
    filters::{self, Filters},
    form::Asked,
    service::{
        names::{self, Kind},
        traffic::{Range, Subject},
    },
    session::InProject,
};

/// The filters.
const FILTERS: &[&str] = &[
    "range", "gateway", "server", "tool", "outcome", "kind", "person", "client", "session", "rule",
];
/// Those that have no field, and are set by links.
const LINKED: &[&str] = &["person", "client", "session", "rule"];

/// The filters in the address.
pub(super) fn read(place: &InProject, asked: &Asked) -> Filters {
    Filters::read(place, "/activity", asked, FILTERS)
}

/// How far back.
pub(super) fn range(filters: &Filters) -> Range {
    filters
        .text("range")
        .and_then(Range::of_word)
        .unwrap_or(Range::Day)
}

/// An ID in a filter.
fn id<T: std::str::FromStr>(filters: &Filters, name: &str) -> Option<T> {
    filters.text(name)?.parse().ok()
}

/// What the charts show. Requests are counted by one thing at a time, so of several filters the narrowest counts.
pub(super) fn subject(filters: &Filters) -> Subject {
    let server: Option<ServerId> = id(filters, "server");
    let gateway: Option<GatewayId> = id(filters, "gateway");
    if let Some(person) = filters.text("person") {
        return Subject::Person(person.to_owned());
    }
    if let (Some(server), Some(tool)) = (server, filters.text("tool")) {
        return Subject::Tool(server, tool.to_owned());
    }
    if let Some(client) = filters.text("client") {
        return Subject::Client(client.to_owned());
    }
    match (server, gateway) {
        (Some(server), _) => Subject::Server(server),
        (None, Some(gateway)) => Subject::Gateway(gateway),
        (None, None) => Subject::Project,
    }
}

/// What the charts show in words, and whether there are filters that they leave out.
pub(super) async fn caption(
    app: &Admin,
    place: &InProject,
    filters: &Filters,
    subject: &Subject,
) -> Result<Caption, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let named = async |kind, id: String| {
        let names = names::of(app, authority, project, kind, [id.clone()]).await?;
        Ok::<_, PageError>(names.get(&id).cloned().unwrap_or(id))
    };
    let text = match subject {
        Subject::Project => "All requests of the project".to_owned(),
        Subject::Gateway(id) => format!(
            "Requests at the gateway {}",
            named(Kind::Gateway, id.to_string()).await?
        ),
        Subject::Server(id) => format!(
            "Requests to the server {}",
            named(Kind::Server, id.to_string()).await?
        ),
        Subject::Tool(id, tool) => {
            format!(
                "Calls of {tool} of the server {}",
                named(Kind::Server, id.to_string()).await?
            )
        }
        Subject::Client(client) => format!("Requests of the client {client}"),
        Subject::Person(id) => format!("Requests of {}", person(app, place, id).await?),
    };
    let used: &[&str] = match subject {
        Subject::Project => &[],
        Subject::Gateway(_) => &["gateway"],
        Subject::Server(_) => &["server"],
        Subject::Tool(..) => &["server", "tool"],
        Subject::Client(_) => &["client"],
        Subject::Person(_) => &["person"],
    };
    let rest = FILTERS.iter().skip(1).filter(|name| !used.contains(name));
    Ok(Caption {
        text,
        leaves_out: rest.into_iter().any(|name| filters.text(name).is_some()),
    })
}

/// What the list shows: what matches, and not before the charts begin.
pub(super) fn wanted(filters: &Filters, range: Range, now: Timestamp) -> ActivityFilter {
    let text = |name| filters.text(name).map(str::to_owned);
    ActivityFilter {
        gateway_id: id(filters, "gateway"),
        server_id: id(filters, "server"),
        item: text("tool"),
        person: text("person"),
        client: text("client"),
        outcome: filters.text("outcome").and_then(Outcome::of_word),
        rule: filters.text("rule").and_then(Rule::of_word),
        kind: filters.text("kind").and_then(RequestKind::of_word),
        session: filters.text("session").and_then(session),
        from: Some(now.minus(range.length())),
        ..ActivityFilter::default()
    }
}

/// Where the API has all of these.
pub(super) fn at_api(place: &InProject, filter: &ActivityFilter) -> String {
    let person = filter.person.as_deref();
    let of_kind = |prefix: &str| {
        person
            .filter(|person| person.starts_with(prefix))
            .map(str::to_owned)
    };
    filters::at_api(
        &place.api("/activity"),
        &[
            ("gateway_id", filter.gateway_id.map(|id| id.to_string())),
            ("server_id", filter.server_id.map(|id| id.to_string())),
            ("item", filter.item.clone()),
            ("user_id", of_kind("usr_")),
            ("account_id", of_kind("acc_")),
            (
                "header_user_id",
                person
                    .and_then(|person| person.strip_prefix('|'))
                    .map(str::to_owned),
            ),
            ("client_id", filter.client.clone()),
            ("kind", filter.kind.map(|kind| kind.as_str().to_owned())),
            (
                "outcome",
                filter.outcome.map(|outcome| outcome.as_str().to_owned()),
            ),
            ("rule", filter.rule.map(|rule| rule.as_str().to_owned())),
            ("session", filter.session.map(|session| session.to_string())),
            ("from", filter.from.map(Timestamp::to_rfc3339)),
        ],
    )
}

/// The mark of a session, as pages show it.
fn session(text: &str) -> Option<SessionMark> {
    let number = i64::from_str_radix(text, 16).ok()?;
    (text.len() == 12).then(|| SessionMark::of_number(number))
}

/// Filters that only links set, as in the address.
pub(super) fn linked(filters: &Filters) -> Vec<(&'static str, String)> {
    let set = LINKED
        .iter()
        .filter_map(|name| Some((*name, filters.text(name)?.to_owned())));
    set.collect()
}

/// Filters that only links set, in words, each with the address without it.
pub(super) async fn only(
    app: &Admin,
    place: &InProject,
    filters: &Filters,
) -> Result<Vec<(String, String)>, PageError> {
    let mut only = Vec::new();
    for name in LINKED {
        let Some(value) = filters.text(name) else {
            continue;
        };
        let text = match *name {
            "person" => format!("requests of {}", person(app, place, value).await?),
            "client" => format!("requests of the client {value}"),
            "session" => format!("requests of the session {value}"),
            _ => {
                let rule = Rule::of_word(value).map(Rule::label);
                let rule = rule.unwrap_or_default();
                format!("requests refused for this reason: {rule}")
            }
        };
        only.push((text, filters.with(name, "")));
    }
    Ok(only)
}

/// What charts show.
pub(super) struct Caption {
    /// In words.
    pub(super) text: String,
    /// Whether the list is filtered by more.
    pub(super) leaves_out: bool,
}

/// What a person is called: a user, an account, or who an API key says it is.
pub(super) async fn person(app: &Admin, place: &InProject, id: &str) -> Result<String, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    if let Some(named_by_key) = id.strip_prefix('|') {
        return Ok(named_by_key.to_owned());
    }
    let kind = if id.starts_with("acc_") {
        Kind::Account
    } else {
        Kind::User
    };
    let names = names::of(app, authority, project, kind, [id.to_owned()]).await?;
    Ok(names.get(id).cloned().unwrap_or_else(|| id.to_owned()))
}
