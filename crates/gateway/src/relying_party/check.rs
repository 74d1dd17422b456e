//! Checking a User Source against its provider, at this instance.

use gatewright_domain::id::ProjectId;
use gatewright_store::project as projects;

pub use gatewright_identity::check::{
    Candidate, CheckName, CheckResult, Finding, Outcome, into_result, verified_at, warnings,
};

use crate::Gateways;

/// Checks a User Source against its provider, within some ten seconds. Fetches each time.
pub async fn check(app: &Gateways, candidate: Candidate<'_>) -> Vec<CheckResult> {
    check_for(app, None, candidate).await
}

/// The same at the expense of the project that asks.
pub async fn check_for(
    app: &Gateways,
    project: Option<ProjectId>,
    candidate: Candidate<'_>,
) -> Vec<CheckResult> {
    let has_neighbours = has_neighbours(app).await;
    gatewright_identity::check::check(&app.providers, project, candidate, has_neighbours).await
}

/// Whether the instance has several projects. Where the store cannot tell, better yes.
async fn has_neighbours(app: &Gateways) -> bool {
    let several = async { projects::are_several(&mut app.store.read().await?).await };
    several.await.unwrap_or(true)
}
