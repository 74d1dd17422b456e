//! Clients at a gateway, as administrators see them: which ones hold grants, and which ones are blocked.

use gatewright_oauth::metadata_document::{check_url, is_url};
use serde::{Deserialize, Serialize};

use crate::{
    Invalid, Timestamp,
    id::{ClientBlockId, ClientId, GatewayId, ProjectId},
    words::worded,
};

worded! {
    /// How a client identified itself.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum ClientKind {
        /// It registered itself (RFC 7591).
        Dynamic = "dynamic", "Registered itself";
        /// Its ID is the URL of a document about it.
        MetadataDocument = "metadata_document", "Metadata document";
        /// An administrator registered it.
        Preregistered = "preregistered", "Registered beforehand";
    }
}

impl ClientKind {
    /// The kind of a client by its short ID; `has_row` says whether an administrator registered a client with this ID.
    pub fn of(short_id: &str, has_row: bool) -> Self {
        if is_url(short_id) {
            Self::MetadataDocument
        } else if has_row {
            Self::Preregistered
        } else {
            Self::Dynamic
        }
    }
}

/// A client that holds live grants at a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientUse {
    /// Its id, in the short form tokens carry.
    pub client_id: String,
    /// The name it reports.
    pub client_name: String,
    /// How it identified itself.
    pub kind: ClientKind,
    /// Its live grants.
    pub grants: i64,
    /// When a token was last issued for any of them.
    pub last_used_at: Timestamp,
}

/// A client that is blocked at a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientBlock {
    /// The id of the block.
    pub id: ClientBlockId,
    /// The project.
    pub project_id: ProjectId,
    /// The gateway.
    pub gateway_id: GatewayId,
    /// The client, in the short form tokens carry.
    pub client_id: String,
    /// Its name when it was blocked; empty if unknown.
    pub client_name: String,
    /// When it was blocked.
    pub created_at: Timestamp,
}

/// Checks that a text is the short form of a client ID: `cli_…`, or the URL of a metadata document.
pub fn check_short_id(pointer: &str, text: &str) -> Result<(), Invalid> {
    let is_short = if is_url(text) {
        check_url(text).is_ok()
    } else {
        text.parse::<ClientId>().is_ok()
    };
    if is_short {
        return Ok(());
    }
    Err(Invalid::one(
        pointer,
        "Enter the client's ID as the list of clients and the grants show it: `cli_…`, or the URL of its metadata document.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_id_is_one_of_ours_or_a_documents_url() {
        for good in [
            "cli_0192f0c1a2b37c4d8e5f60718293a4b5",
            "https://claude.ai/oauth/mcp-oauth-client-metadata",
        ] {
            assert!(check_short_id("/client_id", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "v1.abc.def",
            "cli_1",
            "https://claude.ai",
            "http://claude.ai/x",
        ] {
            assert!(check_short_id("/client_id", bad).is_err(), "{bad}");
        }
    }
}
