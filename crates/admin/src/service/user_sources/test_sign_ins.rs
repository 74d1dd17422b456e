//! Test sign-ins of a User Source: started here, completed in a browser, read by the person who started them.

use gatewright_domain::{
    id::{ProjectId, TestSignInId, UserSourceId},
    test_sign_in::TestSignIn,
};
use gatewright_store::test_sign_in as rows;

use super::existing;
use crate::{
    Admin,
    relying_party::test_sign_in::{self as relying_party, Report},
    service::{Authority, ServiceError, change::Change, entity::Entity},
};

/// Tests of one project at a time: more than its administrators start by hand, and each keeps some kB of claims.
const MAX_PER_PROJECT: u32 = 50;

/// A test that was just started.
#[derive(Debug)]
pub struct Started {
    /// The test.
    pub test: TestSignIn,
    /// The address of its page. It is shown only once.
    pub url: String,
}

/// A test and the result of it so far.
#[derive(Debug)]
pub struct Read {
    /// The test.
    pub test: TestSignIn,
    /// How it ended, if it has.
    pub report: Option<Report>,
}

/// Starts a test of a source, whatever the source's status.
pub async fn start(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    source: UserSourceId,
) -> Result<Started, ServiceError> {
    let mut change = Change::begin(app, authority.change(project)?).await?;
    let source = existing(&mut change.tx, project, source).await?;
    let starter = authority.actor().kind.to_string();
    let (test, url) = relying_party::prepare(app, &source, starter, change.now);
    if !rows::insert(&mut change.tx, &test, MAX_PER_PROJECT).await? {
        return Err(ServiceError::conflict(format!(
            "This project has {MAX_PER_PROJECT} test sign-ins open, which is the limit. Wait: each is deleted \
             after ten minutes."
        )));
    }
    change
        .record("test_sign_in_started", source.object(), Vec::new())
        .await?;
    change.commit().await?;
    Ok(Started { test, url })
}

/// Reads a test. It exists only for the person who started it, because it identifies the person who signed in.
pub async fn find(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    source: UserSourceId,
    id: TestSignInId,
) -> Result<Read, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    let test = rows::find(&mut tx, project, source, id, app.now()).await?;
    let own = authority.actor().kind.to_string();
    let test = test
        .filter(|test| test.started_by == own)
        .ok_or_else(|| ServiceError::not_found("test sign-in"))?;
    let report = relying_party::report_of(app, &test).map_err(|_| {
        ServiceError::conflict(
            "The report of this test cannot be opened with the master key of this instance. Check that all replicas have \
             the same master keys, and start another test.",
        )
    })?;
    Ok(Read { test, report })
}
