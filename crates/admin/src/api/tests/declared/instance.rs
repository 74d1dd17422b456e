//! Instances on both stores, and the answers of their APIs without what is different for each: IDs and times.

use std::collections::HashMap;

use gatewright_domain::{
    api_key::KeyRole,
    id::{ApiKeyId, ProjectId},
};
use gatewright_store::PageRequest;
use serde_json::{Map, Value, json};

use super::{super::bench::Tenant, Bench, operator};
use crate::service::{IfMatch, api_keys, projects};

/// Members of answers that are different for each instance.
const OWN: [&str; 9] = [
    "id",
    "project_id",
    "created_at",
    "updated_at",
    "verified_at",
    "client_secret_changed_at",
    "redirect_url",
    "last_used_at",
    "secret_changed_at",
];

/// Two empty instances on SQLite.
pub(super) async fn on_sqlite() -> [Bench; 2] {
    [Bench::new().await, Bench::new().await]
}

/// Runs a test on two empty instances on SQLite, and with the feature `postgres-tests` on two on PostgreSQL.
macro_rules! on_both_stores {
    ($($test:ident;)+) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    let [one, other] = super::super::instance::on_sqlite().await;
                    super::$test(&one, &other).await;
                }
            )+
        }

        #[cfg(feature = "postgres-tests")]
        mod postgres {
            $(
                #[tokio::test]
                async fn $test() {
                    let (one, first) = super::super::instance::on_postgres().await;
                    let (other, second) = super::super::instance::on_postgres().await;
                    super::$test(&one, &other).await;
                    for (bench, schema) in [(one, first), (other, second)] {
                        bench.app.core().store.close().await;
                        schema.drop().await;
                    }
                }
            )+
        }
    };
}
pub(super) use on_both_stores;

/// A schema of PostgreSQL.
#[cfg(feature = "postgres-tests")]
pub(super) struct Schema(sqlx::PgConnection, String);

#[cfg(feature = "postgres-tests")]
impl Schema {
    pub(super) async fn drop(mut self) {
        use sqlx::Executor as _;
        let sql = format!("DROP SCHEMA {} CASCADE", self.1);
        self.0.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    }
}

/// An empty instance on the PostgreSQL of `GATEWRIGHT_TEST_POSTGRES`.
#[cfg(feature = "postgres-tests")]
#[expect(
    clippy::disallowed_methods,
    reason = "the environment says which PostgreSQL to test on"
)]
pub(super) async fn on_postgres() -> (Bench, Schema) {
    use gatewright_domain::{clock::FixedClock, entropy::SystemEntropy, id::EventId, secret::Secret};
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

    let url = std::env::var("GATEWRIGHT_TEST_POSTGRES")
        .expect("the feature postgres-tests needs GATEWRIGHT_TEST_POSTGRES: the URL of a PostgreSQL server");
    let mut outside = PgConnection::connect(&url).await.unwrap();
    let schema = EventId::generate(&FixedClock::at_seconds(0), &SystemEntropy).to_string();
    let sql = format!("CREATE SCHEMA {schema}");
    outside.execute(AssertSqlSafe(sql)).await.unwrap();
    let separator = if url.contains('?') { '&' } else { '?' };
    let inside = format!("{url}{separator}options=-c%20search_path%3D{schema}");
    let bench = Bench::with_config(|config| {
        config.database.url = Some(Secret::new(inside));
        config.keys.master = vec![Secret::new("q8Zt0v3WcXx1yJmR6bKp4nLd2sHf7uGe9oTiAaVwY5E=")];
    })
    .await;
    (bench, Schema(outside, schema))
}

/// The ID of a project.
pub(super) async fn id_of(bench: &Bench, project: &str) -> ProjectId {
    let projects = projects::list(&bench.app, &operator(), &PageRequest::first(200)).await;
    let mut projects = projects.unwrap().items.into_iter();
    let found = projects.find(|known| known.name == project);
    found.unwrap_or_else(|| panic!("no project {project}")).id
}

/// A key of a project for as long as something is asked, and the project's ID.
pub(super) struct Owner {
    pub(super) project: ProjectId,
    pub(super) key: String,
    id: ApiKeyId,
}

