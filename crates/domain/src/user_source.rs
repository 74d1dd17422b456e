//! User Sources: the connection between gateways and one OpenID Connect provider.

mod fields;

use serde::{Deserialize, Serialize};

pub use self::fields::{
    DEFAULT_SCOPES, DEFAULT_SUBJECT_CLAIM, UserSourceFields, check_client_secret, check_issuer, same_origin,
};

use crate::{
    Timestamp,
    id::{ProjectId, UserSourceId},
    stored_secret::SealedText,
};

/// A User Source as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSource {
    /// Its id.
    pub id: UserSourceId,
    /// The project it belongs to.
    pub project_id: ProjectId,
    /// 1-80 characters, unique in the project whatever the case.
    pub name: String,
    /// For members of the project only, never shown to an end user.
    pub description: String,
    /// The issuer, compared byte for byte with discovery and ID tokens.
    pub issuer: String,
    /// The client id registered at the provider.
    pub client_id: String,
    /// The client secret and the one it replaced.
    pub client_secret: ClientSecretSlots,
    /// Scopes asked for; always with `openid`.
    pub scopes: Vec<String>,
    /// The ID-token claim that identifies the user.
    pub subject_claim: String,
    /// Whether gateways may use it.
    pub status: UserSourceStatus,
    /// Grows when issuer, client id or subject claim changes; tokens with another number are refused.
    pub identity_epoch: i64,
    /// When all checks last passed; `None` marks the source as unverified.
    pub verified_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Whether gateways may use a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserSourceStatus {
    /// Gateways may use it.
    Active,
    /// No active gateway uses it, and none may.
    Inactive,
}

/// The client secret of a source through a rotation: the newest is tried first, the previous one stays a fallback
/// until the newest has succeeded once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSecretSlots {
    /// The newest secret.
    pub current: SealedText,
    /// The one before, while it is still a fallback.
    pub previous: Option<SealedText>,
    /// When `current` was typed in.
    pub changed_at: Timestamp,
    /// When the provider first accepted `current`.
    pub confirmed_at: Option<Timestamp>,
    /// When the provider first refused `current`, while it is unconfirmed.
    pub refused_at: Option<Timestamp>,
}

impl ClientSecretSlots {
    /// The slots of a source that is new, or whose issuer has another origin now: what was stored for the old one is gone.
    pub fn fresh(secret: SealedText, now: Timestamp) -> Self {
        Self {
            current: secret,
            previous: None,
            changed_at: now,
            confirmed_at: None,
            refused_at: None,
        }
    }

    /// The slots after a new secret was typed in. The fallback is the one that last worked, so correcting a secret that
    /// never worked does not push the good one out.
    #[must_use]
    pub fn rotated(self, secret: SealedText, now: Timestamp) -> Self {
        let previous = match (self.confirmed_at, self.previous) {
            (None, Some(worked)) => worked,
            (Some(_), _) | (None, None) => self.current,
        };
        Self {
            previous: Some(previous),
            ..Self::fresh(secret, now)
        }
    }
}

/// The context under which a source's client secret is sealed (`Purpose::StoredSecret`). It is the same for the
/// current and the previous one, because a secret moves from one column to the other in a rotation.
pub fn client_secret_context(id: UserSourceId) -> String {
    format!("user_sources/client_secret/{id}")
}

impl UserSource {
    /// Whether moving from `self` to `next` changes who people are (issuer, client id or subject claim).
    pub fn changes_identity(&self, issuer: &str, client_id: &str, subject_claim: &str) -> bool {
        self.issuer != issuer || self.client_id != client_id || self.subject_claim != subject_claim
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::FixedClock, entropy::SeededEntropy};

    #[test]
    fn the_fallback_is_the_secret_that_last_worked() {
        let sealed = |text: &str| SealedText(text.to_owned());
        let at = Timestamp::from_seconds;
        let mut slots = ClientSecretSlots::fresh(sealed("one"), at(1));
        slots.confirmed_at = Some(at(2));
        let slots = slots.rotated(sealed("typo"), at(3));
        assert_eq!(
            (&slots.current, slots.previous.as_ref()),
            (&sealed("typo"), Some(&sealed("one")))
        );
        assert_eq!(slots.confirmed_at, None);
        let mut slots = slots.rotated(sealed("two"), at(4));
        assert_eq!(
            (&slots.current, slots.previous.as_ref()),
            (&sealed("two"), Some(&sealed("one")))
        );
        slots.confirmed_at = Some(at(5));
        assert_eq!(
            slots.rotated(sealed("three"), at(6)).previous,
            Some(sealed("two"))
        );
    }

    #[test]
    fn the_context_of_a_secret_names_its_row_and_no_column_that_it_could_leave() {
        let id = UserSourceId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(1));
        let context = client_secret_context(id);
        assert_eq!(context, format!("user_sources/client_secret/{id}"));
    }
}
