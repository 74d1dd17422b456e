//! The overview: what needs attention, what there is, and the way to the first gateway.

use std::time::Duration;

use gatewright_admin::operator::watch::look;
use serde_json::json;

use super::{
    bench::Bench,
    people::{People, create},
};
use crate::testing::servers::dead_url;

#[tokio::test]
async fn an_empty_project_shows_the_three_steps_and_the_redirect_url() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let page = ada.get(&project).await.expect(200);
    assert!(page.has("Three steps to a working gateway") && !page.has("Needs attention"));
    assert!(page.has(&bench.test.app.config.callback_url()));
    for path in ["/servers/new", "/user-sources/new", "/gateways/new"] {
        assert!(
            page.has(&format!("class=\"button small primary\" href=\"{project}{path}")),
            "{path}"
        );
    }
    let mut viewer = bench
        .member(&mut ada, &project, "viewer@example.com", "viewer")
        .await;
    let page = viewer.get(&project).await.expect(200);
    assert!(page.has("Three steps") && !page.has("button small primary"));
}

#[tokio::test]
async fn what_needs_attention_is_shown_until_it_is_mended() {
    let mut people = People::new().await;
    let project = people.project.clone();
    let page = people.ada.get(&project).await.expect(200);
    assert!(page.has("Saved without checking") && page.has("Okta production"));
    assert!(page.has("The gateway has no tools") && page.has("Support agents"));
    assert!(!page.has("sign-ins failed") && !page.has("expires soon"));
    let server = json!({"slug": "tickets", "name": "Tickets", "url": dead_url().await});
    let server = create(&mut people.ada, &format!("{project}/servers"), &server).await;
    for _ in 0..3 {
        people.attempt(None, Some("the audience is another"));
    }
    people.attempt(None, None);
    let fields = [("name", "Night batch"), ("role", "gateway"), ("life", "30")];
    people
        .ada
        .post(&format!("{project}/api-keys"), &fields)
        .await
        .expect(200);
    let page = people.ada.get(&project).await.expect(200);
    assert!(!page.has("The gateway has no tools") && !page.has("Three steps"));
    assert!(page.has("3 of the last 4 sign-ins failed"));
    assert!(
        page.has(&format!("href=\"{project}/servers/{server}\">Tickets</a>")),
        "it does not answer"
    );
    assert!(page.has(&format!("/sign-ins?result=failed&#38;gateway={}", people.gateway)));
    assert!(page.has("Recent sign-ins") && page.has("The audience is another."));
    assert!(!page.has("expires soon") && page.has(&format!("/gateways/{}/connect", people.gateway)));
    people.bench.test.clock.advance(Duration::from_hours(17 * 24));
    let mut ada = people.bench.browser();
    ada.sign_in("ada@example.com", "/").await.expect(303);
    let page = ada.get(&project).await.expect(200);
    assert!(page.has("The API key expires soon") && page.has("Night batch"));
    assert!(!page.has("of the last 4 sign-ins failed"), "that was long ago");
}

#[tokio::test]
async fn an_incident_is_listed_from_its_beginning_to_its_end() {
    let mut people = People::new().await;
    let (app, project) = (people.bench.test.app.clone(), people.project.clone());
    let page = people.ada.get(&format!("{project}/incidents")).await.expect(200);
    assert!(page.has("No incidents"));
    let server = json!({"slug": "tickets", "name": "Tickets", "url": dead_url().await});
    let server = create(&mut people.ada, &format!("{project}/servers"), &server).await;
    look(&app).await.unwrap();
    let overview = people.ada.get(&project).await.expect(200);
    assert!(
        overview.has("Tickets</a></h3>")
            && overview.has(&format!("href=\"{project}/incidents\">All incidents"))
    );
    for path in ["/incidents", "/incidents?status=open&kind=server_unavailable"] {
        let page = people.ada.get(&format!("{project}{path}")).await.expect(200);
        assert!(
            page.has("cannot be reached") && page.has(">Open</span>"),
            "{path}"
        );
        assert!(
            page.has(&format!("href=\"{project}/servers/{server}\">Tickets</a>")),
            "{path}"
        );
    }
    let page = people
        .ada
        .get(&format!("{project}/incidents?status=recovered"))
        .await
        .expect(200);
    assert!(page.has("No such incidents"));
    let page = people
        .ada
        .get(&format!("{project}/servers/{server}"))
        .await
        .expect(200);
    let all = format!("href=\"{project}/incidents?subject={server}\">All incidents");
    assert!(page.has(">Open</span>") && page.has(&all));
    let page = people
        .ada
        .get(&format!("{project}/incidents?subject={server}"))
        .await
        .expect(200);
    assert!(page.has("Only incidents of Tickets."));
}
