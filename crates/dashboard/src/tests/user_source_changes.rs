//! User Sources: edited after the numbers are shown, rotated, tested, deactivated and deleted.

use std::time::Duration;

use gatewright_domain::{
    token_hash::TokenHash,
    user_source::{Callback, UserSourceStatus},
};
use gatewright_store::test_sign_in;

use super::{
    bench::{Answer, Bench},
    user_source_world::{Provider, SECRET, unchecked},
};

/// The fields of the edit form as on its page, with changes.
fn form(page: &Answer, changes: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let value = |name: &str| page.between(&format!("name=\"{name}\" type=\"text\" value=\""), "\"");
    let mut fields = vec![
        ("version", page.between("name=\"version\" value=\"", "\"")),
        ("name", value("name")),
        ("issuer", page.between("inputmode=\"url\" value=\"", "\"")),
        ("client_id", value("client_id")),
        ("subject_claim", value("subject_claim")),
        ("scopes", value("scopes")),
        ("client_secret", String::new()),
        ("skip_validation", "yes".to_owned()),
    ];
    for (name, typed) in changes {
        let typed = (*typed).to_owned();
        match fields.iter_mut().find(|(other, _)| other == name) {
            Some((_, value)) => *value = typed,
            None => fields.push((name, typed)),
        }
    }
    fields
}

fn borrowed<'a>(fields: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

#[tokio::test]
async fn an_own_redirect_url_is_offered_and_shown_and_ends_nothing() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let path = ada.source(&project, "Entra").await;
    let shared = bench.test.app.config.callback_url();
    let before = bench.stored(&path).await.unwrap();
    let own = format!("{shared}/{}", before.id);
    let shown = format!("<code id=\"callback-url\">{shared}</code>");
    assert!(ada.get(&path).await.expect(200).has(&shown));
    let edit = format!("{path}/edit");
    let page = ada.get(&edit).await.expect(200);
    assert!(page.has(&own) && page.has("register it at the provider before the next one"));
    let posted = form(&page, &[("callback", "own")]);
    ada.post(&edit, &borrowed(&posted)).await.expect(303);
    let stored = bench.stored(&path).await.unwrap();
    assert_eq!(stored.callback, Callback::Own);
    assert_eq!(stored.identity_epoch, before.identity_epoch);
    let shown = format!("<code id=\"callback-url\">{own}</code>");
    assert!(ada.get(&path).await.has(&shown));
    // A form that does not ask for it leaves it as it is.
    let page = ada.get(&edit).await.expect(200);
    ada.post(&edit, &borrowed(&form(&page, &[("name", "Entra ID")])))
        .await
        .expect(303);
    assert_eq!(bench.stored(&path).await.unwrap().callback, Callback::Own);
}

#[tokio::test]
async fn a_change_of_who_people_are_is_confirmed_with_the_numbers() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let path = ada.source(&project, "Okta production").await;
    let gateway = bench.gateway(&path, "Support <agents>").await;
    bench.signed_in(&path, gateway, "ada").await;
    bench.signed_in(&path, gateway, "grace").await;
    let before = bench.stored(&path).await.unwrap();
    let edit = format!("{path}/edit");
    let page = ada.get(&edit).await.expect(200);
    assert!(page.has("1 gateway, 2 users and 2 sessions are affected") && !page.has(SECRET));
    assert!(page.has("Leave it blank to keep the stored one. Last changed"));

    // A new name ends nothing and asks nothing.
    let renamed = form(&page, &[("name", "Okta"), ("description", "For the desk")]);
    assert_eq!(
        ada.post(&edit, &borrowed(&renamed)).await.expect(303).location(),
        path
    );
    let stored = bench.stored(&path).await.unwrap();
    assert_eq!(
        (stored.name.as_str(), stored.description.as_str()),
        ("Okta", "For the desk")
    );
    assert_eq!(stored.identity_epoch, before.identity_epoch);
    assert_eq!(stored.client_secret, before.client_secret);

    let page = ada.get(&edit).await.expect(200);
    let moved = form(&page, &[("subject_claim", "oid")]);
    let asked = ada.post(&edit, &borrowed(&moved)).await.expect(200);
    assert!(asked.has("This changes who people are") && asked.has("Change it and end 2 sessions"));
    assert!(asked.has("Support &#60;agents&#62;") && asked.has(&format!("/gateways/{gateway}")));
    assert!(asked.has("<code>sub</code>") && asked.has("<code>oid</code>"));
    assert_eq!(
        bench.stored(&path).await.unwrap(),
        stored,
        "nothing has happened yet"
    );
    let mut confirmed = moved;
    confirmed.push(("confirmed", "yes".to_owned()));
    ada.post(&edit, &borrowed(&confirmed)).await.expect(303);
    let after = bench.stored(&path).await.unwrap();
    assert_eq!((after.subject_claim.as_str(), after.identity_epoch), ("oid", 2));
    assert!(
        ada.get(&path)
            .await
            .has("Everyone signs in again with their next request.")
    );
}

