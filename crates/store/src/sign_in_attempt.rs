//! Attempts to sign in. Several processes may each see a part of one; parts are appended, never read and written back.

use std::{collections::BTreeSet, fmt::Write as _};

use gatewright_domain::{
    Timestamp,
    id::{AttemptId, GatewayId, ProjectId, UserId, UserSourceId},
    reference::Reference,
    sign_in_attempt::{
        AttemptHead, AttemptPart, GIVEN_UP_AFTER, Outcome, Progress, SignInAttempt, StepRecord,
    },
};
use sqlx::AssertSqlSafe;

use crate::{
    Page, PageRequest, StoreError, Tx,
    row::{Row, to_json, to_word},
    sign_in_count::{self, EndedSignIn},
    tx::Lock,
    value::{Value, values},
};

/// The size of steps after which nothing more is added to an attempt, in characters: about fifty steps. A stranger can return to
/// the callback of their own sign-in any number of times.
const STEPS_MAX: i64 = 16_000;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT sign_in_attempts.id, sign_in_attempts.project_id, sign_in_attempts.gateway_id, \
             sign_in_attempts.user_source_id, sign_in_attempts.reference, \
             sign_in_attempts.client_id, sign_in_attempts.client_name, sign_in_attempts.user_id, \
             sign_in_attempts.progress, sign_in_attempts.started_at, sign_in_attempts.updated_at, \
             sign_in_attempts.steps, users.subject FROM sign_in_attempts \
             JOIN gateways ON gateways.id = sign_in_attempts.gateway_id \
             LEFT JOIN users ON users.id = sign_in_attempts.user_id ",
            $rest
        )
    };
}

/// Adds a part to its attempt, which is created with the first part that arrives. Writes nothing if
/// the gateway or source was deleted. Returns whether something was written.
pub async fn add(tx: &mut Tx, part: &AttemptPart) -> Result<bool, StoreError> {
    let sql = "INSERT INTO sign_in_attempts (id, project_id, gateway_id, user_source_id, reference, client_id, \
               client_name, user_id, progress, started_at, updated_at, steps) \
               SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM gateways \
               WHERE gateways.id = $3 AND gateways.project_id = $2 AND ($4 IS NULL OR EXISTS \
               (SELECT 1 FROM user_sources WHERE user_sources.id = $4 AND user_sources.project_id = $2)) \
               ON CONFLICT (id) DO UPDATE SET \
               reference = CASE WHEN sign_in_attempts.reference = '' THEN excluded.reference \
               ELSE sign_in_attempts.reference END, \
               user_id = COALESCE(excluded.user_id, sign_in_attempts.user_id), \
               progress = CASE WHEN 'succeeded' IN (sign_in_attempts.progress, excluded.progress) THEN 'succeeded' \
               WHEN 'failed' IN (sign_in_attempts.progress, excluded.progress) THEN 'failed' \
               ELSE 'in_progress' END, \
               started_at = CASE WHEN excluded.started_at < sign_in_attempts.started_at THEN excluded.started_at \
               ELSE sign_in_attempts.started_at END, \
               updated_at = CASE WHEN excluded.updated_at > sign_in_attempts.updated_at THEN excluded.updated_at \
               ELSE sign_in_attempts.updated_at END, \
               steps = CASE WHEN LENGTH(sign_in_attempts.steps) < $13 \
               THEN sign_in_attempts.steps || excluded.steps ELSE sign_in_attempts.steps END";
    let head = &part.head;
    let values = values![
        head.id,
        head.project_id,
        head.gateway_id,
        head.user_source_id.map(|id| id.to_string()),
        head.reference
            .map(|reference| reference.to_string())
            .unwrap_or_default(),
        &head.client_id,
        &head.client_name,
        part.user_id.map(|id| id.to_string()),
        to_word(&part.progress),
        head.started_at,
        part.updated_at,
        lines(&part.steps),
        STEPS_MAX,
    ];
    Ok(tx.execute(sql, values).await? > 0)
}

