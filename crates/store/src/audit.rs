//! Audit events. Each is in the chain of its project, or of the instance: the transaction adds it as its last statement,
//! and the modules here seal what was counted, check chains, delete their oldest events, and erase values.

mod checking;
mod erasing;
mod following;
mod heads;
mod pruning;
mod sealing;
mod trail;

use std::{fmt::Write as _, time::Duration};

use gatewright_domain::{
    Timestamp,
    audit::{
        Actor, ActorKind, AuditEvent, Origin, TALLY_WINDOW,
        chain::{Proof, Proofs, Seal},
    },
    id::{EventId, ProjectId},
    token_hash::TokenHash,
};
use sqlx::AssertSqlSafe;

use crate::{
    Page, PageRequest, StoreError, Tx,
    row::{Row, to_json, to_word},
    tx::chain::{Stored, insert_stored, stored_columns},
    value::{Value, values},
};

pub use checking::{Anchored, Fault, Known, Report, check};
pub use erasing::{Erased, Selector, erase};
pub use following::{Followed, follow};
pub use heads::{Check, Head, add_missing, chains, claim_check, find_head, heads, note_check, times};
pub use pruning::prune;
pub use sealing::{adopt, seal_due};

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", stored_columns!(), " FROM audit_events ", $rest)
    };
}
/// Adds an event, in the transaction of its change. The commit writes it, because the head of its chain is locked from then on.
#[expect(
    clippy::unused_async,
    reason = "to its callers it is a statement like every other"
)]
pub async fn insert(tx: &mut Tx, event: &AuditEvent) -> Result<(), StoreError> {
    tx.note_event(stored(event));
    Ok(())
}

/// Adds an event that may repeat endlessly, such as a failed sign-in or a refused change. Within one [`TALLY_WINDOW`]
/// (windows begin at multiples of it), events of one project and action with the same `subject`, such as an address prefix or
/// an object and its caller, are one row with a count; returns that count. Concurrent events are all counted. The row is not in
/// its chain before its window has ended ([`seal_due`]); what comes later is a separate row.
pub async fn tally(tx: &mut Tx, event: &AuditEvent, subject: &str) -> Result<u32, StoreError> {
    let sql = insert_stored!(
        " ON CONFLICT (tally_key) WHERE tally_key IS NOT NULL DO UPDATE \
         SET occurrences = audit_events.occurrences + 1, last_at = excluded.at RETURNING occurrences"
    );
    let row = Stored {
        tally_key: Some(tally_key(event, subject)),
        ..stored(event)
    };
    let row = tx.fetch_one(sql, &row.columns()).await?;
    row.small("occurrences")
}

/// A hash, because an index entry is bounded and a subject is not.
fn tally_key(event: &AuditEvent, subject: &str) -> String {
    let window = event.at.as_seconds() / TALLY_WINDOW.as_secs().cast_signed();
    let parts = (chain_of(event.project_id), &event.action, window, subject);
    TokenHash::of(&to_json(&parts)).to_text()
}

/// The row of an event that is not in a chain yet.
fn stored(event: &AuditEvent) -> Stored {
    let (actor, actor_id) = match event.actor.kind {
        ActorKind::ApiKey(id) => ("api_key", Some(id.to_string())),
        ActorKind::Account(id) => ("account", Some(id.to_string())),
        ActorKind::User(id) => ("user", Some(id.to_string())),
        ActorKind::Anonymous => ("anonymous", None),
        ActorKind::Operator => ("operator", None),
        ActorKind::System => ("system", None),
    };
    let proof = |of: fn(&Proofs) -> &Proof| event.proofs.as_ref().map(|proofs| of(proofs).to_string());
    Stored {
        id: event.id.to_string(),
        chain: chain_of(event.project_id),
        at: event.at.as_millis(),
        actor: actor.to_owned(),
        actor_id,
        address: event.actor.address.clone(),
        origin: to_word(&event.actor.origin),
        action: event.action.clone(),
        object_type: event.object_type.clone(),
        object_id: event.object_id.clone(),
        object_name: event.object_name.clone(),
        changes: to_json(&event.changes),
        occurrences: 1,
        last_at: None,
        tally_key: None,
        address_proof: proof(|proofs| &proofs.address),
        object_name_proof: proof(|proofs| &proofs.object_name),
        changes_proof: proof(|proofs| &proofs.changes),
        seq: None,
        previous: None,
        digest: None,
    }
}

/// Finds an event by project (`None`: the instance) and ID.
pub async fn find(
    tx: &mut Tx,
    project: Option<ProjectId>,
    id: EventId,
) -> Result<Option<AuditEvent>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id = $2");
    let row = tx.fetch_optional(sql, values![chain_of(project), id]).await?;
    row.as_ref().map(read).transpose()
}

/// IDs may be this much later than the time of their event, because its transaction was running.
const ID_LEEWAY: Duration = Duration::from_mins(1);

/// Filters of a list of events.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only this actor: an ID, or the kind of an actor without one, like `operator`.
    pub actor: Option<String>,
    /// Only this way in.
    pub origin: Option<Origin>,
    /// Only from this address.
    pub address: Option<String>,
    /// Only at this time or later.
    pub from: Option<Timestamp>,
    /// Only before this time.
    pub to: Option<Timestamp>,
    /// Only this action.
    pub action: Option<String>,
    /// Only this kind of object.
    pub object_type: Option<String>,
    /// Only this object.
    pub object_id: Option<String>,
}

