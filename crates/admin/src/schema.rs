//! Schemas of the document for what the domain defines, which knows nothing of OpenAPI.

use gatewright_domain::{
    account::AccountStatus,
    activity::{self, RequestKind, Rule},
    api_key::KeyRole,
    audit::Origin,
    client_use::ClientKind,
    gateway::{GatewayStatus, Mode, PrefixMode},
    incident::{IncidentKind, IncidentStatus},
    invitation::InvitationStatus,
    member::Role,
    registration::{AuthenticationChoice, CredentialsVerdict, SecretMethod, SecretSlot},
    server::{IdentityForwarding, ProtocolChoice},
    sign_in_attempt::{Outcome, Step},
    stream::{Batching, StreamFormat, StreamKind, SyslogTransport},
    user::UserStatus,
    user_source::{Callback, TestOutcome},
    words::Worded,
};
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{
        Object, ObjectBuilder,
        schema::{SchemaType, Type},
    },
};

/// A header of the administrator's own.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomHeader {
    /// The field name; not one of HTTP's own, the MCP transport's, or one that carries identity.
    #[schema(required = true)]
    pub name: String,
    /// The value; `${secret:NAME}` refers to a secret of the project.
    #[schema(required = true)]
    pub value: String,
}

/// A client that skips the consent page.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrustedClient {
    /// The Client ID Metadata Document URL, exactly as the client uses it.
    #[schema(required = true, format = "uri")]
    pub url: String,
    /// Skip the page for loopback redirects too, which any local program can receive.
    #[schema(required = false, default = false)]
    pub allow_loopback: bool,
}

/// A tool a gateway offers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AllowedTool {
    /// The id of the server that has it.
    pub server: String,
    /// Its name at that server.
    pub tool: String,
}

/// A prompt a gateway offers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AllowedPrompt {
    /// The id of the server that has it.
    pub server: String,
    /// Its name at that server.
    pub prompt: String,
}

/// A resource or resource template a gateway offers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AllowedResource {
    /// The id of the server that has it.
    pub server: String,
    /// The URI of a resource, or the URI template of a resource template, exactly as that server writes it. A template
    /// describes all URIs that match it.
    pub uri: String,
}

/// Which kinds of things a gateway offers. Of a kind that is turned off it offers nothing, even if its list names some.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfferedKinds {
    /// Offer tools.
    #[schema(required = false, default = true)]
    pub tools: bool,
    /// Offer prompts.
    #[schema(required = false, default = true)]
    pub prompts: bool,
    /// Offer resources and resource templates.
    #[schema(required = false, default = true)]
    pub resources: bool,
}

/// That a gateway records arguments, and how.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordArguments {
    /// JSON pointers (RFC 6901) into the arguments, such as `/password` or `/items/*/token`: the values are replaced by `[redacted]`
    /// before anything is stored. `*` stands for every member of an object and every element of an array.
    #[schema(required = false, max_items = 64)]
    pub redact: Vec<String>,
    /// Days for which they are kept.
    #[schema(required = false, default = 7, minimum = 1, maximum = 365)]
    pub retention_days: u32,
}

/// Lifetimes and registration switches of a gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GatewaySettings {
    /// Lifetime of an access token, in seconds.
    #[schema(required = false, default = 3_600, minimum = 60, maximum = 86_400)]
    pub access_token_seconds: u32,
    /// A grant expires after this long without use, in seconds.
    #[schema(required = false, default = 2_592_000, minimum = 3_600)]
    pub grant_idle_seconds: u32,
    /// A grant expires this long after it began, used or not, in seconds.
    #[schema(required = false, default = 7_776_000, minimum = 3_600)]
    pub grant_max_seconds: u32,
    /// Accept dynamic client registration (RFC 7591).
    #[schema(required = false, default = true)]
    pub dynamic_registration: bool,
    /// Accept Client ID Metadata Documents.
    #[schema(required = false, default = true)]
    pub metadata_documents: bool,
    /// Accept clients that an administrator registered beforehand.
    #[schema(required = false, default = true)]
    pub preregistered_clients: bool,
}

fn one_of<'a>(values: impl IntoIterator<Item = &'a str>) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .enum_values(Some(values))
        .build()
}

/// `active` or `inactive`.
pub(crate) fn status() -> Object {
    one_of(GatewayStatus::words())
}

/// `active` or `blocked`.
pub(crate) fn user_status() -> Object {
    one_of(UserStatus::words())
}

/// The authentication mode of a gateway.
pub(crate) fn mode() -> Object {
    one_of(Mode::words())
}

/// When names begin with the prefix of their server.
pub(crate) fn prefix_mode() -> Object {
    one_of(PrefixMode::words())
}

/// The same in a merge patch, where `null` resets it.
pub(crate) fn prefix_mode_or_null() -> Object {
    one_of_or_null(PrefixMode::words())
}

/// One of the two client secrets of a source.
pub(crate) fn secret_slot() -> Object {
    one_of(SecretSlot::words())
}

/// How a client secret is presented to a provider.
pub(crate) fn client_authentication() -> Object {
    one_of(AuthenticationChoice::words())
}

/// The same in a merge patch, where `null` resets it.
pub(crate) fn client_authentication_or_null() -> Object {
    one_of_or_null(AuthenticationChoice::words())
}

