//! A declaration applied: what is needed from outside first, and then one change of the project.

use std::collections::HashMap;

use gatewright_domain::{
    Invalid,
    gateway::Gateway,
    id::{GatewayId, ProjectId, ServerId, UserSourceId},
    project::{Project, check_name},
};

use super::{
    credentials::Values,
    marks,
    outcome::{Credential, Outcome, Step},
    present::Present,
    references,
    sources::{self, ReadySource},
};
use crate::{
    Admin,
    declared::{Declaration, Fault, Secrets},
    service::{
        Authority, ServiceError,
        change::{Change, every},
        effects::{Effects, Run},
        error::Conflict,
        projects,
        store::Recorded,
    },
};

/// How a declaration is applied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Delete what is missing in a list that the file has.
    pub prune: bool,
    /// Save User Sources without asking their providers. They are marked as unverified.
    pub skip_validation: bool,
}

/// Why a declaration was not applied. Nothing of its project was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The file has to be corrected.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<Fault>),
    /// It failed for another reason.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// What stops it, and where in the document: a JSON pointer.
pub(super) struct Stop {
    at: String,
    error: ServiceError,
}

/// The error of a thing, at its place in the document.
pub(super) fn at<E: Into<ServiceError>>(pointer: &str) -> impl Fn(E) -> Stop {
    move |error| Stop {
        at: pointer.to_owned(),
        error: error.into(),
    }
}

/// An error that is not about a place in the document.
impl<E: Into<ServiceError>> From<E> for Stop {
    fn from(error: E) -> Self {
        at("")(error)
    }
}

/// A declaration in the course of being applied.
pub(super) struct Work<'w, 'a> {
    pub(super) change: &'w mut Change<'a>,
    pub(super) project: ProjectId,
    pub(super) declaration: &'w Declaration,
    /// What there was when the change began.
    pub(super) present: &'w Present,
    pub(super) options: Options,
    /// Sources by name in lower case.
    pub(super) sources: HashMap<String, UserSourceId>,
    /// Servers by slug.
    pub(super) servers: HashMap<String, ServerId>,
    /// Gateways by slug in lower case.
    pub(super) gateways: HashMap<String, GatewayId>,
    /// Whom changes touch, by ID.
    pub(super) effects: HashMap<String, Effects>,
    pub(super) notes: Vec<String>,
    pub(super) credentials: Vec<Credential>,
    /// Gateways that no longer record arguments.
    pub(super) forgetful: Vec<GatewayId>,
}

/// Finds out what a declaration would do. Nothing is written.
pub async fn plan(
    app: &Admin,
    authority: &Authority,
    declaration: &Declaration,
    secrets: &dyn Secrets,
    options: Options,
) -> Result<Outcome, ApplyError> {
    run(app, authority, declaration, secrets, options, None).await
}

/// Applies a declaration. It fails if it would not do what was planned, because something has changed since.
pub async fn apply(
    app: &Admin,
    authority: &Authority,
    declaration: &Declaration,
    secrets: &dyn Secrets,
    options: Options,
    planned: &Outcome,
) -> Result<Outcome, ApplyError> {
    run(app, authority, declaration, secrets, options, Some(planned)).await
}

