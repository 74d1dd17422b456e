//! One object of each kind, for tests that walk all operations.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};

use super::bench::{Bench, Tenant};

/// Everything that is entered as a secret here contains this.
pub(super) const CANARY: &str = "c4n4ry";

/// A project with an object of each kind in it.
pub(super) struct Everything {
    pub(super) tenant: Tenant,
    /// The texts of keys that were shown once.
    pub(super) shown: Vec<String>,
    ids: BTreeMap<&'static str, String>,
}

impl Everything {
    pub(super) async fn make(bench: &Bench) -> Self {
        let tenant = bench.tenant("Acme").await;
        let make = async |what: &str, new: Value| {
            let headers = [("idempotency-key", what)];
            let path = tenant.path(what);
            let answer = bench.with(Method::POST, &path, Some(&tenant.owner), &headers, Some(new));
            answer.await.expect(201)
        };
        let secret = |number: u32| format!("{CANARY}-{number}");
        let source = json!({
            "name": "Okta", "issuer": "https://login.example.com", "client_id": "client-1",
            "client_secret": secret(1), "skip_validation": true,
        });
        let source = make("user-sources", source).await.text("id");
        let path = tenant.path(&format!("user-sources/{source}"));
        let rotated = json!({"client_secret": secret(2), "skip_validation": true});
        bench.patch(&tenant.admin, &path, rotated).await.expect(200);
        let stored = json!({"name": "TOKEN", "value": secret(3), "origins": ["https://mcp.example.com"]});
        let stored = make("secrets", stored).await.text("id");
        let path = tenant.path(&format!("secrets/{stored}"));
        bench
            .patch(&tenant.admin, &path, json!({"value": secret(4)}))
            .await
            .expect(200);
        let server = json!({
            "slug": "tools", "url": "https://mcp.example.com/mcp",
            "headers": [{"name": "Authorization", "value": "Bearer ${secret:TOKEN}"}],
        });
        let server = make("servers", server).await.text("id");
        let gateway = tenant.gateway_of(bench, &source, "Agents", "active").await;
        let client = json!({
            "name": "Portal", "redirect_uris": ["https://portal.example.com/callback"],
            "token_endpoint_auth_method": "client_secret_basic",
        });
        let client = make(&format!("gateways/{gateway}/preregistered-clients"), client).await;
        let user = bench.user(&tenant, &source, "ada").await;
        let grant = bench.grant(&tenant, user, &source, &gateway).await;
        let key = make("api-keys", json!({"name": "deploy", "role": "admin"})).await;
        let path = tenant.path(&format!("api-keys/{}/rotate", key.text("id")));
        let rotated = bench.post(&tenant.owner, &path, json!({})).await.expect(201);
        let instance = bench
            .post(&bench.instance, "/api-keys", json!({"name": "Terraform"}))
            .await
            .expect(201);
        let stream = json!({
            "name": "SIEM", "kind": "webhook", "url": "https://siem.example.com/gatewright",
            "secret": "whsec_YzRuNHJ5LWM0bjRyeS1jNG40cnktYzRuNHJ5",
        });
        let stream = bench.post(&bench.instance, "/streams", stream).await.expect(201);
        let events = bench
            .get(&tenant.viewer, &tenant.path("audit-events"))
            .await
            .expect(200);
        let shown = [
            key.text("key"),
            rotated.text("key"),
            instance.text("key"),
            client.text("client_secret"),
            bench.instance.clone(),
        ];
        let of_tenant = [&tenant.owner, &tenant.admin, &tenant.viewer, &tenant.gateway];
        Self {
            shown: shown.into_iter().chain(of_tenant.into_iter().cloned()).collect(),
            ids: BTreeMap::from([
                ("project", tenant.id.clone()),
                ("user_source", source),
                ("secret", stored),
                ("server", server),
                ("gateway", gateway),
                ("user", user.to_string()),
                ("preregistered_client", client.text("id")),
                ("grant", grant.to_string()),
                ("api_key", key.text("id")),
                ("instance_key", instance.text("id")),
                ("stream", stream.text("id")),
                (
                    "audit_event",
                    events.body["items"][0]["id"].as_str().unwrap().to_owned(),
                ),
            ]),
            tenant,
        }
    }

    /// The path of an operation with the IDs of what exists here; `None` if something does not exist.
    pub(super) fn path(&self, path: &str) -> Option<String> {
        // A key does not belong to an account.
        if path.starts_with("/api/v1/account") && !path.starts_with("/api/v1/accounts") {
            return None;
        }
        let is_of_instance = !path.contains("{project}");
        let mut filled = path.strip_prefix("/api/v1").unwrap().to_owned();
        if is_of_instance {
            filled = filled.replace("{api_key}", "{instance_key}");
            if filled.contains("{audit_event}") {
                return None;
            }
        }
        for (name, id) in &self.ids {
            filled = filled.replace(&format!("{{{name}}}"), id);
        }
        (!filled.contains('{')).then_some(filled)
    }

    /// The key that may do everything at this path.
    pub(super) fn master<'a>(&'a self, bench: &'a Bench, path: &str) -> &'a str {
        if path.contains("{project}") {
            &self.tenant.owner
        } else {
            &bench.instance
        }
    }
}
