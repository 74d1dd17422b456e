//! Servers: whether they can be used, from gateways using them and from checks. One of which an incident is open is asked
//! again, because it may not be used in the meantime.

use std::{collections::HashMap, sync::PoisonError, time::Duration};

use futures_util::{StreamExt as _, stream};
use gatewright_domain::{
    Timestamp,
    id::ServerId,
    incident::{Incident, IncidentKind, Observation},
    server::Server,
};

use super::Seen;
use crate::{
    Admin,
    relying_party::check::Finding,
    service::{
        Authority,
        server_checks::{self, Known},
    },
};

const KIND: IncidentKind = IncidentKind::ServerUnavailable;
/// Servers asked again in one round, and at the same time.
const ASKED: usize = 32;
const AT_ONCE: usize = 8;
/// An incident as young as this is looked at in every round.
const YOUNG: Duration = Duration::from_mins(10);
/// The server of an older one is asked this often.
const ASKED_EVERY: Duration = Duration::from_mins(10);
/// What only says that the server wants to know the user, which a check has not got.
const ABOUT_USERS: &str = "/identity";

/// What this replica has seen of servers since it was last noted.
pub(super) fn seen(app: &Admin, authority: &Authority) -> Vec<Seen> {
    let Ok(directory) = app.gateways().directory.current() else {
        return Vec::new();
    };
    let noted = app
        .watch
        .failing
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let entries = directory.servers().iter();
    entries
        .filter_map(|entry| {
            let known = server_checks::known(app, authority, &entry.server).ok()?;
            news(
                &entry.server,
                known,
                noted.get(&entry.server.id).copied(),
                app.now(),
            )
        })
        .collect()
}

/// What is new about a server of which this was noted before.
fn news(server: &Server, known: Known, noted: Option<Timestamp>, now: Timestamp) -> Option<Seen> {
    match known {
        Known::Fails { at, why } if why.pointer != ABOUT_USERS => noted
            .is_none_or(|noted| noted < at)
            .then(|| Seen::Observed(observed(server, why, at))),
        Known::Fails { .. } | Known::Nothing => None,
        Known::Answers(_) => noted.is_some().then(|| recovered(server.id, now)),
    }
}

/// Remembers what has been noted.
pub(super) fn remember(app: &Admin, seen: &[Seen]) {
    let mut noted = app.watch.failing.lock().unwrap_or_else(PoisonError::into_inner);
    for each in seen {
        match each {
            Seen::Observed(Observation { kind, .. }) | Seen::Recovered { kind, .. } if *kind != KIND => {}
            Seen::Observed(observed) => {
                if let Ok(id) = observed.subject_id.parse() {
                    noted.insert(id, observed.at);
                }
            }
            Seen::Recovered { subject_id, .. } => {
                if let Ok(id) = subject_id.parse::<ServerId>() {
                    noted.remove(&id);
                }
            }
        }
    }
    let Ok(directory) = app.gateways().directory.current() else {
        return;
    };
    if noted.len() > directory.servers().len() {
        noted.retain(|id, _| directory.servers().iter().any(|entry| entry.server.id == *id));
    }
}

/// Asks the servers of open incidents whether they answer again, as a check does: for no user.
pub(super) async fn ask_again(app: &Admin, authority: &Authority, open: Vec<Incident>) -> Vec<Seen> {
    let now = app.now();
    let due: HashMap<String, Incident> = open
        .into_iter()
        .filter(|incident| is_due(incident, now))
        .take(ASKED)
        .map(|incident| (incident.subject_id.clone(), incident))
        .collect();
    if due.is_empty() {
        return Vec::new();
    }
    let Ok(directory) = app.gateways().directory.current() else {
        return Vec::new();
    };
    let entries = directory.servers().iter();
    let servers: Vec<_> = entries
        .filter(|entry| due.contains_key(&entry.server.id.to_string()))
        .cloned()
        .collect();
    drop(directory);
    stream::iter(servers)
        .map(async |entry| {
            let server = &entry.server;
            let check = server_checks::check(app, authority, server.project_id, server.id)
                .await
                .ok()?;
            Some(match &check.outcome {
                Err(why) if why.pointer != ABOUT_USERS => {
                    Seen::Observed(observed(server, why.clone(), check.at))
                }
                Ok(_) | Err(_) => recovered(server.id, check.at),
            })
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |seen| seen)
        .collect()
        .await
}

/// Whether a server is asked again.
fn is_due(incident: &Incident, now: Timestamp) -> bool {
    now.since(incident.began_at) < YOUNG || now.since(incident.last_seen_at) >= ASKED_EVERY
}

fn observed(server: &Server, why: Finding, at: Timestamp) -> Observation {
    Observation {
        project_id: Some(server.project_id),
        kind: KIND,
        subject_id: server.id.to_string(),
        subject_name: server.name.clone(),
        what: why.found,
        remedy: why.remedy,
        at,
    }
    .bounded()
}

fn recovered(id: ServerId, at: Timestamp) -> Seen {
    Seen::Recovered {
        kind: KIND,
        subject_id: id.to_string(),
        at,
    }
}
