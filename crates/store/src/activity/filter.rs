//! Filters of a list of activity.

use std::fmt::Write as _;

use gatewright_domain::{
    Timestamp,
    activity::{Outcome, RequestKind, RequestNumber, Rule, SessionMark, TraceId},
    id::{GatewayId, ProjectId, ServerId},
};

use super::{
    MINUTE,
    names::{self, Column, Said, Subject},
};
use crate::{
    StoreError, Tx,
    value::{Value, values},
};

/// The order of rows can differ from their times by this much: several replicas write, each once a second.
const LEEWAY_MINUTES: i64 = 1;

/// Rows that a page looks at: some hundredths of a second.
pub const LOOK_AT: u32 = 128 * 1_024;

/// Filters of a list of activity. Those for which there is no index (`request`, `trace`, `session`) are searched row by row.
#[derive(Debug, Clone, Default)]
pub struct ActivityFilter {
    /// Only at this gateway.
    pub gateway_id: Option<GatewayId>,
    /// Only to this server.
    pub server_id: Option<ServerId>,
    /// Only about this tool, prompt or URI.
    pub item: Option<String>,
    /// Only of this person, as [`gatewright_domain::activity::ActivityCaller`] has them.
    pub person: Option<String>,
    /// Only with this client.
    pub client: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
    /// Only refused by this rule.
    pub rule: Option<Rule>,
    /// Only of this kind.
    pub kind: Option<RequestKind>,
    /// Only of this HTTP request.
    pub request: Option<RequestNumber>,
    /// Only in this trace.
    pub trace: Option<TraceId>,
    /// Only in this session.
    pub session: Option<SessionMark>,
    /// Only at this time or later.
    pub from: Option<Timestamp>,
    /// Only before this time.
    pub to: Option<Timestamp>,
    /// Rows that a page looks at, at most, in whole blocks of 1,024; [`LOOK_AT`] if it is not said.
    pub look_at: Option<u32>,
}

/// A filter in the numbers of the rows.
pub(super) struct Terms {
    /// Names that must be in a row.
    names: Vec<(Column, i64)>,
    /// Names that must be in its block, the rarest first.
    of_blocks: Vec<i64>,
    /// Other conditions: a column with its operator, and a value.
    others: Vec<(&'static str, Value)>,
    /// The first row that can match.
    pub(super) first: i64,
    /// The first row after those that can match.
    pub(super) end: i64,
}

impl ActivityFilter {
    /// What rows are about. Those that are seldom in a block come first.
    fn subjects(&self) -> impl Iterator<Item = Subject<'_>> {
        [
            self.person.as_deref().map(Subject::Person),
            self.item.as_deref().map(Subject::Item),
            self.client.as_deref().map(Subject::Client),
            self.server_id.map(Subject::Server),
            self.gateway_id.map(Subject::Gateway),
        ]
        .into_iter()
        .flatten()
    }

    /// What the columns of rows must say.
    fn said(&self) -> impl Iterator<Item = (Column, Said<'_>)> {
        let subjects = self
            .subjects()
            .map(|subject| (subject.column(), Said::About(subject)));
        let others = [
            Some((Column::Project, Said::Project)),
            self.rule.map(|rule| (Column::Rule, Said::Rule(rule))),
            self.kind.map(|kind| (Column::Kind, Said::Kind(kind))),
            self.outcome
                .map(|outcome| (Column::Outcome, Said::Outcome(outcome))),
        ];
        subjects.chain(others.into_iter().flatten())
    }

    /// What must be in the block of a row. An outcome is combined with each thing that rows are about; the project is implied by
    /// everything else.
    fn said_in_block(&self) -> Vec<Said<'_>> {
        let ended = self.outcome.filter(|outcome| *outcome != Outcome::Ok);
        let mut said: Vec<Said<'_>> = self.rule.map(Said::Rule).into_iter().collect();
        said.extend(self.subjects().map(|subject| match ended {
            Some(outcome) => Said::Ended(outcome, subject),
            None => Said::About(subject),
        }));
        if said.is_empty() {
            said.extend(ended.map(Said::Outcome));
        }
        said.extend(self.kind.map(Said::Kind));
        if said.is_empty() {
            said.push(self.outcome.map_or(Said::Project, Said::Outcome));
        }
        said
    }

    /// The filter in the numbers of the rows; `None` if no row can match.
    pub(super) async fn terms(&self, tx: &mut Tx, project: ProjectId) -> Result<Option<Terms>, StoreError> {
        let in_row: Vec<_> = self.said().map(|(column, said)| (column, said.name())).collect();
        let in_block: Vec<_> = self.said_in_block().into_iter().map(Said::name).collect();
        let wanted = in_row.iter().map(|(_, name)| name).chain(&in_block);
        let texts: Vec<String> = wanted.cloned().collect();
        let found = names::find(tx, project, &texts).await?;
        let number = |name: &String| {
            found
                .iter()
                .find(|found| found.name == *name)
                .map(|found| found.id)
        };
        let numbered = in_row.iter().map(|(column, name)| Some((*column, number(name)?)));
        let (Some(numbered), Some(of_blocks)) = (
            numbered.collect::<Option<Vec<_>>>(),
            in_block.iter().map(number).collect::<Option<Vec<_>>>(),
        ) else {
            return Ok(None);
        };
        let mut others: Vec<(&'static str, Value)> = Vec::new();
        if let Some(request) = self.request {
            others.push(("request =", request.0.cast_signed().into()));
        }
        if let Some(trace) = self.trace {
            others.push(("trace_id =", trace.to_string().into()));
        }
        if let Some(session) = self.session {
            others.push(("session =", session.number().into()));
        }
        let (mut first, mut end) = (0, i64::MAX);
        if let Some(from) = self.from {
            others.push(("at >=", from.into()));
            let sql = "SELECT MAX(first_row) AS first_row FROM activity_minutes WHERE minute <= $1";
            let minute = minute_of(from) - LEEWAY_MINUTES;
            first = tx
                .fetch_one(sql, values![minute])
                .await?
                .opt_int("first_row")?
                .unwrap_or(0);
        }
        if let Some(to) = self.to {
            others.push(("at <", to.into()));
            let sql = "SELECT MIN(first_row) AS first_row FROM activity_minutes WHERE minute > $1";
            let minute = minute_of(to) + LEEWAY_MINUTES;
            let found = tx.fetch_one(sql, values![minute]).await?.opt_int("first_row")?;
            end = found.unwrap_or(i64::MAX);
        }
        Ok(Some(Terms {
            names: numbered,
            of_blocks,
            others,
            first,
            end,
        }))
    }
}

impl Terms {
    /// Adds the conditions to a statement, with their values. Writing to a String never fails.
    pub(super) fn write(&self, sql: &mut String, values: &mut Vec<Value>) {
        for (column, id) in &self.names {
            values.push((*id).into());
            let _ = write!(sql, " AND {} = ${}", column.word(), values.len());
        }
        for (condition, value) in &self.others {
            values.push(value.clone());
            let _ = write!(sql, " AND {condition} ${}", values.len());
        }
    }

    /// The names by which blocks are found.
    pub(super) fn of_blocks(&self) -> &[i64] {
        &self.of_blocks
    }
}

pub(super) fn minute_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(MINUTE)
}
