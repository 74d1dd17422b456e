//! Calling a tool from its page.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatewright_domain::{
    Clock as _, testing,
    user::{User, UserKey},
};
use serde_json::{Value, json};

use super::bench::{Bench, Browser};
use crate::resource_server::testing::{Upstream, upstream};

/// A project with a server that receives who calls, and a gateway.
pub(super) struct Place {
    pub(super) bench: Bench,
    pub(super) ada: Browser,
    pub(super) project: String,
    pub(super) upstream: Arc<Upstream>,
    /// Requests it got when it was saved.
    asked: usize,
    source: String,
    pub(super) tools: String,
}

impl Place {
    pub(super) async fn new(mode: &str) -> Self {
        let (bench, mut ada, project) = Bench::with_ada().await;
        let (url, upstream) = upstream().await;
        let server = json!({"slug": "told", "name": "Told", "url": url, "identity": "assertion",
            "headers": [{"name": "x-team", "value": "canary-blue"}]});
        ada.create(&format!("{project}/servers"), server).await;
        let asked = upstream.count();
        let source = json!({"name": "Okta", "issuer": "https://id.example", "client_id": "c",
            "client_secret": "canary-secret", "skip_validation": true});
        let source = ada.create(&format!("{project}/user-sources"), source).await;
        let of_source = (mode == "user_source").then_some(&source);
        let gateway = json!({"name": "Agents", "authentication_mode": mode, "user_source_id": of_source});
        let gateway = ada.create(&format!("{project}/gateways"), gateway).await;
        Self {
            tools: format!("{project}/gateways/{gateway}/try"),
            bench,
            ada,
            project,
            upstream,
            asked,
            source,
        }
    }

    /// A user of the source who has signed in; their id.
    pub(super) async fn user(&self, subject: &str) -> String {
        let test = &self.bench.test;
        let project = self.project.rsplit('/').next().unwrap().parse().unwrap();
        let source = self.source.parse().unwrap();
        let proposed = testing::user(project, source, test.clock.now(), subject);
        let user = User {
            key: UserKey {
                issuer: "https://id.example".to_owned(),
                ..proposed.key
            },
            display_name: Some(format!("{subject} <b>by name</b>")),
            ..proposed
        };
        let mut tx = test.app.gateways().store.write().await.unwrap();
        let user = gatewright_store::user::sign_in(&mut tx, &user).await.unwrap();
        tx.commit().await.unwrap();
        user.id.to_string()
    }

    /// What the server received about the caller with the last call.
    fn told(&self) -> Value {
        let calls = self.upstream.calls();
        let token = calls.last().unwrap()["gatewright-assertion"].to_str().unwrap();
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    }
}

#[tokio::test]
async fn a_tool_is_found_filled_in_and_called_as_oneself() {
    let mut place = Place::new("user_source").await;
    let list = place.ada.get(&place.tools).await.expect(200);
    assert!(list.has(">tell</a>") && list.has("1 tool<"));
    assert!(list.has("Tells &#60;/p&#62;&#60;script&#62;") && !list.has("<script>alert"));
    let none = place
        .ada
        .get(&format!("{}?q=nothing", place.tools))
        .await
        .expect(200);
    assert!(none.has("No such tool") && none.has("0 of 1 tools"));

    let path = format!("{}/tell", place.tools);
    let form = place.ada.get(&path).await.expect(200);
    assert!(form.has("name=\"argument:/text\"") && form.has("How &#34;often&#34;"));
    assert!(form.has("Ada Lovelace (ada@example.com)"));
    let fields = [
        ("argument:/text", "hi\r\nthere"),
        ("argument:/count", "3"),
        ("as", ""),
        ("do", "call"),
    ];
    let result = place.ada.post(&path, &fields).await.expect(200);
    assert!(
        result.has("<pre class=\"output\" tabindex=\"0\">told</pre>"),
        "{}",
        result.body
    );
    assert!(result.has("gatewright-assertion") && result.has("x-team") && !result.has("canary-blue"));
    assert!(
        result.has(">hi\nthere</textarea>") || result.has("\nhi\nthere</textarea>"),
        "what was typed stays"
    );
    let called = place.upstream.called();
    assert_eq!(
        called[0].1["params"]["arguments"],
        json!({"text": "hi\nthere", "count": 3})
    );
    let told = place.told();
    assert!(told["sub"].as_str().unwrap().starts_with("acc_"));
    assert_eq!(
        (&told["email"], &told["mode"]),
        (&json!("ada@example.com"), &json!("project_members"))
    );
    assert_eq!(told.get("act"), None, "nobody acts for somebody else");
    assert!(result.has(told["sub"].as_str().unwrap()));
    let audit = place
        .ada
        .get(&format!("{}/audit", place.project))
        .await
        .expect(200);
    assert!(audit.has("gateway.tool_tried") && !audit.has("there"));
}

