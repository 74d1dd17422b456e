//! Many entities in one change: all of them or none.

use gatewright_domain::{audit::Origin, gateway::Mode, id::ProjectId, secret::Secret};
use gatewright_store::{PageRequest, audit::AuditFilter, gateway_list::GatewayFilter};

use crate::{
    Admin,
    service::{
        Authority, IfMatch, ServiceError,
        change::Change,
        gateways::{self, NewGateway},
        preregistered_clients::{self, NewPreregisteredClient},
        projects::{self, NewProject},
        secrets::{self, NewSecret},
        servers::{self, NewServer},
        user_sources::{self, NewUserSource},
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

fn source() -> NewUserSource {
    NewUserSource {
        name: "Okta".to_owned(),
        issuer: "https://okta.example.com".to_owned(),
        client_id: "gatewright".to_owned(),
        client_secret: Some(Secret::new("s3cr3t")),
        skip_validation: true,
        ..NewUserSource::default()
    }
}

fn server() -> NewServer {
    NewServer {
        slug: "crm".to_owned(),
        url: "http://127.0.0.1:9/mcp".to_owned(),
        ..NewServer::default()
    }
}

fn client() -> NewPreregisteredClient {
    NewPreregisteredClient {
        name: "Ticket desk".to_owned(),
        redirect_uris: vec!["https://desk.example.com/cb".to_owned()],
        token_endpoint_auth_method: "none".to_owned(),
        jwks: None,
    }
}

/// A configuration: one of each, and two gateways, in one change.
async fn apply(app: &Admin, project: ProjectId, slugs: [&str; 2]) -> Result<(), ServiceError> {
    let operator = operator();
    let permit = operator.change(project)?;
    let checked = secret("API_KEY").check()?;
    let tried = servers::try_new(app, permit, project, server()).await?;
    let prepared = user_sources::prepare(app, permit, project, source()).await?;
    let mut change = Change::begin(app, permit).await?;
    let outcome = async {
        secrets::create_in(&mut change, project, checked).await?;
        servers::create_in(&mut change, tried).await?;
        user_sources::create_in(&mut change, prepared).await?;
        for slug in slugs {
            let checked = gateways::check(app, project, gateway(slug))?;
            let made = gateways::create_in(&mut change, checked).await?;
            let checked = client().check()?;
            preregistered_clients::create_in(&mut change, project, made.id, checked).await?;
        }
        Ok(())
    }
    .await;
    change.finish(outcome).await
}

/// How many secrets, servers, User Sources and gateways there are, and the actions in the audit trail.
async fn there(app: &Admin, project: ProjectId) -> ([usize; 4], Vec<String>) {
    let operator = operator();
    let secrets = secrets::list(app, &operator, project, &ALL).await.unwrap();
    let servers = servers::list(app, &operator, project, &ALL).await.unwrap();
    let sources = user_sources::list(app, &operator, project, &ALL).await.unwrap();
    let filter = GatewayFilter::default();
    let gateways = gateways::list(app, &operator, project, &filter, &ALL)
        .await
        .unwrap();
    let mut tx = app.gateways().store.read().await.unwrap();
    let filter = AuditFilter::default();
    let events = gatewright_store::audit::list(&mut tx, Some(project), &filter, &ALL)
        .await
        .unwrap();
    // The clock does not move, so events have no order.
    let mut actions: Vec<String> = events.items.into_iter().map(|event| event.action).collect();
    actions.sort();
    let counts = [
        secrets.items.len(),
        servers.items.len(),
        sources.items.len(),
        gateways.items.len(),
    ];
    (counts, actions)
}

#[tokio::test]
async fn a_change_of_many_entities_commits_all_of_them() {
    let test = TestAdmin::new().await;
    let project = project(&test.app).await;
    apply(&test.app, project, ["support", "sales"]).await.unwrap();
    let (counts, actions) = there(&test.app, project).await;
    assert_eq!(counts, [1, 1, 1, 2]);
    assert_eq!(
        actions,
        [
            "gateway.created",
            "gateway.created",
            "preregistered_client.created",
            "preregistered_client.created",
            "secret.created",
            "server.created",
            "user_source.created"
        ]
    );
}

#[tokio::test]
async fn a_change_of_which_one_part_is_refused_leaves_nothing_of_the_others() {
    let test = TestAdmin::new().await;
    let project = project(&test.app).await;
    let refused = apply(&test.app, project, ["support", "support"]).await;
    assert!(matches!(refused, Err(ServiceError::Invalid(_))), "{refused:?}");
    assert_eq!(there(&test.app, project).await, ([0; 4], Vec::new()));
}

#[tokio::test]
async fn what_prevented_a_change_is_recorded_although_the_change_never_happened() {
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
    servers::create(app, &operator, project, new.unwrap())
        .await
        .unwrap();
    let permit = operator.change(project).unwrap();
    let mut change = Change::begin(app, permit).await.unwrap();
    let outcome = async {
        let checked = gateways::check(app, project, gateway("support"))?;
        gateways::create_in(&mut change, checked).await?;
        secrets::delete_in(&mut change, project, stored.id, &IfMatch::Any).await
    }
    .await;
    let refused = change.finish(outcome).await;
    assert!(matches!(refused, Err(ServiceError::Conflict(_))), "{refused:?}");
    let (counts, actions) = there(app, project).await;
    assert_eq!(counts, [1, 1, 0, 0]);
    assert_eq!(
        actions,
        ["secret.created", "secret.deletion_refused", "server.created"]
    );
}
