//! The pages of the instance: only for its administrators.

use super::bench::{Bench, Browser, PASSWORD};

/// Someone who is a member of Ada's project and no administrator of the instance, and the path of their account.
async fn grace(bench: &Bench, ada: &mut Browser, project: &str) -> (Browser, String) {
    let grace = bench.member(ada, project, "grace@example.com", "viewer").await;
    let found = ada.get("/instance/accounts?search=GRACE").await.expect(200);
    let path = found.between("<a class=\"title\" href=\"", "\"");
    (grace, path)
}

#[tokio::test]
async fn only_administrators_of_the_instance_find_its_pages() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let (mut grace, account) = grace(&bench, &mut ada, &project).await;
    let key = ada
        .post("/instance/keys", &[("name", "Terraform"), ("life", "")])
        .await
        .expect(200)
        .between("action=\"/instance/keys/", "/rotate");
    for path in [
        "/instance",
        "/instance/accounts",
        "/instance/keys",
        "/instance/streams",
        "/instance/audit",
        account.as_str(),
    ] {
        let page = ada.get(path).await.expect(200);
        assert!(
            page.has("aria-current=\"page\"") && page.has("aria-label=\"Instance\""),
            "{path}"
        );
        grace.get(path).await.expect(404);
    }
    let revoke = format!("/instance/keys/{key}/revoke");
    let rotate = format!("/instance/keys/{key}/rotate");
    for (path, fields) in [
        ("/instance/keys", [("name", "Mine")].as_slice()),
        (&revoke, &[]),
        (&rotate, &[("overlap", "0")]),
        (&format!("{account}/administrator"), &[("administrator", "yes")]),
        (&format!("{account}/status"), &[("status", "disabled")]),
        (&format!("{account}/password-link"), &[]),
        (&format!("{account}/end-sessions"), &[]),
    ] {
        grace.post(path, fields).await.expect(404);
        ada.post_from(path, fields, "cross-site").await.expect(403);
    }
    let keys = ada.get("/instance/keys").await.expect(200);
    assert!(keys.has(&revoke) && !keys.has("Mine"));
    let page = ada.get(&account).await.expect(200);
    assert!(page.has("Does not administer the instance") && page.has("May sign in"));
    assert!(!grace.get(&project).await.expect(200).has("href=\"/instance\""));
    assert!(ada.get(&project).await.expect(200).has("href=\"/instance\""));
}

#[tokio::test]
async fn an_account_is_disabled_at_once_and_enabled_again() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let (mut grace, account) = grace(&bench, &mut ada, &project).await;
    grace.get(&project).await.expect(200);
    let status = format!("{account}/status");
    ada.post(&status, &[("status", "disabled")]).await.expect(303);
    assert_eq!(
        grace.get(&project).await.expect(303).location().split('?').next(),
        Some("/sign-in")
    );
    grace.sign_in("grace@example.com", "").await.expect(422);
    let page = ada.get(&account).await.expect(200);
    assert!(page.has("May not sign in"));
    let refused = ada
        .post(&format!("{account}/password-link"), &[])
        .await
        .expect(422);
    assert!(refused.has("enable it first") && !refused.has("/account/reset/"));
    ada.post(&status, &[("status", "active")]).await.expect(303);
    grace.sign_in("grace@example.com", "").await.expect(303);
    grace.get(&project).await.expect(200);
    // People cannot lock themselves out, and the last administrator stays one.
    let own = ada
        .get("/instance/accounts?search=ada")
        .await
        .between("<a class=\"title\" href=\"", "\"");
    let refused = ada
        .post(&format!("{own}/status"), &[("status", "disabled")])
        .await
        .expect(422);
    assert!(refused.has("This is your own account"));
    let refused = ada
        .post(&format!("{own}/administrator"), &[("administrator", "no")])
        .await
        .expect(422);
    assert!(refused.has("the only administrator"));
    let about = ada.get("/instance").await.expect(200);
    let version = gatewright_core::version::with_commit();
    assert!(about.has(&format!("Gatewright {version}</dd>")));
}

#[tokio::test]
async fn a_person_who_is_locked_out_gets_a_link_that_works_once() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let (mut grace, account) = grace(&bench, &mut ada, &project).await;
    ada.post(&format!("{account}/end-sessions"), &[])
        .await
        .expect(303);
    grace.get(&project).await.expect(303);
    let made = ada
        .post(&format!("{account}/password-link"), &[])
        .await
        .expect(200);
    let link = bench.path(&made.between("<code id=\"password-link\">", "</code>"));
    assert!(
        !ada.get(&account).await.has("/account/reset/"),
        "it is shown once"
    );
    assert!(!ada.get("/instance/audit").await.has("/account/reset/"));
    let mut found = bench.browser();
    let chosen = [("password", "another harbour ninety")];
    found.post(&link, &chosen).await.expect(303);
    found.get(&project).await.expect(200);
    bench.browser().get(&link).await.expect(404);
    let old = [
        ("email", "grace@example.com"),
        ("password", PASSWORD),
        ("next", ""),
    ];
    bench.browser().post("/sign-in", &old).await.expect(422);
    let log = ada.get("/instance/audit").await.expect(200);
    assert!(log.has("Account password link made") && log.has("Account sessions ended"));
    assert!(log.has("Ada Lovelace"));
}

#[tokio::test]
async fn an_administrator_of_the_instance_is_made_and_unmade() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let (mut grace, account) = grace(&bench, &mut ada, &project).await;
    let path = format!("{account}/administrator");
    // Someone else may know the password of an account whose address is not proven.
    let refused = ada.post(&path, &[("administrator", "yes")]).await.expect(422);
    assert!(refused.has("The address of this account is not proven"));
    bench.prove(&mut ada, &account, &mut grace).await;
    ada.post(&path, &[("administrator", "yes")]).await.expect(303);
    grace.get("/instance").await.expect(303);
    grace.sign_in("grace@example.com", "").await.expect(303);
    grace.get("/instance").await.expect(200);
    // Someone who gives it up is led to where they still have access.
    let left = grace.post(&path, &[("administrator", "no")]).await.expect(303);
    assert_eq!(left.location(), "/projects");
    grace.get("/instance").await.expect(404);
}

#[tokio::test]
async fn a_key_of_the_instance_is_rotated_with_an_overlap_and_shown_once() {
    let (_bench, mut ada, _) = Bench::with_ada().await;
    let refused = ada.post("/instance/keys", &[("name", "")]).await.expect(422);
    assert!(refused.has("id=\"name-error\"") && !refused.has("gwk_"));
    let made = ada
        .post("/instance/keys", &[("name", "Terraform <b>"), ("life", "90")])
        .await
        .expect(200);
    let first = made.between("<code id=\"api-key\">", "</code>");
    assert!(made.has("Terraform &#60;b&#62;") && !made.has("<b>"));
    let rotate = made.between("class=\"ask\" method=\"post\" action=\"", "\"");
    let rotated = ada.post(&rotate, &[("overlap", "3600")]).await.expect(200);
    let second = rotated.between("<code id=\"api-key\">", "</code>");
    assert!(second.starts_with("gwk_") && second != first);
    assert!(rotated.has("keeps working for an hour") && rotated.has("Replaced by a new key"));
    let again = ada.post(&rotate, &[("overlap", "3600")]).await.expect(422);
    assert!(again.has("was rotated before") && !again.has("gwk_"));
    let odd = ada.post(&rotate, &[("overlap", "for ever")]).await.expect(422);
    assert!(odd.has("at most 7 days"));
    let page = ada.get("/instance/keys").await.expect(200);
    assert!(!page.has(&first) && !page.has(&second));
}
