//! What needs attention, in words, with a link to where it can be fixed.

use std::borrow::Cow;

use gatewright_domain::{Timestamp, id::UserSourceId};

use super::{moment::Moment, session::InProject};
use crate::service::attention::Matter;

/// Something that needs attention.
pub(super) struct MatterRow {
    /// Where it can be fixed.
    pub(super) href: String,
    /// What it is about.
    pub(super) name: String,
    /// What is the matter with it.
    pub(super) what: String,
    /// Since when, or when.
    pub(super) at: Option<Moment>,
    /// What to do.
    pub(super) advice: Cow<'static, str>,
    /// Whether people are refused because of it.
    pub(super) is_grave: bool,
}

/// A matter as the overview shows it.
pub(super) fn row(place: &InProject, matter: Matter, now: Timestamp) -> MatterRow {
    let href = match &matter {
        Matter::SecretRefused { source: (id, _), .. }
        | Matter::Unverified { source: (id, _) }
        | Matter::SecretEnds { source: (id, _), .. }
        | Matter::SecretAwaited { source: (id, _), .. } => place.path(&format!("/user-sources/{id}")),
        Matter::SignInsFail { gateway: (id, _), .. } => {
            place.path(&format!("/sign-ins?result=failed&gateway={id}"))
        }
        Matter::ServerFails { server: (id, _), .. } | Matter::SharedOrigin { server: (id, _), .. } => {
            place.path(&format!("/servers/{id}"))
        }
        Matter::CertificateEnds(incident) => {
            let is_source = incident.subject_id.starts_with(UserSourceId::PREFIX);
            let list = if is_source { "user-sources" } else { "servers" };
            place.path(&format!("/{list}/{}", incident.subject_id))
        }
        Matter::NoServers { .. } => place.path("/servers"),
        Matter::KeyEnds { .. } => place.path("/api-keys"),
    };
    let told = matter.told();
    MatterRow {
        href,
        name: told.subject_name,
        what: told.what,
        at: told.at.map(|at| Moment::new(at, now)),
        advice: told.remedy,
        is_grave: told.is_grave,
    }
}
