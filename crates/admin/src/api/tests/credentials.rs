//! Every answer that holds a credential, asked for with every kind of authority: a new one that is not in the table fails.

use std::{collections::BTreeSet, time::Duration};

use axum::http::Method;
use serde_json::{Value, json};

use super::{
    super::idempotency::shown_once,
    bench::{Answer, Bench, Tenant},
    document::{document, operations},
    people::{self, Browser},
};

/// Who gets the credential; everyone else is refused.
type Holders = &'static [Who];

/// Every operation whose answer holds a credential, with the member that is one.
const TABLE: &[(&str, &str, Holders)] = &[
    ("create_api_key", "key", OWNERS),
    ("rotate_api_key", "key", OWNERS),
    ("create_invitation", "link", &[Who::OwnerKey, Who::Owner]),
    ("create_instance_key", "key", INSTANCE),
    ("rotate_instance_key", "key", INSTANCE),
    ("make_password_link", "link", &[Who::Administrator]),
    ("create_preregistered_client", "client_secret", ADMINS),
    ("rotate_client_secret", "client_secret", ADMINS),
    ("start_test_sign_in", "url", ADMINS),
];

const OWNERS: Holders = &[Who::OwnerKey, Who::ExpiringOwnerKey, Who::Owner];
const INSTANCE: Holders = &[Who::InstanceKey, Who::ExpiringInstanceKey, Who::Administrator];
const ADMINS: Holders = &[
    Who::OwnerKey,
    Who::ExpiringOwnerKey,
    Who::AdminKey,
    Who::Owner,
    Who::Admin,
];

/// Texts that sound like credentials by name and are none: addresses, names of secrets, and codes of findings.
const HARMLESS: &[&str] = &[
    "callback_url",
    "code",
    "console_url",
    "docs_url",
    "documentation_url",
    "issuer_url",
    "redirect_uris",
    "redirect_url",
    "secrets",
    "uri",
    "uri_template",
    "url",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    InstanceKey,
    ExpiringInstanceKey,
    OwnerKey,
    ExpiringOwnerKey,
    AdminKey,
    ViewerKey,
    GatewayKey,
    OwnerKeyElsewhere,
    /// A signed-in administrator of the instance who is not a member of the project.
    Administrator,
    Owner,
    Admin,
    Viewer,
    /// Someone who is signed in and a member of another project.
    Stranger,
}

/// How a caller asks.
enum Caller {
    Key(String),
    Person(Browser),
}

impl Caller {
    async fn post(&self, bench: &Bench, path: &str, body: Value) -> Answer {
        match self {
            Self::Key(key) => bench.post(key, path, body).await,
            Self::Person(browser) => browser.send(bench, Method::POST, path, Some(body)).await,
        }
    }
}

/// The members of all answers of an operation, by name, with whether they are marked as shown once.
fn members(document: &Value, schema: &Value, found: &mut BTreeSet<(String, bool)>, seen: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        if !seen.iter().any(|known| known == reference) {
            seen.push(reference.to_owned());
            let schema = document.pointer(reference.trim_start_matches('#')).unwrap();
            members(document, schema, found, seen);
        }
        return;
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let is_marked = member["x-shown-once"] == Value::Bool(true);
        if is_marked || holds_free_text(member) {
            found.insert((name.clone(), is_marked));
        }
        members(document, member, found, seen);
    }
    for parts in ["allOf", "oneOf", "anyOf"] {
        for part in schema[parts].as_array().into_iter().flatten() {
            members(document, part, found, seen);
        }
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            members(document, &schema[inner], found, seen);
        }
    }
}

/// Whether a member can hold any text, alone or in a list: a number, a time or one of a few words is not a credential.
fn holds_free_text(member: &Value) -> bool {
    let is = |kind: &str| match &member["type"] {
        Value::String(one) => one == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        _ => false,
    };
    let is_text = is("string") && !member["enum"].is_array() && member["format"] != "date-time";
    is_text || is("array") && holds_free_text(&member["items"])
}

fn sounds_like_a_credential(name: &str) -> bool {
    const WORDS: [&str; 12] = [
        "key", "keys", "link", "token", "password", "secret", "secrets", "code", "cookie", "url", "uri",
        "uris",
    ];
    name.split('_').any(|word| WORDS.contains(&word))
}

#[tokio::test]
async fn every_answer_with_a_credential_is_known() {
    let bench = Bench::new().await;
    let document = document(&bench).await;
    let (mut known, mut doubtful) = (BTreeSet::new(), BTreeSet::new());
    for (_, _, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        for (status, response) in operation["responses"].as_object().unwrap() {
            if !status.starts_with('2') {
                continue;
            }
            let mut found = BTreeSet::new();
            let schema = &response["content"]["application/json"]["schema"];
            members(&document, schema, &mut found, &mut Vec::new());
            for (name, is_marked) in &found {
                if *is_marked {
                    known.insert((id.to_owned(), name.clone()));
                    assert!(
                        shown_once(&document, &operation, status).contains(name),
                        "{id}: {name} is marked where it is not looked for"
                    );
                } else if sounds_like_a_credential(name) && !HARMLESS.contains(&name.as_str()) {
                    doubtful.insert((id.to_owned(), name.clone()));
                }
            }
        }
    }
    let listed: BTreeSet<_> = TABLE
        .iter()
        .map(|(id, member, _)| ((*id).to_owned(), (*member).to_owned()))
        .collect();
    assert_eq!(known, listed);
    assert_eq!(doubtful, BTreeSet::new(), "are these credentials?");
}

