//! A project as a file declares it. Things are named by what people call them, never by ID. What is left out of an object has its
//! default; a list that is left out is not managed by the file.

use gatewright_domain::{
    Timestamp,
    api_key::KeyRole,
    gateway::{
        GatewaySettings, GatewayStatus, Mode, OfferedKinds, PrefixMode, RecordArguments, TrustedClient,
    },
    member::Role,
    registration::AuthenticationChoice,
    server::{CustomHeader, IdentityForwarding, ProtocolChoice},
    user_source::{Callback, UserSourceStatus},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::schema::words;
use crate::schema;

/// The version of the format.
pub(crate) const VERSION: u32 = 1;

/// A project of Gatewright, as a file declares it. A list that is left out is not managed by the file: with `--prune`, only what
/// is missing in a list that is there is deleted.
#[derive(Debug, Default, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Project)]
#[expect(clippy::struct_field_names, reason = "the fields are those of the file")]
pub(crate) struct Project {
    /// The version of this format.
    #[schema(required = true, minimum = 1, maximum = 1)]
    pub version: u32,
    /// The name of the project. It is created if there is none of this name.
    #[schema(required = true, min_length = 1, max_length = 80)]
    pub project: String,
    /// Secrets that headers of servers name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<StoredSecret>>,
    /// The connections to identity providers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_sources: Option<Vec<UserSource>>,
    /// The MCP servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servers: Option<Vec<Server>>,
    /// The gateways.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateways: Option<Vec<Gateway>>,
    /// The members. Who is not one yet is invited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<Member>>,
    /// The API keys, without their text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<Key>>,
}

/// Where the value of a secret is. Exactly one of the fields is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "snake_case",
    expecting = "one of `env: NAME`, `file: PATH` and `existing: true`"
)]
#[schema(as = SecretReference)]
pub(crate) enum SecretReference {
    /// The environment variable that has the value when the file is applied. Names that begin with `GATEWRIGHT_` are refused.
    Env(String),
    /// The file that has the value; a path that is not absolute begins at the folder of this file.
    File(String),
    /// `true`: the value that is stored already.
    Existing(bool),
}

/// A secret, which headers of servers name as `${secret:NAME}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a secret")]
#[schema(as = Secret)]
pub(crate) struct StoredSecret {
    /// `[A-Z][A-Z0-9_]{0,63}`: what the secret is known by.
    #[schema(pattern = "^[A-Z][A-Z0-9_]{0,63}$")]
    pub name: String,
    /// Where its value is.
    #[schema(value_type = SecretReference)]
    pub value: SecretReference,
    /// The origins it can be sent to, like `https://api.example.com`.
    #[schema(min_items = 1)]
    pub origins: Vec<String>,
}

/// A User Source: the connection to an identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a User Source")]
#[schema(as = UserSource)]
pub(crate) struct UserSource {
    /// What it is known by: 1-80 characters, unique in the project ignoring case.
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
    /// For members of the project only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The issuer, exactly as the provider's discovery document has it. Another one makes everyone a new user and revokes their
    /// tokens.
    #[schema(format = "uri")]
    pub issuer: String,
    /// The client ID registered at the provider. Another one revokes the tokens of all users.
    pub client_id: String,
    /// Where the client secret is.
    #[schema(value_type = SecretReference)]
    pub client_secret: SecretReference,
    /// When the provider stops accepting the client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub client_secret_expires_at: Option<Timestamp>,
    /// How the client secret is presented; `automatic` when left out.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schema(value_type = words::ClientAuthentication)]
    pub client_authentication: AuthenticationChoice,
    /// Scopes to ask for; `openid`, `profile` and `email` when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The ID-token claim that identifies the user; `sub` when left out. Another one makes everyone a new user and revokes their
    /// tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_claim: Option<String>,
    /// `own` for its own redirect URL; `shared` when left out.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schema(value_type = words::CallbackChoice)]
    pub callback: Callback,
    /// `active` when left out.
    #[serde(default = "active_source", skip_serializing_if = "is_active_source")]
    #[schema(value_type = words::Status)]
    pub status: UserSourceStatus,
}

/// An MCP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a server")]
#[schema(as = Server)]
pub(crate) struct Server {
    /// What it is known by: `[a-z0-9-]{1,40}`, unique in the project.
    #[schema(pattern = "^[a-z0-9-]{1,40}$")]
    pub slug: String,
    /// What people call it; the slug when left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 80)]
    pub name: String,
    /// What the names of its tools begin with if a gateway adds a prefix; the slug when left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(pattern = "^[a-z0-9-]{0,20}$")]
    pub prefix: String,
    /// Its Streamable HTTP endpoint.
    #[schema(format = "uri")]
    pub url: String,
    /// How long one request may take, in milliseconds; 60000 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 100, maximum = 600_000)]
    pub timeout_ms: Option<u32>,
    /// How often a request that certainly was not processed is tried again; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 5)]
    pub retries: Option<u8>,
    /// Headers sent with every request; values may name secrets as `${secret:NAME}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::CustomHeader>)]
    pub headers: Vec<CustomHeader>,
    /// What it receives about the user: `none` when left out, or `assertion` for a signed identity.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schema(value_type = words::Identity)]
    pub identity: IdentityForwarding,
    /// Which revisions of MCP are tried; `automatic` when left out.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schema(value_type = words::Protocol)]
    pub protocol: ProtocolChoice,
}

