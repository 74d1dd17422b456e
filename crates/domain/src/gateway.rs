//! Gateways: an MCP endpoint that federates tools of several servers for the users of one mode.

mod fields;
mod offer;
mod prefixing;
mod recording;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use self::{
    fields::{REVOCATION_LEEWAY, check_slug, mint_slug},
    offer::{Allowed, AllowedPrompt, AllowedResource, AllowedTool, MAX_RESOURCE_URI, OfferedKinds},
    prefixing::{PrefixMode, names_tools_by_server},
    recording::{REDACTED, RecordArguments, Redaction},
};

use crate::{
    Timestamp,
    id::{GatewayId, ProjectId, ServerId, UserSourceId},
    words::worded,
};

/// A gateway as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its id.
    pub id: GatewayId,
    /// The project it belongs to.
    pub project_id: ProjectId,
    /// Its name, 1-80 characters.
    pub name: String,
    /// Shown by some clients.
    pub description: String,
    /// Returned to clients as MCP `instructions`.
    pub instructions: String,
    /// Whether the instructions of its servers follow its own.
    pub server_instructions: bool,
    /// The last part of its URL, as typed; unique in the instance, ignoring case.
    pub slug: String,
    /// Who its users are.
    pub authentication: Authentication,
    /// Client ID Metadata Document URLs that skip the consent page.
    pub trusted_clients: Vec<TrustedClient>,
    /// The servers it federates, in order; empty means all servers of the project.
    pub servers: Vec<ServerId>,
    /// When the names of its tools and prompts begin with the prefix of their server.
    pub prefix_mode: PrefixMode,
    /// Which kinds of things it offers.
    pub offers: OfferedKinds,
    /// The tools it offers; empty means all tools of those servers.
    pub allowed_tools: Vec<AllowedTool>,
    /// The prompts it offers; empty means all prompts of those servers.
    pub allowed_prompts: Vec<AllowedPrompt>,
    /// The resources and resource templates it offers; empty means all of those servers.
    pub allowed_resources: Vec<AllowedResource>,
    /// Whether it is active.
    pub status: GatewayStatus,
    /// Lifetimes and registration switches.
    pub settings: GatewaySettings,
    /// That and how it records the arguments of requests; `None` if it does not.
    pub record_arguments: Option<RecordArguments>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Gateway {
    /// A gateway about which nothing is entered yet, with the defaults of the rest. It has to be [checked](Gateway::check)
    /// before it is stored, which also decides who its users are.
    pub fn blank(id: GatewayId, project_id: ProjectId, at: Timestamp) -> Self {
        Self {
            id,
            project_id,
            name: String::new(),
            description: String::new(),
            instructions: String::new(),
            server_instructions: false,
            slug: String::new(),
            authentication: Authentication::Headers,
            trusted_clients: Vec::new(),
            servers: Vec::new(),
            prefix_mode: PrefixMode::default(),
            offers: OfferedKinds::default(),
            allowed_tools: Vec::new(),
            allowed_prompts: Vec::new(),
            allowed_resources: Vec::new(),
            status: GatewayStatus::Active,
            settings: GatewaySettings::default(),
            record_arguments: None,
            created_at: at,
            updated_at: at,
        }
    }

    /// The servers that its tools, prompts and resources name.
    pub fn servers_of_choices(&self) -> BTreeSet<ServerId> {
        let tools = self.allowed_tools.iter().map(Allowed::server);
        let prompts = self.allowed_prompts.iter().map(Allowed::server);
        let resources = self.allowed_resources.iter().map(Allowed::server);
        tools.chain(prompts).chain(resources).collect()
    }
}

/// Who the users of a gateway are: exactly one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// Members of the project sign in with their Gatewright account.
    ProjectMembers,
    /// End users sign in at the identity provider of a User Source.
    UserSource(UserSourceId),
    /// Every request carries a project API key and a user ID.
    Headers,
}

impl Authentication {
    /// The mode without its source.
    pub const fn mode(self) -> Mode {
        match self {
            Self::ProjectMembers => Mode::ProjectMembers,
            Self::UserSource(_) => Mode::UserSource,
            Self::Headers => Mode::Headers,
        }
    }

    /// The User Source, in that mode.
    pub const fn user_source(self) -> Option<UserSourceId> {
        match self {
            Self::UserSource(id) => Some(id),
            Self::ProjectMembers | Self::Headers => None,
        }
    }

    /// Whether people sign in to the gateway, which makes it an authorization server.
    pub const fn is_oauth(&self) -> bool {
        match self {
            Self::ProjectMembers | Self::UserSource(_) => true,
            Self::Headers => false,
        }
    }
}

worded! {
    /// The authentication mode of a gateway, as the API names it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub enum Mode {
        /// Members of the project.
        ProjectMembers = "project_members", "Project members";
        /// End users of an identity provider.
        UserSource = "user_source", "User Source";
        /// A user ID in a header, sent with an API key.
        Headers = "headers", "Headers";
    }
}

/// A client that skips the consent page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with `url` and, optionally, `allow_loopback`"
)]
pub struct TrustedClient {
    /// The Client ID Metadata Document URL, compared exactly.
    pub url: String,
    /// Skip the page for loopback redirects too, which any local program can receive (RFC 8252 section 8.6).
    #[serde(default)]
    pub allow_loopback: bool,
}

worded! {
    /// Whether a gateway is active.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum GatewayStatus {
        /// It responds.
        Active = "active", "Active";
        /// It returns 404 like an unknown one.
        Inactive = "inactive", "Inactive";
    }
}

/// A gateway's settings in addition to its fields. All times in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object of settings")]
pub struct GatewaySettings {
    /// Lifetime of an access token.
    pub access_token_seconds: u32,
    /// A grant expires after this long without use.
    pub grant_idle_seconds: u32,
    /// A grant expires this long after it began, used or not.
    pub grant_max_seconds: u32,
    /// Accept dynamic client registration (RFC 7591).
    pub dynamic_registration: bool,
    /// Accept Client ID Metadata Documents.
    pub metadata_documents: bool,
    /// Accept clients that an administrator registered.
    pub preregistered_clients: bool,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            access_token_seconds: 3_600,
            grant_idle_seconds: 30 * 86_400,
            grant_max_seconds: 90 * 86_400,
            dynamic_registration: true,
            metadata_documents: true,
            preregistered_clients: true,
        }
    }
}
