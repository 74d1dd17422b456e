//! What needs attention, in words, with a link to where it is mended.

use std::borrow::Cow;

use gatewright_domain::Timestamp;

use super::{moment::Moment, session::InProject};
use crate::service::attention::Matter;

/// Something that needs attention.
pub(super) struct MatterRow {
    /// Where it is mended.
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
    let moment = |at| Some(Moment::new(at, now));
    match matter {
        Matter::SecretRefused {
            source: (id, name),
            since,
        } => MatterRow {
            href: place.path(&format!("/user-sources/{id}")),
            name,
            what: "The provider refuses the client secret".to_owned(),
            at: moment(since),
            advice: "Look up the secret at the provider and enter it again. Until then, sign-ins use the previous one if it works.".into(),
            is_grave: true,
        },
        Matter::SignInsFail {
            gateway: (id, name),
            failed,
            of,
        } => MatterRow {
            href: place.path(&format!("/sign-ins?result=failed&gateway={id}")),
            name,
            what: format!("{failed} of the last {of} sign-ins failed"),
            at: None,
            advice: "Open one of them: it says why, and what to do.".into(),
            is_grave: true,
        },
        Matter::ServerFails {
            server: (id, name),
            at,
            why,
        } => MatterRow {
            href: place.path(&format!("/servers/{id}")),
            name,
            what: why.found.trim_end_matches('.').to_owned(),
            at: moment(at),
            advice: why.remedy.into(),
            is_grave: true,
        },
        Matter::SharedOrigin {
            server: (id, name),
            origin,
        } => MatterRow {
            href: place.path(&format!("/servers/{id}")),
            name,
            what: format!("Another project also tells {origin} who its users are"),
            at: None,
            advice: "Make sure that this server checks the claim project of each assertion. Then ask the people who run the instance to add its origin to servers.shared_assertion_origins.".into(),
            is_grave: false,
        },
        Matter::NoServers { gateway: (_, name) } => MatterRow {
            href: place.path("/servers"),
            name,
            what: "The gateway has no tools".to_owned(),
            at: None,
            advice: "This project has no server yet. Register one, and its tools appear immediately.".into(),
            is_grave: true,
        },
        Matter::Unverified { source: (id, name) } => MatterRow {
            href: place.path(&format!("/user-sources/{id}")),
            name,
            what: "Saved without checking".to_owned(),
            at: None,
            advice: "Sign-ins may or may not work. Test the connection, or save it again with checks.".into(),
            is_grave: false,
        },
        Matter::SecretAwaited {
            source: (id, name),
            since,
        } => MatterRow {
            href: place.path(&format!("/user-sources/{id}")),
            name,
            what: "A new client secret has not been used yet".to_owned(),
            at: moment(since),
            advice: "The previous one remains a fallback until the new one has succeeded once. A test sign-in is enough.".into(),
            is_grave: false,
        },
        Matter::KeyEnds { key: (_, name), at } => MatterRow {
            href: place.path("/api-keys"),
            name,
            what: "The API key expires soon".to_owned(),
            at: moment(at),
            advice: "Rotate it, and put the new key where this one is used.".into(),
            is_grave: false,
        },
    }
}