/// A gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a gateway")]
#[schema(as = Gateway)]
pub(crate) struct Gateway {
    /// What it is known by: the last part of its URL, unique in the instance ignoring case.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    pub slug: String,
    /// 1-80 characters.
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
    /// Shown by some clients.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Returned to clients as MCP `instructions`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instructions: String,
    /// Pass on the `instructions` of its servers too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub server_instructions: bool,
    /// Who its users are: `project_members`, `user_source` or `headers`. Another mode ends the gateway's grants.
    #[schema(value_type = words::AuthenticationMode)]
    pub authentication_mode: Mode,
    /// The name of the User Source, in that mode. Another one ends the gateway's grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_source: Option<String>,
    /// The slugs of the servers it federates, in order; empty or left out means all of the project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// When the names of its tools begin with the prefix of their server; `when_several` when left out.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schema(value_type = words::PrefixChoice)]
    pub prefix_mode: PrefixMode,
    /// Which kinds of things it offers; what is left out is offered.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schema(value_type = schema::OfferedKinds)]
    pub offers: OfferedKinds,
    /// The tools it offers; empty or left out means all of its servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_tools: Vec<AllowedTool>,
    /// The prompts it offers; empty or left out means all of its servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_prompts: Vec<AllowedPrompt>,
    /// The resources and resource templates it offers; empty or left out means all of its servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_resources: Vec<AllowedResource>,
    /// Clients that skip the consent page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::TrustedClient>)]
    pub trusted_clients: Vec<TrustedClient>,
    /// `active` when left out.
    #[serde(default = "active_gateway", skip_serializing_if = "is_active_gateway")]
    #[schema(value_type = words::Status)]
    pub status: GatewayStatus,
    /// Lifetimes and registration switches.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schema(value_type = schema::GatewaySettings)]
    pub settings: GatewaySettings,
    /// Record the arguments of requests with the activity. Nothing is recorded when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::RecordArguments>)]
    pub record_arguments: Option<RecordArguments>,
    /// The clients that are registered beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<Vec<Client>>,
}

/// A tool that a gateway offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `server` and `tool`")]
#[schema(as = AllowedTool)]
pub(crate) struct AllowedTool {
    /// The slug of the server.
    pub server: String,
    /// The tool's name at that server.
    pub tool: String,
}

/// A prompt that a gateway offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `server` and `prompt`")]
#[schema(as = AllowedPrompt)]
pub(crate) struct AllowedPrompt {
    /// The slug of the server.
    pub server: String,
    /// The prompt's name at that server.
    pub prompt: String,
}

/// A resource or resource template that a gateway offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `server` and `uri`")]
#[schema(as = AllowedResource)]
pub(crate) struct AllowedResource {
    /// The slug of the server.
    pub server: String,
    /// The URI or URI template, exactly as the server lists it.
    pub uri: String,
}

/// A client that is registered beforehand at a gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a client")]
#[schema(as = Client)]
pub(crate) struct Client {
    /// What it is known by: 1-80 characters, unique at the gateway.
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
    /// Where people can be sent back to.
    #[schema(min_items = 1, max_items = 10)]
    pub redirect_uris: Vec<String>,
    /// How it proves who it is. It never changes.
    #[schema(value_type = words::ClientMethod)]
    pub token_endpoint_auth_method: String,
    /// The public keys (a JWK set, RFC 7517) of a client with `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub jwks: Option<Value>,
}

/// A member of the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `email` and `role`")]
#[schema(as = Member)]
pub(crate) struct Member {
    /// The address of the account. If it is not a member yet, it is invited.
    pub email: String,
    /// The role.
    #[schema(value_type = words::MemberRole)]
    pub role: Role,
}

/// An API key, without its text. A key is known by its name, role and gateway together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes an API key")]
#[schema(as = Key)]
pub(crate) struct Key {
    /// 1-80 characters.
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
    /// The role.
    #[schema(value_type = words::KeyRoleWord)]
    pub role: KeyRole,
    /// The slug of the only gateway at which it works, for keys of role `gateway`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// When it expires, if the key has to be created; never when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

const fn active_source() -> UserSourceStatus {
    UserSourceStatus::Active
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_active_source(status: &UserSourceStatus) -> bool {
    *status == active_source()
}

const fn active_gateway() -> GatewayStatus {
    GatewayStatus::Active
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_active_gateway(status: &GatewayStatus) -> bool {
    *status == active_gateway()
}
