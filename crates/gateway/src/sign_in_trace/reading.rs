//! Reading the trace: what is in the store and what is only in memory make one list.

use std::collections::HashMap;

use gatewright_domain::{
    id::{AttemptId, GatewayId, ProjectId},
    sign_in_attempt::SignInAttempt,
};
use gatewright_store::{
    Page, PageRequest, StoreError, Tx, gateway,
    sign_in_attempt::{self as rows, AttemptFilter},
};

use super::SignInTrace;

impl SignInTrace {
    /// Attempts of a project, newest first. Those before *Allow* are of this process only.
    pub async fn list(
        &self,
        project: ProjectId,
        filter: &AttemptFilter,
        page: &PageRequest,
    ) -> Result<Page<SignInAttempt>, StoreError> {
        self.write_down().await;
        let now = self.clock.now();
        let mut tx = self.store.read().await?;
        let stored = rows::list(&mut tx, project, filter, now, page).await?;
        let known = |attempt: &SignInAttempt| {
            let reference = attempt.part.head.reference;
            stored
                .items
                .iter()
                .any(|other| other.part.head.reference == reference)
        };
        let mut in_memory = self.of_project(project);
        in_memory.retain(|attempt| page.comes_after(&attempt.part.head.id.to_string()));
        in_memory.retain(|attempt| {
            let head = &attempt.part.head;
            filter.user_id.is_none()
                && filter.gateway_id.is_none_or(|id| id == head.gateway_id)
                && filter.user_source_id.is_none_or(|id| Some(id) == head.user_source_id)
                && filter.reference.is_none_or(|reference| Some(reference) == head.reference)
                && filter.outcome.is_none_or(|outcome| outcome == attempt.outcome(now))
                // It was allowed at another process.
                && !known(attempt)
        });
        let in_memory = of_gateways_that_are(&mut tx, project, in_memory).await?;
        Ok(together(stored, in_memory, page))
    }

    /// One attempt, if it exists.
    pub async fn find(&self, project: ProjectId, id: AttemptId) -> Result<Option<SignInAttempt>, StoreError> {
        self.write_down().await;
        let mut tx = self.store.read().await?;
        if let Some(stored) = rows::find(&mut tx, project, id).await? {
            return Ok(Some(stored));
        }
        let mut in_memory = self.of_project(project);
        in_memory.retain(|attempt| attempt.part.head.id == id);
        Ok(of_gateways_that_are(&mut tx, project, in_memory).await?.pop())
    }

    /// The answer should contain what this process has seen up to now. If that is not possible, the rest is worth having.
    async fn write_down(&self) {
        if let Err(error) = self.flush().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the sign-in trace was not written before it was read"
            );
        }
    }
}

/// Leaves out what was at gateways that have gone.
async fn of_gateways_that_are(
    tx: &mut Tx,
    project: ProjectId,
    attempts: Vec<SignInAttempt>,
) -> Result<Vec<SignInAttempt>, StoreError> {
    let mut there: HashMap<GatewayId, bool> = HashMap::new();
    let mut kept = Vec::new();
    for attempt in attempts {
        let id = attempt.part.head.gateway_id;
        let known = there.get(&id).copied();
        let is_there = match known {
            Some(is_there) => is_there,
            None => gateway::find(tx, project, id).await?.is_some(),
        };
        there.insert(id, is_there);
        if is_there {
            kept.push(attempt);
        }
    }
    Ok(kept)
}

/// One page of both, newest first.
fn together(
    stored: Page<SignInAttempt>,
    in_memory: Vec<SignInAttempt>,
    page: &PageRequest,
) -> Page<SignInAttempt> {
    let limit = page.limit as usize;
    let more_stored = stored.next.is_some();
    let mut items = stored.items;
    items.extend(in_memory);
    items.sort_by_key(|attempt| std::cmp::Reverse(attempt.part.head.id));
    let more = more_stored || items.len() > limit;
    items.truncate(limit);
    let last = items.last().map(|attempt| attempt.part.head.id.to_string());
    Page {
        next: last.filter(|_| more),
        items,
    }
}
