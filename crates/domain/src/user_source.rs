//! User Sources: the connection between gateways and one OpenID Connect provider.

mod connection_test;
mod fields;

use serde::{Deserialize, Serialize};

pub use self::connection_test::{ConnectionTest, TestOutcome, TestedCheck};
pub use self::fields::{check_client_secret, check_issuer, check_scopes, check_subject_claim, same_origin};

use crate::{
    Timestamp,
    id::{ProjectId, UserSourceId},
    registration::{ClientAuthentication, ClientSecretSlots},
    words::worded,
};

/// A User Source as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSource {
    /// Its id.
    pub id: UserSourceId,
    /// The project it belongs to.
    pub project_id: ProjectId,
    /// 1-80 characters, unique in the project, ignoring case.
    pub name: String,
    /// For members of the project only, never shown to an end user.
    pub description: String,
    /// The issuer, compared byte for byte with discovery and ID tokens.
    pub issuer: String,
    /// The client id registered at the provider.
    pub client_id: String,
    /// The client secret and the one it replaced.
    pub client_secret: ClientSecretSlots,
    /// When the provider stops accepting that secret, if someone entered it. Nothing depends on it but what is told in advance.
    pub client_secret_expires_at: Option<Timestamp>,
    /// How that secret is sent.
    pub client_authentication: ClientAuthentication,
    /// Requested scopes; always includes `openid`.
    pub scopes: Vec<String>,
    /// The ID-token claim that identifies the user.
    pub subject_claim: String,
    /// The redirect URL of its provider. A change applies from the next sign-in.
    pub callback: Callback,
    /// Whether gateways may use it.
    pub status: UserSourceStatus,
    /// Increases when the issuer, client ID or subject claim changes; tokens with another number are refused.
    pub identity_epoch: i64,
    /// When all checks last passed; `None` marks the source as unverified.
    pub verified_at: Option<Timestamp>,
    /// The result of the last connection test; `None` if there was none since the issuer, client, scopes, callback or claim changed.
    pub last_test: Option<ConnectionTest>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last edited. Sign-ins and tests record their results without changing it.
    pub updated_at: Timestamp,
}

worded! {
    /// The redirect URL of a provider.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub enum Callback {
        /// The redirect URL that all sources share.
        #[default]
        Shared = "shared", "Shared by all User Sources";
        /// The source's own, so that an answer for it is not mistaken for one of another provider, nor the other
        /// way round (RFC 9700 section 4.4.2.2).
        Own = "own", "Its own";
    }
}

worded! {
    /// Whether gateways may use a source.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum UserSourceStatus {
        /// Gateways may use it.
        Active = "active", "Active";
        /// No active gateway uses it, and none can.
        Inactive = "inactive", "Inactive";
    }
}

impl UserSource {
    /// A source of which only the secret is entered yet, with the defaults of the rest. It has to be
    /// [checked](UserSource::check) before it is stored.
    pub fn blank(
        id: UserSourceId,
        project_id: ProjectId,
        client_secret: ClientSecretSlots,
        at: Timestamp,
    ) -> Self {
        Self {
            id,
            project_id,
            name: String::new(),
            description: String::new(),
            issuer: String::new(),
            client_id: String::new(),
            client_secret,
            client_secret_expires_at: None,
            client_authentication: ClientAuthentication::default(),
            scopes: Vec::new(),
            subject_claim: String::new(),
            callback: Callback::default(),
            status: UserSourceStatus::Active,
            identity_epoch: 1,
            verified_at: None,
            last_test: None,
            created_at: at,
            updated_at: at,
        }
    }

    /// Whether a change of issuer, client ID or subject claim ends all sessions. A new issuer or claim also makes people
    /// new users; a new client ID does not.
    pub fn changes_identity(&self, issuer: &str, client_id: &str, subject_claim: &str) -> bool {
        self.issuer != issuer || self.client_id != client_id || self.subject_claim != subject_claim
    }
}

/// The context under which a source's client secret is sealed (`Purpose::StoredSecret`). It is the same for the
/// current and the previous one, because a rotation moves a secret from one column to the other.
pub fn client_secret_context(id: UserSourceId) -> String {
    format!("user_sources/client_secret/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::FixedClock, entropy::SeededEntropy};

    #[test]
    fn the_context_of_a_secret_names_its_row_and_no_column_that_it_could_leave() {
        let id = UserSourceId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(1));
        let context = client_secret_context(id);
        assert_eq!(context, format!("user_sources/client_secret/{id}"));
    }
}
