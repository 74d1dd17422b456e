//! Who makes a gateway request, resolved before anything else happens.

use crate::{
    gateway::Mode,
    id::{ApiKeyId, GatewayId, GrantId, ProjectId, UserId, UserSourceId},
};

/// The identity of one gateway request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The project.
    pub project_id: ProjectId,
    /// The gateway.
    pub gateway_id: GatewayId,
    /// The raw value that names the user: a claim's value, or the user id of Headers mode.
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
        /// The user.
        user_id: UserId,
        /// The source they signed in through.
        user_source_id: UserSourceId,
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
            Proof::Grant { .. } => Mode::UserSource,
            Proof::Key(_) => Mode::Headers,
        }
    }

    /// The `sub` upstream servers see: `usr_…`, or `prj_…|<user id>` in Headers mode.
    pub fn assertion_subject(&self) -> String {
        match &self.proof {
            Proof::Grant { user_id, .. } => user_id.to_string(),
            Proof::Key(_) => format!("{}|{}", self.project_id, self.subject),
        }
    }
}