impl AuditFilter {
    /// The names of the filters that are set.
    pub fn names(&self) -> Vec<String> {
        let set = [
            ("actor", self.actor.is_some()),
            ("origin", self.origin.is_some()),
            ("address", self.address.is_some()),
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
            ("action", self.action.is_some()),
            ("object_type", self.object_type.is_some()),
            ("object_id", self.object_id.is_some()),
        ];
        set.into_iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(name, _)| name.to_owned())
            .collect()
    }
}

/// Events, newest first.
pub async fn list(
    tx: &mut Tx,
    project: Option<ProjectId>,
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Page<AuditEvent>, StoreError> {
    // The time decides, and the ID leads there. One upper bound and not two, because SQLite starts at the first it sees.
    let last = filter.to.map(|to| first_id(to.plus(ID_LEEWAY)));
    let below = last
        .as_deref()
        .map_or(page.below(), |last| last.min(page.below()));
    // Only the active filters are in the query, so that each finds its index. Writing to a String never fails.
    let mut sql = select!("WHERE project_id = $1 AND id < $2").to_owned();
    let mut values: Vec<Value> = values![chain_of(project), below].to_vec();
    let mut only = |condition: &str, value: Value| {
        values.push(value);
        let _ = write!(sql, " AND {condition} ${}", values.len());
    };
    let texts = [
        ("COALESCE(actor_id, actor) =", &filter.actor),
        ("address =", &filter.address),
        ("action =", &filter.action),
        ("object_type =", &filter.object_type),
        ("object_id =", &filter.object_id),
    ];
    for (condition, wanted) in texts {
        // PostgreSQL stores no NUL, so a text with one has no matches, and PostgreSQL would refuse to search for it.
        if wanted.as_ref().is_some_and(|wanted| wanted.contains('\0')) {
            return page.page(Vec::new(), read);
        }
        if wanted.is_some() {
            only(condition, wanted.into());
        }
    }
    if let Some(origin) = &filter.origin {
        only("origin =", to_word(origin).into());
    }
    if let Some(from) = filter.from {
        only("at >=", from.into());
        only("id >=", first_id(from.minus(ID_LEEWAY)).into());
    }
    if let Some(to) = filter.to {
        only("at <", to.into());
    }
    values.push(page.rows().into());
    let _ = write!(sql, " ORDER BY id DESC LIMIT ${}", values.len());
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    page.page(rows, read)
}

/// A bound below every ID of this moment or later (RFC 9562 section 5.7: the first 48 bits are the time).
fn first_id(at: Timestamp) -> String {
    const LAST: i64 = (1 << 48) - 1;
    format!("{}{:012x}", EventId::PREFIX, at.as_millis().clamp(0, LAST))
}

/// The name of a chain: the ID of the project, and nothing for the instance.
fn chain_of(project: Option<ProjectId>) -> String {
    project.map(|id| id.to_string()).unwrap_or_default()
}

fn read(row: &Row) -> Result<AuditEvent, StoreError> {
    let kind = match row.text("actor")?.as_str() {
        "api_key" => ActorKind::ApiKey(row.id("actor_id")?),
        "account" => ActorKind::Account(row.id("actor_id")?),
        "user" => ActorKind::User(row.id("actor_id")?),
        "anonymous" => ActorKind::Anonymous,
        "operator" => ActorKind::Operator,
        "system" => ActorKind::System,
        _ => return Err(StoreError::Corrupt { what: "actor" }),
    };
    let project = row.text("project_id")?;
    let project_id = match project.as_str() {
        "" => None,
        _ => Some(row.id("project_id")?),
    };
    let at: Timestamp = row.time("at")?;
    Ok(AuditEvent {
        id: row.id("id")?,
        project_id,
        at,
        actor: Actor {
            kind,
            address: row.opt_text("address")?,
            origin: row.word("origin")?,
        },
        action: row.text("action")?,
        object_type: row.text("object_type")?,
        object_id: row.text("object_id")?,
        object_name: row.text("object_name")?,
        changes: row.json("changes")?,
        occurrences: row.small("occurrences")?,
        last_at: row.opt_time("last_at")?.unwrap_or(at),
        proofs: proofs(row)?,
        seal: seal(row)?,
    })
}

/// What people call a chain.
pub fn named(chain: &str) -> &str {
    if chain.is_empty() { "instance" } else { chain }
}

fn proofs(row: &Row) -> Result<Option<Proofs>, StoreError> {
    let proof = |column| -> Result<Option<Proof>, StoreError> {
        Ok(row.opt_text(column)?.as_deref().and_then(Proof::from_text))
    };
    let read = (
        proof("address_proof")?,
        proof("object_name_proof")?,
        proof("changes_proof")?,
    );
    Ok(match read {
        (Some(address), Some(object_name), Some(changes)) => Some(Proofs {
            address,
            object_name,
            changes,
        }),
        _ => None,
    })
}

fn seal(row: &Row) -> Result<Option<Seal>, StoreError> {
    let Some(seq) = row.opt_int("seq")? else {
        return Ok(None);
    };
    Ok(Some(Seal {
        seq,
        previous: row.text("previous")?,
        digest: row.text("digest")?,
    }))
}
