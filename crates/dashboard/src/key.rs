//! What pages of keys share, those of a project and those of the instance.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    api_key::{ApiKey, KeyRole, KeyScope},
};

use super::{form::Posted, moment::Moment, role};
use crate::service::api_keys::{CreatedKey, RotateApiKey};

/// How long a new key may live: the value in the form, and what it says.
pub(super) const LIVES: [(&str, &str); 4] = [
    ("", "Never"),
    ("30", "In 30 days"),
    ("90", "In 90 days"),
    ("365", "In a year"),
];

/// For how long a key that is rotated works on: seconds, and what that is called.
pub(super) const OVERLAPS: [(&str, &str); 4] = [
    ("86400", "For a day"),
    ("3600", "For an hour"),
    ("604800", "For a week"),
    ("0", "Not at all"),
];

/// A key in a list.
pub(super) struct KeyRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) role: &'static str,
    /// The gateway it is bound to, by name.
    pub(super) gateway: Option<String>,
    pub(super) created: Moment,
    pub(super) last_used: Option<Moment>,
    pub(super) ends: Option<Moment>,
    pub(super) is_revoked: bool,
    pub(super) is_expired: bool,
    /// Whether another has taken its place.
    pub(super) is_replaced: bool,
    /// Where the form that revokes it goes.
    pub(super) revoke: String,
    /// Where the form that rotates it goes.
    pub(super) rotate: String,
    /// Where the keys that it created are listed, if it can create any: they keep working when it is revoked.
    pub(super) keys_made: Option<String>,
}

impl KeyRow {
    /// A key of the list at `path`.
    pub(super) fn new(key: ApiKey, path: &str, now: Timestamp, gateway: Option<String>) -> Self {
        let role = match key.scope {
            KeyScope::Instance => "Instance",
            KeyScope::Project { role, .. } => role::of_key(role).label,
        };
        let keys_made = match key.scope {
            KeyScope::Project {
                project_id,
                role: KeyRole::Owner,
                ..
            } => Some(format!(
                "/projects/{project_id}/audit?actor={}&action=api_key.created",
                key.id
            )),
            KeyScope::Project { .. } | KeyScope::Instance => None,
        };
        Self {
            id: key.id.to_string(),
            role,
            keys_made,
            gateway,
            created: Moment::new(key.created_at, now),
            last_used: key.last_used_at.map(|at| Moment::new(at, now)),
            ends: key.expires_at.map(|at| Moment::new(at, now)),
            is_revoked: key.revoked_at.is_some(),
            is_expired: key.expires_at.is_some_and(|at| at <= now),
            is_replaced: key.successor_id.is_some(),
            revoke: format!("{path}/{}/revoke", key.id),
            rotate: format!("{path}/{}/rotate", key.id),
            name: key.name,
        }
    }

    /// What is said before it is revoked.
    pub(super) const fn before_revoking(&self) -> &'static str {
        if self.keys_made.is_some() {
            "Programs that use this key are refused from their next request. This cannot be undone. Keys that it created keep \
             working: check them first."
        } else {
            "Programs that use this key are refused from their next request. This cannot be undone."
        }
    }

    /// Whether it works.
    pub(super) const fn is_live(&self) -> bool {
        !self.is_revoked && !self.is_expired
    }
}

/// A key that was just made. Its text exists in the answer only.
pub(super) struct MadeKey {
    pub(super) name: String,
    pub(super) text: String,
    /// How long the previous key keeps working, if this one replaces it.
    pub(super) overlap: Option<&'static str>,
}

impl MadeKey {
    /// A key to show.
    pub(super) fn new(created: CreatedKey, overlap: Option<&'static str>) -> Self {
        Self {
            name: created.key.name,
            text: created.text.expose().to_owned(),
            overlap,
        }
    }
}

/// When a key with a lifetime of this many days expires; one without a known lifetime does not expire.
pub(super) fn end_of_life(now: Timestamp, life: &str) -> Option<Timestamp> {
    let (days, _) = LIVES.iter().find(|(value, _)| *value == life)?;
    let days: u64 = days.parse().ok()?;
    Some(now.plus(Duration::from_hours(24 * days)))
}

/// How a key is rotated, as a form asks for it. A value that is not a number is more than the service accepts.
pub(super) fn rotation(posted: &Posted) -> RotateApiKey {
    RotateApiKey {
        overlap_seconds: Some(posted.text("overlap").parse().unwrap_or(u32::MAX)),
        expires_at: None,
    }
}

/// The overlap that was chosen, in words.
pub(super) fn overlap_in_words(posted: &Posted) -> &'static str {
    match posted.text("overlap") {
        "0" => "The key it replaces has stopped working.",
        "3600" => "The key it replaces keeps working for an hour.",
        "604800" => "The key it replaces keeps working for a week.",
        _ => "The key it replaces keeps working for a day.",
    }
}
