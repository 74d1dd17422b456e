//! Accounts, members and invitations through the API: with the cookie of a session, and with keys.

use axum::http::{Method, header};
use serde_json::json;

use super::{
    bench::Bench,
    people::{Browser, PASSWORD, first, invited},
};

#[tokio::test]
async fn a_session_opens_the_api_from_pages_of_ours_only() {
    let bench = Bench::new().await;
    let (ada, project) = first(&bench).await;
    let path = format!("/projects/{project}");
    ada.get(&bench, &path).await.expect(200);
    let cookie = ("cookie", ada.0.as_str());
    let renamed = || Some(json!({"name": "Renamed"}));
    for headers in [
        vec![cookie],
        vec![cookie, ("sec-fetch-site", "cross-site")],
        vec![cookie, ("sec-fetch-site", "same-site")],
        vec![cookie, ("sec-fetch-site", "none")],
        vec![cookie, ("origin", "https://evil.example")],
        vec![
            cookie,
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://evil.example"),
        ],
    ] {
        let refused = bench.with(Method::PATCH, &path, None, &headers, renamed()).await;
        refused.expect(403);
    }
    let foreign = [cookie, ("sec-fetch-site", "cross-site")];
    bench
        .with(Method::GET, &path, None, &foreign, None)
        .await
        .expect(403);
    assert_eq!(ada.get(&bench, &path).await.expect(200).text("name"), "Acme");
    // A browser that is too old to say more names our origin.
    let old = [cookie, ("origin", "http://127.0.0.1:8080")];
    bench
        .with(Method::PATCH, &path, None, &old, renamed())
        .await
        .expect(200);
    // A forged cookie does not belong to an account, and it is ignored beside a key.
    let forged = [
        ("cookie", "gatewright-session=forged"),
        ("sec-fetch-site", "same-origin"),
    ];
    bench
        .with(Method::GET, &path, None, &forged, None)
        .await
        .expect(401);
    bench
        .with(Method::GET, &path, Some("gwk_wrong"), &[cookie], None)
        .await
        .expect(401);
    let events = ada.get(&bench, &format!("{path}/audit-events")).await.expect(200);
    let event = &events.body["items"][0];
    assert_eq!(
        (&event["action"], &event["actor"]["type"]),
        (&json!("project.updated"), &json!("account"))
    );
    assert_eq!(event["actor"]["origin"], "api");
}

#[tokio::test]
async fn members_are_invited_changed_and_removed_by_owners() {
    let bench = Bench::new().await;
    let (ada, project) = first(&bench).await;
    let grace = invited(&bench, &ada, &project, "grace@example.com", "admin").await;
    let members = format!("/projects/{project}/members");
    let listed = grace.get(&bench, &members).await.expect(200);
    let items = listed.body["items"].as_array().unwrap();
    let of = |email: &str| {
        let found = items.iter().find(|item| item["email"] == email).unwrap();
        found["account_id"].as_str().unwrap().to_owned()
    };
    let (ada_path, grace_path) = (
        format!("{members}/{}", of("ada@example.com")),
        format!("{members}/{}", of("grace@example.com")),
    );
    let to = |role: &str| Some(json!({"role": role}));
    // An admin cannot change anyone's role, including her own.
    for path in [&ada_path, &grace_path] {
        grace
            .send(&bench, Method::PATCH, path, to("owner"))
            .await
            .expect(403);
    }
    grace
        .send(&bench, Method::DELETE, &ada_path, None)
        .await
        .expect(403);
    let new = json!({"email": "eve@example.com", "role": "owner"});
    let invitations = format!("/projects/{project}/invitations");
    grace
        .send(&bench, Method::POST, &invitations, Some(new))
        .await
        .expect(403);
    ada.send(&bench, Method::PATCH, &ada_path, to("viewer"))
        .await
        .expect(409);
    ada.send(&bench, Method::DELETE, &ada_path, None)
        .await
        .expect(409);
    ada.send(&bench, Method::PATCH, &grace_path, to("gateway"))
        .await
        .expect(422);
    let changed = ada
        .send(&bench, Method::PATCH, &grace_path, to("owner"))
        .await
        .expect(200);
    assert_eq!(changed.text("role"), "owner");
    grace.get(&bench, &members).await.expect(401);
    ada.send(&bench, Method::DELETE, &ada_path, None)
        .await
        .expect(204);
    // She administers the instance, and is a stranger inside until she joins.
    ada.get(&bench, &members).await.expect(403);
}

