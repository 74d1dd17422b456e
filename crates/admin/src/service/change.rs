//! One administrative change: a transaction that holds the change, its audit event and the new revision.

use std::time::Duration;

use futures_util::future::BoxFuture;
use gatewright_domain::{
    Timestamp,
    audit::{AuditEvent, FieldChange},
    id::ProjectId,
};
use gatewright_store::{PageRequest, Tx};
use serde::Serialize;
use serde_json::Value;

use super::{
    Authority, ServiceError,
    audit_events::{self, Entry},
    authority::MayChange,
    effects::Run,
    error::Conflict,
    turns::{Payer, Turn},
};
use crate::{Admin, config::Config};

/// How long a change waits for those of the same project.
const PATIENCE: Duration = Duration::from_secs(10);

/// Rows read at once when a whole list is needed.
const BATCH: u32 = 200;

/// A change in progress. Dropped without [`Change::commit`], nothing happened.
pub(super) struct Change<'a> {
    app: &'a Admin,
    permit: MayChange<'a>,
    run: Run,
    /// Of a project one change is in progress at a time: they wait for each other all the same, and so for a connection too
    /// where many wait, which those need who sign in. Of a caller it is one as well, so that a program which sends many at
    /// once keeps neither the owner of its project nor other projects waiting.
    _turn: Turn<'a>,
    /// The transaction.
    pub(super) tx: Tx,
    /// The moment of the change.
    pub(super) now: Timestamp,
    /// Whether something was done that has to be committed.
    has_recorded: bool,
    /// What was done, in order.
    journal: Vec<Recorded>,
    /// What stood in the way, and under which subject it is counted.
    refusal: Option<(AuditEvent, String)>,
}

/// One thing that a change did, as its event shows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recorded {
    /// What was done, like `updated`.
    pub(super) verb: String,
    /// The kind of the object, like `user_source`.
    pub(super) kind: &'static str,
    /// Its ID.
    pub(super) id: String,
    /// What people call it.
    pub(super) name: String,
    /// The fields.
    pub(super) changes: Vec<FieldChange>,
}

/// The thing a change is about, as the audit trail names it.
pub(crate) struct Object<'a> {
    /// Its kind, like `user_source`.
    pub(crate) kind: &'static str,
    /// Its id.
    pub(crate) id: String,
    /// What people call it.
    pub(crate) name: &'a str,
}

impl<'a> Change<'a> {
    /// Begins the change that a permit allows. Its project must exist.
    pub(super) async fn begin(app: &'a Admin, permit: MayChange<'a>) -> Result<Self, ServiceError> {
        Self::begin_as(Run::Change, app, permit).await
    }