async fn run(
    app: &Admin,
    authority: &Authority,
    declaration: &Declaration,
    secrets: &dyn Secrets,
    options: Options,
    planned: Option<&Outcome>,
) -> Result<Outcome, ApplyError> {
    let run = if planned.is_some() {
        Run::Change
    } else {
        Run::Rehearsal
    };
    let failed = |stop: Stop| explained(declaration, stop);
    let name = declaration.project_name();
    let name = check_name("/project", name).map_err(|invalid| failed(invalid.into()))?;
    let mut projects = every!(page => projects::list(app, authority, &page));
    projects.retain(|project| project.name.to_lowercase() == name.to_lowercase());
    let known = projects.pop();
    let id = known.as_ref().map_or_else(
        || ProjectId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        |project| project.id,
    );
    let present = match &known {
        Some(project) => {
            let mut tx = app
                .store
                .read(authority.own(project.id)?)
                .await
                .map_err(ServiceError::from)?;
            Present::read(&mut tx, project.id, app.now()).await?
        }
        None => Present::default(),
    };
    let mut invalid = Invalid::default();
    invalid.take(references::check(&declaration.project, &present, options));
    let values = invalid.take(Values::read(declaration, &present, secrets));
    invalid.into_result().map_err(|invalid| failed(invalid.into()))?;
    let values = values.unwrap_or_default();
    let ready = sources::ready(app, authority, id, declaration, &present, &values, options)
        .await
        .map_err(|stops| explained_all(declaration, stops))?;
    let mut change = match &known {
        Some(project) => Change::begin_as(run, app, authority.own(project.id)?).await?,
        None => Change::begin_as(run, app, authority.instance()?).await?,
    };
    let done = work(
        &mut change,
        (id, known.is_none()),
        declaration,
        options,
        values,
        ready,
    )
    .await;
    let done = done.and_then(|(outcome, forgetful)| {
        check_plan(planned, &outcome)?;
        Ok((outcome, forgetful))
    });
    match done {
        Ok((outcome, forgetful)) => {
            match change.finish(Ok(())).await {
                Ok(()) => {}
                // It is done, and only this process did not read it again. The outcome has what cannot be read later.
                Err(ServiceError::NotConfirmed(error)) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the change was made, but could not be read again"
                    );
                }
                Err(error) => return Err(error.into()),
            }
            if run == Run::Change {
                forget(app, authority, id, forgetful).await;
            }
            Ok(outcome)
        }
        Err(Stop { at, error }) => {
            let error = change.finish::<()>(Err(error)).await.err();
            let error = error.unwrap_or_else(ServiceError::changed_meanwhile);
            Err(failed(Stop { at, error }))
        }
    }
}

/// Fails unless what was done is what was planned.
fn check_plan(planned: Option<&Outcome>, done: &Outcome) -> Result<(), Stop> {
    match planned {
        Some(planned) if planned.steps != done.steps => Err(at("/project")(ServiceError::conflict(
            "The project changed after the plan was made, so nothing was applied. Run this again, and look at the new plan.",
        ))),
        Some(_) | None => Ok(()),
    }
}

/// All of the change.
async fn work(
    change: &mut Change<'_>,
    (project, is_new): (ProjectId, bool),
    declaration: &Declaration,
    options: Options,
    values: Values,
    ready: Vec<ReadySource>,
) -> Result<(Outcome, Vec<GatewayId>), Stop> {
    if is_new {
        create_project(change, project, declaration.project_name()).await?;
    }
    let now = change.now;
    let present = Present::read(&mut change.tx, project, now).await?;
    let known = marks::read(&mut change.tx, project).await?;
    let drift = marks::drift(&known, &present);
    let lower = |name: &str| name.to_lowercase();
    let mut work = Work {
        project,
        declaration,
        present: &present,
        options,
        sources: present
            .sources
            .iter()
            .map(|it| (lower(&it.name), it.id))
            .collect(),
        servers: present
            .servers
            .iter()
            .map(|it| (it.slug.clone(), it.id))
            .collect(),
        gateways: present
            .gateways
            .iter()
            .map(|it| (lower(&it.slug), it.id))
            .collect(),
        effects: HashMap::new(),
        notes: Vec::new(),
        credentials: Vec::new(),
        forgetful: Vec::new(),
        change,
    };
    work.all(values, ready).await?;
    let Work {
        change,
        mut effects,
        mut notes,
        credentials,
        forgetful,
        ..
    } = work;
    let after = Present::read(&mut change.tx, project, now).await?;
    let adopted = marks::keep(change, project, declaration, &after, &known).await?;
    let mut names = present.names();
    names.extend(after.names());
    let steps = change.take_journal().into_iter().map(|recorded| {
        let effects = effects.remove(&recorded.id);
        Step::of(recorded, &names, effects)
    });
    let steps = steps.collect();
    notes.extend(drift);
    notes.sort();
    Ok((
        Outcome {
            project: declaration.project_name().to_owned(),
            file: declaration.file().to_owned(),
            steps,
            notes,
            credentials,
            adopted,
        },
        forgetful,
    ))
}

