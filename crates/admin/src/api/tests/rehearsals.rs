//! `?dry_run=true`: what a change would touch is shown, and nothing is written.

use axum::http::Method;
use serde_json::{Value, json};

use super::bench::{Bench, Tenant};

/// A source with two gateways, of which one is active, two users and three live grants.
struct Scene {
    bench: Bench,
    acme: Tenant,
    source: String,
    active: String,
    idle: String,
}

impl Scene {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let acme = bench.tenant("Acme").await;
        let source = acme.source(&bench, "Okta").await;
        let active = acme.gateway_of(&bench, &source, "Agents", "active").await;
        let idle = acme.gateway_of(&bench, &source, "Idle", "inactive").await;
        for (subject, grants) in [("ada", 2), ("bob", 1)] {
            let user = bench.user(&acme, &source, subject).await;
            for _ in 0..grants {
                bench.grant(&acme, user, &source, &active).await;
            }
        }
        Self {
            bench,
            acme,
            source,
            active,
            idle,
        }
    }

    fn source_path(&self) -> String {
        self.acme.path(&format!("user-sources/{}", self.source))
    }

    fn gateway_path(&self) -> String {
        self.acme.path(&format!("gateways/{}", self.active))
    }

    /// Tries a change out, which has to work.
    async fn rehearse(&self, method: Method, path: &str, change: Option<Value>) -> Value {
        let path = format!("{path}?dry_run=true");
        let answer = self
            .bench
            .with(method, &path, Some(&self.acme.admin), &[], change)
            .await;
        let body = answer.expect(200).body;
        assert_eq!(body["dry_run"], true);
        body
    }

    /// Everything an administrator can see of source, gateways, users and what was done.
    async fn everything(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for what in ["user-sources", "gateways", "users", "audit-events"] {
            let list = self.bench.get(&self.acme.viewer, &self.acme.path(what)).await;
            all.push(list.expect(200).body);
        }
        all
    }
}

#[tokio::test]
async fn a_change_of_identity_shows_everything_it_would_end() {
    let scene = Scene::new().await;
    let before = scene.everything().await;
    let change = json!({"client_id": "another", "skip_validation": true});
    let told = scene
        .rehearse(Method::PATCH, &scene.source_path(), Some(change.clone()))
        .await;
    assert_eq!(told["changes"], json!(["client_id"]));
    assert_eq!(
        told["gateways"],
        json!([
            {"id": scene.active, "name": "Agents", "status": "active"},
            {"id": scene.idle, "name": "Idle", "status": "inactive"},
        ])
    );
    assert_eq!(
        (&told["active_gateways"], &told["users"], &told["live_grants"]),
        (&json!(1), &json!(2), &json!(3))
    );
    assert_eq!(
        (
            &told["ends_sessions"],
            &told["client_secret"],
            &told["changes_url"]
        ),
        (&json!(true), &json!("kept"), &json!(false))
    );
    assert_eq!(scene.everything().await, before, "nothing is written");

    scene
        .bench
        .patch(&scene.acme.admin, &scene.source_path(), change)
        .await
        .expect(200);
    let after = scene
        .rehearse(Method::PATCH, &scene.source_path(), Some(json!({})))
        .await;
    assert_eq!(
        (&after["changes"], &after["live_grants"]),
        (&json!([]), &json!(0))
    );
}

#[tokio::test]
async fn other_changes_end_nothing_and_what_happens_to_the_secret_is_shown() {
    let scene = Scene::new().await;
    let before = scene.everything().await;
    let elsewhere = json!({
        "issuer": "https://elsewhere.example.com", "client_secret": "canary-of-the-other", "skip_validation": true,
    });
    for (change, ends, fate) in [
        (json!({"name": "Renamed"}), false, "kept"),
        (
            json!({"client_secret": "canary-newer", "skip_validation": true}),
            false,
            "rotated",
        ),
        (elsewhere, true, "replaced"),
    ] {
        let told = scene
            .rehearse(Method::PATCH, &scene.source_path(), Some(change))
            .await;
        assert_eq!(
            (&told["ends_sessions"], &told["client_secret"]),
            (&json!(ends), &json!(fate))
        );
    }
    assert_eq!(scene.everything().await, before);
}

