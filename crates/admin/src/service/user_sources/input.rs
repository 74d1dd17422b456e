//! What the API takes for a User Source.

use gatewright_domain::{
    Timestamp,
    registration::AuthenticationChoice,
    secret::Secret,
    user_source::{Callback, UserSourceStatus},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{schema, service::Patch};

/// A User Source to create.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUserSource {
    /// 1-80 characters, unique in the project, like `Okta production`.
    #[schema(required = true, min_length = 1, max_length = 80)]
    #[serde(default)]
    pub name: String,
    /// For members of the project only, never shown to an end user.
    #[serde(default)]
    pub description: String,
    /// The issuer, exactly as the provider's discovery document has it: a slash at the end matters.
    #[schema(required = true, format = "uri")]
    #[serde(default)]
    pub issuer: String,
    /// The client id registered at the provider.
    #[schema(required = true)]
    #[serde(default)]
    pub client_id: String,
    /// The client secret registered at the provider. No response contains it.
    #[schema(required = true, value_type = String, write_only, format = Password)]
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// When the provider stops accepting the client secret. It is mentioned from 30 days before.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    pub client_secret_expires_at: Option<Timestamp>,
    /// How the client secret is presented: `basic` in the `Authorization` header, `post` in the body. `automatic`, when left
    /// out, tries what worked last or else what the provider lists, and the other one once when that is refused.
    #[schema(schema_with = schema::client_authentication_or_null)]
    #[serde(default)]
    pub client_authentication: Option<AuthenticationChoice>,
    /// Scopes to ask for; `openid`, `profile` and `email` when left out.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// The ID-token claim that identifies the user; `sub` when left out.
    #[serde(default)]
    pub subject_claim: Option<String>,
    /// `own` for its own redirect URL; the shared one when left out.
    #[schema(schema_with = schema::callback_or_null)]
    #[serde(default)]
    pub callback: Option<Callback>,
    /// Save without asking the provider. The source is marked as unverified.
    #[serde(default)]
    pub skip_validation: bool,
}

/// What is checked of a User Source before it is there.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserSourceCandidate {
    /// The issuer, exactly as the provider's discovery document has it: a slash at the end matters.
    #[schema(required = true, format = "uri")]
    #[serde(default)]
    pub issuer: String,
    /// Scopes to ask for; `openid`, `profile` and `email` when left out.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// The ID-token claim that identifies the user; `sub` when left out.
    #[serde(default)]
    pub subject_claim: Option<String>,
    /// `own` for its own redirect URL; the shared one when left out.
    #[schema(schema_with = schema::callback_or_null)]
    #[serde(default)]
    pub callback: Option<Callback>,
}

/// A change of a User Source. What is left out stays; `null` resets to the default.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserSourcePatch {
    /// 1-80 characters, unique in the project.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub name: Patch<String>,
    /// For members of the project only.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub description: Patch<String>,
    /// The issuer. Another one makes everyone a new user and revokes their tokens; another origin also needs the
    /// client secret again.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub issuer: Patch<String>,
    /// The client id. Another one revokes the tokens of all users.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub client_id: Patch<String>,
    /// A new client secret. The one that last worked remains a fallback until the new one has succeeded once.
    #[schema(value_type = Option<String>, write_only, format = Password)]
    #[serde(default)]
    pub client_secret: Patch<Secret>,
    /// When the provider stops accepting the client secret. A new secret without it has no expiry.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    pub client_secret_expires_at: Patch<Timestamp>,
    /// How the client secret is presented.
    #[schema(schema_with = schema::client_authentication_or_null)]
    #[serde(default)]
    pub client_authentication: Patch<AuthenticationChoice>,
    /// Scopes to ask for.
    #[schema(value_type = Option<Vec<String>>)]
    #[serde(default)]
    pub scopes: Patch<Vec<String>>,
    /// The ID-token claim that identifies the user. Another one makes everyone a new user and revokes their tokens.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub subject_claim: Patch<String>,
    /// `own` for its own redirect URL, used from the next sign-in: register it at the provider first. It ends no
    /// session.
    #[schema(schema_with = schema::callback_or_null)]
    #[serde(default)]
    pub callback: Patch<Callback>,
    /// `inactive` is refused while an active gateway uses the source.
    #[schema(schema_with = schema::status)]
    #[serde(default)]
    pub status: Patch<UserSourceStatus>,
    /// `true` saves without asking the provider; `false` asks it even if nothing changed that it could judge.
    #[serde(default)]
    pub skip_validation: Option<bool>,
}
