//! Which events are wanted, as in the address of the page and of the export.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    audit::Origin,
    id::{AccountId, ApiKeyId, UserId},
    words::Worded,
};
use gatewright_store::audit::AuditFilter;

use super::words;
use crate::{
    Admin,
    error::PageError,
    filters::{self, Filters},
    form::Asked,
    service::names::{self, Choice, Kind},
    session::InProject,
};

const FILTERS: &[&str] = &[
    "object_type",
    "actor",
    "origin",
    "from",
    "to",
    "action",
    "object_id",
];

/// Kinds of things events are about, with what they are called.
pub(super) const KINDS: [(&str, &str); 15] = [
    ("gateway", "Gateways"),
    ("user_source", "User Sources"),
    ("server", "Servers"),
    ("secret", "Secrets"),
    ("user", "Users"),
    ("grant", "Sessions of users"),
    ("client", "Clients that came by themselves"),
    ("preregistered_client", "Registered clients"),
    ("member", "Members"),
    ("invitation", "Invitations"),
    ("api_key", "API keys"),
    ("stream", "Streams"),
    ("export", "Exports"),
    ("project", "The project"),
    ("audit_trail", "This log"),
];

/// The filters in the address.
pub(super) fn read(place: &InProject, asked: &Asked) -> Filters {
    Filters::read(place, "/audit", asked, FILTERS)
}

/// What that asks for; what is wrong with it otherwise.
pub(super) fn wanted(filters: &Filters) -> Result<AuditFilter, &'static str> {
    let text = |name| filters.text(name).map(str::to_owned);
    let day = |name| filters.text(name).map(day).transpose();
    Ok(AuditFilter {
        actor: text("actor"),
        origin: filters.text("origin").and_then(Origin::of_word),
        from: day("from")?,
        // The last day counts whole.
        to: day("to")?.map(|day| day.plus(Duration::from_hours(24))),
        action: text("action"),
        object_type: text("object_type"),
        object_id: text("object_id"),
        ..AuditFilter::default()
    })
}

/// Where the API has all of these.
pub(super) fn at_api(place: &InProject, filter: &AuditFilter) -> String {
    let time = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339);
    filters::at_api(
        &place.api("/audit-events"),
        &[
            ("actor", filter.actor.clone()),
            ("origin", filter.origin.map(|origin| origin.as_str().to_owned())),
            ("from", time(filter.from)),
            ("to", time(filter.to)),
            ("action", filter.action.clone()),
            ("object_type", filter.object_type.clone()),
            ("object_id", filter.object_id.clone()),
        ],
    )
}

/// The beginning of a day, in UTC as all times of the trail.
fn day(text: &str) -> Result<Timestamp, &'static str> {
    let midnight = serde_json::Value::from(format!("{text}T00:00:00Z"));
    serde_json::from_value(midnight).map_err(|_| "A day is written like 2026-03-01.")
}

/// Possible actors: ID and name of members and keys, including the chosen one, and those who are neither.
pub(super) async fn actors(
    app: &Admin,
    place: &InProject,
    chosen: Option<&str>,
) -> Result<Vec<(String, String)>, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let mut offered = names::to_choose_from(app, authority, project, Choice::Member).await?;
    let keys = names::to_choose_from(app, authority, project, Choice::ApiKey).await?;
    offered.extend(keys.into_iter().map(|(id, name)| (id, key(&name))));
    offered.extend(words::WITHOUT_ID.map(|(id, name)| (id.to_owned(), name.to_owned())));
    if let Some(id) = chosen
        && !offered.iter().any(|(other, _)| other == id)
    {
        let name = called(app, place, [id.to_owned()].into_iter()).await?.remove(id);
        offered.push((id.to_owned(), name.unwrap_or_else(|| id.to_owned())));
    }
    Ok(offered)
}

/// What accounts, users and keys are called, by id.
pub(super) async fn called(
    app: &Admin,
    place: &InProject,
    ids: impl Iterator<Item = String>,
) -> Result<std::collections::HashMap<String, String>, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let (accounts, others): (Vec<_>, Vec<_>) = ids.partition(|id| id.parse::<AccountId>().is_ok());
    let (users, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|id| id.parse::<UserId>().is_ok());
    let keys: Vec<_> = others
        .into_iter()
        .filter(|id| id.parse::<ApiKeyId>().is_ok())
        .collect();
    let mut names = names::of(app, authority, project, Kind::Account, accounts).await?;
    names.extend(names::of(app, authority, project, Kind::User, users).await?);
    let keys = names::of(app, authority, project, Kind::ApiKey, keys).await?;
    names.extend(keys.into_iter().map(|(id, name)| (id, key(&name))));
    Ok(names)
}

fn key(name: &str) -> String {
    format!("Key “{name}”")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_and_nothing_else_is_one() {
        assert_eq!(day("1970-01-02").unwrap(), Timestamp::from_seconds(86_400));
        for wrong in [
            "",
            "1970-13-01",
            "yesterday",
            "1970-01-02T00:00:00Z",
            "1970-01-02\"",
            "2",
        ] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }
}
