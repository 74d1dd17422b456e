//! Gateways: create, list, read, change, delete.

mod input;
mod look;

use std::collections::BTreeSet;

use gatewright_domain::{
    Invalid,
    gateway::{Gateway, GatewayFields, GatewaySettings, GatewayStatus, Mode, mint_slug},
    grant::RevocationReason,
    id::{GatewayId, ProjectId, ServerId},
};
use gatewright_store::{
    Page, PageRequest, Tx,
    gateway::{self as rows, GatewayWrite},
    gateway_list::GatewayFilter,
    quota::Counted,
};

pub use self::{
    input::{GatewayPatch, NewGateway, SettingsPatch},
    look::{contents, held_at, servers_of, summaries, try_slug},
};
use super::{
    Authority, IfMatch, Patch, ServiceError,
    change::{Change, Fields, Object, created, field, updated},
    effects::{Done, Effects, Run, names},
    quota,
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
    let fields = GatewayFields {
        slug: slug_or_minted(app, new.slug, &new.name),
        name: new.name,
        description: new.description,
        instructions: new.instructions,
        mode: new.authentication_mode,
        user_source_id: new.user_source_id,
        trusted_clients: new.trusted_clients,
        servers: new.servers,
        allowed_tools: new.allowed_tools,
        status: new.status.unwrap_or(GatewayStatus::Active),
        settings: new.settings,
    };
    let (fields, authentication) = fields.check()?;
    let id = GatewayId::generate(app.clock.as_ref(), app.entropy.as_ref());
    let mut change = Change::begin(app, permit).await?;
    let now = change.now;
    let gateway = Gateway {
        id,
        project_id: project,
        name: fields.name,
        description: fields.description,
        instructions: fields.instructions,
        slug: fields.slug,
        authentication,
        trusted_clients: fields.trusted_clients,
        servers: fields.servers,
        allowed_tools: fields.allowed_tools,
        status: fields.status,
        settings: fields.settings,
        created_at: now,
        updated_at: now,
    };
    check_tool_servers(&mut change.tx, &gateway).await?;
    let slugs = quota::counted(&mut change, project, Counted::Slugs).await?;
    written(&rows::insert(&mut change.tx, &gateway).await?, &gateway)?;
    quota::check(&mut change, project, Counted::Gateways).await?;
    quota::check_growth(&mut change, project, Counted::Slugs, slugs).await?;
    change
        .record("created", object(&gateway), created(audited(&gateway)))
        .await?;
    change.commit().await?;
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
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing(&mut tx, project, id).await
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
    let mut change = Change::begin_as(run, app, authority.change(project)?).await?;
    let current = existing(&mut change.tx, project, id).await?;
    if_match.holds(current.updated_at)?;
    let mut next = edit(app, &current, patch)?;
    let effects = match run {
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
    check_tool_servers(&mut change.tx, &next).await?;
    let slugs = quota::counted(&mut change, project, Counted::Slugs).await?;
    let outcome = rows::update(&mut change.tx, &next, current.updated_at).await?;
    if let Err(error) = written(&outcome, &next) {
        return Err(match (outcome, error) {
            (
                GatewayWrite::SourceInactive | GatewayWrite::SourceDeleted,
                ServiceError::Conflict(conflict),
            ) => change.refuse("update_refused", object(&current), *conflict).await,
            (_, error) => error,
        });
    }
    quota::check_growth(&mut change, project, Counted::Slugs, slugs).await?;
    let mut changes = updated(&audited(&current), audited(&next));
    if let Some(effects) = effects {
        let changes = names(changes);
        return Ok(Done::WouldTouch(Effects { changes, ..effects }));
    }
    if current.authentication != next.authentication {
        let now = change.now;
        let reason = RevocationReason::GatewayChanged;
        let ended =
            gatewright_store::grant::revoke_of_gateway(&mut change.tx, project, id, reason, now).await?;
        changes.extend(created(vec![field("grants_ended", ended)]));
    }
    change.record("updated", object(&next), changes).await?;
    change.commit().await?;
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
    let gateway = existing(&mut change.tx, project, id).await?;
    if_match.holds(gateway.updated_at)?;
    if run == Run::Rehearsal {
        return Ok(Done::WouldTouch(Effects {
            ends_sessions: true,
            ..Effects::of_gateway(&mut change.tx, &gateway, change.now).await?
        }));
    }
    if !rows::delete(&mut change.tx, project, id).await? {
        return Err(ServiceError::not_found("gateway"));
    }
    change.record("deleted", object(&gateway), Vec::new()).await?;
    change.commit().await.map(Done::Changed)
}

async fn existing(tx: &mut Tx, project: ProjectId, id: GatewayId) -> Result<Gateway, ServiceError> {
    rows::find(tx, project, id)
        .await?
        .ok_or_else(|| ServiceError::not_found("gateway"))
}

fn edit(app: &Admin, current: &Gateway, patch: GatewayPatch) -> Result<Gateway, Invalid> {
    let mut invalid = Invalid::default();
    let modes = ["project_members", "user_source", "headers"];
    let mode = patch
        .authentication_mode
        .required(&mut invalid, "/authentication_mode", &modes)
        .unwrap_or(current.authentication.mode());
    let status = patch
        .status
        .required(&mut invalid, "/status", &["active", "inactive"]);
    let user_source_id = match (patch.user_source_id, mode) {
        (Patch::Set(id), _) => Some(id),
        (Patch::Keep, Mode::UserSource) => current.authentication.user_source(),
        // Leaving the mode leaves its source.
        (Patch::Keep, Mode::Headers | Mode::ProjectMembers) | (Patch::Clear, _) => None,
    };
    let name = patch.name.over(&current.name);
    let slug = slug_or_minted(app, patch.slug.over(&current.slug), &name);
    let settings = match patch.settings {
        Patch::Keep => current.settings.clone(),
        Patch::Clear => GatewaySettings::default(),
        Patch::Set(settings) => settings.over(&current.settings),
    };
    let fields = GatewayFields {
        name,
        description: patch.description.over(&current.description),
        instructions: patch.instructions.over(&current.instructions),
        slug,
        mode: Some(mode),
        user_source_id,
        trusted_clients: patch.trusted_clients.over(&current.trusted_clients),
        servers: patch.servers.over(&current.servers),
        allowed_tools: patch.allowed_tools.over(&current.allowed_tools),
        status: status.unwrap_or(current.status),
        settings,
    };
    let checked = invalid.take(fields.check());
    invalid.into_result()?;
    let (fields, authentication) = checked.expect("fields without a violation were taken");
    Ok(Gateway {
        name: fields.name,
        description: fields.description,
        instructions: fields.instructions,
        slug: fields.slug,
        authentication,
        trusted_clients: fields.trusted_clients,
        servers: fields.servers,
        allowed_tools: fields.allowed_tools,
        status: fields.status,
        settings: fields.settings,
        ..current.clone()
    })
}

fn slug_or_minted(app: &Admin, slug: String, name: &str) -> String {
    if slug.is_empty() {
        mint_slug(name, app.entropy.as_ref())
    } else {
        slug
    }
}

/// The servers of allowed tools must be of the project; those of `servers` are guarded where the row is written.
async fn check_tool_servers(tx: &mut Tx, gateway: &Gateway) -> Result<(), ServiceError> {
    let distinct: BTreeSet<ServerId> = gateway.allowed_tools.iter().map(|tool| tool.server).collect();
    for server in distinct {
        if gatewright_store::server::find(tx, gateway.project_id, server)
            .await?
            .is_none()
        {
            let index = gateway
                .allowed_tools
                .iter()
                .position(|tool| tool.server == server);
            let index = index.expect("the server comes from this list");
            return Err(ServiceError::unknown(
                "server",
                format!("/allowed_tools/{index}/server"),
            ));
        }
    }
    Ok(())
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
        "`{slug}` is taken, or was once used by another project, and clients may still know it: choose another."
    )
}

fn object(gateway: &Gateway) -> Object<'_> {
    Object {
        kind: "gateway",
        id: gateway.id.to_string(),
        name: &gateway.name,
    }
}

fn audited(gateway: &Gateway) -> Fields {
    vec![
        field("name", &gateway.name),
        field("description", &gateway.description),
        field("instructions", &gateway.instructions),
        field("slug", &gateway.slug),
        field("authentication_mode", gateway.authentication.mode()),
        field("user_source_id", gateway.authentication.user_source()),
        field("trusted_clients", &gateway.trusted_clients),
        field("servers", &gateway.servers),
        field("allowed_tools", &gateway.allowed_tools),
        field("status", gateway.status),
        field("settings", &gateway.settings),
    ]
}