#[tokio::test]
async fn an_invitation_is_listed_without_its_link_and_revoked() {
    let bench = Bench::new().await;
    let (ada, project) = first(&bench).await;
    let path = format!("/projects/{project}/invitations");
    let new = json!({"email": "grace@example.com", "role": "viewer"});
    let made = ada.send(&bench, Method::POST, &path, Some(new)).await.expect(201);
    let link = made.text("link");
    let token = link.rsplit('/').next().unwrap().to_owned();
    let one = format!("{path}/{}", made.text("id"));
    assert_eq!(ada.get(&bench, &one).await.expect(200).text("status"), "open");
    ada.send(&bench, Method::DELETE, &one, None).await.expect(204);
    assert_eq!(ada.get(&bench, &one).await.expect(200).text("status"), "revoked");
    let listed = ada.get(&bench, &path).await.expect(200);
    assert!(!listed.body.to_string().contains(&token));
    let wrong = json!({"email": "grace", "role": "gateway"});
    let refused = ada
        .send(&bench, Method::POST, &path, Some(wrong))
        .await
        .expect(422);
    assert_eq!(refused.pointers(), ["/role"]);
    let wrong = ada
        .send(&bench, Method::POST, &path, Some(json!({"email": "grace"})))
        .await
        .expect(422);
    assert_eq!(wrong.pointers(), ["/email", "/role"]);
    // Only the hash is stored.
    bench.app.gateways().store.close().await;
    let files: String = std::fs::read_dir(bench.folder.path())
        .unwrap()
        .map(|entry| String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()).into_owned())
        .collect();
    assert!(!files.contains(&token));
}

