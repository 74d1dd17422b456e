//! A permit opens only the project that was requested, in the store and in memory.

use gatewright_domain::{
    audit::Origin,
    id::{AccountId, ProjectId, ServerId},
    server::Server,
};
use gatewright_store::{PageRequest, StoreError, server as rows, sign_in_attempt::AttemptFilter};

use crate::{
    Admin,
    service::{
        Authority,
        change::Change,
        projects::{self, NewProject},
        server_checks, servers, sign_in_attempts,
    },
    testing::TestAdmin,
};

const ALL: PageRequest = PageRequest {
    after: None,
    limit: 100,
};

fn operator() -> Authority {
    Authority::operator(Origin::Cli)
}

async fn project(app: &Admin, name: &str) -> ProjectId {
    let name = name.to_owned();
    let made = projects::create(app, &operator(), NewProject { name }).await;
    made.unwrap().id
}

async fn server(app: &Admin, project: ProjectId) -> Server {
    let new = serde_json::json!({"slug": "crm", "url": "http://127.0.0.1:9/mcp"});
    let new = serde_json::from_value(new).unwrap();
    let saved = servers::create(app, &operator(), project, new).await;
    saved.unwrap().entity
}

#[tokio::test]
async fn a_permit_to_read_a_project_reads_no_other() {
    let test = TestAdmin::new().await;
    let (own, other) = (project(&test.app, "Own").await, project(&test.app, "Other").await);
    let (of_own, of_other) = (server(&test.app, own).await, server(&test.app, other).await);
    let permit = operator().read(own).unwrap();

    let mut tx = test.app.store.read(permit).await.unwrap();
    let found = rows::find(&mut tx, own, of_own.id).await.unwrap();
    assert_eq!(found.map(|server| server.id), Some(of_own.id));
    let refused = rows::find(&mut tx, other, of_other.id).await;
    assert!(matches!(refused, Err(StoreError::OtherProject)), "{refused:?}");
    drop(tx);

    let directory = &test.app.directory;
    assert!(directory.server(permit, &of_own).is_some());
    assert!(directory.server(permit, &of_other).is_none());
    // Both were asked when they were saved, so something is known about both.
    let known = |server: &Server| server_checks::known_with(&test.app, permit, server);
    assert!(matches!(known(&of_own), server_checks::Known::Fails { .. }));
    assert_eq!(known(&of_other), server_checks::Known::Nothing);
}

#[tokio::test]
async fn a_permit_to_change_a_project_changes_no_other() {
    let test = TestAdmin::new().await;
    let (own, other) = (project(&test.app, "Own").await, project(&test.app, "Other").await);
    let mut of_other = server(&test.app, other).await;
    let before = of_other.updated_at;
    of_other.name = "Changed".to_owned();
    let operator = operator();
    let permit = operator.change(own).unwrap();
    let mut change = Change::begin(&test.app, permit).await.unwrap();
    let refused = rows::update(&mut change.tx, &of_other, before).await;
    assert!(matches!(refused, Err(StoreError::OtherProject)), "{refused:?}");
    drop(change);
    let found: ServerId = of_other.id;
    let found = servers::find(&test.app, &operator, other, found).await.unwrap();
    assert_eq!(found.name, "crm");
}

#[tokio::test]
async fn reads_from_memory_ask_the_authority_as_reads_from_the_store_do() {
    let test = TestAdmin::new().await;
    let own = project(&test.app, "Own").await;
    let server = server(&test.app, own).await;
    let newcomer = Authority::of_newcomer(
        AccountId::generate(test.app.clock.as_ref(), test.app.entropy.as_ref()),
        std::net::IpAddr::from([127, 0, 0, 1]),
    );
    assert!(server_checks::known(&test.app, &operator(), &server).is_ok());
    assert!(server_checks::known(&test.app, &newcomer, &server).is_err());
    assert!(server_checks::last(&test.app, &newcomer, &server).is_err());
    let filter = AttemptFilter::default();
    let listed = sign_in_attempts::list(&test.app, &operator(), own, &filter, &ALL).await;
    assert!(listed.is_ok());
    let refused = sign_in_attempts::list(&test.app, &newcomer, own, &filter, &ALL).await;
    assert!(refused.is_err());
    assert!(sign_in_attempts::strays(&test.app, &operator()).is_ok());
    assert!(sign_in_attempts::strays(&test.app, &newcomer).is_err());
}
