//! Projects: create, list, read, rename, delete.

use gatewright_domain::{
    Invalid,
    id::ProjectId,
    member::{Member, Role},
    project::{Project, check_name},
};
use gatewright_store::{
    Page, PageRequest, StoreError, Tx,
    held_grants::{self, HeldGrants},
    project as rows,
    project_contents::{self, ProjectContents},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Authority, IfMatch, Patch, ServiceError,
    authority::Visible,
    change::{Change, Fields, field},
    entity::{Entity, Stored, Written, dated},
};
use crate::Admin;

/// A project to create.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// 1-80 characters, unique in the instance.
    #[schema(required = true, min_length = 1, max_length = 80)]
    #[serde(default)]
    pub name: String,
}

/// A change of a project.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectPatch {
    /// 1-80 characters, unique in the instance.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub name: Patch<String>,
}

/// Creates a project.
pub async fn create(app: &Admin, authority: &Authority, new: NewProject) -> Result<Project, ServiceError> {
    let permit = authority.instance()?;
    let name = check_name("/name", &new.name)?;
    let mut change = Change::begin(app, permit).await?;
    let id = ProjectId::generate(app.clock.as_ref(), app.entropy.as_ref());
    let project = Project::new(id, name, change.now);
    change.create(&project, Vec::new()).await?;
    // A person who creates a project owns it; a key does not belong to a person who could.
    if let Ok(me) = authority.oneself() {
        let owner = Member::new(project.id, me.account, Role::Owner, change.now);
        gatewright_store::member::insert(&mut change.tx, &owner).await?;
    }
    change.commit().await?;
    Ok(project)
}

/// The projects that are open to the caller, oldest first: all for instance keys and administrators of the instance, its
/// own for a project key, those it is a member of for an account.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    page: &PageRequest,
) -> Result<Page<Project>, ServiceError> {
    let (visible, permit) = authority.visible_projects();
    let mut tx = app.store.read(permit).await?;
    let own = match visible {
        Visible::All => return Ok(rows::list(&mut tx, page).await?),
        Visible::OfAccount(account) => return Ok(rows::list_of_account(&mut tx, account, page).await?),
        Visible::Only(own) => own,
    };
    let is_on_page = page.after.as_ref().is_none_or(|after| *after < own.to_string());
    let found = if is_on_page {
        rows::find(&mut tx, own).await?
    } else {
        None
    };
    Ok(Page {
        items: found.into_iter().collect(),
        next: None,
    })
}

/// One project.
pub async fn find(app: &Admin, authority: &Authority, id: ProjectId) -> Result<Project, ServiceError> {
    let mut tx = app.store.read(authority.read_project(id)?).await?;
    existing(&mut tx, id).await
}

/// How much there is in a project.
pub async fn contents(
    app: &Admin,
    authority: &Authority,
    id: ProjectId,
) -> Result<ProjectContents, ServiceError> {
    let mut tx = app.store.read(authority.read(id)?).await?;
    Ok(project_contents::count(&mut tx, id).await?)
}

/// Renames a project.
pub async fn update(
    app: &Admin,
    authority: &Authority,
    id: ProjectId,
    patch: ProjectPatch,
    if_match: &IfMatch,
) -> Result<Project, ServiceError> {
    let mut change = Change::begin(app, authority.manage_project(id)?).await?;
    let updated = update_in(&mut change, id, patch, if_match).await;
    change.finish(updated).await
}

/// The same in a change that has begun.
async fn update_in(
    change: &mut Change<'_>,
    id: ProjectId,
    patch: ProjectPatch,
    if_match: &IfMatch,
) -> Result<Project, ServiceError> {
    let current = existing(&mut change.tx, id).await?;
    if_match.holds(current.updated_at)?;
    let next = Project {
        name: check_name("/name", &patch.name.over(&current.name))?,
        ..current.clone()
    };
    change.save(current, next, Vec::new()).await
}

/// What is deleted with a project.
#[derive(Debug, Clone, Copy)]
pub struct Deletion {
    /// What is in it.
    pub contents: ProjectContents,
    /// Grants of its users and members.
    pub grants: HeldGrants,
}

/// What would be deleted with a project, to show before it is deleted.
pub async fn deletion(app: &Admin, authority: &Authority, id: ProjectId) -> Result<Deletion, ServiceError> {
    let mut tx = app.store.read(authority.manage_project(id)?).await?;
    existing(&mut tx, id).await?;
    Ok(Deletion {
        contents: project_contents::count(&mut tx, id).await?,
        grants: held_grants::count_of_project(&mut tx, id, app.now()).await?,
    })
}

/// Deletes a project with everything in it, its keys included, if its name was entered. Its audit trail stays, and the
/// deletion itself is noted in the trail of the instance.
pub async fn delete(
    app: &Admin,
    authority: &Authority,
    id: ProjectId,
    confirm_name: &str,
    if_match: &IfMatch,
) -> Result<(), ServiceError> {
    let mut change = Change::begin(app, authority.delete_project(id)?).await?;
    let project = existing(&mut change.tx, id).await?;
    if_match.holds(project.updated_at)?;
    if confirm_name != project.name {
        return Err(Invalid::one(
            "/confirm_name",
            format!(
                "This is not the name of the project. Everything in it is deleted permanently: enter `{}` to confirm. Nothing \
                 was deleted.",
                project.name
            ),
        )
        .into());
    }
    change.delete(&project, Vec::new()).await?;
    change.commit().await
}

async fn existing(tx: &mut Tx, id: ProjectId) -> Result<Project, ServiceError> {
    Project::found(rows::find(tx, id).await?)
}

fn taken(error: StoreError) -> ServiceError {
    match error {
        StoreError::Taken { field } => Invalid::one(
            format!("/{field}"),
            format!("Another project has this {field} already: choose another."),
        )
        .into(),
        other => other.into(),
    }
}

impl Entity for Project {
    const KIND: &'static str = "project";
    const NOUN: &'static str = "project";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn audited(&self) -> Fields {
        vec![field("name", &self.name)]
    }
}

dated!(Project);

impl Stored for Project {
    async fn insert(&self, tx: &mut Tx) -> Result<(), ServiceError> {
        rows::insert(tx, self).await.map_err(taken)
    }

    async fn replace(&self, tx: &mut Tx, before: &Self) -> Result<Written, ServiceError> {
        let written = rows::update(tx, self, before.updated_at).await.map_err(taken)?;
        Written::unless_stale(written)
    }

    async fn remove(&self, tx: &mut Tx) -> Result<Written, ServiceError> {
        Written::unless_missing::<Self>(rows::delete(tx, self.id).await?)
    }
}
