//! Users: found, read, blocked, unblocked, and their sessions ended.

use gatewright_store::revocation::Denied;

use super::{bench::Bench, people::People};

#[tokio::test]
async fn users_are_listed_searched_and_filtered_by_the_address() {
    let mut people = People::new().await;
    let path = format!("{}/users", people.project);
    let empty = people.ada.get(&path).await.expect(200);
    assert!(empty.has("No one has signed in yet"));
    let grace = people.user("grace", "Grace Hopper").await;
    let hostile = people.user("eve", "<script>alert(1)</script>").await;
    let page = people.ada.get(&path).await.expect(200);
    assert!(page.has("Grace Hopper") && page.has("grace@example.com") && page.has("Okta production"));
    assert!(!page.has("<script>alert"), "a name is text");
    let order = [
        page.body.find(&hostile.to_string()),
        page.body.find(&grace.to_string()),
    ];
    assert!(order[0] < order[1], "newest first");
    let source = people.source;
    for (query, finds) in [
        ("?search=HOPPER".to_owned(), true),
        ("?search=%20grace%40EXAMPLE%20".to_owned(), true),
        (format!("?source={source}&search=grace"), true),
        ("?status=active".to_owned(), true),
        ("?search=nobody".to_owned(), false),
        ("?status=blocked".to_owned(), false),
        ("?source=nonsense".to_owned(), false),
        ("?source=src_01900000000070008000000000000001".to_owned(), false),
    ] {
        let page = people.ada.get(&format!("{path}{query}")).await.expect(200);
        assert_eq!(page.has("Grace Hopper"), finds, "{query}");
        assert_eq!(page.has("No such user"), !finds, "{query}");
    }
    let kept = people
        .ada
        .get(&format!("{path}?search=%22%3E%3Cb%3E&status=blocked"))
        .await
        .expect(200);
    assert!(
        kept.has("value=\"&#34;&#62;&#60;b&#62;\""),
        "what was typed stays, as text"
    );
    assert!(kept.has("<option value=\"blocked\" selected>"));
}

#[tokio::test]
async fn a_long_list_continues_with_its_filters() {
    let mut people = People::new().await;
    for number in 0..51 {
        people.user(&format!("user-{number}"), "Somebody").await;
    }
    let path = format!("{}/users?search=user-", people.project);
    let first = people.ada.get(&path).await.expect(200);
    assert!(!first.has(">user-0@") && first.has("user-50@example.com"));
    let next = first.between("href=\"", "\" rel=\"next\"");
    let next = next.rsplit("href=\"").next().unwrap().replace("&#38;", "&");
    assert!(next.contains("search=user-&cursor=usr_"), "{next}");
    let second = people.ada.get(&next).await.expect(200);
    assert!(second.has("user-0@example.com") && !second.has("user-50@example.com"));
    assert!(second.has("To the first page"));
}

#[tokio::test]
async fn blocking_shows_what_ends_and_applies_immediately_and_unblocking_restores_access() {
    let mut people = People::new().await;
    let user = people.user("grace", "Grace Hopper").await;
    people.session(user, "Claude").await;
    people.session(user, "Cursor").await;
    let path = format!("{}/users/{user}", people.project);
    let app = people.bench.test.app.clone();
    let is_denied = || {
        app.gateways()
            .directory
            .current()
            .unwrap()
            .denies(Denied::User(user))
    };
    let page = people.ada.get(&path).await.expect(200);
    assert!(page.has("2 sessions at 1 gateway") && page.has("Support agents") && page.has("Cursor"));
    assert!(!is_denied());
    let back = people.ada.post(&format!("{path}/block"), &[]).await.expect(303);
    assert_eq!(back.location(), path);
    assert!(is_denied());
    let page = people.ada.get(&path).await.expect(200);
    assert!(page.has("The user is blocked.") && page.has("No app is signed in"));
    assert!(!page.has("Block user") && page.has("Unblock user"));
    let blocked = format!("{}/users?status=blocked", people.project);
    assert!(people.ada.get(&blocked).await.has("Grace Hopper"));
    people.ada.post(&format!("{path}/unblock"), &[]).await.expect(303);
    assert!(!is_denied());
    let trail = people
        .ada
        .get(&format!("{}/audit?object_type=user", people.project))
        .await;
    assert!(trail.has("User blocked") && trail.has("User unblocked") && trail.has("Ada Lovelace"));
}

