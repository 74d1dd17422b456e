//! Events about a trail itself: what was deleted, erased or added later. They are part of the chain, so a check compares what
//! was done with what they say.

use gatewright_domain::{
    Clock, Entropy,
    audit::{Actor, ActorKind, AuditEvent, FieldChange, Origin, chain::Stamp},
    id::ProjectId,
};
use serde::Serialize;

use crate::{
    Tx,
    tx::chain::{Head, Stored},
};

/// The kind of object that these events are about.
pub(super) const KIND: &str = "audit_trail";
/// The oldest events were deleted because of their age.
pub(super) const PRUNED: &str = "audit_trail.pruned";
/// Personal values were erased.
pub(super) const ERASED: &str = "audit_trail.erased";
/// Events that an older version wrote were added to the chain.
pub(super) const ADOPTED: &str = "audit_trail.adopted";

/// The program itself.
pub(super) const PROGRAM: Actor = Actor {
    kind: ActorKind::System,
    address: None,
    origin: Origin::System,
};

/// Adds such an event to the chain, in the transaction of what it is about.
pub(super) fn tell(
    tx: &mut Tx,
    head: &Head,
    actor: Actor,
    action: &str,
    changes: Vec<FieldChange>,
    (clock, entropy): (&dyn Clock, &dyn Entropy),
) {
    let Stamp { id, proofs } = Stamp::generate(clock, entropy);
    let now = clock.now();
    let project_id: Option<ProjectId> = head.chain.parse().ok();
    let event = AuditEvent {
        id,
        project_id,
        at: now,
        actor,
        action: action.to_owned(),
        object_type: KIND.to_owned(),
        object_id: match project_id {
            Some(id) => id.to_string(),
            None => "instance".to_owned(),
        },
        object_name: "Audit log".to_owned(),
        changes,
        occurrences: 1,
        last_at: now,
        proofs: Some(proofs),
        seal: None,
    };
    // The chain of a project that cannot be read keeps its events to itself.
    tx.note_event(Stored {
        chain: head.chain.clone(),
        ..super::stored(&event)
    });
}

/// A field of such an event.
pub(super) fn field(name: &str, value: impl Serialize) -> FieldChange {
    FieldChange {
        field: name.to_owned(),
        before: None,
        after: Some(serde_json::to_value(value).expect("numbers, texts and lists of them")),
    }
}

/// The value of a field in the stored changes of such an event.
pub(super) fn value_of(changes: &[FieldChange], name: &str) -> Option<serde_json::Value> {
    let found = changes.iter().find(|change| change.field == name)?;
    found.after.clone()
}
