//! What the API takes for a gateway.

use gatewright_domain::{
    gateway::{
        AllowedPrompt, AllowedResource, AllowedTool, Gateway, GatewaySettings, GatewayStatus, Mode,
        OfferedKinds, PrefixMode, RecordArguments, TrustedClient,
    },
    id::{ServerId, UserSourceId},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{schema, service::Patch};

/// A gateway to create.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGateway {
    /// 1-80 characters.
    #[schema(required = true, min_length = 1, max_length = 80)]
    #[serde(default)]
    pub name: String,
    /// Shown by some clients.
    #[serde(default)]
    pub description: String,
    /// Returned to clients as MCP `instructions`.
    #[serde(default)]
    pub instructions: String,
    /// Pass on the `instructions` of its servers too, after its own: quoted, under the ID of each server, 4,000 characters of
    /// each and 16,000 of all at most. They reach the models of all users, so turn this on for servers that you trust.
    #[serde(default)]
    pub server_instructions: bool,
    /// The last part of its URL, unique in the instance ignoring case; generated when left empty.
    #[schema(pattern = "^[A-Za-z0-9_-]{0,64}$")]
    #[serde(default)]
    pub slug: String,
    /// Who its users are: `project_members`, `user_source` or `headers`.
    #[schema(required = true, schema_with = schema::mode)]
    #[serde(default)]
    pub authentication_mode: Option<Mode>,
    /// The User Source, in that mode.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub user_source_id: Option<UserSourceId>,
    /// Clients that skip the consent page.
    #[schema(value_type = Vec<schema::TrustedClient>)]
    #[serde(default)]
    pub trusted_clients: Vec<TrustedClient>,
    /// The servers it federates, in order; empty means all of the project.
    #[schema(value_type = Vec<String>)]
    #[serde(default)]
    pub servers: Vec<ServerId>,
    /// When the names of its tools and prompts begin with the prefix of their server: `always`, `when_several` (default: when
    /// it has several servers), or `never`.
    #[schema(schema_with = schema::prefix_mode)]
    #[serde(default)]
    pub prefix_mode: PrefixMode,
    /// Which kinds of things it offers at all; what is left out is offered.
    #[schema(value_type = schema::OfferedKinds)]
    #[serde(default)]
    pub offers: OfferedKinds,
    /// The tools it offers; empty means all of its servers.
    #[schema(value_type = Vec<schema::AllowedTool>)]
    #[serde(default)]
    pub allowed_tools: Vec<AllowedTool>,
    /// The prompts it offers; empty means all of its servers.
    #[schema(value_type = Vec<schema::AllowedPrompt>)]
    #[serde(default)]
    pub allowed_prompts: Vec<AllowedPrompt>,
    /// The resources and resource templates it offers; empty means all of its servers.
    #[schema(value_type = Vec<schema::AllowedResource>)]
    #[serde(default)]
    pub allowed_resources: Vec<AllowedResource>,
    /// `active` when left out.
    #[schema(schema_with = schema::status_or_null)]
    #[serde(default)]
    pub status: Option<GatewayStatus>,
    /// Lifetimes and registration switches.
    #[schema(value_type = schema::GatewaySettings)]
    #[serde(default)]
    pub settings: GatewaySettings,
    /// Record the arguments of tool calls and prompts, and the URIs of resources, with the activity. They may contain personal data
    /// and secrets. Nothing is recorded when left out.
    #[schema(value_type = Option<schema::RecordArguments>)]
    #[serde(default)]
    pub record_arguments: Option<RecordArguments>,
}