    /// The same for a change that may only be tried out: in a rehearsal nothing is written, whatever is called.
    ///
    /// This future and the last ones of a change are boxed: every handler that changes something contains them, and the compiler
    /// would look through all their parts for each of these handlers, to prove that they can move between threads.
    pub(super) fn begin_as(
        run: Run,
        app: &'a Admin,
        permit: MayChange<'a>,
    ) -> BoxFuture<'a, Result<Self, ServiceError>> {
        Box::pin(async move {
            let (authority, project) = (permit.authority(), permit.project());
            app.pace.count(authority)?;
            let caller = Payer::of_caller(authority.actor().kind);
            let payers: Vec<Payer> = caller.into_iter().chain(project.map(Payer::Project)).collect();
            let turn = tokio::time::timeout(PATIENCE, app.changes.take(&payers)).await;
            let turn = turn.ok().flatten().ok_or(ServiceError::TooManyChanges {
                after: Duration::from_secs(1),
            })?;
            let mut tx = app.store.write(permit).await?;
            // The revision comes first: its row is locked until the commit, so that changes happen one at a time on every
            // replica, and what a check has seen in here is still so when the change is written.
            gatewright_store::revision::bump(&mut tx).await?;
            if let Some(id) = project
                && gatewright_store::project::find(&mut tx, id).await?.is_none()
            {
                return Err(ServiceError::not_found("project"));
            }
            let now = app.now();
            if let Some(once) = authority.once() {
                once.claim(&mut tx, now).await?;
            }
            Ok(Self {
                app,
                permit,
                run,
                _turn: turn,
                tx,
                now,
                has_recorded: false,
                journal: Vec::new(),
                refusal: None,
            })
        })
    }

    /// Goes on inside a project that this change has created, so that both happen or neither.
    pub(super) const fn enter(&mut self, permit: MayChange<'a>) {
        self.permit = permit;
    }

    /// What was done so far, in order.
    pub(super) fn take_journal(&mut self) -> Vec<Recorded> {
        std::mem::take(&mut self.journal)
    }

    /// Has what was written committed, although no event shows it.
    pub(super) const fn note(&mut self) {
        self.has_recorded = true;
    }

    /// Where it is made.
    pub(super) const fn app(&self) -> &'a Admin {
        self.app
    }

    /// Who makes it.
    pub(super) const fn authority(&self) -> &'a Authority {
        self.permit.authority()
    }

    /// Whether it is made or only tried out.
    pub(super) const fn run(&self) -> Run {
        self.run
    }

    /// The configuration of the instance.
    pub(super) fn config(&self) -> &'a Config {
        &self.app.config
    }

    /// A time for `updated_at` that is later than the one before, however fast changes follow each other.
    pub(super) fn later_than(&self, before: Timestamp) -> Timestamp {
        self.now.max(before.plus(Duration::from_millis(1)))
    }

    /// Notes in the audit trail what is done.
    pub(super) async fn record(
        &mut self,
        verb: &str,
        object: Object<'_>,
        changes: Vec<FieldChange>,
    ) -> Result<(), ServiceError> {
        self.record_in(self.permit.project(), verb, object, changes).await
    }

    /// The same in the trail of another project, or (`None`) of the instance.
    pub(super) async fn record_in(
        &mut self,
        project: Option<ProjectId>,
        verb: &str,
        object: Object<'_>,
        changes: Vec<FieldChange>,
    ) -> Result<(), ServiceError> {
        let recorded = Recorded {
            verb: verb.to_owned(),
            kind: object.kind,
            id: object.id.clone(),
            name: object.name.to_owned(),
            changes: changes.clone(),
        };
        let entry = Entry {
            project,
            ..self.entry(verb, object, changes)
        };
        let event = AuditEvent {
            at: self.now,
            last_at: self.now,
            ..entry.event(self.app)
        };
        gatewright_store::audit::insert(&mut self.tx, &event).await?;
        self.has_recorded = true;
        self.journal.push(recorded);
        Ok(())
    }

    /// Says that something prevents the change, and that the audit trail must show it when the change is undone: in a
    /// separate transaction, because this one never happened, and once per object, actor and five minutes, because
    /// people who are refused try again.
    pub(super) fn refused(&mut self, verb: &str, object: Object<'_>, conflict: Conflict) -> ServiceError {
        if self.run == Run::Change {
            let subject = format!("{} {}", object.id, self.permit.authority().actor().kind);
            let event = self.entry(verb, object, in_the_way(&conflict)).event(self.app);
            self.refusal = Some((event, subject));
        }
        conflict.into()
    }

    /// Ends the change: it is committed if all went well and something was done, and otherwise it never happened.
    pub(super) async fn finish<T>(self, outcome: Result<T, ServiceError>) -> Result<T, ServiceError> {
        match outcome {
            Ok(done) if self.has_recorded => self.commit().await.map(|()| done),
            Ok(unchanged) => Ok(unchanged),
            Err(error) => {
                self.give_up().await;
                Err(error)
            }
        }
    }

    /// Undoes the change, and records in the audit trail what prevented it.
    fn give_up(self) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // The one writer of SQLite is still held by the change.
            drop(self.tx);
            if let Some((event, subject)) = self.refusal {
                audit_events::tally(self.app, &event, &subject).await;
            }
        })
    }

    fn entry<'b>(&self, verb: &'b str, object: Object<'b>, changes: Vec<FieldChange>) -> Entry<'b> {
        Entry {
            project: self.permit.project(),
            actor: self.permit.authority().actor().clone(),
            verb,
            object,
            changes,
        }
    }

    /// Makes it happen and lets requests see it. What happens once waits for its answer.
    #[must_use = "nothing is committed before the future is awaited"]
    pub(super) fn commit(self) -> BoxFuture<'a, Result<(), ServiceError>> {
        Box::pin(async move {
            if self.run == Run::Rehearsal {
                return Ok(());
            }
            if let Some(once) = self.permit.authority().once() {
                once.hold(self.tx);
                return Ok(());
            }
            self.tx.commit().await?;
            let refreshed = self.app.refresh_directory().await;
            refreshed.map_err(ServiceError::NotConfirmed)
        })
    }
}