/// Adds parts, and counts the sign-ins that ended with them, each once, however many processes see its end. The parts are
/// in the order of their IDs. Returns the gateways of those that were written.
pub async fn add_all(
    tx: &mut Tx,
    parts: &[AttemptPart],
) -> Result<BTreeSet<(GatewayId, ProjectId)>, StoreError> {
    let mut gateways = BTreeSet::new();
    let mut ended = Vec::new();
    for part in parts {
        let before = progress(tx, part.head.id).await?;
        if add(tx, part).await? {
            gateways.insert((part.head.gateway_id, part.head.project_id));
            ended.extend(ended_with(part, before));
        }
    }
    sign_in_count::add(tx, &ended).await?;
    Ok(gateways)
}

/// The state of an attempt before a part is added; its row is locked.
async fn progress(tx: &mut Tx, id: AttemptId) -> Result<Progress, StoreError> {
    let sql = "SELECT progress FROM sign_in_attempts WHERE id = $1";
    let row = tx.lock_optional(sql, Lock::Update, values![id]).await?;
    row.map_or(Ok(Progress::InProgress), |row| row.word("progress"))
}

/// What a part changes in the counts. Success is final, and a failure is not.
fn ended_with(part: &AttemptPart, before: Progress) -> Option<EndedSignIn> {
    let (ended, failed) = match (before, part.progress) {
        (Progress::InProgress, Progress::Succeeded) => (1, 0),
        (Progress::InProgress, Progress::Failed) => (1, 1),
        (Progress::Failed, Progress::Succeeded) => (0, -1),
        (_, Progress::InProgress)
        | (Progress::Failed, Progress::Failed)
        | (Progress::Succeeded, Progress::Failed | Progress::Succeeded) => return None,
    };
    Some(EndedSignIn {
        project: part.head.project_id,
        gateway: part.head.gateway_id,
        // Not the time in its head: parts from several processes may differ in it.
        at: part.head.id.made_at(),
        ended,
        failed,
    })
}

/// Finds an attempt by project and ID.
pub async fn find(
    tx: &mut Tx,
    project: ProjectId,
    id: AttemptId,
) -> Result<Option<SignInAttempt>, StoreError> {
    let sql = select!("WHERE sign_in_attempts.project_id = $1 AND sign_in_attempts.id = $2");
    let row = tx.fetch_optional(sql, values![project, id]).await?;
    row.as_ref().map(read).transpose()
}

/// Filters of a list of attempts.
#[derive(Debug, Clone, Default)]
pub struct AttemptFilter {
    /// Only at this gateway.
    pub gateway_id: Option<GatewayId>,
    /// Only through this source.
    pub user_source_id: Option<UserSourceId>,
    /// Only of this user.
    pub user_id: Option<UserId>,
    /// Only with this reference.
    pub reference: Option<Reference>,
    /// Only those in this state.
    pub outcome: Option<Outcome>,
}

/// Attempts, newest first; `now` decides their state.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    filter: &AttemptFilter,
    now: Timestamp,
    page: &PageRequest,
) -> Result<Page<SignInAttempt>, StoreError> {
    // Only the active filters are in the query, so that each finds its index. Writing to a String never fails.
    let mut sql = select!("WHERE sign_in_attempts.project_id = $1 AND sign_in_attempts.id < $2").to_owned();
    let mut values: Vec<Value> = values![project, page.below()].to_vec();
    let mut only = |condition: &str, value: Value| {
        values.push(value);
        let _ = write!(sql, " AND sign_in_attempts.{condition} ${}", values.len());
    };
    if let Some(id) = filter.gateway_id {
        only("gateway_id =", id.into());
    }
    if let Some(id) = filter.user_source_id {
        only("user_source_id =", id.into());
    }
    if let Some(id) = filter.user_id {
        only("user_id =", id.into());
    }
    if let Some(reference) = filter.reference {
        only("reference =", reference.to_string().into());
    }
    if let Some(outcome) = filter.outcome {
        let (progress, age) = match outcome {
            Outcome::InProgress => (Progress::InProgress, Some("updated_at >=")),
            Outcome::Abandoned => (Progress::InProgress, Some("updated_at <")),
            Outcome::Failed => (Progress::Failed, None),
            Outcome::Succeeded => (Progress::Succeeded, None),
        };
        only("progress =", to_word(&progress).into());
        if let Some(condition) = age {
            only(condition, now.minus(GIVEN_UP_AFTER).into());
        }
    }
    values.push(page.rows().into());
    let _ = write!(sql, " ORDER BY sign_in_attempts.id DESC LIMIT ${}", values.len());
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    page.page(rows, read)
}

