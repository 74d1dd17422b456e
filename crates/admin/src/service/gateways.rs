//! Gateways: create, list, read, change, delete.

mod input;
mod look;

use std::mem;

use gatewright_domain::{
    Invalid,
    gateway::{Allowed, Gateway, Mode, mint_slug},
    grant::RevocationReason,
    id::{GatewayId, ProjectId, ServerId},
};
use gatewright_store::{
    Page, PageRequest, Tx,
    gateway::{self as rows, GatewayWrite},
    gateway_list::GatewayFilter,
    quota::Counted,
};

pub use self::input::{GatewayPatch, NewGateway};
pub use self::look::{contents, held_at, servers_of, summaries, try_slug};
use super::{
    Authority, IfMatch, Patch, ServiceError,
    authority::MayRead,
    change::{Change, Fields, created, field, updated},
    effects::{Done, Effects, Run, names},
    entity::{Entity, Stored, Written},
    quota,
    store::Recorded,
};
use crate::Admin;

/// Creates a gateway.
pub async fn create(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    new: NewGateway,
) -> Result<Gateway, ServiceError> {
    let permit = authority.change(project)?;
    let new = check(app, project, new)?;
    let mut change = Change::begin(app, permit).await?;
    let gateway = create_in(&mut change, new).await;
    change.finish(gateway).await
}

/// A new gateway, checked.
pub(super) fn check(app: &Admin, project: ProjectId, new: NewGateway) -> Result<Gateway, Invalid> {
    let id = GatewayId::generate(app.clock.as_ref(), app.entropy.as_ref());
    edit(app, &Gateway::blank(id, project, app.now()), None, new.into())
}

/// Creates a gateway in a change in progress.
pub(super) async fn create_in(change: &mut Change<'_>, checked: Gateway) -> Result<Gateway, ServiceError> {
    let (project, now) = (checked.project_id, change.now);
    let gateway = Gateway {
        created_at: now,
        updated_at: now,
        ..checked
    };
    let slugs = quota::counted(change, project, Counted::Slugs).await?;
    change.create(&gateway, Vec::new()).await?;
    quota::check_growth(change, project, Counted::Slugs, slugs).await?;
    Ok(gateway)
}

/// Gateways of a project, oldest first.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    filter: &GatewayFilter,
    page: &PageRequest,
) -> Result<Page<Gateway>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(rows::list(&mut tx, project, filter, page).await?)
}

/// One gateway.
pub async fn find(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: GatewayId,
) -> Result<Gateway, ServiceError> {
    find_with(app, authority.read(project)?, id).await
}

/// One gateway of the project that a permit opens.
pub(super) async fn find_with(app: &Admin, permit: MayRead, id: GatewayId) -> Result<Gateway, ServiceError> {
    let mut tx = app.store.read(permit).await?;
    existing(&mut tx, permit.project(), id).await
}

/// Changes a gateway, or says what that would touch. Another mode or source ends its grants in the same transaction.
pub async fn update(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: GatewayId,
    patch: GatewayPatch,
    if_match: &IfMatch,
    run: Run,
) -> Result<Done<Gateway>, ServiceError> {
    let permit = authority.change(project)?;
    let names_recording = !patch.record_arguments.is_keep();
    let mut change = Change::begin_as(run, app, permit).await?;
    let done = update_in(&mut change, project, id, patch, if_match).await;
    let done = change.finish(done).await?;
    if let Done::Changed(gateway) = &done
        && gateway.record_arguments.is_none()
        && names_recording
        && let Err(error) = app.store.delete_arguments(permit, Recorded::AtGateway(id)).await
    {
        // The job that deletes what is too old looks for gateways that record nothing.
        tracing::warn!(gateway = %id, error = &error as &dyn std::error::Error, "recorded arguments of a gateway are deleted later");
    }
    Ok(done)
}

