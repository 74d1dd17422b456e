//! `/projects/{project}/audit-chain`, and `/audit-chain` of the instance.

use std::sync::Arc;

use axum::{Json, extract::State};
use gatewright_domain::{Timestamp, id::ProjectId};
use gatewright_store::audit::{Check, Head};
use serde::Serialize;
use utoipa::ToSchema;

use super::{authenticate::Caller, input::Ids, problem::Problem};
use crate::{
    Admin,
    service::{Authority, audit_events as service},
};

/// The chain of audit events of a project or of the instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditChain)]
pub(super) struct AuditChainResource {
    /// The number of the latest event; 0 before the first.
    seq: i64,
    /// The digest of that event. If you keep it elsewhere, you can prove later that no event up to this one was removed.
    digest: Option<String>,
    /// The number of the latest event that was deleted because of its age; 0 if none was.
    deleted_up_to: i64,
    /// The latest check. Null until the first one, which is within a day.
    check: Option<CheckResource>,
}

/// What a check of the chain found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditCheck)]
pub(super) struct CheckResource {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The number of the latest event at that time.
    seq: i64,
    /// How many signs it found that events were changed outside Gatewright. `gatewright audit verify` shows them.
    faults: u64,
}

fn resource(head: Option<Head>) -> AuditChainResource {
    let check = |check: Check| CheckResource {
        at: check.at,
        seq: check.seq,
        faults: check.faults,
    };
    match head {
        Some(head) => AuditChainResource {
            seq: head.seq,
            digest: Some(head.digest),
            deleted_up_to: head.base_seq,
            check: head.check.map(check),
        },
        None => AuditChainResource {
            seq: 0,
            digest: None,
            deleted_up_to: 0,
            check: None,
        },
    }
}

/// Read the state of the chain of audit events of a project
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/audit-chain",
    tag = "Audit events",
    responses((status = 200, body = AuditChainResource))
)]
pub(super) async fn get_audit_chain(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
) -> Result<Json<AuditChainResource>, Problem> {
    read(&app, &authority, Some(project)).await
}

/// Read the state of the chain of audit events of the instance
#[utoipa::path(
    get,
    path = "/api/v1/audit-chain",
    tag = "Instance",
    responses((status = 200, body = AuditChainResource))
)]
pub(super) async fn get_instance_audit_chain(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
) -> Result<Json<AuditChainResource>, Problem> {
    read(&app, &authority, None).await
}

async fn read(
    app: &Admin,
    authority: &Authority,
    project: Option<ProjectId>,
) -> Result<Json<AuditChainResource>, Problem> {
    let head = service::chain(app, authority, project).await?;
    Ok(Json(resource(head)))
}