/// Creates the project, and goes on inside it.
async fn create_project(change: &mut Change<'_>, id: ProjectId, name: &str) -> Result<(), Stop> {
    let name = check_name("/project", name)?;
    let project = Project::new(id, name, change.now);
    change
        .create(&project, Vec::new())
        .await
        .map_err(at("/project"))?;
    let permit = change.authority().own(id)?;
    change.enter(permit);
    Ok(())
}

impl Work<'_, '_> {
    /// All steps, in an order in which each finds what it needs and nothing that goes is still needed.
    async fn all(&mut self, mut values: Values, ready: Vec<ReadySource>) -> Result<(), Stop> {
        self.delete_gateways().await?;
        self.widen_secrets(&mut values).await?;
        let late = self.save_sources(ready).await?;
        self.save_servers().await?;
        self.save_gateways().await?;
        self.save_keys().await?;
        self.save_late_sources(late).await?;
        self.delete_servers().await?;
        self.delete_sources().await?;
        self.narrow_secrets().await?;
        self.delete_secrets().await?;
        self.save_members().await
    }

    /// Keeps whom a change of something touches.
    pub(super) fn touches(&mut self, id: &impl ToString, effects: Effects) {
        self.effects.insert(id.to_string(), effects);
    }

    /// Whether a gateway stops recording arguments with this change.
    pub(super) fn note_recording(&mut self, before: &Gateway, records: bool) {
        if before.record_arguments.is_some() && !records {
            self.forgetful.push(before.id);
        }
    }
}

/// Deletes what gateways recorded that no longer record anything. A job does it later if this fails.
async fn forget(app: &Admin, authority: &Authority, project: ProjectId, gateways: Vec<GatewayId>) {
    for id in gateways {
        let Ok(permit) = authority.own(project) else {
            return;
        };
        if let Err(error) = app.store.delete_arguments(permit, Recorded::AtGateway(id)).await {
            tracing::warn!(gateway = %id, error = &error as &dyn std::error::Error, "recorded arguments of a gateway are deleted later");
        }
    }
}

fn explained(declaration: &Declaration, stop: Stop) -> ApplyError {
    explained_all(declaration, vec![stop])
}

/// What stops it, as mistakes in the file where it can be said so.
fn explained_all(declaration: &Declaration, stops: Vec<Stop>) -> ApplyError {
    let mut faults = Vec::new();
    for Stop { at, error } in stops {
        match error {
            ServiceError::Invalid(invalid) => {
                for violation in invalid.violations() {
                    let inner = violation
                        .pointer
                        .replace("/user_source_id", "/user_source")
                        .replace("/gateway_id", "/gateway");
                    faults.push(
                        declaration
                            .place
                            .fault(&format!("{at}{inner}"), &violation.detail),
                    );
                }
            }
            ServiceError::Conflict(conflict) => {
                faults.push(declaration.place.fault(&at, in_words(&conflict)));
            }
            other => return ApplyError::Service(other),
        }
    }
    ApplyError::Faults(faults)
}

/// What is in the way, with the names.
fn in_words(conflict: &Conflict) -> String {
    fn names<T>(named: &[(T, String)]) -> impl Iterator<Item = &str> {
        named.iter().map(|(_, name)| name.as_str())
    }
    let names: Vec<&str> = names(&conflict.active_gateways)
        .chain(names(&conflict.gateways))
        .chain(names(&conflict.servers))
        .collect();
    match names.as_slice() {
        [] => conflict.detail.clone(),
        names => format!("{} In the way: {}.", conflict.detail, names.join(", ")),
    }
}