#[tokio::test]
async fn a_user_is_searched_for_chosen_and_acted_for() {
    let mut place = Place::new("user_source").await;
    let user = place.user("grace").await;
    place.user("mallory").await;
    let path = format!("{}/tell", place.tools);
    let fields = [
        ("argument:/text", "kept"),
        ("as", ""),
        ("who", "grac"),
        ("do", "find"),
    ];
    let found = place.ada.post(&path, &fields).await.expect(200);
    assert!(found.has(&user) && !found.has("mallory") && found.has("grace &#60;b&#62;by name"));
    assert!(found.has("kept</textarea>"));
    assert_eq!(place.upstream.calls().len(), 0, "searching calls nothing");

    let fields = [("argument:/text", "kept"), ("as", user.as_str()), ("do", "call")];
    let result = place.ada.post(&path, &fields).await.expect(200);
    assert!(result.has("class=\"marked\"><dt><code>act</code>"));
    let told = place.told();
    assert_eq!((&told["sub"], &told["subject"]), (&json!(user), &json!("grace")));
    assert!(told["act"]["sub"].as_str().unwrap().starts_with("acc_"));

    let nobody = [("as", "usr_01900000000070008000000000000001"), ("do", "call")];
    let refused = place.ada.post(&path, &nobody).await.expect(422);
    assert!(refused.has("This person no longer exists."));
    let by_link = place.ada.get(&format!("{path}?as={user}")).await.expect(200);
    assert!(by_link.has(&format!("value=\"{user}\" checked")));
    assert_eq!(place.upstream.calls().len(), 1);
}

#[tokio::test]
async fn members_and_ids_of_users_are_chosen_where_these_are_the_users() {
    let mut place = Place::new("project_members").await;
    let mut ada = place.ada.clone();
    let mut hers = place
        .bench
        .member(&mut ada, &place.project, "grace@example.com", "viewer")
        .await;
    let path = format!("{}/tell", place.tools);
    let found = place
        .ada
        .post(&path, &[("as", ""), ("who", "GRACE"), ("do", "find")])
        .await
        .expect(200);
    let grace = format!("acc_{}", found.between("value=\"acc_", "\""));
    place
        .ada
        .post(&path, &[("as", &grace), ("do", "call")])
        .await
        .expect(200);
    let told = place.told();
    assert_eq!(told["sub"], json!(grace));
    assert_eq!(told.get("email"), None, "an inviter typed it");
    assert_ne!(told["act"]["sub"], told["sub"]);
    let account = format!("/instance/accounts/{grace}");
    place.bench.prove(&mut ada, &account, &mut hers).await;
    place
        .ada
        .post(&path, &[("as", &grace), ("do", "call")])
        .await
        .expect(200);
    assert_eq!(place.told()["email"], "grace@example.com");

    let mut place = Place::new("headers").await;
    let path = format!("{}/tell", place.tools);
    let fields = [("as", "typed"), ("user", "emp-7"), ("do", "call")];
    place.ada.post(&path, &fields).await.expect(200);
    assert!(place.told()["sub"].as_str().unwrap().ends_with("|emp-7"));
    let fields = [
        ("as", "typed"),
        ("user", ""),
        ("do", "call"),
        ("argument:/text", "kept"),
    ];
    let refused = place.ada.post(&path, &fields).await.expect(422);
    assert!(refused.has("as-error") && refused.has("kept</textarea>"));
    assert_eq!(place.upstream.calls().len(), 1);
}