/// Deletes the oldest attempts of a gateway with this `progress`, beyond the `keep` newest, at most `limit`; returns how
/// many. Each progress has its own room, so that unfinished sign-ins or a busy day of successful ones push out no
/// failures.
pub async fn evict(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    progress: Progress,
    keep: u32,
    limit: u32,
) -> Result<u64, StoreError> {
    let sql = "DELETE FROM sign_in_attempts WHERE id IN (SELECT id FROM sign_in_attempts \
               WHERE project_id = $1 AND gateway_id = $2 AND progress = $3 ORDER BY id DESC LIMIT $4 OFFSET $5)";
    tx.execute(sql, values![project, gateway, to_word(&progress), limit, keep])
        .await
}

/// Deletes those without activity since `before`, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM sign_in_attempts WHERE id IN \
               (SELECT id FROM sign_in_attempts WHERE updated_at < $1 ORDER BY updated_at LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}

pub(crate) async fn forget_of_gateway(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
) -> Result<(), StoreError> {
    let held = "SELECT id FROM sign_in_attempts WHERE project_id = $1 AND gateway_id = $2 ORDER BY id";
    let deleted = "DELETE FROM sign_in_attempts WHERE project_id = $1 AND gateway_id = $2";
    forget(tx, held, deleted, values![project, gateway]).await
}

pub(crate) async fn forget_of_user_source(
    tx: &mut Tx,
    project: ProjectId,
    source: UserSourceId,
) -> Result<(), StoreError> {
    let held = "SELECT id FROM sign_in_attempts WHERE project_id = $1 AND user_source_id = $2 ORDER BY id";
    let deleted = "DELETE FROM sign_in_attempts WHERE project_id = $1 AND user_source_id = $2";
    forget(tx, held, deleted, values![project, source]).await
}

pub(crate) async fn forget_of_project(tx: &mut Tx, project: ProjectId) -> Result<(), StoreError> {
    let held = "SELECT id FROM sign_in_attempts WHERE project_id = $1 ORDER BY id";
    forget(
        tx,
        held,
        "DELETE FROM sign_in_attempts WHERE project_id = $1",
        values![project],
    )
    .await
}

/// Rows are locked in the order of their IDs before they are deleted, the order in which batches of parts are written, so the two
/// wait for each other instead of deadlocking.
async fn forget(
    tx: &mut Tx,
    held: &'static str,
    deleted: &'static str,
    values: &[Value],
) -> Result<(), StoreError> {
    tx.hold_all(held, Lock::Update, values).await?;
    tx.execute(deleted, values).await?;
    Ok(())
}

/// One JSON object per line.
fn lines(steps: &[StepRecord]) -> String {
    steps.iter().map(|step| to_json(step) + "\n").collect()
}

fn read(row: &Row) -> Result<SignInAttempt, StoreError> {
    let corrupt = |what| StoreError::Corrupt { what };
    let reference = row.text("reference")?;
    let reference = match reference.as_str() {
        "" => None,
        text => Some(Reference::parse(text).ok_or_else(|| corrupt("reference"))?),
    };
    let steps = row.text("steps")?;
    let steps = steps.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    let mut part = AttemptPart {
        head: AttemptHead {
            id: row.id("id")?,
            project_id: row.id("project_id")?,
            gateway_id: row.id("gateway_id")?,
            user_source_id: row.opt_id("user_source_id")?,
            reference,
            client_id: row.text("client_id")?,
            client_name: row.text("client_name")?,
            started_at: row.time("started_at")?,
        },
        user_id: row.opt_id("user_id")?,
        progress: row.word("progress")?,
        updated_at: row.time("updated_at")?,
        steps: steps.map_err(|_| corrupt("steps"))?,
    };
    part.put_in_order();
    let subject = row.opt_text("subject")?;
    if subject.is_none() {
        // The user was deleted, and with them everything that leads to them.
        part.user_id = None;
    }
    Ok(SignInAttempt {
        part,
        subject,
        stored: true,
    })
}
