//! Incidents: what goes wrong in a project and needs attention, from its beginning to its end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    id::{IncidentId, ProjectId},
    words::worded,
};

/// Texts are cut to this many characters.
const TEXT_MAX: usize = 500;

worded! {
    /// What kind of thing goes wrong. The order is that of urgency.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
    pub enum IncidentKind {
        /// The provider of a User Source refuses the client secret.
        ClientSecretRefused = "client_secret_refused", "Client secret refused";
        /// Many sign-ins at a gateway fail.
        SignInsFail = "sign_ins_fail", "Sign-ins fail";
        /// A server cannot be used.
        ServerUnavailable = "server_unavailable", "Server unavailable";
        /// The client secret of a User Source expires soon, or has expired.
        ClientSecretExpires = "client_secret_expires", "Client secret expires";
        /// The certificate of a server, provider or of this instance expires soon.
        CertificateExpires = "certificate_expires", "Certificate expires";
        /// The certificate of this instance cannot be read again or renewed.
        CertificateNotRenewed = "certificate_not_renewed", "Certificate not renewed";
        /// An API key expires soon and has no successor.
        ApiKeyExpires = "api_key_expires", "API key expires";
        /// A stream delivers nothing.
        StreamFails = "stream_fails", "Stream fails";
        /// Records were deleted before a stream could deliver them.
        StreamLost = "stream_lost", "Stream lost records";
    }
}

impl IncidentKind {
    /// Whether people are refused because of it. The others are warnings.
    pub const fn is_grave(self) -> bool {
        match self {
            Self::ClientSecretRefused | Self::SignInsFail | Self::ServerUnavailable => true,
            Self::ClientSecretExpires
            | Self::CertificateExpires
            | Self::CertificateNotRenewed
            | Self::ApiKeyExpires
            | Self::StreamFails
            | Self::StreamLost => false,
        }
    }
}

worded! {
    /// Whether an incident has ended.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum IncidentStatus {
        /// It needs attention.
        Open = "open", "Open";
        /// It has ended.
        Recovered = "recovered", "Recovered";
    }
}

/// Something that was noticed: an incident begins with it, or continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The project; `None` if it concerns the instance.
    pub project_id: Option<ProjectId>,
    /// What kind.
    pub kind: IncidentKind,
    /// The ID of the server, User Source, gateway or key; `tls` for the certificate of this instance.
    pub subject_id: String,
    /// Its name.
    pub subject_name: String,
    /// What happened, in words.
    pub what: String,
    /// What to do.
    pub remedy: String,
    /// When.
    pub at: Timestamp,
}

impl Observation {
    /// The same with texts that are not longer than an incident keeps.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for text in [&mut self.subject_name, &mut self.what, &mut self.remedy] {
            if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
                text.truncate(end);
            }
        }
        self
    }
}

/// An incident as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its ID.
    pub id: IncidentId,
    /// The project; `None` if it concerns the instance.
    pub project_id: Option<ProjectId>,
    /// What kind.
    pub kind: IncidentKind,
    /// The ID of the server, User Source, gateway or key; `tls` for the certificate of this instance.
    pub subject_id: String,
    /// Its name when it was last noticed.
    pub subject_name: String,
    /// What happened last, in words.
    pub what: String,
    /// What to do.
    pub remedy: String,
    /// How often it returned shortly after it had seemed over.
    pub returns: u32,
    /// When it was first noticed.
    pub began_at: Timestamp,
    /// When it was last noticed, to about a minute.
    pub last_seen_at: Timestamp,
    /// When it ended.
    pub recovered_at: Option<Timestamp>,
}

impl Incident {
    /// Whether it has ended.
    pub const fn status(&self) -> IncidentStatus {
        match self.recovered_at {
            None => IncidentStatus::Open,
            Some(_) => IncidentStatus::Recovered,
        }
    }

    /// How long it lasted, or has lasted until `now`.
    pub fn duration(&self, now: Timestamp) -> Duration {
        self.recovered_at.unwrap_or(now).since(self.began_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Worded as _;

    #[test]
    fn texts_are_cut_between_characters() {
        let observed = Observation {
            project_id: None,
            kind: IncidentKind::ApiKeyExpires,
            subject_id: "key_1".to_owned(),
            subject_name: "é".repeat(TEXT_MAX + 1),
            what: "short".to_owned(),
            remedy: String::new(),
            at: Timestamp::from_seconds(1),
        };
        let observed = observed.bounded();
        assert_eq!(observed.subject_name, "é".repeat(TEXT_MAX));
        assert_eq!(observed.what, "short");
    }

    #[test]
    fn what_refuses_people_comes_before_warnings() {
        let grave = IncidentKind::WORDS.iter().map(|(kind, ..)| kind.is_grave());
        assert!(grave.is_sorted_by_key(|grave| !grave));
    }
}
