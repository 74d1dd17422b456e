//! Keys, settings and the audit log of a project.

use std::time::Duration;

use super::bench::Bench;

#[tokio::test]
async fn a_key_is_shown_once_and_revoked() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let keys = format!("{project}/api-keys");
    assert!(ada.get(&keys).await.expect(200).has("No keys yet"));
    let page = ada
        .post(&keys, &[("name", ""), ("role", "emperor")])
        .await
        .expect(422);
    assert!(page.has("name-error") && page.has("A role is required"));
    let made = ada
        .post(&keys, &[("name", "Terraform"), ("role", "admin"), ("life", "30")])
        .await
        .expect(200);
    let text = made.between("<code id=\"api-key\">", "</code>");
    assert!(text.starts_with("gwk_"));
    let list = ada.get(&keys).await.expect(200);
    assert!(list.has("Terraform") && list.has("in 30 days") && !list.has(&text));
    let call = || {
        http::Request::get(format!("/api/v1{project}/gateways"))
            .header("authorization", format!("Bearer {text}"))
    };
    bench
        .browser()
        .send(call(), axum::body::Body::empty())
        .await
        .expect(200);
    let rotate = list.between("class=\"ask\" method=\"post\" action=\"", "\"");
    let revoke = rotate.replace("/rotate", "/revoke");
    assert!(list.has(&revoke));
    ada.post(&revoke, &[]).await.expect(303);
    bench
        .browser()
        .send(call(), axum::body::Body::empty())
        .await
        .expect(401);
    assert!(ada.get(&keys).await.has("Revoked"));
}

#[tokio::test]
async fn a_project_is_renamed_and_deleted_by_its_name_only() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let settings = format!("{project}/settings");
    assert!(
        ada.post(&settings, &[("name", "")])
            .await
            .expect(422)
            .has("name-error")
    );
    ada.post(&settings, &[("name", "Acme Two")]).await.expect(303);
    assert!(ada.get(&settings).await.has("The name of the project is saved."));
    let delete = format!("{settings}/delete");
    for wrong in ["", "Acme", "acme two"] {
        let page = ada.post(&delete, &[("confirm_name", wrong)]).await.expect(422);
        assert!(page.has("confirm_name-error"));
    }
    ada.get(&project).await.expect(200);
    ada.post(&delete, &[("confirm_name", "Acme Two")])
        .await
        .expect(303);
    assert!(ada.get("/projects").await.has("The project is deleted"));
    ada.get(&project).await.expect(404);
}

#[tokio::test]
async fn the_audit_log_keeps_its_filters_in_the_address() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    for number in 0..60 {
        // Events are listed by their IDs, which contain the millisecond.
        bench.test.clock.advance(Duration::from_millis(1));
        let fields = [("name", format!("Acme {number}"))];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        ada.post(&format!("{project}/settings"), &fields)
            .await
            .expect(303);
    }
    ada.invite(&project, "grace@example.com", "viewer").await;
    let all = ada.get(&format!("{project}/audit")).await.expect(200);
    assert!(all.has("Invitation created") && all.has("Ada Lovelace") && all.has("Dashboard"));
    let renamed = ada
        .get(&format!("{project}/audit?action=project.updated"))
        .await
        .expect(200);
    assert!(renamed.has("<ins>Acme 59</ins>") && !renamed.has("Invitation created"));
    let before = renamed.between("<nav class=\"pages\"", "\" rel=\"next\"");
    let (_, next) = before.rsplit_once("<a href=\"").unwrap();
    let next = next.replace("&#38;", "&");
    assert!(next.contains("action=project.updated&cursor=evt_"), "{next}");
    let older = ada.get(&next).await.expect(200);
    assert!(older.has("<ins>Acme 0</ins>") && !older.has("<ins>Acme 59</ins>"));
    assert!(older.has("To the first page") && !older.has("Invitation created"));
    let none = ada
        .get(&format!("{project}/audit?object_id=src_none"))
        .await
        .expect(200);
    assert!(none.has("No such events"));
}
