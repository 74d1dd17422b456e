//! Invitations and members.

use super::bench::{Bench, PASSWORD};

#[tokio::test]
async fn an_invited_person_makes_an_account_and_is_a_member() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let link = ada.invite(&project, "grace@example.com", "viewer").await;
    let link = bench.path(&link);
    assert!(
        !ada.get(&format!("{project}/members")).await.has(&link),
        "the link is shown once"
    );
    let mut grace = bench.browser();
    let page = grace.get(&link).await.expect(200);
    assert!(page.has("Acme") && page.has("Viewer") && page.has("grace@example.com"));
    let weak = grace
        .post(&link, &[("name", "Grace"), ("password", "short")])
        .await
        .expect(422);
    assert!(weak.has("value=\"Grace\"") && weak.has("password-error"));
    let joined = grace
        .post(&link, &[("name", "Grace"), ("password", PASSWORD)])
        .await
        .expect(303);
    assert_eq!(joined.location(), project);
    assert!(
        grace
            .get(&project)
            .await
            .expect(200)
            .has("You are a member of this project now.")
    );
    let again = bench.browser().get(&link).await.expect(404);
    assert!(again.has("This invitation was accepted."));
    assert!(
        ada.get(&format!("{project}/members"))
            .await
            .has("grace@example.com")
    );
}

#[tokio::test]
async fn a_proven_account_signs_in_to_join_and_others_cannot_join_for_it() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let mut grace = bench
        .member(&mut ada, &project, "grace@example.com", "viewer")
        .await;
    let found = ada.get("/instance/accounts?search=grace").await.expect(200);
    assert!(found.has("Address not proven"));
    let account = found.between("<a class=\"title\" href=\"", "\"");
    bench.prove(&mut ada, &account, &mut grace).await;
    assert!(!ada.get(&account).await.expect(200).has("not proven"));
    ada.post("/projects", &[("name", "Other")]).await.expect(303);
    let other = ada.get("/projects").await.between(
        "<span class=\"person\"><span class=\"tile\" aria-hidden=\"true\">O</span><a href=\"",
        "\"",
    );
    let link = ada.invite(&other, "grace@example.com", "admin").await;
    let link = bench.path(&link);
    // Not as a newcomer, who would choose the password of someone else's account.
    let mut eve = bench.browser();
    assert!(
        eve.get(&link)
            .await
            .expect(200)
            .has(&format!("/sign-in?next={link}"))
    );
    let refused = eve
        .post(&link, &[("name", "Eve"), ("password", PASSWORD)])
        .await
        .expect(422);
    assert!(refused.has("There is an account of this address already"));
    // Nor as another account.
    assert!(ada.get(&link).await.expect(200).has("for another address"));
    ada.post(&link, &[]).await.expect(403);
    assert!(grace.get(&other).await.expect(404).has("There is nothing here"));
    assert_eq!(grace.post(&link, &[]).await.expect(303).location(), other);
    grace.get(&other).await.expect(200);
}

#[tokio::test]
async fn an_account_that_is_not_proven_joins_by_its_password_or_stays_apart() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let mut squatter = bench
        .member(&mut ada, &project, "grace@example.com", "viewer")
        .await;
    assert!(
        ada.get(&format!("{project}/members"))
            .await
            .has("Address not proven")
    );
    assert!(squatter.get("/account").await.expect(200).has("Not proven"));
    ada.post("/projects", &[("name", "Other")]).await.expect(303);
    let other = ada.get("/projects").await.between(
        "<span class=\"person\"><span class=\"tile\" aria-hidden=\"true\">O</span><a href=\"",
        "\"",
    );
    let link = ada.invite(&other, "grace@example.com", "admin").await;
    let link = bench.path(&link);
    // A browser that is signed in is not enough.
    assert!(squatter.get(&link).await.expect(200).has("Your password"));
    squatter.post(&link, &[]).await.expect(422);
    squatter
        .post(&link, &[("password", "wrong wrong wrong")])
        .await
        .expect(422);
    squatter.get(&other).await.expect(404);
    // Who was meant makes their own account, with their own password.
    let mut grace = bench.browser();
    let page = grace.get(&link).await.expect(200);
    assert!(page.has("Someone has set up an account") && page.has("Choose a password"));
    let own = "quiet lantern seventeen";
    grace
        .post(&link, &[("name", "Grace"), ("password", own)])
        .await
        .expect(303);
    grace.get(&other).await.expect(200);
    grace.get(&project).await.expect(404);
    squatter.get(&other).await.expect(404);
    squatter.get(&project).await.expect(200);
    // An administrator says whose the address is: the one account gets all projects, the other is deleted.
    let found = ada.get("/instance/accounts?search=Grace").await.expect(200);
    let before = found.body.split("<bdi>Grace</bdi>").next().unwrap();
    let account = before.rsplit("href=\"").next().unwrap();
    let account = account.split('"').next().unwrap().to_owned();
    assert!(
        ada.get(&account)
            .await
            .expect(200)
            .has("Other accounts of this address")
    );
    bench.prove(&mut ada, &account, &mut grace).await;
    squatter.get(&project).await.expect(303);
    grace.get(&project).await.expect(200);
    grace.get(&other).await.expect(200);
}