#[tokio::test]
async fn another_client_id_ends_sessions_and_leaves_people_who_they_are() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let path = ada.source(&project, "Okta").await;
    let gateway = bench.gateway(&path, "Support").await;
    bench.signed_in(&path, gateway, "ada").await;
    let edit = format!("{path}/edit");
    let page = ada.get(&edit).await.expect(200);
    assert!(
        page.has("A new issuer URL or subject claim makes everyone a new user. A new client ID does not.")
    );
    let client = form(&page, &[("client_id", "client-2")]);
    let asked = ada.post(&edit, &borrowed(&client)).await.expect(200);
    assert!(asked.has("This ends all sessions") && asked.has("They stay the same users"));
    assert!(asked.has("Change it and end 1 session<"));
    assert!(!asked.has("This changes who people are") && !asked.has("becomes a new user"));
    // With the claim it is another matter, and with both too.
    for changes in [
        &[("subject_claim", "oid")][..],
        &[("issuer", "https://login.example.com/v2")],
        &[("client_id", "client-2"), ("subject_claim", "oid")],
    ] {
        let asked = ada
            .post(&edit, &borrowed(&form(&page, changes)))
            .await
            .expect(200);
        assert!(
            asked.has("This changes who people are") && asked.has("becomes a new user"),
            "{changes:?}"
        );
        assert!(!asked.has("They stay the same users"), "{changes:?}");
    }
}

#[tokio::test]
async fn another_host_needs_the_secret_again_and_what_was_entered_stays() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let path = ada.source(&project, "Okta").await;
    let before = bench.stored(&path).await.unwrap();
    let edit = format!("{path}/edit");
    let page = ada.get(&edit).await.expect(200);
    let moved = form(
        &page,
        &[("issuer", "https://other.example.com"), ("confirmed", "yes")],
    );
    let refused = ada.post(&edit, &borrowed(&moved)).await.expect(422);
    assert!(refused.has("id=\"client_secret-error\"") && refused.has("value=\"https://other.example.com\""));
    assert_eq!(bench.stored(&path).await.unwrap(), before);

    // With the secret it is confirmed; no page contains the secret itself, so it is entered again.
    let changes = [("issuer", "https://other.example.com"), ("client_secret", SECRET)];
    let moved = form(&page, &changes);
    let asked = ada.post(&edit, &borrowed(&moved)).await.expect(200);
    assert!(asked.has("Client Secret again") && !asked.has(SECRET));
    assert_eq!(bench.stored(&path).await.unwrap(), before);
    let mut confirmed = moved;
    confirmed.push(("confirmed", "yes".to_owned()));
    ada.post(&edit, &borrowed(&confirmed)).await.expect(303);
    let after = bench.stored(&path).await.unwrap();
    assert_eq!(after.issuer, "https://other.example.com");
    assert!(
        after.client_secret.previous.is_none(),
        "nothing of the old host is left"
    );
}