/// A project with what the operations need, and all callers.
struct World {
    bench: Bench,
    acme: Tenant,
    gateway: String,
    source: String,
    /// The account a password link is for.
    account: String,
    /// When the keys that expire do so.
    end: String,
    callers: Vec<(Who, Caller)>,
    ada: Browser,
}

impl World {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let (ada, elsewhere) = people::first(&bench).await;
        let (acme, other) = (bench.tenant("Globex").await, bench.tenant("Other").await);
        let source = acme.source(&bench, "Okta").await;
        let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
        let end = bench.now().plus(Duration::from_mins(10)).to_rfc3339();
        let short = json!({"name": "short", "role": "owner", "expires_at": end});
        let short = bench.post(&acme.owner, &acme.path("api-keys"), short).await;
        let of_instance = json!({"name": "short", "expires_at": end});
        let of_instance = bench.post(&bench.instance, "/api-keys", of_instance).await;
        let person = async |role: &str| {
            let new = json!({"email": format!("{role}@example.com"), "role": role});
            let made = bench.post(&acme.owner, &acme.path("invitations"), new).await;
            people::accepted(&bench, &made.expect(201).text("link")).await
        };
        let key = |text: &str| Caller::Key(text.to_owned());
        let stranger = people::invited(&bench, &ada, &elsewhere, "eve@example.com", "owner").await;
        let callers = vec![
            (Who::InstanceKey, key(&bench.instance)),
            (
                Who::ExpiringInstanceKey,
                key(&of_instance.expect(201).text("key")),
            ),
            (Who::OwnerKey, key(&acme.owner)),
            (Who::ExpiringOwnerKey, key(&short.expect(201).text("key"))),
            (Who::AdminKey, key(&acme.admin)),
            (Who::ViewerKey, key(&acme.viewer)),
            (Who::GatewayKey, key(&acme.gateway)),
            (Who::OwnerKeyElsewhere, key(&other.owner)),
            (Who::Administrator, Caller::Person(Browser(ada.0.clone()))),
            (Who::Owner, Caller::Person(person("owner").await)),
            (Who::Admin, Caller::Person(person("admin").await)),
            (Who::Viewer, Caller::Person(person("viewer").await)),
            (Who::Stranger, Caller::Person(stranger)),
        ];
        let found = ada.get(&bench, "/accounts?search=viewer@").await.expect(200);
        let account = found.body["items"][0]["id"].as_str().unwrap().to_owned();
        Self {
            bench,
            acme,
            gateway,
            source,
            account,
            end,
            callers,
            ada,
        }
    }

    /// Path and body with which an operation would succeed, for a separate object each time.
    async fn request(&self, operation: &str, number: usize) -> (String, Value) {
        let bench = &self.bench;
        let clients = self
            .acme
            .path(&format!("gateways/{}/preregistered-clients", self.gateway));
        let client = json!({
            "name": format!("Portal {number} {operation}"), "redirect_uris": ["https://portal.example.com/callback"],
            "token_endpoint_auth_method": "client_secret_basic",
        });
        let keys = self.acme.path("api-keys");
        let until = json!({"expires_at": self.end});
        match operation {
            "create_api_key" => (
                keys,
                json!({"name": "k", "role": "owner", "expires_at": self.end}),
            ),
            "rotate_api_key" => {
                let new = json!({"name": "k", "role": "viewer"});
                let made = bench.post(&self.acme.owner, &keys, new).await.expect(201);
                (format!("{keys}/{}/rotate", made.text("id")), until)
            }
            "create_instance_key" => (
                "/api-keys".to_owned(),
                json!({"name": "k", "expires_at": self.end}),
            ),
            "rotate_instance_key" => {
                let made = bench
                    .post(&bench.instance, "/api-keys", json!({"name": "k"}))
                    .await;
                (format!("/api-keys/{}/rotate", made.expect(201).text("id")), until)
            }
            "create_invitation" => (
                self.acme.path("invitations"),
                json!({"email": format!("new{number}@example.com"), "role": "viewer"}),
            ),
            "make_password_link" => (format!("/accounts/{}/password-link", self.account), json!({})),
            "create_preregistered_client" => (clients, client),
            "rotate_client_secret" => {
                let made = bench.post(&self.acme.owner, &clients, client).await.expect(201);
                (format!("{clients}/{}/rotate-secret", made.text("id")), json!({}))
            }
            "start_test_sign_in" => (
                self.acme
                    .path(&format!("user-sources/{}/test-sign-ins", self.source)),
                json!({}),
            ),
            other => panic!("say how {other} is asked for"),
        }
    }
}

