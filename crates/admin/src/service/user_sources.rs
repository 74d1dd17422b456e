//! User Sources: create, list, read, change, deactivate, delete.

mod connection_test;
mod edit;
mod entity;
mod input;
mod issuer_check;
mod overview;
pub mod test_sign_ins;

pub use self::connection_test::test_connection;
use self::edit::{Edited, carry_notes, check, check_expiry, edit};
pub use self::input::UserSourceCandidate;
pub use self::input::{NewUserSource, UserSourcePatch};
pub use self::issuer_check::{CheckLimits, check_provider};
pub use self::overview::{Listed, Usage, search, usage};
use super::{
    Authority, IfMatch, ServiceError,
    authority::MayChange,
    change::{Change, secret_changed, updated},
    effects::{Done, Effects, Run, SecretFate, names},
    entity::{Entity, Saved},
    error::Conflict,
    sealing::seal,
};
use crate::{
    Admin,
    relying_party::check::{self as provider_check, Candidate, Finding},
};
use gatewright_domain::{
    Invalid, Timestamp,
    id::{ProjectId, UserSourceId},
    registration::ClientSecretSlots,
    secret::Secret,
    user_source::{ConnectionTest, UserSource, UserSourceStatus, check_client_secret, client_secret_context},
};
use gatewright_store::{
    Page, PageRequest, Tx,
    user_source::{self as rows, Guarded, UserSourceFilter},
};

/// Creates a source, after asking the provider unless that is to be skipped.
pub async fn create(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    new: NewUserSource,
) -> Result<Saved<UserSource>, ServiceError> {
    let permit = authority.change(project)?;
    let prepared = prepare(app, permit, project, new).await?;
    let mut change = Change::begin(app, permit).await?;
    let saved = create_in(&mut change, prepared).await;
    change.finish(saved).await
}

/// A source that can be created, about which the provider was asked.
pub(super) struct Prepared(Saved<UserSource>);

/// Checks a new source, and asks the provider about it unless that is to be skipped. Nothing of the store is held.
pub(super) async fn prepare(
    app: &Admin,
    _permit: MayChange<'_>,
    project: ProjectId,
    mut new: NewUserSource,
) -> Result<Prepared, ServiceError> {
    let skip_validation = new.skip_validation;
    let mut invalid = Invalid::default();
    let secret = new.client_secret.take().unwrap_or_else(|| Secret::new(""));
    let id = UserSourceId::generate(app.clock.as_ref(), app.entropy.as_ref());
    let now = app.now();
    let slots = ClientSecretSlots::fresh(seal(app, &client_secret_context(id), &secret), now);
    let blank = UserSource::blank(id, project, slots, now);
    let entered = UserSourcePatch::from(new).over(&blank);
    invalid.take(check_expiry(app, &blank, &entered));
    let source = invalid.take(check(app, entered));
    invalid.take(check_client_secret("/client_secret", &secret));
    invalid.into_result()?;
    let mut source = source.expect("a source without a violation was taken");
    let warnings = if skip_validation {
        Vec::new()
    } else {
        ask_provider(app, &mut source).await?
    };
    Ok(Prepared(Saved {
        entity: source,
        warnings,
    }))
}

/// Creates a source in a change that has begun.
pub(super) async fn create_in(
    change: &mut Change<'_>,
    Prepared(saved): Prepared,
) -> Result<Saved<UserSource>, ServiceError> {
    let more = vec![secret_changed("client_secret")];
    change.create(&saved.entity, more).await?;
    Ok(saved)
}

/// Sources of a project, oldest first.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    page: &PageRequest,
) -> Result<Page<UserSource>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(rows::list(&mut tx, project, &UserSourceFilter::default(), page).await?)
}

/// One source.
pub async fn find(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: UserSourceId,
) -> Result<UserSource, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing(&mut tx, project, id).await
}

/// Changes a source, or says what that would touch. The provider is asked when something changed that it can judge.
pub async fn update(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: UserSourceId,
    patch: UserSourcePatch,
    if_match: &IfMatch,
    run: Run,
) -> Result<Done<Saved<UserSource>>, ServiceError> {
    let permit = authority.change(project)?;
    let mut tx = app.store.read(permit).await?;
    let current = existing(&mut tx, project, id).await?;
    drop(tx);
    if_match.holds(current.updated_at)?;
    let judged = judge(app, current, patch).await?;
    let mut change = Change::begin_as(run, app, permit).await?;
    let done = update_in(&mut change, judged, if_match).await;
    change.finish(done).await
}