#[tokio::test]
async fn what_the_change_would_meet_is_met_without_a_trace() {
    let scene = Scene::new().await;
    let (bench, acme) = (&scene.bench, &scene.acme);
    let before = scene.everything().await;
    let path = format!("{}?dry_run=true", scene.source_path());
    let moved = json!({"issuer": "https://elsewhere.example.com", "skip_validation": true});
    let secret = bench.patch(&acme.admin, &path, moved).await.expect(422);
    assert_eq!(secret.pointers(), ["/client_secret"]);
    let inactive = json!({"status": "inactive"});
    let refused = bench
        .patch(&acme.admin, &path, inactive.clone())
        .await
        .expect(409);
    assert_eq!(refused.body["active_gateways"][0]["id"], scene.active);
    bench.delete(&acme.admin, &path).await.expect(409);
    bench.patch(&acme.viewer, &path, json!({})).await.expect(403);
    let headers = [("if-match", "\"1\"")];
    let stale = bench
        .with(
            Method::PATCH,
            &path,
            Some(&acme.admin),
            &headers,
            Some(json!({"name": "x"})),
        )
        .await;
    stale.expect(412);
    // A mistyped dry run must not be taken for the change itself.
    for query in ["dry-run=true", "dry_run=maybe", "dryrun"] {
        let path = format!("{}?{query}", scene.source_path());
        bench
            .patch(&acme.admin, &path, json!({"name": "Changed"}))
            .await
            .expect(400);
        bench.delete(&acme.admin, &path).await.expect(400);
    }
    assert_eq!(scene.everything().await, before);
    // The refusal itself is noted, once it is meant.
    bench
        .patch(&acme.admin, &scene.source_path(), inactive)
        .await
        .expect(409);
    assert_eq!(acme.actions(bench).await[0], "user_source.deactivation_refused");
}

#[tokio::test]
async fn a_deletion_shows_everything_that_would_be_deleted() {
    let scene = Scene::new().await;
    let (bench, acme) = (&scene.bench, &scene.acme);
    let gateway = scene.rehearse(Method::DELETE, &scene.gateway_path(), None).await;
    assert_eq!(
        (
            &gateway["live_grants"],
            &gateway["users"],
            &gateway["ends_sessions"]
        ),
        (&json!(3), &json!(2), &json!(true))
    );
    bench.get(&acme.viewer, &scene.gateway_path()).await.expect(200);
    let inactive = json!({"status": "inactive"});
    bench
        .patch(&acme.admin, &scene.gateway_path(), inactive)
        .await
        .expect(200);
    let before = scene.everything().await;
    let source = scene.rehearse(Method::DELETE, &scene.source_path(), None).await;
    assert_eq!(
        (
            &source["active_gateways"],
            &source["users"],
            &source["client_secret"]
        ),
        (&json!(0), &json!(2), &json!("deleted"))
    );
    assert_eq!(scene.everything().await, before);
    bench.delete(&acme.admin, &scene.source_path()).await.expect(204);
}

#[tokio::test]
async fn a_gateway_shows_whom_another_mode_or_address_would_cut_off() {
    let scene = Scene::new().await;
    let before = scene.everything().await;
    for (change, ends, moves) in [
        (json!({"authentication_mode": "headers"}), true, false),
        (json!({"slug": "elsewhere"}), false, true),
        (json!({"description": "New"}), false, false),
    ] {
        let told = scene
            .rehearse(Method::PATCH, &scene.gateway_path(), Some(change))
            .await;
        assert_eq!(
            (&told["ends_sessions"], &told["changes_url"]),
            (&json!(ends), &json!(moves))
        );
        assert_eq!(
            (&told["live_grants"], &told["client_secret"]),
            (&json!(3), &Value::Null)
        );
    }
    assert_eq!(scene.everything().await, before);
}