#[tokio::test]
async fn each_credential_is_only_for_its_holders() {
    let world = World::new().await;
    let mut lent = Vec::new();
    for (operation, member, holders) in TABLE {
        for (number, (who, caller)) in world.callers.iter().enumerate() {
            let (path, body) = world.request(operation, number).await;
            let answer = caller.post(&world.bench, &path, body).await;
            let status = answer.status.as_u16();
            let shown = answer.body[member].as_str();
            if holders.contains(who) {
                assert!(
                    matches!(status, 200 | 201),
                    "{who:?} at {operation}: {:#}",
                    answer.body
                );
                assert!(shown.is_some(), "{who:?} at {operation}");
            } else {
                assert!(matches!(status, 403 | 404), "{who:?} at {operation}: {status}");
                assert_eq!(shown, None, "{who:?} at {operation}");
            }
            if matches!(who, Who::ExpiringInstanceKey | Who::ExpiringOwnerKey) && *member == "key" {
                lent.extend(shown.map(str::to_owned));
            }
        }
    }
    // What keys that expire have made ends with them.
    assert_eq!(lent.len(), 4);
    for key in &lent {
        world.bench.get(key, "/projects").await.expect(200);
    }
    world.bench.clock.advance(Duration::from_mins(10));
    for key in &lent {
        world.bench.get(key, "/projects").await.expect(401);
    }
}

#[tokio::test]
async fn a_key_of_two_minutes_becomes_no_lasting_owner() {
    let world = World::new().await;
    let bench = &world.bench;
    let Some((_, Caller::Key(short))) = world
        .callers
        .iter()
        .find(|(who, _)| *who == Who::ExpiringInstanceKey)
    else {
        panic!("there is such a key");
    };
    let project = bench
        .post(short, "/projects", json!({"name": "New"}))
        .await
        .expect(201);
    let project = format!("/projects/{}", project.text("id"));
    let lasting = json!({"name": "k", "role": "owner"});
    let keys = format!("{project}/api-keys");
    let refused = bench.post(short, &keys, lasting.clone()).await.expect(422);
    assert_eq!(refused.pointers(), ["/expires_at"]);
    // Nor through a person: a member would stay.
    let invitation = json!({"email": "mallory@example.com", "role": "owner"});
    let invitations = format!("{project}/invitations");
    let refused = bench
        .post(short, &invitations, invitation.clone())
        .await
        .expect(403);
    assert!(refused.text("detail").contains(&world.end), "{:#}", refused.body);
    let bounded = json!({"name": "k", "role": "owner", "expires_at": world.end});
    let owner = bench.post(short, &keys, bounded).await.expect(201).text("key");
    bench
        .post(&owner, &invitations, invitation.clone())
        .await
        .expect(403);
    bench.post(&owner, &keys, lasting).await.expect(422);
    // A key that does not expire may.
    bench
        .post(&world.acme.owner, &world.acme.path("invitations"), invitation)
        .await
        .expect(201);
    // Nor by making a member more than they are; less is allowed.
    let Some((_, Caller::Key(owner))) = world
        .callers
        .iter()
        .find(|(who, _)| *who == Who::ExpiringOwnerKey)
    else {
        panic!("there is such a key");
    };
    let member = world.acme.path(&format!("members/{}", world.account));
    bench
        .patch(owner, &member, json!({"role": "owner"}))
        .await
        .expect(403);
    bench
        .patch(&world.acme.owner, &member, json!({"role": "admin"}))
        .await
        .expect(200);
    bench
        .patch(owner, &member, json!({"role": "viewer"}))
        .await
        .expect(200);
}

#[tokio::test]
async fn what_is_done_to_a_person_is_in_the_trail_of_each_of_their_projects() {
    let world = World::new().await;
    let path = format!("/accounts/{}", world.account);
    let post = async |rest: &str| {
        let path = format!("{path}/{rest}");
        let answer = world.ada.send(&world.bench, Method::POST, &path, None).await;
        assert!(answer.status.is_success(), "{:#}", answer.body);
    };
    post("password-link").await;
    post("end-sessions").await;
    let disable = Some(json!({"status": "disabled"}));
    let answer = world.ada.send(&world.bench, Method::PATCH, &path, disable).await;
    answer.expect(200);
    let expected = [
        "account.updated",
        "account.sessions_ended",
        "account.password_link_made",
    ];
    assert_eq!(world.acme.actions(&world.bench).await[..3], expected);
    let of_instance = world
        .bench
        .get(&world.bench.instance, "/audit-events")
        .await
        .expect(200);
    let of_instance = of_instance.body["items"].as_array().unwrap();
    let actions: Vec<_> = of_instance
        .iter()
        .map(|event| event["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions[..3], expected);
}
