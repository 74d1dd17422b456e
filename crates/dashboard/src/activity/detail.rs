//! One request: everything that is known about it, and why it ended as it did.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    activity::{Activity, RequestKind, StoredActivity},
    id::ActivityId,
};
use gatewright_store::{PageRequest, activity::ActivityFilter};
use url::form_urlencoded;

use super::{
    explain::{self, At},
    row::{self, Names, Row, micros, person_id, rows},
};
use crate::{
    Admin,
    error::PageError,
    list::Badge,
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    service::activity as service,
    session::InProject,
};

/// Requests of the same session that are shown.
const NEIGHBOURS: u32 = 15;
/// How long before and after a request its neighbours are looked for.
const AROUND: Duration = Duration::from_mins(30);

/// What happened and what to do, with the place to do it.
struct Explained {
    what: &'static str,
    advice: &'static str,
    way: Option<(String, String)>,
}

/// Where the time of a request went, in percent of it.
struct Times {
    whole: String,
    upstream: Option<String>,
    own: Option<String>,
    /// The share of the server, as a number for a meter.
    share: u32,
}

/// Recorded arguments.
struct Arguments {
    text: String,
    /// The size of all of them, if only the beginning is kept.
    cut_from: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/activity/detail.html")]
struct RequestPage {
    frame: Frame,
    project: ProjectLink,
    title: &'static str,
    item: Option<String>,
    kind: &'static str,
    badge: Badge,
    rule: Option<&'static str>,
    explained: Option<Explained>,
    at: Moment,
    exact: String,
    person: Option<(String, Option<String>)>,
    client: Option<(String, String)>,
    gateway: (String, String),
    server: Option<(String, Option<String>)>,
    times: Times,
    bytes_in: String,
    bytes_out: String,
    request: String,
    trace: Option<String>,
    session: Option<String>,
    id: ActivityId,
    arguments: Option<Arguments>,
    /// The same tool, the same person: filters of the list.
    similar: Vec<(String, String)>,
    neighbours: Vec<Row>,
}

/// GET `/projects/{project}/activity/{request}`.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let id: ActivityId = place.id("request", "request")?;
    let stored = service::find(&app, &place.visit.authority, place.project.id, id).await?;
    let stored = [stored];
    let arguments = arguments(&app, &place, id).await?;
    let names = Names::of(&app, &place, &stored).await?;
    let [StoredActivity { activity, .. }] = &stored;
    let neighbours = neighbours(&app, &place, activity).await?;
    let gateway_path = place.path(&format!("/gateways/{}", activity.gateway_id));
    let server = names.server(activity).map(|(name, exists)| {
        let href = activity.server_id.filter(|_| exists);
        (name, href.map(|id| place.path(&format!("/servers/{id}"))))
    });
    let person_href = names.person_href(&place, activity);
    let explained = explain::of(activity).map(|explained| Explained {
        what: explained.what,
        advice: explained.advice,
        way: explained.at.and_then(|at| match at {
            At::Gateway => Some((gateway_path.clone(), "Open the gateway".to_owned())),
            At::Server => {
                let (name, href) = server.clone()?;
                Some((href?, format!("Open the server {name}")))
            }
            At::Person => Some((person_href.clone()?, "Open the user".to_owned())),
            At::SignIns => {
                let path = place.path(&format!("/sign-ins?gateway={}", activity.gateway_id));
                Some((path, "Sign-ins at this gateway".to_owned()))
            }
        }),
    });
    let exact = activity.at.to_rfc3339();
    Ok(page::show(&RequestPage {
        frame: place.frame(Section::Activity),
        project: place.project.clone(),
        title: explain::noun(activity.kind),
        item: activity.item.as_deref().map(str::to_owned),
        kind: activity.kind.label(),
        badge: row::badge(activity.outcome),
        rule: activity.rule.map(gatewright_domain::activity::Rule::label),
        explained,
        at: Moment::new(activity.at, app.now()),
        exact: exact.trim_end_matches('Z').replace('T', " "),
        similar: similar(&place, activity),
        person: names.person(activity).map(|name| (name, person_href)),
        client: client(activity),
        gateway: (names.gateway(activity), gateway_path),
        server,
        times: times(activity),
        bytes_in: bytes(activity.bytes_in),
        bytes_out: bytes(activity.bytes_out),
        request: activity.request.to_string(),
        trace: activity.trace.map(|trace| trace.to_string()),
        session: activity.session.map(|session| session.to_string()),
        id,
        arguments,
        neighbours,
    }))
}

