//! Forms of other sites, pages of other projects, texts that would act.

use super::bench::{Bench, PASSWORD};

#[tokio::test]
async fn a_form_of_another_site_is_not_acted_upon() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let members = format!("{project}/members");
    let invitation = [("email", "eve@example.com"), ("role", "owner")];
    let setup = format!("/account/setup/{}", "x".repeat(43));
    for site in ["cross-site", "same-site", "none"] {
        for (path, fields) in [
            (members.as_str(), invitation.as_slice()),
            ("/account/name", &[("name", "Eve")]),
            ("/sign-out", &[]),
            ("/projects", &[("name", "Eve's")]),
            (&format!("{project}/settings/delete"), &[("confirm_name", "Acme")]),
            (
                &format!("{project}/api-keys"),
                &[("name", "Eve's"), ("role", "owner")],
            ),
            (&setup, &[("email", "eve@example.com")]),
        ] {
            let refused = ada.post_from(path, fields, site).await.expect(403);
            assert!(refused.has("We did not accept this form"), "{path}");
        }
    }
    let page = ada.get(&members).await.expect(200);
    assert!(!page.has("eve@example.com") && page.has("Ada Lovelace"));
    assert!(!ada.get("/projects").await.expect(200).has("Eve"));
    // Signing someone in as another is a change too.
    let mut victim = bench.browser();
    let credentials = [("email", "ada@example.com"), ("password", PASSWORD)];
    victim
        .post_from("/sign-in", &credentials, "cross-site")
        .await
        .expect(403);
    assert_eq!(victim.session(), None);
    ada.post(&members, &invitation).await.expect(200);
}

#[tokio::test]
async fn a_project_does_not_exist_for_those_who_are_not_members() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    ada.post("/projects", &[("name", "Other")]).await.expect(303);
    let other = ada
        .get("/projects")
        .await
        .between("aria-hidden=\"true\">O</span><a href=\"", "\"");
    let mut grace = bench.member(&mut ada, &other, "grace@example.com", "owner").await;
    grace.get(&other).await.expect(200);
    let unknown = format!("/projects/prj_{}", "0".repeat(32));
    for rest in [
        "",
        "/gateways",
        "/user-sources",
        "/servers",
        "/secrets",
        "/members",
        "/api-keys",
        "/audit",
        "/settings",
    ] {
        let theirs = grace.get(&format!("{project}{rest}")).await.expect(404);
        let nobodys = grace.get(&format!("{unknown}{rest}")).await.expect(404);
        assert_eq!(theirs.body, nobodys.body, "{rest}");
    }
    for (rest, fields) in [
        (
            "/members",
            [("email", "eve@example.com"), ("role", "owner")].as_slice(),
        ),
        ("/api-keys", &[("name", "k"), ("role", "owner")]),
        ("/settings", &[("name", "Mine")]),
        ("/settings/delete", &[("confirm_name", "Acme")]),
        ("/join", &[]),
    ] {
        let answer = grace.post(&format!("{project}{rest}"), fields).await;
        assert!(
            [403, 404].contains(&answer.status.as_u16()),
            "{rest}: {}",
            answer.body
        );
    }
    // Ids of another project under the path of one's own.
    let link = ada.invite(&project, "kay@example.com", "viewer").await;
    let page = ada.get(&format!("{project}/members")).await.expect(200);
    let ada_id = page.between("<select id=\"role-", "\"");
    let revoke = page
        .between("<form class=\"actions\" method=\"post\" action=\"", "\"")
        .replace(&project, &other);
    grace.post(&revoke, &[]).await.expect(404);
    bench.browser().get(&bench.path(&link)).await.expect(200);
    assert!(ada_id.starts_with("acc_"));
    let page = ada.get(&format!("{project}/settings")).await.expect(200);
    assert!(page.has("value=\"Acme\""), "nothing has changed");
}

#[tokio::test]
async fn an_administrator_of_the_instance_joins_before_looking_in() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    bench
        .member(&mut ada, &project, "grace@example.com", "owner")
        .await;
    let members = format!("{project}/members");
    let page = ada.get(&members).await.expect(200);
    let ada_id = page.between("<select id=\"role-", "\"");
    ada.post(&format!("{members}/{ada_id}/remove"), &[])
        .await
        .expect(303);
    assert!(
        ada.get(&project)
            .await
            .expect(403)
            .has("You are not a member of this project")
    );
    let list = ada.get("/projects").await.expect(200);
    assert!(list.has("Not a member"));
    let join = list.between("<form method=\"post\" action=\"/projects/", "\"");
    ada.post(&format!("/projects/{join}"), &[]).await.expect(303);
    ada.get(&project).await.expect(200);
    assert!(ada.get(&format!("{project}/audit")).await.has("Member joined"));
}

#[tokio::test]
async fn what_people_type_is_shown_and_never_acts() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let evil = "<script>alert(1)</script>\"'><img src=x>";
    ada.post("/account/name", &[("name", evil)]).await.expect(303);
    ada.post(&format!("{project}/settings"), &[("name", evil)])
        .await
        .expect(303);
    ada.post(
        &format!("{project}/api-keys"),
        &[("name", evil), ("role", "gateway")],
    )
    .await
    .expect(200);
    let link = ada.invite(&project, "grace@example.com", "viewer").await;
    let mut pages = vec![bench.browser().get(&bench.path(&link)).await.expect(200)];
    for path in ["/account", "/projects", &project] {
        pages.push(ada.get(path).await.expect(200));
    }
    for rest in ["/members", "/api-keys", "/audit", "/settings"] {
        pages.push(ada.get(&format!("{project}{rest}")).await.expect(200));
    }
    for page in pages {
        assert!(page.has("&#60;script&#62;"), "{}", page.body);
        assert!(!page.has("<script>") && !page.has("<img"), "{}", page.body);
    }
    let reflected = ada
        .get(&format!(
            "{project}/audit?action=%22%3E%3Cscript%3E&object_id=%27%3E%3Cimg"
        ))
        .await;
    assert!(!reflected.expect(200).has("<script>"));
}

#[tokio::test]
async fn a_page_allows_itself_nothing_but_its_own_files() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    for path in [
        "/account",
        "/projects",
        &project,
        &format!("{project}/audit"),
        "/nothing-here",
    ] {
        let page = ada.get(path).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{path}: {policy}"
        );
        assert_eq!(page.headers["cache-control"], "no-store");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert!(
            !page.has(" style=") && !page.has("<style") && !page.has(" onclick="),
            "{path}"
        );
        assert!(
            !page.has("=\"http:") && !page.has("=\"https:") && !page.has("=\"//"),
            "{path}: everything comes from here"
        );
    }
}

#[tokio::test]
async fn only_a_sign_in_for_an_app_may_end_at_another_origin() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    for (path, keeps_forms_here) in [
        ("/sign-in", true),
        ("/sign-in?next=%2Fprojects", true),
        ("/sign-in?next=%2Fmcp%2Facme%2Foauth2%2Fauthorize", false),
    ] {
        let page = browser.get(path).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert_eq!(
            policy.contains("form-action 'self'"),
            keeps_forms_here,
            "{path}: {policy}"
        );
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    }
}