/// The same in a change in progress.
pub(super) async fn update_in(
    change: &mut Change<'_>,
    project: ProjectId,
    id: GatewayId,
    patch: GatewayPatch,
    if_match: &IfMatch,
) -> Result<Done<Gateway>, ServiceError> {
    let current = existing(&mut change.tx, project, id).await?;
    if_match.holds(current.updated_at)?;
    let present = Some(current.authentication.mode());
    let mut next = edit(change.app(), &current, present, patch)?;
    let effects = match change.run() {
        Run::Change => None,
        Run::Rehearsal => Some(Effects {
            ends_sessions: current.authentication != next.authentication,
            changes_url: current.slug != next.slug,
            ..Effects::of_gateway(&mut change.tx, &current, change.now).await?
        }),
    };
    if next == current {
        return Ok(effects.map_or(Done::Changed(current), Done::WouldTouch));
    }
    next.updated_at = change.later_than(current.updated_at);
    let slugs = quota::counted(change, project, Counted::Slugs).await?;
    change.replace(&current, &next).await?;
    quota::check_growth(change, project, Counted::Slugs, slugs).await?;
    let mut more = Vec::new();
    if current.authentication != next.authentication {
        let (reason, now) = (RevocationReason::GatewayChanged, change.now);
        let ended =
            gatewright_store::grant::revoke_of_gateway(&mut change.tx, project, id, reason, now).await?;
        more = created(vec![field("grants_ended", ended)]);
    }
    change.record_update(&current, &next, more).await?;
    if let Some(effects) = effects {
        let changes = names(updated(&current.audited(), next.audited()));
        return Ok(Done::WouldTouch(Effects { changes, ..effects }));
    }
    Ok(Done::Changed(next))
}

/// Deletes a gateway with its grants, or says what would go. Its slug stays with the project.
pub async fn delete(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: GatewayId,
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
    id: GatewayId,
    if_match: &IfMatch,
) -> Result<Done<()>, ServiceError> {
    let gateway = existing(&mut change.tx, project, id).await?;
    if_match.holds(gateway.updated_at)?;
    let effects = match change.run() {
        Run::Change => None,
        Run::Rehearsal => Some(Effects {
            ends_sessions: true,
            ..Effects::of_gateway(&mut change.tx, &gateway, change.now).await?
        }),
    };
    change.delete(&gateway, Vec::new()).await?;
    Ok(effects.map_or(Done::Changed(()), Done::WouldTouch))
}

/// Deletes all arguments that a gateway has recorded. The trail says so first, because they are not in the same database.
pub async fn delete_arguments(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: GatewayId,
) -> Result<(), ServiceError> {
    let permit = authority.change(project)?;
    let mut change = Change::begin(app, permit).await?;
    let gateway = existing(&mut change.tx, project, id).await?;
    change
        .record("arguments_deleted", gateway.object(), Vec::new())
        .await?;
    change.commit().await?;
    Ok(app
        .store
        .delete_arguments(permit, Recorded::AtGateway(id))
        .await?)
}

async fn existing(tx: &mut Tx, project: ProjectId, id: GatewayId) -> Result<Gateway, ServiceError> {
    Gateway::found(rows::find(tx, project, id).await?)
}

/// The gateway after a change, checked. `mode` is the one that it had before, if any.
fn edit(
    app: &Admin,
    current: &Gateway,
    mode: Option<Mode>,
    mut patch: GatewayPatch,
) -> Result<Gateway, Invalid> {
    let mut invalid = Invalid::default();
    let mode = mem::take(&mut patch.authentication_mode)
        .required_word(&mut invalid, "/authentication_mode")
        .or(mode);
    let status = mem::take(&mut patch.status).required_word(&mut invalid, "/status");
    let user_source_id = match (mem::take(&mut patch.user_source_id), mode) {
        (Patch::Set(id), _) => Some(id),
        (Patch::Keep, Some(Mode::UserSource)) => current.authentication.user_source(),
        // Leaving the mode leaves its source.
        (Patch::Keep, Some(Mode::Headers | Mode::ProjectMembers) | None) | (Patch::Clear, _) => None,
    };
    let mut next = patch.over(current);
    next.status = status.unwrap_or(current.status);
    if next.slug.is_empty() {
        next.slug = mint_slug(&next.name, app.entropy.as_ref());
    }
    let checked = invalid.take(next.check(mode, user_source_id));
    invalid.into_result()?;
    Ok(checked.expect("a gateway without a violation was taken"))
}