/// The recorded arguments, if there are any and the reader may see them. They are indented where they are whole.
async fn arguments(app: &Admin, place: &InProject, id: ActivityId) -> Result<Option<Arguments>, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    if !service::may_read_arguments(authority, project) {
        return Ok(None);
    }
    let recorded = service::arguments(app, authority, project, id).await?;
    Ok(recorded.map(|recorded| {
        let cut_from = recorded.is_cut().then(|| bytes(recorded.bytes));
        let value = serde_json::from_str::<serde_json::Value>(&recorded.text).ok();
        let indented = value.and_then(|value| serde_json::to_string_pretty(&value).ok());
        Arguments {
            text: indented.unwrap_or(recorded.text),
            cut_from,
        }
    }))
}

/// Requests of the same session around a request. They are searched among those of the same person and gateway, for which there
/// is an index.
async fn neighbours(app: &Admin, place: &InProject, activity: &Activity) -> Result<Vec<Row>, PageError> {
    let Some(session) = activity.session else {
        return Ok(Vec::new());
    };
    let filter = ActivityFilter {
        gateway_id: Some(activity.gateway_id),
        person: person_id(activity).map(str::to_owned),
        session: Some(session),
        from: Some(activity.at.minus(AROUND)),
        to: Some(activity.at.plus(AROUND)),
        ..ActivityFilter::default()
    };
    let page = PageRequest::first(NEIGHBOURS);
    let (authority, project) = (&place.visit.authority, place.project.id);
    let read = service::list(app, authority, project, &filter, &page).await?;
    rows(app, place, &read.items).await
}

/// The name reported by the client, and its ID.
fn client(activity: &Activity) -> Option<(String, String)> {
    let client = activity.caller.as_ref()?.client.as_ref()?;
    Some((row::client(activity)?, client.id.to_string()))
}

fn times(activity: &Activity) -> Times {
    let upstream = activity
        .upstream_us
        .filter(|_| activity.kind != RequestKind::Listen);
    let own = upstream.map(|upstream| activity.duration_us.saturating_sub(upstream).max(0));
    let percent = |upstream: i64| {
        let share = upstream.saturating_mul(100) / activity.duration_us.max(1);
        u32::try_from(share.clamp(0, 100)).unwrap_or_default()
    };
    Times {
        whole: row::took(activity),
        upstream: upstream.map(micros),
        own: own.map(micros),
        share: upstream.map_or(0, percent),
    }
}

/// Where requests like this one are listed.
fn similar(place: &InProject, activity: &Activity) -> Vec<(String, String)> {
    let address = |fields: &[(&str, &str)]| {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        place.path(&format!("/activity?{query}"))
    };
    let mut similar = Vec::new();
    let server = activity.server_id.map(|id| id.to_string());
    if let Some(item) = activity.item.as_deref() {
        let mut fields = vec![("tool", item)];
        if let Some(server) = &server {
            fields.push(("server", server));
        }
        similar.push((address(&fields), "Others of the same name".to_owned()));
    }
    if let Some(person) = person_id(activity) {
        similar.push((address(&[("person", person)]), "Others of this person".to_owned()));
    }
    let client = activity.caller.as_ref().and_then(|caller| caller.client.as_ref());
    if let Some(client) = client {
        similar.push((
            address(&[("client", &client.id)]),
            "Others of this client".to_owned(),
        ));
    }
    if let Some(rule) = activity.rule {
        similar.push((
            address(&[("rule", rule.as_str())]),
            "Others refused for this reason".to_owned(),
        ));
    }
    similar
}

/// Bytes in a unit that suits them.
fn bytes(bytes: i64) -> String {
    match bytes.max(0) {
        few @ 0..1_000 => format!("{few} bytes"),
        more @ 1_000..1_000_000 => format!("{}.{} kB", more / 1_000, more % 1_000 / 100),
        many => format!("{}.{} MB", many / 1_000_000, many % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_the_unit_that_suits_them() {
        assert_eq!(bytes(-1), "0 bytes");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(1_540), "1.5 kB");
        assert_eq!(bytes(2_000_000), "2.0 MB");
    }
}
