//! Certificates of servers and providers that expire soon, as they are seen when connections are made.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gatewright_domain::{
    Timestamp,
    id::ProjectId,
    incident::{IncidentKind, Observation},
    user_source::UserSourceStatus,
};
use url::Url;

use super::Seen;
use crate::{Admin, fetch::SeenCertificate};

const KIND: IncidentKind = IncidentKind::CertificateExpires;
/// Those that are renewed automatically are, long before.
pub(super) const SOON: Duration = Duration::from_hours(14 * 24);
/// An incident that continues is recorded again this often.
pub(super) const NOTED_EVERY: Duration = Duration::from_hours(1);

/// What was noted of the certificates of servers and sources, by their IDs.
#[derive(Debug, Default)]
pub(super) struct Noted(Mutex<HashMap<String, State>>);

#[derive(Debug, Clone, Copy)]
struct State {
    ends_soon: bool,
    seen_at: Timestamp,
}

/// A server or source, and the URL at which its certificate is seen.
struct Subject {
    project: ProjectId,
    id: String,
    name: String,
    url: Url,
}

/// What this replica has seen of certificates since it was last noted.
pub(super) fn seen(app: &Admin) -> Vec<Seen> {
    let Ok(directory) = app.gateways().directory.current() else {
        return Vec::new();
    };
    let servers = directory.servers().iter().map(|entry| &entry.server);
    let servers =
        servers.filter_map(|server| subject(server.project_id, &server.id, &server.name, &server.url));
    let sources = directory
        .sources()
        .filter(|source| source.status == UserSourceStatus::Active);
    let sources =
        sources.filter_map(|source| subject(source.project_id, &source.id, &source.name, &source.issuer));
    let noted = app
        .watch
        .certificates
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    servers
        .chain(sources)
        .filter_map(|subject| {
            let host = subject.url.host_str()?;
            let certificate = app.fetch.certificate_of(host)?;
            news(&subject, certificate, noted.get(&subject.id).copied())
        })
        .collect()
}

fn subject(project: ProjectId, id: &impl ToString, name: &str, url: &str) -> Option<Subject> {
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "https")?;
    Some(Subject {
        project,
        id: id.to_string(),
        name: name.to_owned(),
        url,
    })
}

/// What is new about a certificate of which this was noted before.
fn news(subject: &Subject, certificate: SeenCertificate, noted: Option<State>) -> Option<Seen> {
    let ends_soon = certificate.expires_at < certificate.seen_at.plus(SOON);
    let is_new = noted.is_none_or(|noted| {
        noted.ends_soon != ends_soon || (ends_soon && certificate.seen_at.since(noted.seen_at) >= NOTED_EVERY)
    });
    if !is_new {
        return None;
    }
    if !ends_soon {
        return Some(Seen::Recovered {
            kind: KIND,
            subject_id: subject.id.clone(),
            at: certificate.seen_at,
        });
    }
    let host = subject.url.host_str().unwrap_or_default();
    let observed = Observation {
        project_id: Some(subject.project),
        kind: KIND,
        subject_id: subject.id.clone(),
        subject_name: subject.name.clone(),
        what: format!(
            "The certificate of {host} expires at {}.",
            certificate.expires_at.to_rfc3339()
        ),
        remedy: "Renew it. If that happens automatically, find out why it did not.".to_owned(),
        at: certificate.seen_at,
    };
    Some(Seen::Observed(observed.bounded()))
}

/// Remembers what has been noted.
pub(super) fn remember(app: &Admin, seen: &[Seen]) {
    let mut noted = app
        .watch
        .certificates
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    for each in seen {
        let (kind, id, ends_soon, seen_at) = match each {
            Seen::Observed(observed) => (observed.kind, &observed.subject_id, true, observed.at),
            Seen::Recovered { kind, subject_id, at } => (*kind, subject_id, false, *at),
        };
        if kind == KIND && id != super::listener::SUBJECT {
            noted.insert(id.clone(), State { ends_soon, seen_at });
        }
    }
}
