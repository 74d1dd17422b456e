//! What follows when a code or a refresh token comes back long after it was used up: somebody has a copy of it, so the
//! whole grant ends (RFC 6749 section 4.1.2; OAuth 2.1 section 4.3.1), and the audit trail tells of it.

use gatewright_domain::{
    audit::{Actor, ActorKind, AuditEvent, FieldChange, Origin},
    grant::{Person, RevocationReason},
    id::{EventId, GrantId, ProjectId},
    sign_in_attempt::Step,
};
use gatewright_store::{Tx, audit, grant};
use serde::Serialize;

use super::token::{TokenError, announce_revocation};
use crate::{app::App, directory::GatewayEntry, sign_in_trace::Trace};

/// The grant whose code or token came back.
#[derive(Debug)]
pub(super) struct Reused<'a> {
    pub(super) project: ProjectId,
    pub(super) grant: GrantId,
    pub(super) person: Person,
    pub(super) client_name: &'a str,
    pub(super) reason: RevocationReason,
    /// The trace of the sign-in that led to it.
    pub(super) trace: &'a Trace,
}

/// Ends the grant, with its audit event in the same transaction. Nothing happens when it has ended already.
pub(super) async fn end_grant(
    app: &App,
    entry: &GatewayEntry,
    reused: &Reused<'_>,
    mut tx: Tx,
) -> Result<(), TokenError> {
    let now = app.now();
    let (project, id, reason) = (reused.project, reused.grant, reused.reason);
    if !grant::revoke(&mut tx, project, id, reason, now).await? {
        return Ok(());
    }
    let event = AuditEvent {
        id: EventId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        project_id: Some(project),
        at: now,
        actor: Actor {
            kind: ActorKind::System,
            address: None,
            origin: Origin::System,
        },
        action: "grant.revoked".to_owned(),
        object_type: "grant".to_owned(),
        object_id: id.to_string(),
        object_name: reused.client_name.to_owned(),
        changes: vec![
            told("reason", reason),
            told(holder_field(&reused.person), reused.person.to_string()),
            told("gateway_id", entry.gateway.id),
        ],
        occurrences: 1,
        last_at: now,
    };
    audit::insert(&mut tx, &event).await?;
    tx.commit().await?;
    tracing::warn!(
        grant = %id,
        gateway = %entry.gateway.id,
        ?reason,
        "a code or refresh token was used again; its grant was ended"
    );
    let (told, advice) = traced(reason);
    reused.trace.fail(Step::GrantEnded, told, advice);
    announce_revocation(app, id).await;
    Ok(())
}

/// What the trace says of it, and what the administrator can do.
fn traced(reason: RevocationReason) -> (&'static str, &'static str) {
    let told = if reason == RevocationReason::CodeReplayed {
        "the code came back long after it was used, so the grant was ended"
    } else {
        "a refresh token came back long after it was used, so the grant was ended"
    };
    let advice = "If the user did not restore the app from a copy, somebody may have copied its tokens: look at the machine it runs on. The user signs in again.";
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
