//! Many entities in one change: all of them or none.

use gatewright_domain::{audit::Origin, gateway::Mode, id::ProjectId, secret::Secret};
use gatewright_store::{PageRequest, audit::AuditFilter, gateway_list::GatewayFilter};

use crate::{
    Admin,
    service::{
        Authority, IfMatch, ServiceError,
        change::Change,
        gateways::{self, NewGateway},
        projects::{self, NewProject},
        secrets::{self, NewSecret},
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

async fn project(app: &Admin) -> ProjectId {
    let new = NewProject {
        name: "Acme".to_owned(),
    };
    projects::create(app, &operator(), new).await.unwrap().id
}

fn secret(name: &str) -> NewSecret {
    NewSecret {
        name: name.to_owned(),
        value: Some(Secret::new("s3cr3t")),
        origins: vec!["http://127.0.0.1:9".to_owned()],
    }
}

fn gateway(slug: &str) -> NewGateway {
    NewGateway {
        name: "Support".to_owned(),
        slug: slug.to_owned(),
        authentication_mode: Some(Mode::ProjectMembers),
        ..NewGateway::default()
    }
}

/// A configuration: a secret and two gateways, in one change.
async fn apply(app: &Admin, project: ProjectId, slugs: [&str; 2]) -> Result<(), ServiceError> {
    let operator = operator();
    let permit = operator.change(project)?;
    let checked = secret("API_KEY").check()?;
    let mut change = Change::begin(app, permit).await?;
    let outcome = async {
        secrets::create_in(&mut change, project, checked).await?;
        for slug in slugs {
            let checked = gateways::check(app, gateway(slug))?;
            gateways::create_in(&mut change, project, checked).await?;
        }
        Ok(())
    }
    .await;
    change.finish(outcome).await
}

async fn there(app: &Admin, project: ProjectId) -> (usize, usize, Vec<String>) {
    let operator = operator();
    let secrets = secrets::list(app, &operator, project, &ALL).await.unwrap();
    let filter = GatewayFilter::default();
    let gateways = gateways::list(app, &operator, project, &filter, &ALL)
        .await
        .unwrap();
    let mut tx = app.gateways().store.read().await.unwrap();
    let filter = AuditFilter::default();
    let events = gatewright_store::audit::list(&mut tx, Some(project), &filter, &ALL)
        .await
        .unwrap();
    // The clock stands still, so events have no order.
    let mut actions: Vec<String> = events.items.into_iter().map(|event| event.action).collect();
    actions.sort();
    (secrets.items.len(), gateways.items.len(), actions)
}

#[tokio::test]
async fn a_change_of_many_entities_commits_all_of_them() {
    let test = TestAdmin::new().await;
    let project = project(&test.app).await;
    apply(&test.app, project, ["support", "sales"]).await.unwrap();
    let (secrets, gateways, actions) = there(&test.app, project).await;
    assert_eq!((secrets, gateways), (1, 2));
    assert_eq!(actions, ["gateway.created", "gateway.created", "secret.created"]);
}

#[tokio::test]
async fn a_change_of_which_one_part_is_refused_leaves_nothing_of_the_others() {
    let test = TestAdmin::new().await;
    let project = project(&test.app).await;
    let refused = apply(&test.app, project, ["support", "support"]).await;
    assert!(matches!(refused, Err(ServiceError::Invalid(_))), "{refused:?}");
    assert_eq!(there(&test.app, project).await, (0, 0, Vec::new()));
}

#[tokio::test]
async fn what_stood_in_the_way_of_a_change_is_told_although_the_change_never_happened() {
    let test = TestAdmin::new().await;
    let (app, operator) = (&test.app, operator());
    let project = project(app).await;
    let stored = secrets::create(app, &operator, project, secret("API_KEY"))
        .await
        .unwrap();
    let new = serde_json::from_value(serde_json::json!({
        "slug": "crm", "url": "http://127.0.0.1:9/mcp",
        "headers": [{"name": "X-Key", "value": "${secret:API_KEY}"}],
    }));
    crate::service::servers::create(app, &operator, project, new.unwrap())
        .await
        .unwrap();
    let permit = operator.change(project).unwrap();
    let mut change = Change::begin(app, permit).await.unwrap();
    let outcome = async {
        let checked = gateways::check(app, gateway("support"))?;
        gateways::create_in(&mut change, project, checked).await?;
        secrets::delete_in(&mut change, project, stored.id, &IfMatch::Any).await
    }
    .await;
    let refused = change.finish(outcome).await;
    assert!(matches!(refused, Err(ServiceError::Conflict(_))), "{refused:?}");
    let (secrets, gateways, actions) = there(app, project).await;
    assert_eq!((secrets, gateways), (1, 0));
    assert_eq!(
        actions,
        ["secret.created", "secret.deletion_refused", "server.created"]
    );
}
