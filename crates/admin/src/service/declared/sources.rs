//! User Sources of a declaration. Their providers are asked before the change begins.

use gatewright_domain::{
    id::{ProjectId, UserSourceId},
    user_source::UserSourceStatus,
};

use super::{
    Options,
    apply::{Stop, Work, at},
    credentials::Values,
    present::Present,
};
use crate::{
    Admin,
    declared::{Declaration, model::UserSource},
    relying_party::check::Finding,
    service::{
        Authority, IfMatch, Patch,
        effects::Done,
        user_sources::{self as service, Judged, NewUserSource, Prepared, UserSourcePatch},
    },
};

/// A source that can be saved.
pub(super) struct ReadySource {
    index: usize,
    kind: Kind,
}

enum Kind {
    New(Box<Prepared>),
    Known(UserSourceId, Box<Judged>),
}

/// Checks all sources, and asks their providers where that is needed. Nothing of the store is held.
pub(super) async fn ready(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    declaration: &Declaration,
    present: &Present,
    values: &Values,
    options: Options,
) -> Result<Vec<ReadySource>, Vec<Stop>> {
    let mut ready = Vec::new();
    let mut stops = Vec::new();
    for (index, source) in declaration.project.user_sources.iter().flatten().enumerate() {
        let pointer = format!("/user_sources/{index}");
        let secret = values.sources.get(index).cloned().flatten();
        let kind = if let Some(known) = present.source(&source.name) {
            let patch = UserSourcePatch {
                client_secret: secret.into(),
                ..patch(source, options)
            };
            let judged = service::judge(app, known.clone(), patch).await;
            judged.map(|judged| Kind::Known(known.id, Box::new(judged)))
        } else {
            let new = NewUserSource {
                client_secret: secret,
                ..new(source, options)
            };
            match authority.change(project) {
                Ok(permit) => {
                    let prepared = service::prepare(app, permit, project, new).await;
                    prepared.map(|prepared| Kind::New(Box::new(prepared)))
                }
                Err(error) => Err(error),
            }
        };
        match kind {
            Ok(kind) => ready.push(ReadySource { index, kind }),
            Err(error) => stops.push(at(&pointer)(error)),
        }
    }
    if stops.is_empty() { Ok(ready) } else { Err(stops) }
}

fn new(source: &UserSource, options: Options) -> NewUserSource {
    NewUserSource {
        name: source.name.clone(),
        description: source.description.clone(),
        issuer: source.issuer.clone(),
        client_id: source.client_id.clone(),
        client_secret: None,
        client_secret_expires_at: source.client_secret_expires_at,
        client_authentication: Some(source.client_authentication),
        scopes: Some(source.scopes.clone()),
        subject_claim: source.subject_claim.clone(),
        callback: Some(source.callback),
        skip_validation: options.skip_validation,
    }
}

/// All fields of a source: what the file leaves out gets its default.
fn patch(source: &UserSource, options: Options) -> UserSourcePatch {
    UserSourcePatch {
        name: Patch::Set(source.name.clone()),
        description: Patch::Set(source.description.clone()),
        issuer: Patch::Set(source.issuer.clone()),
        client_id: Patch::Set(source.client_id.clone()),
        client_secret: Patch::Keep,
        client_secret_expires_at: source.client_secret_expires_at.map_or(Patch::Clear, Patch::Set),
        client_authentication: Patch::Set(source.client_authentication),
        scopes: Patch::Set(source.scopes.clone()),
        subject_claim: source.subject_claim.clone().map_or(Patch::Clear, Patch::Set),
        callback: Patch::Set(source.callback),
        status: Patch::Set(source.status),
        skip_validation: options.skip_validation.then_some(true),
    }
}

impl Work<'_, '_> {
    /// Creates sources, and changes those that are to be active: gateways may need them. Returns the others.
    pub(super) async fn save_sources(&mut self, ready: Vec<ReadySource>) -> Result<Vec<ReadySource>, Stop> {
        let mut late = Vec::new();
        for ReadySource { index, kind } in ready {
            let pointer = format!("/user_sources/{index}");
            let is_active = self
                .source(index)
                .is_some_and(|it| it.status == UserSourceStatus::Active);
            match kind {
                Kind::New(prepared) => {
                    let saved = service::create_in(self.change, *prepared).await;
                    let saved = saved.map_err(at(&pointer))?;
                    let source = saved.entity;
                    self.warn(&source.name, &saved.warnings);
                    self.sources.insert(source.name.to_lowercase(), source.id);
                    if !is_active {
                        let id = source.id;
                        let patch = UserSourcePatch {
                            status: Patch::Set(UserSourceStatus::Inactive),
                            ..UserSourcePatch::default()
                        };
                        let judged = service::judge(self.change.app(), source, patch).await;
                        let kind = Kind::Known(id, Box::new(judged.map_err(at(&pointer))?));
                        late.push(ReadySource { index, kind });
                    }
                }
                Kind::Known(id, judged) if is_active => self.save_source(&pointer, id, *judged).await?,
                kind @ Kind::Known(..) => late.push(ReadySource { index, kind }),
            }
        }
        Ok(late)
    }

    /// Changes the sources that are to be inactive: gateways no longer need them.
    pub(super) async fn save_late_sources(&mut self, late: Vec<ReadySource>) -> Result<(), Stop> {
        for ReadySource { index, kind } in late {
            if let Kind::Known(id, judged) = kind {
                self.save_source(&format!("/user_sources/{index}"), id, *judged)
                    .await?;
            }
        }
        Ok(())
    }

    async fn save_source(&mut self, pointer: &str, id: UserSourceId, judged: Judged) -> Result<(), Stop> {
        let done = service::update_in(self.change, judged, &IfMatch::Any).await;
        match done.map_err(at(pointer))? {
            Done::Changed(saved) => self.warn(&saved.entity.name, &saved.warnings),
            Done::WouldTouch(effects) => {
                let name = self.present.source_name(id).unwrap_or_default().to_owned();
                self.warn(&name, &effects.warnings);
                self.touches(&id, effects);
            }
        }
        Ok(())
    }

    fn source(&self, index: usize) -> Option<&UserSource> {
        self.declaration.project.user_sources.as_ref()?.get(index)
    }

    fn warn(&mut self, name: &str, warnings: &[Finding]) {
        let warnings = warnings.iter();
        let warnings =
            warnings.map(|warning| format!("User Source {name}: {} {}", warning.found, warning.remedy));
        self.notes.extend(warnings);
    }
}
