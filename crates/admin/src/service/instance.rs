//! The instance itself: its first key.

use gatewright_domain::{
    Invalid,
    api_key::{KeyRole, KeyScope},
    audit::Origin,
    secret::Secret,
};

use super::{
    Authority, ServiceError,
    api_keys::{self, NewApiKey, NewInstanceKey, create_for_instance, insert, is_live, make},
    change::{Change, every},
};
use crate::Admin;

/// The message if `init` created nothing.
pub const ALREADY_INITIALISED: &str = "This instance has a key already, so no other was created. With that key, create another by \
     POST /api/v1/api-keys; if it is lost, run `gatewright admin new-key`.";

/// Creates the first key of the instance and returns its text, once; `None` when there is a live one already. Two that run at
/// the same moment make one key between them.
pub async fn init(app: &Admin) -> Result<Option<Secret>, ServiceError> {
    let authority = Authority::operator(Origin::Cli);
    let mut change = Change::begin(app, authority.instance()?).await?;
    let now = change.now;
    let keys = every!(page => gatewright_store::api_key::list(&mut change.tx, None, &page));
    if keys.iter().any(|key| is_live(key, now)) {
        return Ok(None);
    }
    let made = make(
        app,
        &change,
        KeyScope::Instance,
        "First instance key".to_owned(),
        None,
    );
    Ok(Some(insert(change, made).await?.text))
}

/// Creates another key of the instance for someone with a shell on the machine, such as one who lost the first.
pub async fn new_key(app: &Admin, name: &str) -> Result<Secret, ServiceError> {
    let authority = Authority::operator(Origin::Cli);
    let new = NewInstanceKey {
        name: name.to_owned(),
        expires_at: None,
    };
    Ok(create_for_instance(app, &authority, new).await?.text)
}

/// Creates a key of a project, named by id or name, for someone with a shell on the machine: anyone who can read the data may
/// as well have a key, and a project whose last owner key was lost needs one.
pub async fn new_project_key(
    app: &Admin,
    project: &str,
    role: KeyRole,
    name: &str,
) -> Result<Secret, ServiceError> {
    let authority = Authority::operator(Origin::Cli);
    let mut tx = app.store.read(authority.read_instance()?).await?;
    let projects = every!(page => gatewright_store::project::list(&mut tx, &page));
    drop(tx);
    let found = projects
        .iter()
        .find(|known| known.id.to_string() == project || known.name.to_lowercase() == project.to_lowercase());
    let Some(found) = found else {
        return Err(Invalid::one(
            "project",
            format!(
                "There is no project of this id or name. {}",
                match projects.as_slice() {
                    [] => "There is none yet: create one with the instance key first.".to_owned(),
                    known => format!(
                        "There are: {}.",
                        known
                            .iter()
                            .take(20)
                            .map(|project| format!("{} ({})", project.name, project.id))
                            .collect::<Vec<_>>()
                            .join(", ")
                    ),
                }
            ),
        )
        .into());
    };
    let new = NewApiKey {
        name: name.to_owned(),
        role: Some(role),
        ..NewApiKey::default()
    };
    Ok(api_keys::create(app, &authority, found.id, new).await?.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{service::projects, testing::TestAdmin};

    #[tokio::test]
    async fn a_shell_makes_a_key_for_a_project_by_id_or_name_and_the_trail_says_so() {
        let test = TestAdmin::new().await;
        let app = &test.app;
        let authority = Authority::operator(Origin::Cli);
        let new = projects::NewProject {
            name: "Acme".to_owned(),
        };
        let project = projects::create(app, &authority, new).await.unwrap();
        for named in [project.id.to_string(), "acme".to_owned()] {
            let key = new_project_key(app, &named, KeyRole::Owner, "Found again")
                .await
                .unwrap();
            let mut tx = app.gateways().store.read().await.unwrap();
            let hash = gatewright_domain::token_hash::TokenHash::of(key.expose());
            let stored = gatewright_store::api_key::find_by_hash(&mut tx, hash)
                .await
                .unwrap()
                .unwrap();
            let scope = KeyScope::Project {
                project_id: project.id,
                role: KeyRole::Owner,
                gateway_id: None,
            };
            assert_eq!(stored.scope, scope);
        }
        let mut tx = app.gateways().store.read().await.unwrap();
        let page = gatewright_store::PageRequest::first(1);
        let filter = gatewright_store::audit::AuditFilter::default();
        let trail = gatewright_store::audit::list(&mut tx, Some(project.id), &filter, &page)
            .await
            .unwrap();
        assert_eq!(trail.items[0].actor.origin, Origin::Cli);
        assert_eq!(trail.items[0].object_name, "Found again");
        drop(tx);
        let unknown = new_project_key(app, "Other", KeyRole::Owner, "Key")
            .await
            .unwrap_err();
        assert!(unknown.to_string().contains("Acme"), "{unknown}");
    }
}
