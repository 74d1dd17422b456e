//! Transactions on either engine, and how statements run in them.

pub(crate) mod chain;
pub mod revision;
mod rows;
mod whole;

use gatewright_domain::id::ProjectId;
use rusqlite::Connection;
use sqlx::{AssertSqlSafe, Postgres, SqlSafeStr, SqlStr, Transaction, postgres::PgArguments, query::Query};

use crate::{
    StoreError,
    error::EngineError,
    link::Link,
    row::Row,
    sqlite::{self, SessionHandle},
    value::{Value, values},
};

pub use whole::Steps;

/// A transaction. If it is dropped without `commit`, it is rolled back.
#[derive(Debug)]
pub struct Tx {
    inner: Inner,
    revision: Revision,
    /// Whether it wrote revocations that have no number yet.
    revokes: bool,
    /// Audit events that are not written yet: `commit` adds them to their chains.
    events: Vec<chain::Stored>,
    /// The only project that its statements can name.
    only: Option<ProjectId>,
}

/// The state of the revision in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Revision {
    /// It wrote nothing that requests must see.
    Stays,
    /// It did, so `commit` has to increase the revision.
    GrowsAtCommit,
    /// It was already increased.
    HasGrown,
}

#[derive(Debug)]
enum Inner {
    /// On SQLite, statement by statement: its connection is on its own thread.
    Session(SessionHandle),
    /// On SQLite, on the connection's thread: each statement is done when it returns.
    Whole(Connection),
    /// On PostgreSQL, through the link of its store.
    Postgres(Transaction<'static, Postgres>, Link),
}

/// Which rows a statement locks until the end of the transaction. SQLite has one writer and needs no locks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lock {
    /// No other transaction can lock or change them.
    Update,
    /// No other transaction can change them.
    Share,
    /// Like `Update`, for the tables named in a join.
    UpdateOf(&'static str),
    /// Like `Share` for the first tables of a join, and like `Update` for the second.
    ShareAndUpdateOf(&'static str, &'static str),
}

impl Lock {
    fn append_to(self, sql: &str) -> String {
        match self {
            Self::Update => format!("{sql} FOR UPDATE"),
            Self::Share => format!("{sql} FOR SHARE"),
            Self::UpdateOf(tables) => format!("{sql} FOR UPDATE OF {tables}"),
            Self::ShareAndUpdateOf(shared, updated) => {
                format!("{sql} FOR SHARE OF {shared} FOR UPDATE OF {updated}")
            }
        }
    }
}

impl Tx {
    fn new(inner: Inner) -> Self {
        Self {
            inner,
            revision: Revision::Stays,
            revokes: false,
            events: Vec::new(),
            only: None,
        }
    }

    /// Confines the transaction to one project: a statement that names another fails with [`StoreError::OtherProject`] and
    /// does not reach the database.
    #[must_use]
    pub fn confined_to(self, project: ProjectId) -> Self {
        Self {
            only: Some(project),
            ..self
        }
    }

    /// Fails if a statement names a project that the transaction is not for.
    fn check_project(&self, values: &[Value]) -> Result<(), StoreError> {
        let names_another = |only| {
            values
                .iter()
                .any(|value| matches!(value, Value::Project(named) if *named != only))
        };
        if self.only.is_some_and(names_another) {
            return Err(StoreError::OtherProject);
        }
        Ok(())
    }

    pub(crate) fn on_postgres(tx: Transaction<'static, Postgres>, link: Link) -> Self {
        Self::new(Inner::Postgres(tx, link))
    }

    pub(crate) fn of_session(session: SessionHandle) -> Self {
        Self::new(Inner::Session(session))
    }

    /// Commits the transaction.
    #[must_use = "nothing is committed before the future is awaited"]
    pub fn commit(mut self) -> Steps<'static, (), StoreError> {
        Box::pin(async move {
            self.finish().await?;
            match self.inner {
                Inner::Session(session) => session.commit().await,
                // The thread that runs it commits it, with others.
                Inner::Whole(_) => Ok(()),
                Inner::Postgres(tx, link) => link.bounded(tx.commit()).await,
            }
        })
    }

    /// The last statements of a transaction that wrote something that requests must see.
    async fn finish(&mut self) -> Result<(), StoreError> {
        if self.revision == Revision::GrowsAtCommit {
            revision::bump_last(self).await?;
        }
        if self.revokes {
            revision::number_revocations(self).await?;
        }
        if !self.events.is_empty() {
            let events = std::mem::take(&mut self.events);
            chain::append(self, events).await?;
        }
        Ok(())
    }

    /// Records that requests must see what was written: `commit` increases the revision, once.
    pub(crate) fn note_change(&mut self) {
        if self.revision == Revision::Stays {
            self.revision = Revision::GrowsAtCommit;
        }
    }

    /// Records that revocations were written: `commit` numbers them.
    pub(crate) fn note_revocation(&mut self) {
        self.revokes = true;
    }

