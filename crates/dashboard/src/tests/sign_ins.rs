//! The sign-in trace: found by what a person reads out, and read by anyone who can fix it.

use super::people::People;

#[tokio::test]
async fn a_failed_sign_in_is_found_by_its_reference_and_says_what_to_do() {
    let mut people = People::new().await;
    let path = format!("{}/sign-ins", people.project);
    assert!(
        people
            .ada
            .get(&path)
            .await
            .expect(200)
            .has("No one has tried to sign in yet")
    );
    let user = people.user("grace", "Grace Hopper").await;
    let (failed, reference) = people.attempt(None, Some("the audience is another"));
    let (done, _) = people.attempt(Some(user), None);
    let typed = reference.to_string().to_lowercase().replace('-', "%20");
    let found = people
        .ada
        .get(&format!("{path}?reference={typed}"))
        .await
        .expect(200);
    assert!(found.has(&failed.to_string()) && !found.has(&done.to_string()));
    assert!(found.has("The audience is another.") && found.has(&reference.to_string()));
    let page = people.ada.get(&format!("{path}/{failed}")).await.expect(200);
    for text in [
        "The sign-in failed",
        "The audience is another.",
        "Compare the client id.",
        "Open the User Source Okta production",
        "Checked the ID token",
        "took 1.2 s",
        "Claude &#60;b&#62;Code&#60;/b&#62;",
    ] {
        assert!(page.has(text), "{text} in {}", page.body);
    }
    let page = people.ada.get(&format!("{path}/{done}")).await.expect(200);
    assert!(page.has("Signed in") && page.has("Grace Hopper") && !page.has("Compare the client id."));
}

#[tokio::test]
async fn the_filters_are_in_the_address() {
    let mut people = People::new().await;
    let path = format!("{}/sign-ins", people.project);
    let user = people.user("grace", "Grace Hopper").await;
    let (failed, _) = people.attempt(None, Some("the audience is another"));
    let (done, _) = people.attempt(Some(user), None);
    let (source, gateway) = (people.source, people.gateway);
    for (query, finds) in [
        (String::new(), [true, true]),
        ("?result=failed".to_owned(), [true, false]),
        ("?result=succeeded".to_owned(), [false, true]),
        ("?result=abandoned".to_owned(), [false, false]),
        (format!("?source={source}&gateway={gateway}"), [true, true]),
        (
            "?gateway=gw_01900000000070008000000000000001".to_owned(),
            [false, false],
        ),
        (format!("?user={user}"), [false, true]),
        ("?reference=0000-0000".to_owned(), [false, false]),
        ("?reference=K7QM-2XW".to_owned(), [false, false]),
        ("?user=nonsense".to_owned(), [false, false]),
    ] {
        let page = people.ada.get(&format!("{path}{query}")).await.expect(200);
        let found = [failed, done].map(|id| page.has(&format!("/sign-ins/{id}")));
        assert_eq!(found, finds, "{query}");
    }
    assert!(
        people
            .ada
            .get(&format!("{path}?reference=K7QM-2XW"))
            .await
            .has("That is not a reference")
    );
    let of_grace = people.ada.get(&format!("{path}?user={user}")).await;
    assert!(of_grace.has("Only sign-ins of") && of_grace.has("Grace Hopper"));
}

#[tokio::test]
async fn a_blocked_person_is_unblocked_on_their_own_page() {
    let mut people = People::new().await;
    let user = people.user("grace", "Grace Hopper").await;
    let (failed, _) = people.attempt(Some(user), Some("the user is blocked"));
    let path = format!("{}/sign-ins/{failed}", people.project);
    let before = people.ada.get(&path).await.expect(200);
    assert!(before.has("Open the User Source"));
    let block = format!("{}/users/{user}/block", people.project);
    people.ada.post(&block, &[]).await.expect(303);
    let after = people.ada.get(&path).await.expect(200);
    assert!(after.has("Open the user Grace Hopper") && !after.has("Open the User Source"));
    assert!(after.has(&format!("href=\"{}/users/{user}\"", people.project)));
}

#[tokio::test]
async fn viewers_read_them_and_other_projects_do_not() {
    let mut people = People::new().await;
    let (failed, reference) = people.attempt(None, Some("the audience is another"));
    let mut viewer = people
        .bench
        .member(&mut people.ada, &people.project, "viewer@example.com", "viewer")
        .await;
    let path = format!("{}/sign-ins", people.project);
    assert!(
        viewer
            .get(&format!("{path}/{failed}"))
            .await
            .expect(200)
            .has("Compare the client id.")
    );
    let made = people
        .ada
        .post("/projects", &[("name", "Elsewhere")])
        .await
        .expect(303)
        .location();
    people
        .ada
        .get(&format!("{made}/sign-ins/{failed}"))
        .await
        .expect(404);
    let searched = people
        .ada
        .get(&format!("{made}/sign-ins?reference={reference}"))
        .await
        .expect(200);
    assert!(searched.has("No sign-in has this reference"));
    people.ada.get(&format!("{path}/nonsense")).await.expect(404);
}