/// A source after a change, as far as it can be judged without holding anything of the store.
pub(super) struct Judged {
    /// What it was.
    seen: UserSource,
    /// What it becomes.
    next: UserSource,
    status: Option<UserSourceStatus>,
    new_secret: bool,
    /// Whether the last test says nothing about it any more.
    outdates_test: bool,
    /// Whether nothing changed that the provider can judge, and the provider was not asked: it is as verified as before.
    keeps_verification: bool,
    warnings: Vec<Finding>,
}

/// Checks a change, and asks the provider about it unless that is not needed or not wanted.
pub(super) async fn judge(
    app: &Admin,
    seen: UserSource,
    patch: UserSourcePatch,
) -> Result<Judged, ServiceError> {
    let skip_validation = patch.skip_validation;
    let Edited {
        mut next,
        status,
        new_secret,
    } = edit(app, &seen, patch)?;
    let is_another = new_secret
        || seen.changes_identity(&next.issuer, &next.client_id, &next.subject_claim)
        || seen.scopes != next.scopes;
    let outdates_test = is_another
        || seen.callback != next.callback
        || seen.client_authentication.choice != next.client_authentication.choice;
    if outdates_test {
        next.last_test = None;
    }
    let was_asked = !skip_validation.unwrap_or(!is_another);
    let mut warnings = Vec::new();
    if was_asked {
        warnings = ask_provider(app, &mut next).await?;
        unverify_refused(&mut next);
    } else if is_another {
        next.verified_at = None;
    }
    Ok(Judged {
        seen,
        next,
        status,
        new_secret,
        outdates_test,
        keeps_verification: !was_asked && !is_another,
        warnings,
    })
}

impl Judged {
    /// What it becomes over what is stored now; and whether that is another row. While the provider was asked, someone else
    /// may have edited it, or a sign-in may have noted something about its secret.
    fn over(&self, present: &UserSource) -> Result<(UserSource, bool), ServiceError> {
        let changes_row = self.next != self.seen;
        if present.updated_at != self.seen.updated_at {
            return if changes_row {
                Err(ServiceError::changed_meanwhile())
            } else {
                Ok((present.clone(), false))
            };
        }
        let mut next = self.next.clone();
        carry_notes(&mut next, present, self.new_secret);
        if !self.outdates_test {
            next.last_test.clone_from(&present.last_test);
        }
        if self.keeps_verification {
            next.verified_at = present.verified_at;
        }
        unverify_refused(&mut next);
        Ok((next, changes_row))
    }
}

/// Changes a source in a change that has begun.
pub(super) async fn update_in(
    change: &mut Change<'_>,
    judged: Judged,
    if_match: &IfMatch,
) -> Result<Done<Saved<UserSource>>, ServiceError> {
    let (project, id) = (judged.seen.project_id, judged.seen.id);
    let current = held(&mut change.tx, project, id).await?;
    if_match.holds(current.updated_at)?;
    let (mut next, changes_row) = judged.over(&current)?;
    let Judged {
        status,
        new_secret,
        warnings,
        ..
    } = judged;
    let effects = match change.run() {
        Run::Change => None,
        Run::Rehearsal => Some(Effects {
            ends_sessions: current.identity_epoch != next.identity_epoch,
            client_secret: Some(fate(&current, &next)),
            warnings: warnings.clone(),
            ..Effects::of_source(&mut change.tx, project, id, change.now).await?
        }),
    };
    if changes_row {
        next.updated_at = change.later_than(current.updated_at);
        change.replace(&current, &next).await?;
    }
    let changes_status = status.is_some_and(|status| status != current.status);
    if let Some(status) = status.filter(|_| changes_status) {
        let guarded = set_status(change, project, id, status, next.updated_at).await?;
        if let Some(conflict) = unguarded(guarded, "deactivated")? {
            return Err(change.refused("deactivation_refused", current.object(), conflict));
        }
    }
    if !changes_row && !changes_status {
        let entity = current;
        return Ok(effects.map_or(Done::Changed(Saved { entity, warnings }), Done::WouldTouch));
    }
    let next = existing(&mut change.tx, project, id).await?;
    let secret = Vec::from_iter(new_secret.then(|| secret_changed("client_secret")));
    change.record_update(&current, &next, secret.clone()).await?;
    if let Some(effects) = effects {
        let mut changes = updated(&current.audited(), next.audited());
        changes.extend(secret);
        let changes = names(changes);
        return Ok(Done::WouldTouch(Effects { changes, ..effects }));
    }
    Ok(Done::Changed(Saved {
        entity: next,
        warnings,
    }))
}