    /// Records an audit event: `commit` writes it, at the end of its chain.
    pub(crate) fn note_event(&mut self, event: chain::Stored) {
        self.events.push(event);
    }

    /// Records that the revision was just increased in this transaction.
    fn revision_has_grown(&mut self) {
        self.revision = Revision::HasGrown;
    }

    /// Runs a statement; returns how many rows it changed.
    ///
    /// Boxed, like every future that goes to an engine: the compiler proves for each request handler that its whole future can
    /// move between threads, and without a box it would look through the engines' futures each time. One allocation per
    /// statement is little next to the statement.
    pub(crate) fn execute<'t>(
        &'t mut self,
        sql: impl SqlSafeStr,
        values: &'t [Value],
    ) -> Steps<'t, u64, StoreError> {
        let sql = sql.into_sql_str();
        Box::pin(async move {
            self.check_project(values)?;
            Ok(match &mut self.inner {
                Inner::Session(session) => session.execute(sql, values).await?,
                Inner::Whole(connection) => sqlite::execute(connection, sql.as_str(), values)?,
                Inner::Postgres(tx, link) => {
                    let query = bound(sql, values).execute(&mut **tx);
                    link.bounded(query).await?.rows_affected()
                }
            })
        })
    }

    /// Runs a statement that returns rows.
    pub(crate) fn fetch_all<'t>(
        &'t mut self,
        sql: impl SqlSafeStr,
        values: &'t [Value],
    ) -> Steps<'t, Vec<Row>, StoreError> {
        let sql = sql.into_sql_str();
        Box::pin(async move {
            self.check_project(values)?;
            Ok(match &mut self.inner {
                Inner::Session(session) => session.fetch_all(sql, values).await?,
                Inner::Whole(connection) => {
                    let rows = sqlite::fetch_all(connection, sql.as_str(), values)?;
                    rows.into_iter().map(Row::Sqlite).collect()
                }
                Inner::Postgres(tx, link) => {
                    let rows = link.bounded(bound(sql, values).fetch_all(&mut **tx)).await?;
                    rows.into_iter().map(Row::Postgres).collect()
                }
            })
        })
    }

    /// Runs a statement that returns a row or none. All rows are read, so that a guarded update always completes.
    pub(crate) async fn fetch_optional(
        &mut self,
        sql: impl SqlSafeStr + Send,
        values: &[Value],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch_all(sql, values).await?.into_iter().next())
    }

    /// Runs a statement that always returns a row.
    pub(crate) async fn fetch_one(
        &mut self,
        sql: impl SqlSafeStr + Send,
        values: &[Value],
    ) -> Result<Row, StoreError> {
        let row = self.fetch_optional(sql, values).await?;
        row.ok_or(StoreError::Database(EngineError::NoRow))
    }

    /// Reads rows and locks them until the end of the transaction.
    pub(crate) async fn lock_all(
        &mut self,
        sql: &'static str,
        lock: Lock,
        values: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        let sql: SqlStr = match self.inner {
            Inner::Session(_) | Inner::Whole(_) => sql.into_sql_str(),
            Inner::Postgres(..) => AssertSqlSafe(lock.append_to(sql)).into_sql_str(),
        };
        self.fetch_all(sql, values).await
    }

    /// Reads a row, if it exists, and locks it until the end of the transaction.
    pub(crate) async fn lock_optional(
        &mut self,
        sql: &'static str,
        lock: Lock,
        values: &[Value],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.lock_all(sql, lock, values).await?.into_iter().next())
    }

    /// Locks rows until the end of the transaction without reading them: SQLite, whose one writer locks everything, is not
    /// asked for them.
    pub(crate) async fn hold_all(
        &mut self,
        sql: &'static str,
        lock: Lock,
        values: &[Value],
    ) -> Result<(), StoreError> {
        if matches!(self.inner, Inner::Postgres(..)) {
            self.lock_all(sql, lock, values).await?;
        }
        Ok(())
    }

    /// The number of rows to insert with one statement. On PostgreSQL a statement is a round trip; SQLite has none, and takes the
    /// longer to find its values the more of them there are.
    pub(crate) const fn rows_at_once(&self) -> usize {
        match self.inner {
            Inner::Session(_) | Inner::Whole(_) => 1,
            Inner::Postgres(..) => 100,
        }
    }

    /// Notifies other replicas at commit; SQLite has none.
    pub(crate) async fn notify(&mut self, channel: &str, payload: &str) -> Result<(), StoreError> {
        if matches!(self.inner, Inner::Postgres(..)) {
            self.execute("SELECT pg_notify($1, $2)", values![channel, payload])
                .await?;
        }
        Ok(())
    }
}

/// A query with its values.
fn bound(sql: SqlStr, values: &[Value]) -> Query<'static, Postgres, PgArguments> {
    values
        .iter()
        .fold(sqlx::query(sql), |query, value| match value.clone() {
            Value::Text(text) => query.bind(text),
            Value::Int(number) => query.bind(number),
            Value::Project(id) => query.bind(id.to_string()),
        })
}