#[tokio::test]
async fn a_revoked_invitation_opens_nothing() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let link = ada.invite(&project, "grace@example.com", "viewer").await;
    let members = ada.get(&format!("{project}/members")).await.expect(200);
    let revoke = members.between("<form class=\"actions\" method=\"post\" action=\"", "\"");
    ada.post(&revoke, &[]).await.expect(303);
    let mut grace = bench.browser();
    let link = bench.path(&link);
    assert!(grace.get(&link).await.expect(404).has("was revoked"));
    grace
        .post(&link, &[("name", "Grace"), ("password", PASSWORD)])
        .await
        .expect(404);
    assert_eq!(grace.session(), None);
    grace.sign_in("grace@example.com", "").await.expect(422);
}

#[tokio::test]
async fn a_new_role_acts_on_the_next_page() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let mut grace = bench
        .member(&mut ada, &project, "grace@example.com", "owner")
        .await;
    let members = format!("{project}/members");
    let page = grace.get(&members).await.expect(200);
    assert!(page.has("Invite someone"));
    let second = page.body.split("<select id=\"role-").nth(2).unwrap();
    let grace_id = second.split('"').next().unwrap();
    let path = format!("{members}/{grace_id}/role");
    ada.post(&path, &[("role", "viewer")]).await.expect(303);
    assert!(
        grace
            .get(&members)
            .await
            .expect(303)
            .location()
            .starts_with("/sign-in")
    );
    grace.sign_in("grace@example.com", "").await.expect(303);
    assert!(!grace.get(&members).await.expect(200).has("Invite someone"));
    // People cannot raise their own role.
    let refused = grace.post(&path, &[("role", "owner")]).await.expect(403);
    assert!(refused.has("Not open to you"));
    grace
        .post(&members, &[("email", "eve@example.com"), ("role", "owner")])
        .await
        .expect(403);
    ada.post(&path, &[("role", "emperor")]).await.expect(404);
}

#[tokio::test]
async fn the_last_owner_stays_and_others_may_leave() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let mut grace = bench
        .member(&mut ada, &project, "grace@example.com", "viewer")
        .await;
    let members = format!("{project}/members");
    let page = ada.get(&members).await.expect(200);
    let ada_id = page.between("<select id=\"role-", "\"");
    let stays = ada
        .post(&format!("{members}/{ada_id}/remove"), &[])
        .await
        .expect(409);
    assert!(stays.has("role=\"alert\"") && stays.has("make another member an owner first"));
    let stays = ada
        .post(&format!("{members}/{ada_id}/role"), &[("role", "viewer")])
        .await
        .expect(409);
    assert!(stays.has("role=\"alert\""));
    ada.get(&members).await.expect(200);
    let leave = grace
        .get(&members)
        .await
        .between("class=\"ask\" method=\"post\" action=\"", "\"");
    grace
        .post(&format!("{members}/{ada_id}/remove"), &[])
        .await
        .expect(403);
    assert_eq!(grace.post(&leave, &[]).await.expect(303).location(), "/projects");
    grace.get(&project).await.expect(404);
    assert!(
        grace
            .get("/projects")
            .await
            .expect(200)
            .has("You have no projects yet")
    );
    ada.get(&project).await.expect(200);
}
