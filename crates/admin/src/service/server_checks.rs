//! Checks of servers: whether one answers, what it is and which tools, prompts and resources it has. What was seen last
//! is kept in memory, so that pages need not ask; nothing of it is stored.

mod answered;
mod listed;
mod shown_as;
mod told;
mod tools;

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use gatewright_domain::{
    Timestamp,
    id::{ProjectId, ServerId},
    server::Server,
};
use gatewright_mcp::version::Era;
use moka::sync::Cache;
use tokio::time::Instant;

pub use self::{
    answered::Answered,
    listed::{Listed, Prompt, PromptArgument, Resource},
    shown_as::ShownAs,
    tools::{LeftOut, Tool},
};
use super::{
    Authority, ServiceError,
    authority::MayRead,
    servers,
    turns::{Payer, Turns},
};
use crate::{Admin, directory::ServerEntry, relying_party::check::Finding};

/// How long a page waits for what a server shows; a check waits at least this long.
const LOOK: Duration = Duration::from_secs(8);
/// Anyone who saves a server waits less: the check can be repeated.
const SAVE: Duration = Duration::from_secs(4);
/// A check that someone asked for waits as long as a request to the server may take, but no longer than this.
const CHECK_MAX: Duration = Duration::from_secs(30);
/// A page that is loaded again shows what was seen this moment.
const STILL_NEW: Duration = Duration::from_secs(10);
/// What was seen longer ago says nothing any longer.
const KEPT_FOR: Duration = Duration::from_hours(1);
/// Bytes of what was seen, roughly: a server with 5,000 tools takes some five megabytes.
const KEPT_BYTES: u64 = 32 * 1024 * 1024;

/// Servers of one project that are asked at the same time, so that a list of servers does not cause a flood of connections.
const OF_ONE: usize = 8;
/// Servers asked at the same time, by all pages.
const AT_ONCE: usize = 32;

/// What administrators last saw of servers.
#[derive(Debug)]
pub struct ServerChecks {
    seen: Cache<ServerId, Arc<ServerCheck>>,
    turns: Turns,
    /// The same for checks, which can take longer, so that no page waits behind them.
    patient_turns: Turns,
}

impl ServerChecks {
    /// What was last seen of a server of the project, as it is configured now.
    fn seen(&self, permit: MayRead, server: &Server) -> Option<Arc<ServerCheck>> {
        let check = self.seen.get(&server.id)?;
        let is_open = server.project_id == permit.project();
        (is_open && check.of == server.updated_at).then_some(check)
    }
}

impl Default for ServerChecks {
    fn default() -> Self {
        Self {
            seen: Cache::builder()
                .max_capacity(KEPT_BYTES)
                .weigher(|_, check: &Arc<ServerCheck>| u32::try_from(check.weight()).unwrap_or(u32::MAX))
                .time_to_live(KEPT_FOR)
                .build(),
            turns: Turns::of(AT_ONCE, OF_ONE),
            patient_turns: Turns::of(AT_ONCE, OF_ONE),
        }
    }
}

/// For what a server is asked, and so how long it is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    Save,
    Look,
    Check,
}

impl Occasion {
    fn deadline(self, server: &Server) -> Duration {
        match self {
            Self::Save => SAVE,
            Self::Look => LOOK,
            Self::Check => patience(time_limit(server)),
        }
    }
}

/// How long a check waits for a server whose requests may take this long.
fn patience(time_limit: Duration) -> Duration {
    time_limit.clamp(LOOK, CHECK_MAX)
}

fn time_limit(server: &Server) -> Duration {
    Duration::from_millis(server.timeout_ms.into())
}

/// The result of checking a server.
#[derive(Debug)]
pub struct ServerCheck {
    /// When.
    pub at: Timestamp,
    /// Which version of the server was checked: its `updated_at`. A later one may have other settings.
    of: Timestamp,
    /// What it showed, or why it cannot be used.
    pub outcome: Result<Answered, Finding>,
}

/// What is known about a server without asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it was not used or checked since this process began or the server was changed.
    Nothing,
    /// It answered; when, if that was a check.
    Answers(Option<Timestamp>),
    /// It could not be used.
    Fails {
        /// When that was noticed.
        at: Timestamp,
        /// What happened, and what to do.
        why: Finding,
    },
}

impl ServerCheck {
    fn weight(&self) -> usize {
        512 + self.outcome.as_ref().map_or(0, Answered::weight)
    }

    /// Whether the server answered.
    pub(crate) const fn answers(&self) -> bool {
        self.outcome.is_ok()
    }
}

/// Asks a server now, and waits as long as a request to it may take: eight seconds at least, and thirty at most.
pub async fn check(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: ServerId,
) -> Result<Arc<ServerCheck>, ServiceError> {
    let permit = authority.act(project)?;
    let server = servers::find_with(app, permit, id).await?;
    Ok(ask(app, permit, &server, Occasion::Check).await)
}

/// What a server shows: as it was seen a moment ago, or else asked now.
pub async fn look(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: ServerId,
) -> Result<Arc<ServerCheck>, ServiceError> {
    let permit = authority.read(project)?;
    let server = servers::find_with(app, permit, id).await?;
    let seen = app.server_checks.seen(permit, &server);
    let fresh = seen.filter(|check| app.now().since(check.at) < STILL_NEW);
    match fresh {
        Some(check) => Ok(check),
        None => Ok(ask(app, permit, &server, Occasion::Look).await),
    }
}