impl Owner {
    pub(super) async fn of(bench: &Bench, project: &str) -> Self {
        let project = id_of(bench, project).await;
        let new = api_keys::NewApiKey {
            name: "the test".to_owned(),
            role: Some(KeyRole::Owner),
            ..Default::default()
        };
        let made = api_keys::create(&bench.app, &operator(), project, new)
            .await
            .unwrap();
        Self {
            project,
            key: made.text.expose().to_owned(),
            id: made.key.id,
        }
    }

    pub(super) async fn end(self, bench: &Bench) {
        let project = Some(self.project);
        api_keys::revoke(&bench.app, &operator(), project, self.id, &IfMatch::Any)
            .await
            .unwrap();
    }
}

/// What the API answers about a project: its lists, in which things have names in the place of IDs.
pub(super) async fn answers(bench: &Bench, project: &str) -> Value {
    let owner = Owner::of(bench, project).await;
    let list = async |path: &str| {
        let path = format!("/projects/{}/{path}?limit=200", owner.project);
        let answer = bench.get(&owner.key, &path).await.expect(200);
        answer.body["items"].as_array().unwrap().clone()
    };
    let sources = list("user-sources").await;
    let servers = list("servers").await;
    let gateways = list("gateways").await;
    let mut clients = Vec::new();
    for gateway in &gateways {
        let path = format!(
            "gateways/{}/preregistered-clients",
            gateway["id"].as_str().unwrap()
        );
        for mut client in list(&path).await {
            client["gateway_id"] = gateway["id"].clone();
            clients.push(client);
        }
    }
    let mut names = HashMap::new();
    for (items, name) in [(&sources, "name"), (&servers, "slug"), (&gateways, "slug")] {
        for item in items {
            names.insert(
                item["id"].as_str().unwrap().to_owned(),
                item[name].as_str().unwrap().to_owned(),
            );
        }
    }
    let keys = list("api-keys").await;
    let keys = keys
        .into_iter()
        .filter(|key| key["name"] != "the test" && key["revoked_at"].is_null());
    let invitations = list("invitations").await;
    let invitations = invitations.into_iter().filter(|it| it["status"] == "open");
    let invitations = invitations.map(|mut invitation| {
        invitation["expires_at"].take();
        invitation
    });
    let all = json!({
        // Their order decides between equal names.
        "servers": plain(servers, &names),
        "user_sources": sorted(plain(sources, &names)),
        "secrets": sorted(plain(list("secrets").await, &names)),
        "gateways": sorted(plain(gateways, &names)),
        "clients": sorted(plain(clients, &names)),
        "keys": sorted(plain(keys.collect(), &names)),
        "invitations": sorted(plain(invitations.collect(), &names)),
        "members": sorted(plain(list("members").await, &names)),
    });
    owner.end(bench).await;
    all
}

fn plain(items: Vec<Value>, names: &HashMap<String, String>) -> Vec<Value> {
    items.into_iter().map(|item| without_own(item, names)).collect()
}

fn without_own(value: Value, names: &HashMap<String, String>) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter();
            let members = members.filter(|(name, _)| !OWN.contains(&name.as_str()));
            let members = members.map(|(name, value)| (name, without_own(value, names)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Value::Array(items) => plain(items, names).into(),
        Value::String(text) => names.get(&text).cloned().unwrap_or(text).into(),
        other => other,
    }
}

fn sorted(mut items: Vec<Value>) -> Vec<Value> {
    items.sort_by_key(ToString::to_string);
    items
}

/// A project that exists, for what needs its ID only.
pub(super) async fn tenant(bench: &Bench, project: &str) -> Tenant {
    Tenant {
        id: id_of(bench, project).await.to_string(),
        owner: String::new(),
        admin: String::new(),
        viewer: String::new(),
        gateway: String::new(),
    }
}

/// The IDs of sources, by name, and of gateways, by slug.
pub(super) async fn ids(bench: &Bench, project: &str) -> HashMap<String, String> {
    let owner = Owner::of(bench, project).await;
    let mut ids = HashMap::new();
    for (list, name) in [("user-sources", "name"), ("gateways", "slug")] {
        let path = format!("/projects/{}/{list}", owner.project);
        for item in bench.get(&owner.key, &path).await.expect(200).body["items"]
            .as_array()
            .unwrap()
        {
            let text = |member: &str| item[member].as_str().unwrap().to_owned();
            ids.insert(text(name), text("id"));
        }
    }
    owner.end(bench).await;
    ids
}
