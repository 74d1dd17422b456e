//! Two projects that identify their users to one server: refused, unless the operator allows it.

use std::sync::Arc;

use gatewright_domain::{clock::SystemClock, entropy::SystemEntropy, server::Server};
use serde_json::{Value, json};

use super::bench::{Answer, Bench, Tenant};
use crate::{
    Admin,
    service::{Authority, attention},
    testing::servers::dead_url,
};

const PATH: &str = "servers";

async fn post(bench: &Bench, tenant: &Tenant, slug: &str, url: &str, identity: &str) -> Answer {
    let new = json!({"slug": slug, "url": url, "identity": identity, "retries": 0});
    bench.post(&tenant.admin, &tenant.path(PATH), new).await
}

async fn patch(bench: &Bench, tenant: &Tenant, id: &str, change: Value) -> Answer {
    let path = tenant.path(&format!("{PATH}/{id}"));
    bench.patch(&tenant.admin, &path, change).await
}

/// Another path at the same server, and its host in another spelling.
fn elsewhere(url: &str) -> String {
    url.replace("/mcp", "/other?x=1")
}

fn origin(url: &str) -> String {
    url.trim_end_matches("/mcp").to_owned()
}

#[track_caller]
fn refused(answer: Answer, pointer: &str, origin: &str, owner: &Tenant) {
    let answer = answer.expect(422);
    assert_eq!(answer.pointers(), [pointer]);
    let told = answer.body.to_string();
    assert!(
        told.contains(origin) && told.contains("servers.shared_assertion_origins"),
        "{told}"
    );
    assert!(
        !told.contains(&owner.id) && !told.contains("Acme"),
        "it does not say whose: {told}"
    );
}

#[tokio::test]
async fn a_second_project_cannot_identify_its_users_to_a_server_of_another() {
    let bench = Bench::new().await;
    let (acme, mallory) = (bench.tenant("Acme").await, bench.tenant("Mallory").await);
    let url = dead_url().await;
    let first = post(&bench, &acme, "crm", &url, "assertion")
        .await
        .expect(201)
        .text("id");
    post(&bench, &acme, "again", &elsewhere(&url), "assertion")
        .await
        .expect(201);

    let origin = origin(&url);
    refused(
        post(&bench, &mallory, "crm", &url, "assertion").await,
        "/identity",
        &origin,
        &acme,
    );
    refused(
        post(&bench, &mallory, "crm", &elsewhere(&url), "assertion").await,
        "/identity",
        &origin,
        &acme,
    );
    // Without assertions it can be used, and cannot get them later.
    let plain = post(&bench, &mallory, "crm", &url, "none")
        .await
        .expect(201)
        .text("id");
    refused(
        patch(&bench, &mallory, &plain, json!({"identity": "assertion"})).await,
        "/identity",
        &origin,
        &acme,
    );
    let own = post(&bench, &mallory, "own", &dead_url().await, "assertion")
        .await
        .expect(201)
        .text("id");
    refused(
        patch(&bench, &mallory, &own, json!({"url": url})).await,
        "/url",
        &origin,
        &acme,
    );

    // Once no server of the first project has it, another project may.
    let again = bench.get(&acme.admin, &acme.path(PATH)).await.expect(200).body["items"][1]["id"].clone();
    patch(
        &bench,
        &acme,
        again.as_str().unwrap(),
        json!({"identity": "none"}),
    )
    .await
    .expect(200);
    let path = acme.path(&format!("{PATH}/{first}"));
    bench.delete(&acme.admin, &path).await.expect(204);
    patch(&bench, &mallory, &own, json!({"url": url}))
        .await
        .expect(200);
    refused(
        post(&bench, &acme, "crm", &url, "assertion").await,
        "/identity",
        &origin,
        &mallory,
    );
}

#[tokio::test]
async fn the_operator_may_allow_an_origin_to_several_projects() {
    let (shared, other) = (dead_url().await, dead_url().await);
    let bench = Bench::with_config(|config| {
        config.servers.shared_assertion_origins = vec![origin(&shared)];
    })
    .await;
    let (acme, other_tenant) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    for url in [&shared, &other] {
        let slug = if *url == shared { "shared" } else { "other" };
        post(&bench, &acme, slug, url, "assertion").await.expect(201);
    }
    post(&bench, &other_tenant, "shared", &shared, "assertion")
        .await
        .expect(201);
    refused(
        post(&bench, &other_tenant, "other", &other, "assertion").await,
        "/identity",
        &origin(&other),
        &acme,
    );
    assert_eq!(
        warned(&bench.app, &acme).await,
        Vec::<String>::new(),
        "it is allowed"
    );
}

#[tokio::test]
async fn projects_that_shared_an_origin_before_continue_and_are_warned() {
    let bench = Bench::new().await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let url = dead_url().await;
    post(&bench, &acme, "crm", &url, "assertion").await.expect(201);
    // As an older version did, past the check.
    let plain = post(&bench, &other, "crm", &dead_url().await, "assertion")
        .await
        .expect(201)
        .text("id");
    let (project, id) = (other.id.parse().unwrap(), plain.parse().unwrap());
    let mut tx = bench.app.gateways().store.write().await.unwrap();
    let before = gatewright_store::server::find(&mut tx, project, id)
        .await
        .unwrap()
        .unwrap();
    let moved = Server {
        url: url.clone(),
        ..before.clone()
    };
    assert!(
        gatewright_store::server::update(&mut tx, &moved, before.updated_at)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();

    for tenant in [&acme, &other] {
        assert_eq!(warned(&bench.app, tenant).await, [origin(&url)]);
    }
    // Everything else about it can change, and it continues after a restart.
    let change = json!({"name": "CRM", "url": elsewhere(&url)});
    patch(&bench, &other, &plain, change).await.expect(200);
    let config = bench.app.config.clone();
    let restarted = Admin::build(config, Arc::new(SystemClock), Arc::new(SystemEntropy))
        .await
        .unwrap();
    assert_eq!(warned(&restarted, &other).await, [origin(&url)]);
    // A project that gives it up does not get it back.
    patch(&bench, &other, &plain, json!({"identity": "none"}))
        .await
        .expect(200);
    let back = patch(&bench, &other, &plain, json!({"identity": "assertion"})).await;
    refused(back, "/identity", &origin(&url), &acme);
}

/// The origins that a project is shown as used by another.
async fn warned(app: &Admin, tenant: &Tenant) -> Vec<String> {
    let authority = Authority::operator(gatewright_domain::audit::Origin::System);
    let matters = attention::of(app, &authority, tenant.id.parse().unwrap())
        .await
        .unwrap();
    let shared = matters.into_iter().filter_map(|matter| match matter {
        attention::Matter::SharedOrigin {
            server: (_, _),
            origin,
        } => Some(origin),
        _ => None,
    });
    shared.collect()
}
