//! What follows when a code or a refresh token comes back long after it was used up: someone has a copy of it, so the
//! whole grant ends (RFC 6749 section 4.1.2; OAuth 2.1 section 4.3.1), and the audit trail shows it.

use gatewright_domain::{
    Timestamp,
    audit::{Actor, ActorKind, AuditEvent, FieldChange, Origin, chain::Stamp},
    grant::{AuthorizationCode, Grant, Person, RevocationReason},
    id::{GatewayId, GrantId, ProjectId},
    sign_in_attempt::Step,
};
use gatewright_store::{StoreError, Tx, audit, grant as grants};
use serde::Serialize;

use super::AuthorizationServer;
use super::token::announce_revocation;
use crate::sign_in_trace::Trace;

/// The grant whose code or token came back.
#[derive(Debug, Clone)]
pub(super) struct Reused {
    project: ProjectId,
    gateway: GatewayId,
    grant: GrantId,
    person: Person,
    client_name: String,
    reason: RevocationReason,
}

impl Reused {
    /// A code came back.
    pub(super) fn of_code(code: &AuthorizationCode) -> Self {
        Self {
            project: code.project_id,
            gateway: code.gateway_id,
            grant: code.grant_id,
            person: code.person,
            client_name: code.client_name.clone(),
            reason: RevocationReason::CodeReplayed,
        }
    }

    /// A refresh token came back.
    pub(super) fn of_token(grant: &Grant) -> Self {
        Self {
            project: grant.project_id,
            gateway: grant.gateway_id,
            grant: grant.id,
            person: grant.person,
            client_name: grant.client_name.clone(),
            reason: RevocationReason::RefreshReused,
        }
    }

    /// Ends the grant, and writes its audit event, in the caller's transaction; `false` when it has ended already.
    pub(super) async fn end_grant(
        &self,
        tx: &mut Tx,
        Stamp { id, proofs }: Stamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if !grants::revoke(tx, self.project, self.grant, self.reason, now).await? {
            return Ok(false);
        }
        let event = AuditEvent {
            id,
            project_id: Some(self.project),
            at: now,
            actor: Actor {
                kind: ActorKind::System,
                address: None,
                origin: Origin::System,
            },
            action: "grant.revoked".to_owned(),
            object_type: "grant".to_owned(),
            object_id: self.grant.to_string(),
            object_name: self.client_name.clone(),
            changes: vec![
                told("reason", self.reason),
                told(holder_field(&self.person), self.person.to_string()),
                told("gateway_id", self.gateway),
            ],
            occurrences: 1,
            last_at: now,
            proofs: Some(proofs),
            seal: None,
        };
        audit::insert(tx, &event).await?;
        Ok(true)
    }

    /// Tells of it once it is committed: the log, the trace of the sign-in that led to the grant, and the directory.
    pub(super) async fn announce(&self, app: &AuthorizationServer, trace: &Trace) {
        tracing::warn!(
            grant = %self.grant,
            gateway = %self.gateway,
            reason = ?self.reason,
            "a code or refresh token was used again; its grant was ended"
        );
        let (told, advice) = traced(self.reason);
        trace.fail(Step::GrantEnded, told, advice);
        announce_revocation(app, self.grant).await;
    }
}

/// What the trace says about it, and what the administrator can do.
fn traced(reason: RevocationReason) -> (&'static str, &'static str) {
    let told = if reason == RevocationReason::CodeReplayed {
        "the code came back long after it was used, so the grant was ended"
    } else {
        "a refresh token came back long after it was used, so the grant was ended"
    };
    let advice = "If the user did not restore the app from a copy, someone may have copied its tokens: look at the machine it runs on. The user signs in again.";
    (told, advice)
}

/// What the trail calls the one who held a grant.
const fn holder_field(person: &Person) -> &'static str {
    match person {
        Person::User { .. } => "user_id",
        Person::Member(_) => "account_id",
    }
}

fn told(field: &str, value: impl Serialize) -> FieldChange {
    FieldChange {
        field: field.to_owned(),
        before: None,
        after: Some(serde_json::to_value(value).expect("ids and reasons are plain texts")),
    }
}