/// What was last seen of a server as it is configured now. Sends no request.
pub fn last(
    app: &Admin,
    authority: &Authority,
    server: &Server,
) -> Result<Option<Arc<ServerCheck>>, ServiceError> {
    let permit = authority.read(server.project_id)?;
    Ok(app.server_checks.seen(permit, server))
}

/// What is known about a server without asking it: the newest of checks and use by gateways.
pub fn known(app: &Admin, authority: &Authority, server: &Server) -> Result<Known, ServiceError> {
    Ok(known_with(app, authority.read(server.project_id)?, server))
}

/// What is known about a server of the project that a permit opens.
pub fn known_with(app: &Admin, permit: MayRead, server: &Server) -> Known {
    let check = app.server_checks.seen(permit, server);
    let health = app.resource_server.health(permit, server);
    let checked_at = check.as_ref().map(|check| check.at);
    if let Some((at, why)) = health.as_ref().and_then(|health| health.failure.as_ref())
        && checked_at.is_none_or(|checked| checked < *at)
    {
        let why = told::finding(server, why, None, time_limit(server));
        return Known::Fails { at: *at, why };
    }
    match (check, health.and_then(|health| health.era)) {
        (Some(check), _) => match &check.outcome {
            Ok(_) => Known::Answers(Some(check.at)),
            Err(why) => Known::Fails {
                at: check.at,
                why: why.clone(),
            },
        },
        (None, Some(Era::Modern | Era::Legacy)) => Known::Answers(None),
        (None, None) => Known::Nothing,
    }
}

/// Asks the servers of a page of which nothing is known yet, a few at the same time.
pub async fn ask_unknown(app: &Admin, authority: &Authority, servers: &[Server]) -> Result<(), ServiceError> {
    let mut unknown = Vec::new();
    for server in servers {
        let permit = authority.read(server.project_id)?;
        if known_with(app, permit, server) == Known::Nothing {
            unknown.push((permit, server));
        }
    }
    stream::iter(unknown)
        .for_each_concurrent(OF_ONE, async |(permit, server)| {
            ask(app, permit, server, Occasion::Save).await;
        })
        .await;
    Ok(())
}

/// Asks a server as the directory has it, headers filled in, and keeps what it shows.
async fn ask(app: &Admin, permit: MayRead, server: &Server, occasion: Occasion) -> Arc<ServerCheck> {
    let outcome = match &app.directory.server(permit, server) {
        Some(entry) => inspect(app, entry, occasion).await,
        None => Err(told::not_here_yet()),
    };
    keep(app, server, outcome)
}

/// Asks a server that is about to be saved.
pub(super) async fn try_out(app: &Admin, entry: &ServerEntry) -> Result<Answered, Finding> {
    inspect(app, entry, Occasion::Save).await
}

/// Keeps what a server showed when it was saved.
pub(super) fn keep(app: &Admin, server: &Server, outcome: Result<Answered, Finding>) -> Arc<ServerCheck> {
    let check = Arc::new(ServerCheck {
        at: app.now(),
        of: server.updated_at,
        outcome,
    });
    if was_asked(&check.outcome) {
        app.server_checks.seen.insert(server.id, Arc::clone(&check));
    }
    check
}

/// Whether the server was asked at all. Otherwise nothing was seen of it, and what is known stays.
fn was_asked(outcome: &Result<Answered, Finding>) -> bool {
    outcome.as_ref().err() != Some(&told::busy())
}

async fn inspect(app: &Admin, entry: &ServerEntry, occasion: Occasion) -> Result<Answered, Finding> {
    let deadline = occasion.deadline(&entry.server);
    let checks = &app.server_checks;
    let turns = match occasion {
        Occasion::Save | Occasion::Look => &checks.turns,
        Occasion::Check => &checks.patient_turns,
    };
    let payer = [Payer::Project(entry.server.project_id)];
    let waiting = tokio::time::timeout(deadline, turns.take(&payer)).await;
    let Ok(Some(_turn)) = waiting else {
        return Err(told::busy());
    };
    let began = Instant::now();
    let seen = app.resource_server.inspect(entry, deadline).await;
    match seen {
        Ok(seen) => Ok(Answered::read(&seen, entry.server.tool_prefix(), |why| {
            told::finding(&entry.server, why, None, began.elapsed())
        })),
        Err(unwell) => Err(told::finding(
            &entry.server,
            &unwell.why,
            unwell.cause.as_deref(),
            began.elapsed(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_waits_as_long_as_a_request_may_take_within_bounds() {
        for (time_limit, waits) in [(100, 8_000), (8_001, 8_001), (25_000, 25_000), (600_000, 30_000)] {
            let waited = patience(Duration::from_millis(time_limit));
            assert_eq!(waited, Duration::from_millis(waits), "{time_limit}");
        }
    }

    #[test]
    fn of_a_server_that_was_not_asked_nothing_is_remembered() {
        assert!(!was_asked(&Err(told::busy())));
        assert!(was_asked(&Err(told::not_here_yet())));
    }
}
