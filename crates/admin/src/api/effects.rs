//! `?dry_run=true`: what a change would touch.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use gatewright_domain::{gateway::GatewayStatus, id::GatewayId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::user_sources::Warning;
use crate::{
    schema,
    service::effects::{Effects, Run, SecretFate},
};

/// Whether the request is a dry run. An unknown parameter is refused, so that a mistyped one changes nothing.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DryRun {
    /// `true` returns what the change would affect, or the problem that would prevent it, and writes nothing.
    #[serde(default)]
    #[param(default = false)]
    dry_run: bool,
}

impl DryRun {
    pub(super) const fn run(&self) -> Run {
        if self.dry_run { Run::Rehearsal } else { Run::Change }
    }
}

/// Defines the two response bodies of a change that can be a dry run. The document names them; a handler answers with
/// one of them (`resource::changed`).
macro_rules! changed {
    ($(#[$doc:meta])* $name:ident, $saved:ty) => {
        $(#[$doc])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        #[serde(untagged)]
        #[allow(
            clippy::large_enum_variant,
            dead_code,
            reason = "it names the two bodies in the document and is never made"
        )]
        pub(crate) enum $name {
            /// The change is made.
            Saved($saved),
            /// `?dry_run=true`.
            DryRun($crate::api::effects::EffectsResource),
        }
    };
}
pub(super) use changed;

/// What a change would affect, with `?dry_run=true`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Effects)]
pub(crate) struct EffectsResource {
    /// Always true.
    dry_run: bool,
    /// The fields that would change; empty if nothing would change, and for a deletion.
    changes: Vec<String>,
    /// The gateways that use the User Source, or the gateway itself.
    gateways: Vec<TouchedGateway>,
    /// How many of them are active.
    active_gateways: usize,
    /// The users of the source as it is, or those with grants at the gateway.
    users: i64,
    /// Users of the source under an earlier issuer or subject claim. They can no longer sign in.
    former_users: i64,
    /// The live grants of the users.
    live_grants: i64,
    /// Their grants that sleep while a gateway or the source is inactive. They end together with the live ones.
    sleeping_grants: i64,
    /// Whether those grants, and all their tokens, would end on the next request.
    ends_sessions: bool,
    /// What would happen to the stored client secret: `rotated` keeps it as a fallback, `replaced` does not. Null for a
    /// gateway.
    #[schema(required = true, schema_with = schema::secret_fate_or_null)]
    client_secret: Option<SecretFate>,
    /// Whether the gateway's URL would change, so that clients must be set up again.
    changes_url: bool,
    /// Warnings from asking the provider; they do not prevent the change.
    warnings: Vec<Warning>,
}

/// A gateway that a change would affect.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TouchedGateway {
    #[schema(value_type = String)]
    id: GatewayId,
    name: String,
    /// Before the change.
    #[schema(schema_with = schema::status)]
    status: GatewayStatus,
}

impl From<Effects> for EffectsResource {
    fn from(effects: Effects) -> Self {
        let gateways: Vec<TouchedGateway> = effects
            .gateways
            .into_iter()
            .map(|gateway| TouchedGateway {
                id: gateway.id,
                name: gateway.name,
                status: gateway.status,
            })
            .collect();
        Self {
            dry_run: true,
            changes: effects.changes,
            active_gateways: gateways
                .iter()
                .filter(|gateway| gateway.status == GatewayStatus::Active)
                .count(),
            gateways,
            users: effects.users,
            former_users: effects.former_users,
            live_grants: effects.live_grants,
            sleeping_grants: effects.sleeping_grants,
            ends_sessions: effects.ends_sessions,
            client_secret: effects.client_secret,
            changes_url: effects.changes_url,
            warnings: effects.warnings.into_iter().map(Warning::from).collect(),
        }
    }
}

impl IntoResponse for EffectsResource {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}
