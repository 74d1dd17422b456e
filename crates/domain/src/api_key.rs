//! API keys: `gwk_`, 43 characters of randomness, and a checksum, so that secret scanners can recognise them.

use serde::{Deserialize, Serialize};

use crate::{
    Entropy, Timestamp, entropy,
    id::{ApiKeyId, GatewayId, ProjectId},
    secret::Secret,
    token_hash::TokenHash,
    words::worded,
};

/// An API key as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What it gives access to.
    pub scope: KeyScope,
    /// What people call it.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: TokenHash,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used, to within about a minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The key that replaces it, after a rotation.
    pub successor_id: Option<ApiKeyId>,
}

/// What a key gives access to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyScope {
    /// The instance's projects, without access inside them.
    Instance,
    /// One project.
    Project {
        /// Its ID.
        project_id: ProjectId,
        /// What it may do there.
        role: KeyRole,
        /// Only this gateway, for keys with the role `gateway`.
        gateway_id: Option<GatewayId>,
    },
}

worded! {
    /// The role of a project key.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    pub enum KeyRole {
        /// Acts for end users in Headers mode; no access to the API.
        Gateway = "gateway", "Gateway";
        /// Reads.
        Viewer = "viewer", "Viewer";
        /// Reads and changes.
        Admin = "admin", "Admin";
        /// Reads, changes, and manages keys and members.
        Owner = "owner", "Owner";
    }
}

/// Generates the text of a new key.
pub fn generate(entropy: &dyn Entropy) -> Secret {
    let random = entropy::token(entropy);
    Secret::new(format!("gwk_{random}{:08x}", crc32fast::hash(random.as_bytes())))
}

/// Whether a text has the form and checksum of a key, which distinguishes a typing error from an unknown key.
pub fn is_well_formed(text: &str) -> bool {
    let Some(body) = text.strip_prefix("gwk_") else {
        return false;
    };
    if body.len() != 51 || !body.is_ascii() {
        return false;
    }
    let (random, checksum) = body.split_at(43);
    format!("{:08x}", crc32fast::hash(random.as_bytes())) == checksum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_key_knows_its_own_checksum() {
        let key = generate(&SeededEntropy::new(3));
        assert!(is_well_formed(key.expose()));
        let mut broken = key.expose().to_owned();
        broken.pop();
        broken.push('~');
        assert!(!is_well_formed(&broken));
        assert!(!is_well_formed("gwk_"));
    }

    #[test]
    fn roles_are_ordered_by_power() {
        assert!(KeyRole::Gateway < KeyRole::Viewer && KeyRole::Admin < KeyRole::Owner);
    }
}
