//! Attempts as rows of a table, with the names of all they are about.

use std::collections::HashMap;

use gatewright_domain::sign_in_attempt::{Outcome, SignInAttempt};

use super::words::{badge, sentence};
use crate::{
    Admin,
    error::PageError,
    list::Badge,
    moment::Moment,
    service::names::{self, Kind},
    session::InProject,
};

/// An attempt in a list.
pub(crate) struct AttemptRow {
    pub(crate) href: String,
    pub(crate) at: Moment,
    pub(crate) badge: Badge,
    /// Why it did not succeed, if it did not.
    pub(crate) reason: Option<String>,
    /// Who signed in, if that is known: their name and their page.
    pub(crate) person: Option<(String, String)>,
    pub(crate) client: String,
    pub(crate) gateway: String,
    pub(crate) source: Option<String>,
    pub(crate) reference: String,
}

/// What the things that attempts are about are called, by id.
pub(super) struct Names {
    gateways: HashMap<String, String>,
    sources: HashMap<String, String>,
    users: HashMap<String, String>,
}

impl Names {
    /// One look-up for each kind, however many attempts there are.
    pub(super) async fn of(
        app: &Admin,
        place: &InProject,
        attempts: &[SignInAttempt],
    ) -> Result<Self, PageError> {
        let (authority, project) = (&place.visit.authority, place.project.id);
        let heads = || attempts.iter().map(|attempt| &attempt.part.head);
        let gateways = heads().map(|head| head.gateway_id.to_string());
        let sources = heads().filter_map(|head| Some(head.user_source_id?.to_string()));
        let users = attempts
            .iter()
            .filter_map(|attempt| Some(attempt.part.user_id?.to_string()));
        let (gateways, sources, users): (Vec<_>, Vec<_>, Vec<_>) =
            (gateways.collect(), sources.collect(), users.collect());
        Ok(Self {
            gateways: names::of(app, authority, project, Kind::Gateway, gateways).await?,
            sources: names::of(app, authority, project, Kind::UserSource, sources).await?,
            users: names::of(app, authority, project, Kind::User, users).await?,
        })
    }

    /// The gateway.
    pub(super) fn gateway(&self, attempt: &SignInAttempt) -> String {
        let id = attempt.part.head.gateway_id.to_string();
        self.gateways.get(&id).cloned().unwrap_or(id)
    }

    /// The source, if one was asked and is still there.
    pub(super) fn source(&self, attempt: &SignInAttempt) -> Option<String> {
        let id = attempt.part.head.user_source_id?.to_string();
        self.sources.get(&id).cloned()
    }

    /// The source and the path of its page, in the same way.
    pub(super) fn source_link(&self, place: &InProject, attempt: &SignInAttempt) -> Option<(String, String)> {
        let id = attempt.part.head.user_source_id?;
        Some((self.source(attempt)?, place.path(&format!("/user-sources/{id}"))))
    }

    /// Who it was and the path of their page, if that is known.
    pub(super) fn person(&self, place: &InProject, attempt: &SignInAttempt) -> Option<(String, String)> {
        let id = attempt.part.user_id?.to_string();
        let name = self.users.get(&id).or(attempt.subject.as_ref())?.clone();
        Some((name, place.path(&format!("/users/{id}"))))
    }
}

/// The name reported by the app of an attempt.
pub(super) fn client(attempt: &SignInAttempt) -> String {
    let name = attempt.part.head.client_name.trim();
    if name.is_empty() {
        "An app that is not known".to_owned()
    } else {
        name.to_owned()
    }
}

/// Rows for these attempts.
pub(crate) async fn rows(
    app: &Admin,
    place: &InProject,
    attempts: Vec<SignInAttempt>,
) -> Result<Vec<AttemptRow>, PageError> {
    let names = Names::of(app, place, &attempts).await?;
    let now = app.now();
    let row = |attempt: SignInAttempt| {
        let outcome = attempt.outcome(now);
        let failure = attempt.failure(now);
        AttemptRow {
            href: place.path(&format!("/sign-ins/{}", attempt.part.head.id)),
            at: Moment::new(attempt.part.head.started_at, now),
            badge: badge(outcome),
            reason: failure
                .filter(|_| outcome != Outcome::Succeeded)
                .map(|(_, failure)| sentence(&failure.reason)),
            person: names.person(place, &attempt),
            client: client(&attempt),
            gateway: names.gateway(&attempt),
            source: names.source(&attempt),
            reference: reference(&attempt),
        }
    };
    Ok(attempts.into_iter().map(row).collect())
}

/// The reference that its pages showed, if it is known.
pub(super) fn reference(attempt: &SignInAttempt) -> String {
    let reference = attempt.part.head.reference;
    reference.map_or_else(|| "–".to_owned(), |reference| reference.to_string())
}