#[tokio::test]
async fn sessions_end_one_by_one_or_all_at_once() {
    let mut people = People::new().await;
    let user = people.user("grace", "Grace Hopper").await;
    let other = people.user("bob", "Bob").await;
    let first = people.session(user, "Claude").await;
    people.session(user, "Cursor").await;
    let of_bob = people.session(other, "Claude").await;
    let path = format!("{}/users/{user}", people.project);
    let app = people.bench.test.app.clone();
    let is_denied = |grant| {
        app.gateways()
            .directory
            .current()
            .unwrap()
            .denies(Denied::Grant(grant))
    };
    people
        .ada
        .post(&format!("{path}/sessions/{of_bob}/end"), &[])
        .await
        .expect(404);
    assert!(!is_denied(of_bob));
    people
        .ada
        .post(&format!("{path}/sessions/{first}/end"), &[])
        .await
        .expect(303);
    assert!(is_denied(first));
    let page = people.ada.get(&path).await.expect(200);
    assert!(!page.has(&format!("/sessions/{first}/end")) && page.has("1 session at 1 gateway"));
    people
        .ada
        .post(&format!("{path}/sessions/end"), &[])
        .await
        .expect(303);
    assert!(people.ada.get(&path).await.has("No app is signed in"));
    assert!(!is_denied(of_bob));
}

#[tokio::test]
async fn viewers_read_and_strangers_find_nothing() {
    let mut people = People::new().await;
    let user = people.user("grace", "Grace Hopper").await;
    let grant = people.session(user, "Claude").await;
    let path = format!("{}/users/{user}", people.project);
    let bench: &Bench = &people.bench;
    let mut viewer = bench
        .member(&mut people.ada, &people.project, "viewer@example.com", "viewer")
        .await;
    let page = viewer.get(&path).await.expect(200);
    let content = page.between("<main", "</main>");
    assert!(page.has("Grace Hopper") && !content.contains("<form"));
    for rest in [
        "/block",
        "/unblock",
        "/sessions/end",
        &format!("/sessions/{grant}/end"),
    ] {
        viewer.post(&format!("{path}{rest}"), &[]).await.expect(403);
    }
    let denied = people.bench.test.app.gateways().directory.current().unwrap();
    assert!(!denied.denies(Denied::User(user)) && !denied.denies(Denied::Grant(grant)));
    // Their owner has a project of her own, where this user is not.
    let fields = [("name", "Elsewhere")];
    let made = people.ada.post("/projects", &fields).await.expect(303).location();
    people.ada.get(&format!("{made}/users/{user}")).await.expect(404);
    people
        .ada
        .post(&format!("{made}/users/{user}/block"), &[])
        .await
        .expect(404);
    people
        .ada
        .get(&format!("{}/users/nonsense", people.project))
        .await
        .expect(404);
    let from_elsewhere = people
        .ada
        .post_from(&format!("{path}/block"), &[], "cross-site")
        .await;
    from_elsewhere.expect(403);
    assert!(people.ada.get(&path).await.has("Block user"));
}

#[tokio::test]
async fn equal_people_are_distinguished_by_subject_and_former_identities_are_marked_and_not_counted() {
    let mut people = People::new().await;
    let first = people.user("00u1", "Grace Hopper").await;
    let path = format!("{}/users", people.project);
    let source = format!("{}/user-sources/{}", people.project, people.source);
    let page = people.ada.get(&path).await.expect(200);
    assert!(page.has("<bdi>00u1</bdi>") && page.has("<small>sub</small>"));
    assert!(!page.has("Former identity"));
    let change = serde_json::json!({"subject_claim": "oid", "skip_validation": true});
    let api = format!("/api/v1{source}");
    people.ada.api("PATCH", &api, change).await.expect(200);
    let second = people.user_by("oid", "7f3c", "Grace Hopper").await;
    let page = people.ada.get(&path).await.expect(200);
    assert!(page.has("<bdi>00u1</bdi>") && page.has("<bdi>7f3c</bdi>") && page.has("<small>oid</small>"));
    assert_eq!(page.body.matches("Former identity").count(), 1);
    let former = people.ada.get(&format!("{path}?status=former")).await.expect(200);
    assert!(former.has(&first.to_string()) && !former.has(&second.to_string()));
    assert!(former.has("<option value=\"former\" selected>"));
    let told = people.ada.get(&format!("{path}/{first}")).await.expect(200);
    assert!(told.has("no one can sign in as this user any longer"));
    assert!(
        !people
            .ada
            .get(&format!("{path}/{second}"))
            .await
            .has("Former identity")
    );

    // Counts are of those who can still come.
    let overview = people.ada.get(&people.project.clone()).await.expect(200);
    assert!(
        overview.has("<strong>1</strong><span>User</span>"),
        "{}",
        overview.body
    );
    let page = people.ada.get(&source).await.expect(200);
    assert!(page.has("<strong>1</strong><span>User, 1 former</span>"));
    let delete = people.ada.get(&format!("{source}/delete")).await.expect(200);
    assert!(delete.has("<strong>1</strong> user<") && delete.has("<strong>1</strong> former identity<"));
    let listed = people
        .ada
        .api(
            "GET",
            &format!("/api/v1{path}?former=true"),
            serde_json::json!({}),
        )
        .await;
    let listed: serde_json::Value = serde_json::from_str(&listed.expect(200).body).unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&listed["items"][0]["id"], &listed["items"][0]["former"]),
        (&first.to_string().into(), &true.into())
    );
}
