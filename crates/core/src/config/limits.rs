//! The sections that bound what one tenant or person may take of the instance. Their doc comments are the documentation
//! that users read, like those of [`super::sections`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What runs and lies in memory at once, so that one person or project cannot use up the instance.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// How many requests of one person may run at one gateway at the same time. Further ones are refused with 429.
    /// It is never more than half of what the project may run.
    pub running_per_person: u32,
    /// The percentage of the connections that fit (see server.max_connections) which the running requests of one project
    /// may take. Further requests are refused with 429 until some have finished.
    pub project_share_percent: u32,
    /// Memory for the lists of tools of all MCP servers together, in megabytes.
    pub list_memory_mb: u32,
    /// The percentage of that memory which the servers of one project may take. The lists it used least recently give
    /// way to its new ones; lists of other projects stay.
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

/// How much one project may have. What exists keeps working when a quota is lowered; nothing is added until there is
/// room again.
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
    /// API keys that work.
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