#[tokio::test]
async fn ones_own_account_needs_a_session_and_a_key_has_none() {
    let bench = Bench::new().await;
    let (ada, _) = first(&bench).await;
    for path in ["/account", "/account/sessions", "/account/memberships"] {
        bench.get(&bench.instance, path).await.expect(403);
        ada.get(&bench, path).await.expect(200);
    }
    let renamed = ada
        .send(&bench, Method::PATCH, "/account", Some(json!({"name": "Ada L."})))
        .await;
    assert_eq!(renamed.expect(200).text("name"), "Ada L.");
    let sneaky = json!({"is_instance_admin": true});
    ada.send(&bench, Method::PATCH, "/account", Some(sneaky))
        .await
        .expect(422);
    let sessions = ada.get(&bench, "/account/sessions").await.expect(200);
    let id = sessions.body["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(sessions.body["items"][0]["is_current"], true);
    let ended = ada
        .send(&bench, Method::DELETE, "/account/sessions", None)
        .await
        .expect(200);
    assert_eq!(ended.body["sessions_ended"], 0);
    ada.send(&bench, Method::DELETE, &format!("/account/sessions/{id}"), None)
        .await
        .expect(204);
    ada.get(&bench, "/account").await.expect(401);
}

#[tokio::test]
async fn a_new_password_rotates_the_cookie_and_shows_nowhere() {
    let bench = Bench::new().await;
    let (ada, _) = first(&bench).await;
    let change = |current: &str, new: &str| Some(json!({"current_password": current, "new_password": new}));
    let path = "/account/password";
    let wrong = ada
        .send(&bench, Method::PUT, path, change("wrong", "canary amber quarry"))
        .await;
    assert_eq!(wrong.expect(422).pointers(), ["/current_password"]);
    let weak = ada
        .send(&bench, Method::PUT, path, change(PASSWORD, "short"))
        .await;
    assert_eq!(weak.expect(422).pointers(), ["/new_password"]);
    let done = ada
        .send(&bench, Method::PUT, path, change(PASSWORD, "canary amber quarry"))
        .await
        .expect(204);
    let set = done.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
    ada.get(&bench, "/account").await.expect(401);
    let again = Browser(set.split(';').next().unwrap().to_owned());
    again.get(&bench, "/account").await.expect(200);
    assert!(!bench.everything_visible().contains("canary"));
}

#[tokio::test]
async fn administrators_of_the_instance_manage_accounts_and_others_do_not() {
    let bench = Bench::new().await;
    let (ada, project) = first(&bench).await;
    let grace = invited(&bench, &ada, &project, "grace@example.com", "owner").await;
    grace.get(&bench, "/accounts").await.expect(403);
    let tenant = bench.tenant("Other").await;
    bench.get(&tenant.owner, "/accounts").await.expect(403);
    let listed = bench.get(&bench.instance, "/accounts").await.expect(200);
    let items = listed.body["items"].as_array().unwrap();
    let of = |email: &str| {
        let found = items.iter().find(|item| item["email"] == email).unwrap();
        format!("/accounts/{}", found["id"].as_str().unwrap())
    };
    let (ada_path, grace_path) = (of("ada@example.com"), of("grace@example.com"));
    grace
        .send(
            &bench,
            Method::PATCH,
            &grace_path,
            Some(json!({"is_instance_admin": true})),
        )
        .await
        .expect(403);
    ada.send(
        &bench,
        Method::PATCH,
        &ada_path,
        Some(json!({"status": "disabled"})),
    )
    .await
    .expect(409);
    ada.send(
        &bench,
        Method::PATCH,
        &ada_path,
        Some(json!({"is_instance_admin": false})),
    )
    .await
    .expect(409);
    ada.send(
        &bench,
        Method::PATCH,
        &grace_path,
        Some(json!({"status": "disabled"})),
    )
    .await
    .expect(200);
    grace.get(&bench, "/account").await.expect(401);
    let stale = [
        ("cookie", ada.0.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("if-match", "\"1\""),
    ];
    let enable = json!({"status": "active"});
    bench
        .with(Method::PATCH, &grace_path, None, &stale, Some(enable.clone()))
        .await
        .expect(412);
    bench
        .patch(&bench.instance, &grace_path, enable.clone())
        .await
        .expect(403);
    ada.send(&bench, Method::PATCH, &grace_path, Some(enable))
        .await
        .expect(200);
    // A key cannot join a project: it is not a person.
    let members = format!("/projects/{}/members", tenant.id);
    bench.post(&bench.instance, &members, json!({})).await.expect(403);
    grace.send(&bench, Method::POST, &members, None).await.expect(401);
    ada.get(&bench, &members).await.expect(403);
    ada.send(&bench, Method::POST, &members, None).await.expect(201);
    ada.get(&bench, &members).await.expect(200);
    let actions = tenant.actions(&bench).await;
    assert_eq!(actions[0], "member.joined");
}

#[tokio::test]
async fn deleting_a_project_asks_for_its_name_and_says_what_goes() {
    let bench = Bench::new().await;
    let (ada, project) = first(&bench).await;
    let path = format!("/projects/{project}");
    let tried = ada
        .send(&bench, Method::DELETE, &format!("{path}?dry_run=true"), None)
        .await
        .expect(200);
    assert_eq!(tried.body["members"], 1);
    assert_eq!(tried.body["gateways"], 0);
    for query in ["", "?confirm_name=acm", "?confirm_name="] {
        let refused = ada
            .send(&bench, Method::DELETE, &format!("{path}{query}"), None)
            .await
            .expect(422);
        assert_eq!(refused.pointers(), ["/confirm_name"]);
    }
    ada.get(&bench, &path).await.expect(200);
    ada.send(&bench, Method::DELETE, &format!("{path}?confirm_name=Acme"), None)
        .await
        .expect(204);
    ada.get(&bench, &path).await.expect(404);
}

#[tokio::test]
async fn an_export_breaks_off_with_its_session_or_membership() {
    use http_body_util::BodyExt as _;

    let bench = Bench::new().await;
    let (ada, project) = first(&bench).await;
    let path = format!("/projects/{project}");
    for number in 0..250 {
        let renamed = Some(json!({"name": format!("Acme {number}")}));
        ada.send(&bench, Method::PATCH, &path, renamed).await.expect(200);
    }
    let begin = async |browser: &Browser| {
        let headers = [("cookie", browser.0.as_str()), ("sec-fetch-site", "same-origin")];
        let path = format!("{path}/audit-events/export");
        let mut body = bench.begun(&path, &headers).await.into_body();
        body.frame().await.unwrap().unwrap();
        body
    };
    let grace = invited(&bench, &ada, &project, "grace@example.com", "viewer").await;
    let alan = invited(&bench, &ada, &project, "alan@example.com", "viewer").await;
    let (mut of_grace, mut of_alan, mut of_ada) =
        (begin(&grace).await, begin(&alan).await, begin(&ada).await);
    let id = grace.get(&bench, "/account").await.expect(200).text("id");
    let member = format!("{path}/members/{id}");
    ada.send(&bench, Method::DELETE, &member, None).await.expect(204);
    assert!(of_grace.frame().await.unwrap().is_err());
    let sessions = alan.get(&bench, "/account/sessions").await.expect(200);
    let session = sessions.body["items"][0]["id"].as_str().unwrap();
    let session = format!("/account/sessions/{session}");
    alan.send(&bench, Method::DELETE, &session, None)
        .await
        .expect(204);
    assert!(of_alan.frame().await.unwrap().is_err());
    assert!(of_ada.frame().await.unwrap().is_ok(), "nobody else's stops");
}
