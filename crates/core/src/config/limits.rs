//! The sections that bound what one tenant or person may take of the instance. Their doc comments are the documentation
//! that users read, like those of [`super::sections`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much can run and be in memory at the same time, so that one person or project cannot use up the instance.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// How many requests of one person can run at one gateway at the same time. Further ones are refused with 429.
    /// It is never more than half of what the project can run.
    pub running_per_person: u32,
    /// The percentage of the available connections (see server.max_connections) that the running requests of one project
    /// can take. Further requests are refused with 429 until some have finished.
    pub project_share_percent: u32,
    /// Memory for the lists of tools of all MCP servers together, in megabytes.
    pub list_memory_mb: u32,
    /// The percentage of that memory that the servers of one project can take. New lists replace those that the project
    /// used least recently; lists of other projects stay.
    pub list_share_percent: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            running_per_person: 64,
            project_share_percent: 75,
            list_memory_mb: 256,
            list_share_percent: 25,
        }
    }
}

/// How much one project can have. If you lower a quota, what exists keeps working, but nothing can be added until
/// there is room again.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QuotasConfig {
    /// MCP servers.
    pub servers: u32,
    /// Gateways.
    pub gateways: u32,
    /// User Sources.
    pub user_sources: u32,
    /// Stored secrets.
    pub secrets: u32,
    /// Active API keys.
    pub api_keys: u32,
    /// Members and open invitations together.
    pub members: u32,
    /// Clients that administrators registered, at all gateways together.
    pub clients: u32,
    /// URLs (slugs) of gateways. The URL of a gateway that was deleted or renamed stays reserved for its project, so it
    /// counts too.
    pub slugs: u32,
}

impl Default for QuotasConfig {
    fn default() -> Self {
        Self {
            servers: 500,
            gateways: 1_000,
            user_sources: 200,
            secrets: 1_000,
            api_keys: 500,
            members: 1_000,
            clients: 2_000,
            slugs: 3_000,
        }
    }
}
