//! Who makes a gateway request, resolved before anything else happens.

use crate::{
    gateway::Mode,
    grant::Person,
    id::{ApiKeyId, GatewayId, GrantId, ProjectId, UserSourceId},
};

/// The identity of one gateway request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The project.
    pub project_id: ProjectId,
    /// The gateway.
    pub gateway_id: GatewayId,
    /// The raw value that names the user: a claim's value, a member's account id, or the user id of Headers mode.
    pub subject: String,
    /// How that is known.
    pub proof: Proof,
    /// For display, where known.
    pub email: Option<String>,
    /// For display, where known.
    pub display_name: Option<String>,
}

/// How an identity is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// An access token of this gateway.
    Grant {
        /// Whose grant it is.
        person: Person,
        /// The grant.
        grant_id: GrantId,
        /// The client, in the short form tokens carry.
        client_id: String,
    },
    /// A gateway API key that vouches for the user id beside it.
    Key(ApiKeyId),
}

impl Principal {
    /// The mode it was resolved in.
    pub const fn mode(&self) -> Mode {
        match self.proof {
            Proof::Grant {
                person: Person::User { .. },
                ..
            } => Mode::UserSource,
            Proof::Grant {
                person: Person::Member(_),
                ..
            } => Mode::ProjectMembers,
            Proof::Key(_) => Mode::Headers,
        }
    }

    /// The source the user signed in through, in User Source mode.
    pub const fn user_source_id(&self) -> Option<UserSourceId> {
        match &self.proof {
            Proof::Grant { person, .. } => person.user_source_id(),
            Proof::Key(_) => None,
        }
    }

    /// The `sub` upstream servers see: `usr_…`, `acc_…` for members, or `prj_…|<user id>` in Headers mode.
    pub fn assertion_subject(&self) -> String {
        match &self.proof {
            Proof::Grant { person, .. } => person.to_string(),
            Proof::Key(_) => format!("{}|{}", self.project_id, self.subject),
        }
    }
}
