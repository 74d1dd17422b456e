//! Grants: a user's authorization of one client at one gateway, with the family of all its tokens.

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    id::{AccountId, GatewayId, GrantId, ProjectId, UserId, UserSourceId},
    stored_secret::SealedText,
    token_hash::TokenHash,
};

/// The person a grant belongs to, and what it depends on. A user of a source and a member are never the same person, whatever
/// their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Person {
    /// A user whom a source's identity provider has identified.
    User {
        /// The user.
        user_id: UserId,
        /// The source they signed in through.
        user_source_id: UserSourceId,
        /// The source's identity epoch at that time.
        identity_epoch: i64,
    },
    /// A member of the gateway's project, as long as they are one.
    Member(AccountId),
}

impl Person {
    /// The user, if it is a user of a source.
    pub const fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User { user_id, .. } => Some(*user_id),
            Self::Member(_) => None,
        }
    }

    /// The source, if it is a user of one.
    pub const fn user_source_id(&self) -> Option<UserSourceId> {
        match self {
            Self::User { user_source_id, .. } => Some(*user_source_id),
            Self::Member(_) => None,
        }
    }

    /// The source's identity epoch at sign-in, if it is a user of one.
    pub const fn identity_epoch(&self) -> Option<i64> {
        match self {
            Self::User { identity_epoch, .. } => Some(*identity_epoch),
            Self::Member(_) => None,
        }
    }

    /// The account, if it is a member.
    pub const fn account_id(&self) -> Option<AccountId> {
        match self {
            Self::User { .. } => None,
            Self::Member(account_id) => Some(*account_id),
        }
    }
}

/// `usr_…` or `acc_…`: the `sub` of tokens and assertions.
impl std::fmt::Display for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User { user_id, .. } => user_id.fmt(f),
            Self::Member(account_id) => account_id.fmt(f),
        }
    }
}

/// A grant as stored; it begins when its code is redeemed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its ID, set when the code was issued.
    pub id: GrantId,
    /// The project.
    pub project_id: ProjectId,
    /// The gateway it is valid for.
    pub gateway_id: GatewayId,
    /// The person.
    pub person: Person,
    /// The client, in the short form tokens carry.
    pub client_id: String,
    /// The name reported by the client.
    pub client_name: String,
    /// The granted scopes, separated by spaces.
    pub scope: String,
    /// Where the client received its code: the host of a website, the scheme of an app. `None` if an older version began it.
    pub destination: Option<String>,
    /// Whether the client signed an assertion to begin it: it must then sign each later token request.
    pub begun_with_key: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When it expires, even if it is used every day.
    pub ends_at: Timestamp,
    /// When a token was last issued for it.
    pub last_used_at: Timestamp,
    /// When and why it was ended early.
    pub revoked: Option<(Timestamp, RevocationReason)>,
}

/// Why a grant ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// The client asked (RFC 7009).
    ClientRequest,
    /// An administrator ended it.
    Administrator,
    /// The person signed the client out, on the connections page.
    Person,
    /// A code was used again, too late to be a resend.
    CodeReplayed,
    /// A refresh token was used again after its successor had been used.
    RefreshReused,
    /// The user was blocked or deleted.
    UserRemoved,
    /// The member was removed from the project, or their account was disabled.
    MemberRemoved,
    /// The gateway changed its mode or source.
    GatewayChanged,
    /// The client was blocked at the gateway.
    ClientBlocked,
    /// The client's registration was deleted.
    ClientRemoved,
    /// The person began another grant and had too many; this was the least recently used.
    GaveWay,
}

/// An authorization code as stored, for sixty seconds (RFC 6749 section 4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// SHA-256 of the code.
    pub hash: TokenHash,
    /// The grant that its redemption begins.
    pub grant_id: GrantId,
    /// The project.
    pub project_id: ProjectId,
    /// The gateway it is valid for.
    pub gateway_id: GatewayId,
    /// Who signed in.
    pub person: Person,
    /// The client it was issued to, in full.
    pub client_id: String,
    /// The name reported by the client.
    pub client_name: String,
    /// The redirect URI of the authorization request, exactly.
    pub redirect_uri: String,
    /// The PKCE challenge (RFC 7636, S256).
    pub code_challenge: String,
    /// The granted scopes, separated by spaces.
    pub scope: String,
    /// The consent page it came from, if any.
    pub consent_id: Option<String>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// A refresh token as stored. Its successor is stored twice: as a hash, and sealed under a key derived from this
/// token, so that a repeated request gets the same successor, and the store alone never reveals it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// SHA-256 of the token.
    pub hash: TokenHash,
    /// Its grant.
    pub grant_id: GrantId,
    /// Its generation within the grant, from 1; `None` for one that an older version issued.
    pub generation: Option<i64>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it expires without use.
    pub expires_at: Timestamp,
    /// When it was first used.
    pub used_at: Option<Timestamp>,
    /// The successor, once there is one.
    pub successor: Option<Successor>,
}

/// The successor of a used refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successor {
    /// SHA-256 of the successor.
    pub hash: TokenHash,
    /// The successor itself, sealed under a key derived from the token it replaces.
    pub sealed: SealedText,
    /// When the successor was first used.
    pub used_at: Option<Timestamp>,
}