/// Deletes a source with its users and grants, unless an active gateway uses it; or says what would go.
pub async fn delete(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: UserSourceId,
    if_match: &IfMatch,
    run: Run,
) -> Result<Done<()>, ServiceError> {
    let mut change = Change::begin_as(run, app, authority.change(project)?).await?;
    let done = delete_in(&mut change, project, id, if_match).await;
    change.finish(done).await
}

/// The same in a change in progress.
pub(super) async fn delete_in(
    change: &mut Change<'_>,
    project: ProjectId,
    id: UserSourceId,
    if_match: &IfMatch,
) -> Result<Done<()>, ServiceError> {
    let source = existing(&mut change.tx, project, id).await?;
    if_match.holds(source.updated_at)?;
    let effects = match change.run() {
        Run::Change => None,
        Run::Rehearsal => Some(Effects {
            ends_sessions: true,
            client_secret: Some(SecretFate::Deleted),
            ..Effects::of_source(&mut change.tx, project, id, change.now).await?
        }),
    };
    change.delete(&source, Vec::new()).await?;
    Ok(effects.map_or(Done::Changed(()), Done::WouldTouch))
}

/// What happens to the stored client secret. A rotated one is the fallback of the new one.
fn fate(current: &UserSource, next: &UserSource) -> SecretFate {
    let (now, then) = (&current.client_secret, &next.client_secret);
    if now.current == then.current {
        SecretFate::Kept
    } else if then.previous.is_some() {
        SecretFate::Rotated
    } else {
        SecretFate::Replaced
    }
}

async fn existing(tx: &mut Tx, project: ProjectId, id: UserSourceId) -> Result<UserSource, ServiceError> {
    UserSource::found(rows::find(tx, project, id).await?)
}

/// The same, held until the end of the change.
async fn held(tx: &mut Tx, project: ProjectId, id: UserSourceId) -> Result<UserSource, ServiceError> {
    UserSource::found(rows::find_and_hold(tx, project, id).await?)
}

/// Asks the provider; returns what it was found to do that is worth knowing.
async fn ask_provider(app: &Admin, source: &mut UserSource) -> Result<Vec<Finding>, ServiceError> {
    let candidate = Candidate {
        issuer: &source.issuer,
        scopes: &source.scopes,
        subject_claim: &source.subject_claim,
        callback: source.callback,
        client_authentication: source.client_authentication.choice,
    };
    let results = provider_check::check_for(app, Some(source.project_id), candidate).await;
    provider_check::into_result(&results)?;
    source.verified_at = provider_check::verified_at(&results, app.now());
    Ok(provider_check::warnings(&results))
}

/// What the last test found out about the client still applies if nothing changed that it was about: a source whose client
/// the provider refused is not verified.
fn unverify_refused(source: &mut UserSource) {
    let test = source.last_test.as_ref();
    if test.is_some_and(ConnectionTest::refused_client) {
        source.verified_at = None;
    }
}

async fn set_status(
    change: &mut Change<'_>,
    project: ProjectId,
    id: UserSourceId,
    status: UserSourceStatus,
    before: Timestamp,
) -> Result<Guarded, ServiceError> {
    let at = change.later_than(before);
    Ok(match status {
        UserSourceStatus::Active if rows::activate(&mut change.tx, project, id, at).await? => Guarded::Done,
        UserSourceStatus::Active => Guarded::NotFound,
        UserSourceStatus::Inactive => rows::deactivate(&mut change.tx, project, id, at).await?,
    })
}

/// What prevents it, if the guard found something.
fn unguarded(guarded: Guarded, what: &str) -> Result<Option<Conflict>, ServiceError> {
    match guarded {
        Guarded::Done => Ok(None),
        Guarded::NotFound => Err(ServiceError::not_found("User Source")),
        Guarded::InUse(active_gateways) => {
            let count = active_gateways.len();
            let (use_it, them) = if count == 1 {
                ("gateway uses it", "it")
            } else {
                ("gateways use it", "them")
            };
            Ok(Some(Conflict {
                detail: format!(
                    "This User Source cannot be {what} while {count} active {use_it}. First deactivate or delete {them}, or \
                     choose another User Source for {them}."
                ),
                active_gateways,
                ..Conflict::default()
            }))
        }
    }
}
