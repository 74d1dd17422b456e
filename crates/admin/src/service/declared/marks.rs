//! Which things files declare. The page of each in the dashboard says so, and a plan says what was changed since.

use gatewright_domain::{
    Timestamp,
    id::{GatewayId, ProjectId, ServerId, UserSourceId},
};
use gatewright_store::{
    Page, PageRequest, Tx,
    managed_object::{self as rows, Managed},
    project,
};

use super::present::Present;
use crate::{
    Admin,
    declared::Declaration,
    service::{
        Authority, ServiceError,
        change::{Change, every},
    },
};

/// Characters of the name of a file.
const MAX_FILE: usize = 300;

/// What is known of one thing of a project, by its ID.
pub async fn managed(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: &str,
) -> Result<Option<Managed>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(rows::find(&mut tx, project, id).await?)
}

/// Things of a project that files declare, by ID.
pub async fn list_managed(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    page: &PageRequest,
) -> Result<Page<Managed>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(rows::list(&mut tx, project, page).await?)
}

/// All marks of a project.
pub(super) async fn read(tx: &mut Tx, project: ProjectId) -> Result<Vec<Managed>, ServiceError> {
    Ok(every!(page => rows::list(tx, project, &page)))
}

/// What was changed or deleted since its file was applied.
pub(super) fn drift(known: &[Managed], present: &Present) -> Vec<String> {
    let drifted = known.iter().filter_map(|mark| {
        let what = noun(&mark.object_id)?;
        let how = match updated_at(&mark.object_id, present) {
            None => "deleted",
            Some(at) if at != mark.object_updated_at => "changed",
            Some(_) => return None,
        };
        Some(format!(
            "{what} {}: it was {how} since {} was applied at {}. The audit log says by whom.",
            mark.name,
            mark.file,
            mark.applied_at.to_rfc3339()
        ))
    });
    drifted.collect()
}

/// Marks what a declaration names, in the change that applied it; returns the number of those that it has not managed before.
pub(super) async fn keep(
    change: &mut Change<'_>,
    id: ProjectId,
    declaration: &Declaration,
    present: &Present,
    known: &[Managed],
) -> Result<usize, ServiceError> {
    let file: String = declaration.file().chars().take(MAX_FILE).collect();
    let now = change.now;
    let mark = |object_id: String, name: &str, updated_at: Timestamp| {
        let before = known.iter().find(|mark| mark.object_id == object_id);
        let stays = before.filter(|mark| mark.file == file && mark.object_updated_at == updated_at);
        Managed {
            applied_at: stays.map_or(now, |mark| mark.applied_at),
            object_id,
            name: name.to_owned(),
            file: file.clone(),
            object_updated_at: updated_at,
        }
    };
    let mut marks = Vec::new();
    if let Some(project) = project::find(&mut change.tx, id).await? {
        marks.push(mark(id.to_string(), &project.name, project.updated_at));
    }
    let declared = &declaration.project;
    for source in declared.user_sources.iter().flatten() {
        let found = present.source(&source.name);
        marks.extend(found.map(|it| mark(it.id.to_string(), &it.name, it.updated_at)));
    }
    for server in declared.servers.iter().flatten() {
        let found = present.server(&server.slug);
        marks.extend(found.map(|it| mark(it.id.to_string(), &it.slug, it.updated_at)));
    }
    for gateway in declared.gateways.iter().flatten() {
        let found = present.gateway(&gateway.slug);
        marks.extend(found.map(|it| mark(it.id.to_string(), &it.slug, it.updated_at)));
    }
    marks.sort_by(|one, other| one.object_id.cmp(&other.object_id));
    if marks != known {
        rows::replace(&mut change.tx, id, &marks).await?;
        change.note();
    }
    let is_new = |mark: &&Managed| {
        !known
            .iter()
            .any(|old| old.object_id == mark.object_id && old.file == mark.file)
    };
    Ok(marks.iter().filter(is_new).count())
}

/// What people call the kind of thing that an ID is of; nothing for a project.
fn noun(id: &str) -> Option<&'static str> {
    if id.parse::<UserSourceId>().is_ok() {
        Some("User Source")
    } else if id.parse::<ServerId>().is_ok() {
        Some("server")
    } else if id.parse::<GatewayId>().is_ok() {
        Some("gateway")
    } else {
        None
    }
}

fn updated_at(id: &str, present: &Present) -> Option<Timestamp> {
    let sources = present
        .sources
        .iter()
        .map(|it| (it.id.to_string(), it.updated_at));
    let servers = present
        .servers
        .iter()
        .map(|it| (it.id.to_string(), it.updated_at));
    let gateways = present
        .gateways
        .iter()
        .map(|it| (it.id.to_string(), it.updated_at));
    let mut all = sources.chain(servers).chain(gateways);
    all.find(|(known, _)| known == id).map(|(_, at)| at)
}