#[tokio::test]
async fn mistakes_are_shown_at_their_field_and_json_can_express_what_a_form_cannot() {
    let mut place = Place::new("user_source").await;
    let path = format!("{}/tell", place.tools);
    let fields = [
        ("argument:/text", "kept"),
        ("argument:/count", "many"),
        ("do", "call"),
    ];
    let refused = place.ada.post(&path, &fields).await.expect(422);
    assert!(refused.has("“many” is not a whole number.") && refused.has("kept</textarea>"));
    let json = place
        .ada
        .post(
            &path,
            &[
                ("argument:/text", "kept"),
                ("argument:/count", "2"),
                ("do", "json"),
            ],
        )
        .await
        .expect(200);
    assert!(json.has("&#34;text&#34;: &#34;kept&#34;"));
    let back = place
        .ada
        .post(&path, &[("json", r#"{"text": "back"}"#), ("do", "form")])
        .await
        .expect(200);
    assert!(back.has("back</textarea>") && !back.has("name=\"json\""));
    for (typed, says) in [("{", "This is not JSON"), ("[]", "must be a JSON object")] {
        let refused = place
            .ada
            .post(&path, &[("json", typed), ("do", "call")])
            .await
            .expect(422);
        assert!(refused.has(says), "{typed}");
    }
    let odd = [("json", r#"{"other": [1]}"#), ("do", "form")];
    assert!(
        place
            .ada
            .post(&path, &odd)
            .await
            .expect(422)
            .has("no field for some of this")
    );
    assert_eq!(place.upstream.calls().len(), 0);
    let call = [("json", r#"{"other": [1]}"#), ("do", "call")];
    place.ada.post(&path, &call).await.expect(200);
    assert_eq!(
        place.upstream.called()[0].1["params"]["arguments"],
        json!({"other": [1]})
    );
}

#[tokio::test]
async fn viewers_strangers_and_inactive_gateways_call_nothing() {
    let mut place = Place::new("user_source").await;
    let mut viewer = place
        .bench
        .member(&mut place.ada, &place.project, "grace@example.com", "viewer")
        .await;
    let path = format!("{}/tell", place.tools);
    let page = viewer.get(&place.tools).await.expect(200);
    assert!(page.has("Viewers do not call tools") && !page.has(">tell</a>"));
    viewer.get(&path).await.expect(403);
    viewer.post(&path, &[("do", "call")]).await.expect(403);
    let beside = |rest: &str| format!("{}-{rest}", place.tools);
    for rest in ["prompts/ask", "resources/read?uri=me://inbox"] {
        viewer.get(&beside(rest)).await.expect(403);
    }
    for (rest, fields) in [
        ("prompts/ask", ("do", "get")),
        ("resources/read", ("uri", "me://inbox")),
    ] {
        viewer.post(&beside(rest), &[fields]).await.expect(403);
    }
    let other = place
        .ada
        .post("/projects", &[("name", "Other")])
        .await
        .expect(303)
        .location();
    let swapped = path.replace(&place.project, &other);
    place.ada.get(&swapped).await.expect(404);
    place.ada.post(&swapped, &[("do", "call")]).await.expect(404);
    place
        .bench
        .browser()
        .post(&path, &[("do", "call")])
        .await
        .expect(303);
    place
        .ada
        .post_from(&path, &[("do", "call")], "cross-site")
        .await
        .expect(403);
    let inactive = json!({"name": "Off", "authentication_mode": "headers", "status": "inactive"});
    let inactive = place
        .ada
        .create(&format!("{}/gateways", place.project), inactive)
        .await;
    let inactive = format!("{}/gateways/{inactive}/try", place.project);
    let page = place.ada.get(&inactive).await.expect(200);
    assert!(page.has("This gateway is inactive, so no one can use it."));
    place
        .ada
        .post(&format!("{inactive}/tell"), &[("do", "call")])
        .await
        .expect(409);
    assert_eq!(
        place.upstream.count(),
        place.asked,
        "no server heard of any of this"
    );
    place.ada.post(&path, &[("do", "call")]).await.expect(200);
    place
        .ada
        .get(&format!("{}/untold", place.tools))
        .await
        .expect(404);
}