#[tokio::test]
async fn an_edit_at_the_same_time_loses_nothing() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let path = ada.source(&project, "Okta").await;
    let edit = format!("{path}/edit");
    let page = ada.get(&edit).await.expect(200);
    let first = form(&page, &[("name", "First")]);
    ada.post(&edit, &borrowed(&first)).await.expect(303);
    let second = form(&page, &[("name", "Second")]);
    let refused = ada.post(&edit, &borrowed(&second)).await.expect(422);
    assert!(refused.has("Someone else saved first") && refused.has("value=\"Second\""));
    assert_eq!(bench.stored(&path).await.unwrap().name, "First");
    // The form has the present version now: a person who has looked can continue.
    let again = form(&refused, &[]);
    ada.post(&edit, &borrowed(&again)).await.expect(303);
    assert_eq!(bench.stored(&path).await.unwrap().name, "Second");
}

#[tokio::test]
async fn a_secret_is_rotated_and_the_one_before_stays_until_the_new_one_works() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let path = ada.source(&project, "Okta").await;
    let rotate = format!("{path}/secret");
    let page = ada.get(&rotate).await.expect(200);
    assert!(page.has("Stored, not tried in a sign-in yet"));
    let blank = ada.post(&rotate, &[("client_secret", "")]).await.expect(422);
    assert!(blank.has("id=\"client_secret-error\""));
    let same = [("client_secret", SECRET), ("skip_validation", "yes")];
    ada.post(&rotate, &same).await.expect(303);
    assert!(ada.get(&path).await.has("This client secret is already stored."));
    assert!(
        bench
            .stored(&path)
            .await
            .unwrap()
            .client_secret
            .previous
            .is_none()
    );
    // The provider cannot be asked, which is shown; saving without checking is a choice.
    let refused = ada
        .post(&rotate, &[("client_secret", "n3w-s3cr3t")])
        .await
        .expect(422);
    assert!(!refused.has("n3w-s3cr3t") && refused.has("Save without checking"));
    assert!(
        bench
            .stored(&path)
            .await
            .unwrap()
            .client_secret
            .previous
            .is_none()
    );
    let new = [("client_secret", "n3w-s3cr3t"), ("skip_validation", "yes")];
    ada.post(&rotate, &new).await.expect(303);
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("A new client secret is on trial") && page.has("New secret on trial"));
    assert!(!page.has("n3w-s3cr3t") && !page.has(SECRET));
    assert!(ada.get(&rotate).await.has("The trial ends"));
    bench.test.clock.advance(Duration::from_hours(24));
    // The session of the browser has ended by then.
    ada.sign_in("ada@example.com", "/").await.expect(303);
    let page = ada.get(&path).await.expect(200);
    assert!(
        page.has("The new client secret has not worked within a day") && page.has("Previous secret in use")
    );
}

#[tokio::test]
async fn a_refused_secret_is_reported_with_what_to_do() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let path = ada.source(&project, "Okta").await;
    assert!(!ada.get(&path).await.has("Secret refused"));
    let stored = bench.stored(&path).await.unwrap();
    let mut tx = bench.test.app.gateways().store.write().await.unwrap();
    let now = bench.test.app.now();
    let noted = gatewright_store::user_source::note_secret_refused(
        &mut tx,
        stored.project_id,
        stored.id,
        &stored.client_secret.current,
        now,
    );
    assert!(noted.await.unwrap());
    tx.commit().await.unwrap();
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("The provider refuses the client secret") && page.has("Secret refused"));
    assert!(page.has(&format!("href=\"{path}/secret\">Enter another secret")));
}