/// A change of a gateway. What is left out stays; `null` resets to the default.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayPatch {
    /// 1-80 characters.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub name: Patch<String>,
    /// Shown by some clients.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub description: Patch<String>,
    /// Returned to clients as MCP `instructions`.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub instructions: Patch<String>,
    /// Pass on the `instructions` of its servers too.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    pub server_instructions: Patch<bool>,
    /// The last part of its URL. Another one changes URL and issuer: clients have to be set up again.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9_-]{0,64}$")]
    #[serde(default)]
    pub slug: Patch<String>,
    /// Who its users are. Another mode ends the gateway's grants.
    #[schema(schema_with = schema::mode)]
    #[serde(default)]
    pub authentication_mode: Patch<Mode>,
    /// The User Source. Another one ends the gateway's grants.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub user_source_id: Patch<UserSourceId>,
    /// All clients that skip the consent page; the list is replaced as a whole.
    #[schema(value_type = Option<Vec<schema::TrustedClient>>)]
    #[serde(default)]
    pub trusted_clients: Patch<Vec<TrustedClient>>,
    /// All servers, in order; the list is replaced as a whole.
    #[schema(value_type = Option<Vec<String>>)]
    #[serde(default)]
    pub servers: Patch<Vec<ServerId>>,
    /// When the names of its tools and prompts begin with the prefix of their server. Another mode renames them.
    #[schema(schema_with = schema::prefix_mode_or_null)]
    #[serde(default)]
    pub prefix_mode: Patch<PrefixMode>,
    /// Which kinds of things it offers at all, merged member by member.
    #[schema(value_type = Option<OffersPatch>)]
    #[serde(default)]
    pub offers: Patch<OffersPatch>,
    /// All tools; the list is replaced as a whole.
    #[schema(value_type = Option<Vec<schema::AllowedTool>>)]
    #[serde(default)]
    pub allowed_tools: Patch<Vec<AllowedTool>>,
    /// All prompts; the list is replaced as a whole.
    #[schema(value_type = Option<Vec<schema::AllowedPrompt>>)]
    #[serde(default)]
    pub allowed_prompts: Patch<Vec<AllowedPrompt>>,
    /// All resources and resource templates; the list is replaced as a whole.
    #[schema(value_type = Option<Vec<schema::AllowedResource>>)]
    #[serde(default)]
    pub allowed_resources: Patch<Vec<AllowedResource>>,
    /// `active` is refused while its User Source is inactive or deleted.
    #[schema(schema_with = schema::status)]
    #[serde(default)]
    pub status: Patch<GatewayStatus>,
    /// Lifetimes and registration switches, merged member by member.
    #[serde(default)]
    #[schema(value_type = Option<SettingsPatch>)]
    pub settings: Patch<SettingsPatch>,
    /// Record arguments with the activity; replaced as a whole. `null` ends it, and what was recorded is deleted.
    #[schema(value_type = Option<schema::RecordArguments>)]
    #[serde(default)]
    pub record_arguments: Patch<RecordArguments>,
}

/// What a new gateway has is what a change makes of a blank one.
impl From<NewGateway> for GatewayPatch {
    fn from(new: NewGateway) -> Self {
        Self {
            name: Patch::Set(new.name),
            description: Patch::Set(new.description),
            instructions: Patch::Set(new.instructions),
            server_instructions: Patch::Set(new.server_instructions),
            slug: Patch::Set(new.slug),
            authentication_mode: new.authentication_mode.into(),
            user_source_id: new.user_source_id.into(),
            trusted_clients: Patch::Set(new.trusted_clients),
            servers: Patch::Set(new.servers),
            prefix_mode: Patch::Set(new.prefix_mode),
            offers: Patch::Set(new.offers.into()),
            allowed_tools: Patch::Set(new.allowed_tools),
            allowed_prompts: Patch::Set(new.allowed_prompts),
            allowed_resources: Patch::Set(new.allowed_resources),
            status: new.status.into(),
            settings: Patch::Set(new.settings.into()),
            record_arguments: new.record_arguments.into(),
        }
    }
}