/// A way to present a client secret, or null.
pub(crate) fn secret_method() -> Object {
    one_of_or_null(SecretMethod::words())
}

/// The result of a check of a connection.
pub(crate) fn test_outcome() -> Object {
    one_of(TestOutcome::words())
}

/// Whether the provider accepts the client ID and secret.
pub(crate) fn credentials_verdict() -> Object {
    one_of(CredentialsVerdict::words())
}

/// How far a test sign-in has come.
pub(crate) fn test_status() -> Object {
    one_of(["waiting", "at_provider", "succeeded", "failed"])
}

/// Whether a claim can say who someone is.
pub(crate) fn fit() -> Object {
    one_of(["usable", "discouraged", "unusable"])
}

/// Where a provider sends people back to.
pub(crate) fn callback() -> Object {
    one_of(Callback::words())
}

/// The same where leaving it out, or null, means the shared one.
pub(crate) fn callback_or_null() -> Object {
    one_of_or_null(Callback::words())
}

/// The role of a project key.
pub(crate) fn role() -> Object {
    one_of(key_roles())
}

/// Roles that members have too, and the one that only keys have.
fn key_roles() -> impl Iterator<Item = &'static str> {
    Role::words().into_iter().chain([KeyRole::Gateway.as_str()])
}

/// The same with `instance`, for keys that do not belong to a project.
pub(crate) fn role_or_instance() -> Object {
    one_of(key_roles().chain(["instance"]))
}

/// How a client introduced itself.
pub(crate) fn client_kind() -> Object {
    one_of(ClientKind::words())
}

/// How a pre-registered client proves who it is.
pub(crate) fn client_method() -> Object {
    one_of([
        "none",
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
    ])
}

/// What a server receives about the user.
pub(crate) fn identity() -> Object {
    one_of(IdentityForwarding::words())
}

/// The way in.
pub(crate) fn origin() -> Object {
    one_of(Origin::words())
}

/// The kind of a request.
pub(crate) fn request_kind() -> Object {
    one_of(RequestKind::words())
}

/// The outcome of a request.
pub(crate) fn activity_outcome() -> Object {
    one_of(activity::Outcome::words())
}

/// Why a request was refused.
pub(crate) fn refusal_rule() -> Object {
    one_of(Rule::words())
}

/// The same, if it may not have happened.
pub(crate) fn refusal_rule_or_null() -> Object {
    one_of_or_null(Rule::words())
}

/// The state of an attempt to sign in.
pub(crate) fn attempt_outcome() -> Object {
    one_of(Outcome::words())
}

/// What kind of thing goes wrong.
pub(crate) fn incident_kind() -> Object {
    one_of(IncidentKind::words())
}

/// Whether an incident has ended.
pub(crate) fn incident_status() -> Object {
    one_of(IncidentStatus::words())
}

/// How a step of it went.
pub(crate) fn step_outcome() -> Object {
    one_of(["done", "failed"])
}

/// The steps of an attempt to sign in.
pub(crate) fn attempt_step() -> Object {
    one_of(Step::ALL.map(Step::as_str))
}

/// The same, if none failed.
pub(crate) fn attempt_step_or_null() -> Object {
    one_of_or_null(Step::ALL.map(Step::as_str))
}

fn one_of_or_null<'a>(values: impl IntoIterator<Item = &'a str>) -> Object {
    let values = values.into_iter().map(serde_json::Value::from);
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(values.chain([serde_json::Value::Null])))
        .build()
}

/// What happens to a stored client secret; null if there is none.
pub(crate) fn secret_fate_or_null() -> Object {
    one_of_or_null(["kept", "rotated", "replaced", "deleted"])
}

/// The same in a merge patch, where `null` resets it.
pub(crate) fn identity_or_null() -> Object {
    one_of_or_null(IdentityForwarding::words())
}

/// Which revisions of MCP are tried with a server.
pub(crate) fn protocol() -> Object {
    one_of(ProtocolChoice::words())
}

/// The same in a merge patch, where `null` resets it.
pub(crate) fn protocol_or_null() -> Object {
    one_of_or_null(ProtocolChoice::words())
}

/// `active` or `inactive`, or left out.
pub(crate) fn status_or_null() -> Object {
    one_of_or_null(GatewayStatus::words())
}

/// The kind of place a stream sends to.
pub(crate) fn stream_kind() -> Object {
    one_of(StreamKind::words())
}

/// How the records of a stream are written.
pub(crate) fn stream_format() -> Object {
    one_of(StreamFormat::words())
}

/// The same where leaving it out, or null, means the default.
pub(crate) fn stream_format_or_null() -> Object {
    one_of_or_null(StreamFormat::words())
}

/// How a batch becomes a body; null where a stream has none.
pub(crate) fn batching_or_null() -> Object {
    one_of_or_null(Batching::words())
}

/// How messages reach a syslog receiver; null for another kind.
pub(crate) fn syslog_transport_or_null() -> Object {
    one_of_or_null(SyslogTransport::words())
}

/// The state of an invitation.
pub(crate) fn invitation_status() -> Object {
    one_of(InvitationStatus::words())
}

/// What a member may do.
pub(crate) fn member_role() -> Object {
    one_of(Role::words())
}

/// Whether an account may sign in.
pub(crate) fn account_status() -> Object {
    one_of(AccountStatus::words())
}