/// The servers that tools, prompts and resources name must be of the project; those of `servers` are guarded where the row
/// is written.
async fn check_servers_of_choices(tx: &mut Tx, gateway: &Gateway) -> Result<(), ServiceError> {
    for server in gateway.servers_of_choices() {
        if gatewright_store::server::find(tx, gateway.project_id, server)
            .await?
            .is_none()
        {
            let pointer = first_naming(server, &gateway.allowed_tools)
                .or_else(|| first_naming(server, &gateway.allowed_prompts))
                .or_else(|| first_naming(server, &gateway.allowed_resources));
            let pointer = pointer.expect("the server comes from one of these lists");
            return Err(ServiceError::unknown("server", pointer));
        }
    }
    Ok(())
}

/// Where a list names a server first, as a JSON pointer.
fn first_naming<A: Allowed>(server: ServerId, allowed: &[A]) -> Option<String> {
    let index = allowed.iter().position(|allowed| allowed.server() == server)?;
    Some(format!("/{}/{index}/server", A::LIST))
}

fn written(outcome: &GatewayWrite, gateway: &Gateway) -> Result<(), ServiceError> {
    match outcome {
        GatewayWrite::Done => Ok(()),
        GatewayWrite::Stale => Err(ServiceError::changed_meanwhile()),
        GatewayWrite::SlugTaken => Err(Invalid::one("/slug", taken(&gateway.slug)).into()),
        GatewayWrite::SourceNotFound => Err(ServiceError::unknown("User Source", "/user_source_id")),
        GatewayWrite::SourceInactive => Err(ServiceError::conflict(
            "An active gateway needs an active User Source, and this one is inactive. Activate the source first, or save \
             the gateway as inactive.",
        )),
        GatewayWrite::SourceDeleted => Err(ServiceError::conflict(
            "The User Source of this gateway was deleted, so the gateway cannot be activated. Choose another User Source or \
             another mode for it first.",
        )),
        GatewayWrite::ServerNotFound(id) => {
            let index = gateway.servers.iter().position(|server| server == id);
            let pointer = index.map_or_else(|| "/servers".to_owned(), |index| format!("/servers/{index}"));
            Err(ServiceError::unknown("server", pointer))
        }
    }
}

fn taken(slug: &str) -> String {
    format!(
        "`{slug}` is taken, or another project used it before and clients may still have it: choose another."
    )
}

impl Entity for Gateway {
    const KIND: &'static str = "gateway";
    const NOUN: &'static str = "gateway";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn audited(&self) -> Fields {
        vec![
            field("name", &self.name),
            field("description", &self.description),
            field("instructions", &self.instructions),
            field("server_instructions", self.server_instructions),
            field("slug", &self.slug),
            field("authentication_mode", self.authentication.mode()),
            field("user_source_id", self.authentication.user_source()),
            field("trusted_clients", &self.trusted_clients),
            field("servers", &self.servers),
            field("prefix_mode", self.prefix_mode),
            field("offers", self.offers),
            field("allowed_tools", &self.allowed_tools),
            field("allowed_prompts", &self.allowed_prompts),
            field("allowed_resources", &self.allowed_resources),
            field("status", self.status),
            field("settings", &self.settings),
            field("record_arguments", &self.record_arguments),
        ]
    }
}

impl Stored for Gateway {
    fn counts(&self) -> Option<(ProjectId, Counted)> {
        Some((self.project_id, Counted::Gateways))
    }

    async fn insert(&self, tx: &mut Tx) -> Result<(), ServiceError> {
        check_servers_of_choices(tx, self).await?;
        written(&rows::insert(tx, self).await?, self)
    }

    async fn replace(&self, tx: &mut Tx, before: &Self) -> Result<Written, ServiceError> {
        check_servers_of_choices(tx, self).await?;
        let outcome = rows::update(tx, self, before.updated_at).await?;
        match (written(&outcome, self), outcome) {
            (Ok(()), _) => Ok(Written::Done),
            (
                Err(ServiceError::Conflict(conflict)),
                GatewayWrite::SourceInactive | GatewayWrite::SourceDeleted,
            ) => Ok(Written::Refused(*conflict)),
            (Err(error), _) => Err(error),
        }
    }

    async fn remove(&self, tx: &mut Tx) -> Result<Written, ServiceError> {
        Written::unless_missing::<Self>(rows::delete(tx, self.project_id, self.id).await?)
    }
}