impl GatewayPatch {
    /// The gateway after the change, except for its users and its status, and not checked yet.
    pub(super) fn over(self, current: &Gateway) -> Gateway {
        let (offers, settings) = (current.offers, &current.settings);
        Gateway {
            name: self.name.over(&current.name),
            description: self.description.over(&current.description),
            instructions: self.instructions.over(&current.instructions),
            server_instructions: self.server_instructions.over(&current.server_instructions),
            slug: self.slug.over(&current.slug),
            trusted_clients: self.trusted_clients.over(&current.trusted_clients),
            servers: self.servers.over(&current.servers),
            prefix_mode: self.prefix_mode.over(&current.prefix_mode),
            offers: self.offers.map(|patch| patch.over(offers)).over(&offers),
            allowed_tools: self.allowed_tools.over(&current.allowed_tools),
            allowed_prompts: self.allowed_prompts.over(&current.allowed_prompts),
            allowed_resources: self.allowed_resources.over(&current.allowed_resources),
            settings: self.settings.map(|patch| patch.over(settings)).over(settings),
            record_arguments: self.record_arguments.map(Some).over(&current.record_arguments),
            ..current.clone()
        }
    }
}

/// A change of which kinds of things a gateway offers, merged member by member.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OffersPatch {
    /// Offer tools.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    pub tools: Patch<bool>,
    /// Offer prompts.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    pub prompts: Patch<bool>,
    /// Offer resources and resource templates.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    pub resources: Patch<bool>,
}

impl From<OfferedKinds> for OffersPatch {
    fn from(kinds: OfferedKinds) -> Self {
        Self {
            tools: Patch::Set(kinds.tools),
            prompts: Patch::Set(kinds.prompts),
            resources: Patch::Set(kinds.resources),
        }
    }
}

impl OffersPatch {
    /// The kinds after the change.
    fn over(self, current: OfferedKinds) -> OfferedKinds {
        let default = OfferedKinds::default();
        OfferedKinds {
            tools: self.tools.over_or(&current.tools, default.tools),
            prompts: self.prompts.over_or(&current.prompts, default.prompts),
            resources: self.resources.over_or(&current.resources, default.resources),
        }
    }
}

/// A change of a gateway's settings, merged member by member.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsPatch {
    /// Lifetime of an access token, in seconds.
    #[schema(value_type = Option<u32>)]
    #[serde(default)]
    pub access_token_seconds: Patch<u32>,
    /// A grant expires after this long without use.
    #[schema(value_type = Option<u32>)]
    #[serde(default)]
    pub grant_idle_seconds: Patch<u32>,
    /// A grant expires this long after it began.
    #[schema(value_type = Option<u32>)]
    #[serde(default)]
    pub grant_max_seconds: Patch<u32>,
    /// Accept dynamic client registration.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    pub dynamic_registration: Patch<bool>,
    /// Accept Client ID Metadata Documents.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    pub metadata_documents: Patch<bool>,
    /// Accept clients that an administrator registered beforehand.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    pub preregistered_clients: Patch<bool>,
}

impl From<GatewaySettings> for SettingsPatch {
    fn from(settings: GatewaySettings) -> Self {
        Self {
            access_token_seconds: Patch::Set(settings.access_token_seconds),
            grant_idle_seconds: Patch::Set(settings.grant_idle_seconds),
            grant_max_seconds: Patch::Set(settings.grant_max_seconds),
            dynamic_registration: Patch::Set(settings.dynamic_registration),
            metadata_documents: Patch::Set(settings.metadata_documents),
            preregistered_clients: Patch::Set(settings.preregistered_clients),
        }
    }
}

impl SettingsPatch {
    /// The settings after the change.
    fn over(self, current: &GatewaySettings) -> GatewaySettings {
        let default = GatewaySettings::default();
        GatewaySettings {
            access_token_seconds: self
                .access_token_seconds
                .over_or(&current.access_token_seconds, default.access_token_seconds),
            grant_idle_seconds: self
                .grant_idle_seconds
                .over_or(&current.grant_idle_seconds, default.grant_idle_seconds),
            grant_max_seconds: self
                .grant_max_seconds
                .over_or(&current.grant_max_seconds, default.grant_max_seconds),
            dynamic_registration: self
                .dynamic_registration
                .over_or(&current.dynamic_registration, default.dynamic_registration),
            metadata_documents: self
                .metadata_documents
                .over_or(&current.metadata_documents, default.metadata_documents),
            preregistered_clients: self
                .preregistered_clients
                .over_or(&current.preregistered_clients, default.preregistered_clients),
        }
    }
}
