//! Requests as rows of a table, with the names of all they are about.

use std::collections::HashMap;

use askama::Template;
use gatewright_domain::{
    Timestamp,
    activity::{Activity, Outcome, RequestKind, StoredActivity},
};

use crate::{
    Admin,
    chart::duration,
    error::PageError,
    list::Badge,
    moment::Moment,
    service::names::{self, Kind},
    session::InProject,
};

/// A request in a list.
pub(super) struct Row {
    /// Its ID, by which a script knows it.
    pub(super) id: String,
    /// Its page.
    pub(super) href: String,
    pub(super) at: Moment,
    pub(super) badge: Badge,
    /// Why it was refused.
    pub(super) rule: Option<&'static str>,
    pub(super) kind: &'static str,
    pub(super) item: Option<String>,
    /// Who made it, if that is known.
    pub(super) person: Option<String>,
    pub(super) client: Option<String>,
    pub(super) gateway: String,
    pub(super) server: Option<String>,
    pub(super) took: String,
}

/// Rows alone, as a stream sends them.
#[derive(Template)]
#[template(path = "dashboard/activity/row_part.html")]
struct RowPart<'a> {
    row: &'a Row,
}

impl Row {
    /// The row as HTML.
    pub(super) fn html(&self) -> Result<String, askama::Error> {
        RowPart { row: self }.render()
    }
}

/// What the things that requests are about are called, by ID.
pub(super) struct Names {
    gateways: HashMap<String, String>,
    servers: HashMap<String, String>,
    users: HashMap<String, String>,
    accounts: HashMap<String, String>,
}

impl Names {
    /// One look-up for each kind, however many requests there are.
    pub(super) async fn of(
        app: &Admin,
        place: &InProject,
        activities: &[StoredActivity],
    ) -> Result<Self, PageError> {
        let (authority, project) = (&place.visit.authority, place.project.id);
        let activities = || activities.iter().map(|stored| &stored.activity);
        let gateways: Vec<_> = activities()
            .map(|activity| activity.gateway_id.to_string())
            .collect();
        let servers: Vec<_> = activities()
            .filter_map(|activity| Some(activity.server_id?.to_string()))
            .collect();
        let people: Vec<_> = activities()
            .filter_map(person_id)
            .filter(|id| !id.starts_with('|'))
            .map(str::to_owned)
            .collect();
        let (accounts, users): (Vec<_>, Vec<_>) = people.into_iter().partition(|id| id.starts_with("acc_"));
        Ok(Self {
            gateways: names::of(app, authority, project, Kind::Gateway, gateways).await?,
            servers: names::of(app, authority, project, Kind::Server, servers).await?,
            users: names::of(app, authority, project, Kind::User, users).await?,
            accounts: names::of(app, authority, project, Kind::Account, accounts).await?,
        })
    }

    /// The gateway.
    pub(super) fn gateway(&self, activity: &Activity) -> String {
        let id = activity.gateway_id.to_string();
        self.gateways.get(&id).cloned().unwrap_or(id)
    }

    /// The server, and whether it still exists.
    pub(super) fn server(&self, activity: &Activity) -> Option<(String, bool)> {
        let id = activity.server_id?.to_string();
        let known = self.servers.get(&id).cloned();
        let exists = known.is_some();
        Some((known.unwrap_or(id), exists))
    }

    /// The person: a user, an account, or who an API key says it is.
    pub(super) fn person(&self, activity: &Activity) -> Option<String> {
        let id = person_id(activity)?;
        if let Some(named_by_key) = id.strip_prefix('|') {
            return Some(named_by_key.to_owned());
        }
        let known = self.users.get(id).or_else(|| self.accounts.get(id));
        Some(known.cloned().unwrap_or_else(|| id.to_owned()))
    }

    /// The page of the person, if they are a user who still exists.
    pub(super) fn person_href(&self, place: &InProject, activity: &Activity) -> Option<String> {
        let id = person_id(activity).filter(|id| self.users.contains_key(*id))?;
        Some(place.path(&format!("/users/{id}")))
    }
}

/// The ID of the person who made a request.
pub(super) fn person_id(activity: &Activity) -> Option<&str> {
    activity.caller.as_ref()?.person.as_deref()
}

/// The name reported by the client of a request.
pub(super) fn client(activity: &Activity) -> Option<String> {
    let client = activity.caller.as_ref()?.client.as_ref()?;
    let name = client.name.trim();
    Some(if name.is_empty() { &client.id } else { name }.to_owned())
}

/// Rows for these requests.
pub(super) async fn rows(
    app: &Admin,
    place: &InProject,
    activities: &[StoredActivity],
) -> Result<Vec<Row>, PageError> {
    let names = Names::of(app, place, activities).await?;
    let now = app.now();
    Ok(activities
        .iter()
        .map(|stored| row(place, stored, &names, now))
        .collect())
}

fn row(place: &InProject, stored: &StoredActivity, names: &Names, now: Timestamp) -> Row {
    let activity = &stored.activity;
    Row {
        id: stored.id.to_string(),
        href: place.path(&format!("/activity/{}", stored.id)),
        at: Moment::new(activity.at, now),
        badge: badge(activity.outcome),
        rule: activity.rule.map(gatewright_domain::activity::Rule::label),
        kind: activity.kind.label(),
        item: activity.item.as_deref().map(str::to_owned),
        person: names.person(activity),
        client: client(activity),
        gateway: names.gateway(activity),
        server: names.server(activity).map(|(name, _)| name),
        took: took(activity),
    }
}

/// How long a request took. A stream that listens is open until its client leaves, which is not slow.
pub(super) fn took(activity: &Activity) -> String {
    if activity.kind == RequestKind::Listen {
        return "–".to_owned();
    }
    micros(activity.duration_us)
}

/// Microseconds in words.
pub(super) fn micros(micros: i64) -> String {
    duration(std::time::Duration::from_micros(micros.max(0).unsigned_abs()))
}

/// The outcome in a word.
pub(super) const fn badge(outcome: Outcome) -> Badge {
    let look = match outcome {
        Outcome::Ok => "good",
        Outcome::ToolError | Outcome::Error | Outcome::Unavailable | Outcome::Broken => "bad",
        Outcome::Refused => "warn",
        Outcome::InputRequired | Outcome::Cancelled => "",
    };
    Badge {
        look,
        text: outcome.label(),
    }
}