#[tokio::test]
async fn a_source_in_use_stays_and_the_gateways_are_named_and_linked() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let path = ada.source(&project, "Okta").await;
    let gateway = bench.gateway(&path, "Support <agents>").await;
    bench.signed_in(&path, gateway, "ada").await;
    let link = format!("<a href=\"{project}/gateways/{gateway}\">Support &#60;agents&#62;</a>");
    let refused = ada
        .post(&format!("{path}/status"), &[("status", "inactive")])
        .await
        .expect(422);
    assert!(
        refused.has("cannot be deactivated while 1 active gateway") && refused.has(&link),
        "{}",
        refused.body
    );
    let delete = format!("{path}/delete");
    let page = ada.get(&delete).await.expect(200);
    assert!(
        page.has("An active gateway uses it")
            && page.has(">Okta</p>")
            && page.has("<strong>1</strong> user<")
    );
    let refused = ada.post(&delete, &[("confirm_name", "Okta")]).await.expect(422);
    assert!(refused.has("cannot be deleted while 1 active gateway") && refused.has(&link));
    assert_eq!(
        bench.stored(&path).await.unwrap().status,
        UserSourceStatus::Active
    );

    bench.deactivate_gateway(&project, gateway).await;
    ada.post(&format!("{path}/status"), &[("status", "inactive")])
        .await
        .expect(303);
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("The User Source is inactive.") && page.has(">Activate</button>"));
    ada.post(&format!("{path}/status"), &[("status", "active")])
        .await
        .expect(303);
    assert_eq!(
        bench.stored(&path).await.unwrap().status,
        UserSourceStatus::Active
    );
    for wrong in ["", "okta", "Okta production"] {
        let refused = ada.post(&delete, &[("confirm_name", wrong)]).await.expect(422);
        assert!(refused.has("id=\"confirm_name-error\""), "{wrong}");
    }
    assert!(bench.stored(&path).await.is_some());
    ada.post(&delete, &[("confirm_name", "Okta")]).await.expect(303);
    assert!(bench.stored(&path).await.is_none());
    assert!(
        ada.get(&format!("{project}/user-sources"))
            .await
            .has("The User Source is deleted")
    );
    ada.get(&path).await.expect(404);
}

#[tokio::test]
async fn a_test_of_the_connection_is_shown_check_by_check() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let provider = Provider::start().await;
    let fields = unchecked("Here", &provider.issuer);
    let path = ada
        .post(&format!("{project}/user-sources/new"), &fields)
        .await
        .expect(303)
        .location();
    assert!(ada.get(&path).await.has("Not tested since"));
    ada.post(&format!("{path}/test-connection"), &[])
        .await
        .expect(303);
    let page = ada.get(&path).await.expect(200);
    for text in [
        "The connection is tested.",
        "Discovery document",
        "The provider answers with its discovery document.",
        "Client ID and secret",
        "Cannot tell",
    ] {
        assert!(page.has(text), "{text}: {}", page.body);
    }
    assert!(!page.has("Unverified") && !page.has(SECRET));
}

#[tokio::test]
async fn a_test_sign_in_leads_to_its_page_and_is_its_starters_alone() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let fields = unchecked("Okta", "http://127.0.0.1:1");
    let new = format!("{project}/user-sources/new");
    let path = ada.post(&new, &fields).await.expect(303).location();
    let tests = format!("{path}/test-sign-ins");
    let begin = ada.post(&tests, &[]).await.expect(303).location();
    let begin = bench.path(&begin);
    assert!(begin.starts_with("/oauth2/test-sign-in/"), "{begin}");
    let page = ada.get(&begin).await.expect(200);
    assert!(page.has("Where you sign in") && page.has("Okta"));
    let mut tx = bench.test.app.gateways().store.read().await.unwrap();
    let hash = TokenHash::of(begin.rsplit('/').next().unwrap());
    let test = test_sign_in::find_by_page(&mut tx, hash, bench.test.app.now()).await;
    drop(tx);
    let report = format!("{tests}/{}", test.unwrap().unwrap().id);
    assert!(ada.get(&report).await.expect(200).has("The test has not begun"));
    let mut grace = bench
        .member(&mut ada, &project, "grace@example.com", "owner")
        .await;
    grace.get(&path).await.expect(200);
    grace.get(&report).await.expect(404);
    // The provider does not answer. The person who was sent the page reads that on its own page, the person who started
    // the test in the dashboard.
    for mut other in [grace, bench.browser()] {
        let told = other.post(&begin, &[]).await.expect(400);
        assert!(told.has("The sign-in failed") && !told.has(&project));
    }
    let led = ada.post(&begin, &[]).await.expect(303).location();
    assert_eq!(led, report);
    let told = ada.get(&report).await.expect(200);
    assert!(told.has("The sign-in failed") && told.has("Start another test"));
}
