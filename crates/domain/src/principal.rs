//! The principal of a gateway request, resolved before anything else happens.

use crate::{
    audit::ActorKind,
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
    /// The raw value that identifies the user: a claim's value, a member's account ID, or the user ID of Headers mode.
    pub subject: String,
    /// The proof of that identity.
    pub proof: Proof,
    /// For display, if known.
    pub email: Option<String>,
    /// For display, if known.
    pub display_name: Option<String>,
}

/// The proof of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// An access token of this gateway.
    Grant {
        /// The person the grant belongs to.
        person: Person,
        /// The grant.
        grant_id: GrantId,
        /// The client, in the short form tokens carry.
        client_id: String,
    },
    /// A gateway API key, whose holder is trusted for the user ID sent with it.
    Key(ApiKeyId),
    /// An administrator who tries the gateway out.
    Trial(Trial),
}

/// A gateway tried out by an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The user of the trial.
    pub who: TriedAs,
    /// Who acts for them; `None` if someone tries as themselves.
    pub actor: Option<ActorKind>,
}

/// The user of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriedAs {
    /// A user of the gateway's source, or an account of the project, whatever the gateway's mode.
    Person(Person),
    /// A user ID as a client in Headers mode would send it.
    HeaderUser,
}

impl Principal {
    /// The mode it was resolved in.
    pub const fn mode(&self) -> Mode {
        match self.person() {
            Some(Person::User { .. }) => Mode::UserSource,
            Some(Person::Member(_)) => Mode::ProjectMembers,
            None => Mode::Headers,
        }
    }

    /// The person, if known. In Headers mode, only the holder of the key says who the user is.
    pub const fn person(&self) -> Option<&Person> {
        match &self.proof {
            Proof::Grant { person, .. }
            | Proof::Trial(Trial {
                who: TriedAs::Person(person),
                ..
            }) => Some(person),
            Proof::Key(_)
            | Proof::Trial(Trial {
                who: TriedAs::HeaderUser,
                ..
            }) => None,
        }
    }

    /// Who acts for the user, if it is not the user's own client (RFC 8693 section 4.1).
    pub const fn actor(&self) -> Option<&ActorKind> {
        match &self.proof {
            Proof::Trial(trial) => trial.actor.as_ref(),
            Proof::Grant { .. } | Proof::Key(_) => None,
        }
    }

    /// The source the user signed in through, in User Source mode.
    pub const fn user_source_id(&self) -> Option<UserSourceId> {
        match self.person() {
            Some(person) => person.user_source_id(),
            None => None,
        }
    }

    /// The `sub` that upstream servers see: `usr_…`, `acc_…` for members, or `prj_…|<user id>` in Headers mode.
    pub fn assertion_subject(&self) -> String {
        match self.person() {
            Some(person) => person.to_string(),
            None => format!("{}|{}", self.project_id, self.subject),
        }
    }
}
