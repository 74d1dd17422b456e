//! Names: what rows say in words, stored once and known by a number. Each is of one project.

use std::collections::HashMap;

use gatewright_domain::{
    activity::{Activity, Outcome, RequestKind, Rule},
    id::{GatewayId, ProjectId, ServerId},
};
use sqlx::AssertSqlSafe;

use crate::{
    StoreError, Tx,
    value::{Value, places, values},
};

/// Names looked up in one statement. The number of its placeholders is one of these, so that few statements are kept prepared.
const CHUNKS: [usize; 3] = [1, 8, 64];

/// What a name is about: a column of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Column {
    Project,
    Gateway,
    Person,
    Client,
    Server,
    Kind,
    Item,
    Outcome,
    Rule,
}

impl Column {
    /// In the order in which rows are written.
    pub(super) const ALL: [Self; 9] = [
        Self::Project,
        Self::Gateway,
        Self::Person,
        Self::Client,
        Self::Server,
        Self::Kind,
        Self::Item,
        Self::Outcome,
        Self::Rule,
    ];

    /// Its name in the table, and the kind of a name.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Gateway => "gateway",
            Self::Person => "person",
            Self::Client => "client",
            Self::Server => "server",
            Self::Kind => "kind",
            Self::Item => "item",
            Self::Outcome => "outcome",
            Self::Rule => "rule",
        }
    }
}

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Said<'a> {
    Project,
    About(Subject<'a>),
    Kind(RequestKind),
    Outcome(Outcome),
    Rule(Rule),
    /// What it is about together with an outcome other than OK. Both alone may be in every block of a busy project, and together in
    /// few of them: the failures of one tool are what people look for.
    Ended(Outcome, Subject<'a>),
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Subject<'a> {
    Gateway(GatewayId),
    Person(&'a str),
    Client(&'a str),
    Server(ServerId),
    Item(&'a str),
}

impl<'a> Subject<'a> {
    /// Its column.
    pub(super) const fn column(self) -> Column {
        match self {
            Self::Gateway(_) => Column::Gateway,
            Self::Person(_) => Column::Person,
            Self::Client(_) => Column::Client,
            Self::Server(_) => Column::Server,
            Self::Item(_) => Column::Item,
        }
    }

    /// The name as it is stored. PostgreSQL stores no NUL.
    fn name(self) -> String {
        let column = self.column().word();
        match self {
            Self::Gateway(id) => format!("{column} {id}"),
            Self::Server(id) => format!("{column} {id}"),
            Self::Person(text) | Self::Client(text) | Self::Item(text) => {
                format!("{column} {}", text.replace('\0', "\u{fffd}"))
            }
        }
    }

    fn of(row: &'a Activity) -> [Option<Self>; 5] {
        let caller = row.caller.as_deref();
        let client = caller.and_then(|caller| caller.client.as_ref());
        [
            Some(Self::Gateway(row.gateway_id)),
            caller
                .and_then(|caller| caller.person.as_deref())
                .map(Self::Person),
            client.map(|client| Self::Client(&client.id)),
            row.server_id.map(Self::Server),
            row.item.as_deref().map(Self::Item),
        ]
    }
}

impl<'a> Said<'a> {
    /// What the columns of a row say, in the order of [`Column::ALL`].
    pub(super) fn of(row: &'a Activity) -> [Option<Self>; 9] {
        let [gateway, person, client, server, item] =
            Subject::of(row).map(|subject| subject.map(Self::About));
        [
            Some(Self::Project),
            gateway,
            person,
            client,
            server,
            Some(Self::Kind(row.kind)),
            item,
            Some(Self::Outcome(row.outcome)),
            row.rule.map(Self::Rule),
        ]
    }

    /// What a row says beyond its columns, for its block only.
    pub(super) fn of_block(row: &'a Activity) -> impl Iterator<Item = Self> {
        let subjects = if row.outcome == Outcome::Ok {
            [None; 5]
        } else {
            Subject::of(row)
        };
        subjects
            .into_iter()
            .flatten()
            .map(|subject| Self::Ended(row.outcome, subject))
    }

    /// The name as it is stored.
    pub(super) fn name(self) -> String {
        match self {
            Self::Project => "project".to_owned(),
            Self::About(subject) => subject.name(),
            Self::Kind(kind) => format!("kind {}", kind.as_str()),
            Self::Outcome(outcome) => format!("outcome {}", outcome.as_str()),
            Self::Rule(rule) => format!("rule {}", rule.as_str()),
            Self::Ended(outcome, subject) => format!("{} {}", outcome.as_str(), subject.name()),
        }
    }
}

/// A name as found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) label: String,
    pub(super) project_id: ProjectId,
}

/// The names of a project that exist.
pub(super) async fn find(
    tx: &mut Tx,
    project: ProjectId,
    names: &[String],
) -> Result<Vec<Found>, StoreError> {
    let mut found = Vec::with_capacity(names.len());
    for chunk in chunks(names) {
        let mut values: Vec<Value> = values![project].to_vec();
        values.extend(chunk.iter().map(|name| Value::from(*name)));
        let sql = format!(
            "SELECT CAST(id AS BIGINT) AS id, name, label FROM activity_names WHERE project_id = $1 AND name IN ({})",
            places(2, &chunk)
        );
        for row in tx.fetch_all(AssertSqlSafe(sql), &values).await? {
            found.push(Found {
                id: row.int("id")?,
                name: row.text("name")?,
                label: row.text("label")?,
                project_id: project,
            });
        }
    }
    Ok(found)
}

/// The names with these numbers.
pub(super) async fn read(tx: &mut Tx, ids: &[i64]) -> Result<HashMap<i64, Found>, StoreError> {
    let mut found = HashMap::with_capacity(ids.len());
    for chunk in chunks(ids) {
        let values: Vec<Value> = chunk.iter().map(|id| Value::from(**id)).collect();
        let sql = format!(
            "SELECT CAST(id AS BIGINT) AS id, project_id, name, label FROM activity_names WHERE id IN ({})",
            places(1, &chunk)
        );
        for row in tx.fetch_all(AssertSqlSafe(sql), &values).await? {
            let id = row.int("id")?;
            let named = Found {
                id,
                name: row.text("name")?,
                label: row.text("label")?,
                project_id: row.id("project_id")?,
            };
            found.insert(id, named);
        }
    }
    Ok(found)
}

/// The same values in chunks of few different lengths: the last value of a chunk is repeated.
pub(super) fn chunks<T>(all: &[T]) -> impl Iterator<Item = Vec<&T>> {
    let most = CHUNKS.last().copied().unwrap_or(1);
    all.chunks(most).map(|chunk| {
        let length = CHUNKS.into_iter().find(|length| *length >= chunk.len());
        let mut chunk: Vec<&T> = chunk.iter().collect();
        if let (Some(length), Some(last)) = (length, chunk.last().copied()) {
            chunk.resize(length, last);
        }
        chunk
    })
}