/// The fields of an object as the audit trail shows them. They never include secrets.
pub(super) type Fields = Vec<(String, Value)>;

/// One field of an object.
pub(super) fn field(name: &str, value: impl Serialize) -> (String, Value) {
    let value = serde_json::to_value(value).expect("fields of the audit trail are plain data");
    (name.to_owned(), value)
}

/// The changes of a creation. Empty fields are left out.
pub(super) fn created(after: Fields) -> Vec<FieldChange> {
    let is_filled = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
    };
    let change = |(field, value)| FieldChange {
        field,
        before: None,
        after: Some(value),
    };
    after
        .into_iter()
        .filter(|(_, value)| is_filled(value))
        .map(change)
        .collect()
}

/// The changes of an update: what differs. Fields may come and go, such as single headers.
pub(super) fn updated(before: &Fields, after: Fields) -> Vec<FieldChange> {
    let gone = before
        .iter()
        .filter(|(name, _)| !after.iter().any(|(other, _)| other == name))
        .map(|(name, value)| FieldChange {
            field: name.clone(),
            before: Some(value.clone()),
            after: None,
        })
        .collect::<Vec<_>>();
    let mut changes = Vec::new();
    for (name, value) in after {
        let old = before
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value);
        if old != Some(&value) {
            changes.push(FieldChange {
                field: name,
                before: old.cloned(),
                after: Some(value),
            });
        }
    }
    changes.extend(gone);
    changes
}

/// What stood in the way of a change, by id.
fn in_the_way(conflict: &Conflict) -> Vec<FieldChange> {
    fn ids<T: ToString>(items: &[(T, String)]) -> Vec<String> {
        items.iter().map(|(id, _)| id.to_string()).collect()
    }
    created(vec![
        field("active_gateways", ids(&conflict.active_gateways)),
        field("gateways", ids(&conflict.gateways)),
        field("servers", ids(&conflict.servers)),
    ])
}

/// That a secret changed, and nothing about it.
pub(super) fn secret_changed(field: &str) -> FieldChange {
    FieldChange {
        field: field.to_owned(),
        before: None,
        after: None,
    }
}

/// Where reading a whole list begins.
pub(super) const FIRST_PAGE: PageRequest = PageRequest {
    after: None,
    limit: BATCH,
};

/// Reads a whole list, page after page: `every!(page => list(&mut tx, &page))`. A macro, because the compiler cannot yet
/// see that the future of an async closure which borrows its arguments may move between threads.
macro_rules! every {
    ($page:ident => $read:expr) => {{
        let mut items = Vec::new();
        let mut $page = $crate::service::change::FIRST_PAGE;
        loop {
            let read = $read.await?;
            items.extend(read.items);
            match read.next {
                Some(next) => $page.after = Some(next),
                None => break items,
            }
        }
    }};
}
pub(super) use every;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_shows_what_differs_and_nothing_else() {
        let before = vec![
            field("name", "a"),
            field("status", "active"),
            field("headers.X-Old", "v"),
        ];
        let after = vec![
            field("name", "b"),
            field("status", "active"),
            field("headers.X-New", "w"),
        ];
        let changes = updated(&before, after);
        let named: Vec<_> = changes.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(named, ["name", "headers.X-New", "headers.X-Old"]);
        assert_eq!(changes[0].before, Some("a".into()));
        assert_eq!(changes[0].after, Some("b".into()));
    }

    #[test]
    fn a_creation_leaves_out_what_is_empty() {
        let changes = created(vec![
            field("name", "a"),
            field("description", ""),
            field("servers", [0_u8; 0]),
        ]);
        assert_eq!(changes.len(), 1);
    }
}
