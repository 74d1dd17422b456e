//! What the tests of the gateways' pages share: things that are there.

use std::time::Duration;

use gatewright_domain::{
    audit::Origin, gateway::Gateway, id::ProjectId, secret::Secret, server::Server, user_source::UserSource,
};
use serde_json::{Value, json};

use crate::{
    service::{
        Authority,
        gateways::{self, NewGateway},
        servers::{self, NewServer},
        user_sources::{self, NewUserSource},
    },
    testing::servers::{TestServer, dead_url},
    tests::bench::Bench,
};

/// Someone at the terminal of the machine.
pub(super) fn operator() -> Authority {
    Authority::operator(Origin::Cli)
}

/// The project of a path like `/projects/prj_…`.
pub(super) fn project_of(path: &str) -> ProjectId {
    path.trim_start_matches("/projects/").parse().unwrap()
}

/// A source that was not checked.
pub(super) async fn source(bench: &Bench, project: &str, name: &str) -> UserSource {
    let new = NewUserSource {
        name: name.to_owned(),
        issuer: "https://login.example.com".to_owned(),
        client_id: "gatewright".to_owned(),
        client_secret: Some(Secret::new("not-a-real-secret")),
        skip_validation: true,
        ..NewUserSource::default()
    };
    let saved = user_sources::create(&bench.test.app, &operator(), project_of(project), new).await;
    saved.unwrap().entity
}

/// A gateway.
pub(super) async fn gateway(bench: &Bench, project: &str, new: NewGateway) -> Gateway {
    // Gateways are listed by their IDs, which contain the millisecond.
    bench.test.clock.advance(Duration::from_millis(1));
    let made = gateways::create(&bench.test.app, &operator(), project_of(project), new).await;
    made.unwrap()
}

/// A server on loopback that lists these tools.
pub(super) async fn server(bench: &Bench, project: &str, slug: &str, tools: Vec<Value>) -> Server {
    having(bench, project, slug, json!({"tools": tools})).await
}

/// A server on loopback that lists these `tools`, `prompts`, `resources` and `resourceTemplates`.
pub(super) async fn having(bench: &Bench, project: &str, slug: &str, lists: Value) -> Server {
    let listening = TestServer::having(lists).await;
    server_at(bench, project, slug, &listening.url).await
}

/// A server that does not answer.
pub(super) async fn dead_server(bench: &Bench, project: &str, slug: &str) -> Server {
    server_at(bench, project, slug, &dead_url().await).await
}

async fn server_at(bench: &Bench, project: &str, slug: &str, url: &str) -> Server {
    bench.test.clock.advance(Duration::from_millis(1));
    let new = NewServer {
        slug: slug.to_owned(),
        url: url.to_owned(),
        ..NewServer::default()
    };
    let made = servers::create(&bench.test.app, &operator(), project_of(project), new).await;
    made.unwrap().entity
}

/// A tool as a server lists it.
pub(super) fn tool(name: &str, description: &str) -> Value {
    json!({"name": name, "description": description, "inputSchema": {"type": "object"}})
}

/// The least a browser sends of the form of a gateway, with further fields.
pub(super) fn filled<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("name", "Support"),
        ("authentication_mode", "project_members"),
        ("which_servers", "all"),
        ("which_tools", "all"),
        ("registration", "metadata_documents"),
        ("registration", "dynamic_registration"),
        ("registration", "preregistered_clients"),
        ("access_token_seconds", "3600"),
        ("grant_idle_seconds", "2592000"),
        ("grant_max_seconds", "7776000"),
    ];
    fields.retain(|(name, _)| *name == "registration" || !more.iter().any(|(other, _)| other == name));
    fields.extend_from_slice(more);
    fields
}
