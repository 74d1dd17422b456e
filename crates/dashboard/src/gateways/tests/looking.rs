//! The list, its filters, and the page of one gateway.

use gatewright_domain::gateway::{GatewayStatus, Mode, TrustedClient};

use super::bench::{gateway, source};
use crate::{service::gateways::NewGateway, tests::bench::Bench};

fn named(name: &str, mode: Mode) -> NewGateway {
    NewGateway {
        name: name.to_owned(),
        authentication_mode: Some(mode),
        ..NewGateway::default()
    }
}

#[tokio::test]
async fn an_empty_project_says_what_is_missing_first() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let list = format!("{project}/gateways");
    let page = ada.get(&list).await.expect(200);
    assert!(page.has("No gateway yet") && page.has("A server</h3>") && page.has("A User Source</h3>"));
    source(&bench, &project, "Okta").await;
    let page = ada.get(&list).await.expect(200);
    assert!(page.has("<span class=\"badge good\">Done</span>"));
    gateway(&bench, &project, named("Office", Mode::ProjectMembers)).await;
    let page = ada.get(&list).await.expect(200);
    assert!(page.has("Office") && !page.has("No gateway yet"));
}

#[tokio::test]
async fn a_thousand_gateways_are_filtered_in_the_address_and_shown_page_by_page() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let okta = source(&bench, &project, "Okta production").await;
    for number in 0..60 {
        gateway(
            &bench,
            &project,
            named(&format!("Office {number}"), Mode::ProjectMembers),
        )
        .await;
    }
    gateway(
        &bench,
        &project,
        NewGateway {
            user_source_id: Some(okta.id),
            ..named("Support", Mode::UserSource)
        },
    )
    .await;
    gateway(
        &bench,
        &project,
        NewGateway {
            status: Some(GatewayStatus::Inactive),
            slug: "night".to_owned(),
            ..named("Batch", Mode::Headers)
        },
    )
    .await;
    let list = format!("{project}/gateways");
    let first = ada.get(&list).await.expect(200);
    assert_eq!(first.body.matches("<th scope=\"row\">").count(), 50);
    let before = first.between("<nav class=\"pages\"", "\" rel=\"next\"");
    let (_, next) = before.rsplit_once("<a href=\"").unwrap();
    let second = ada.get(&next.replace("&#38;", "&")).await.expect(200);
    assert!(second.has("Office 59") && second.has("Support") && !second.has("Office 49<"));
    let support = ada.get(&format!("{list}?mode=user_source")).await.expect(200);
    assert!(support.has("Okta production") && !support.has("Office 0<"));
    let night = ada
        .get(&format!("{list}?search=NIGHT&status=inactive"))
        .await
        .expect(200);
    assert!(night.has("Batch") && night.has("value=\"NIGHT\"") && !night.has("Support<"));
    let none = ada
        .get(&format!("{list}?search=%3Cb%3E&mode=nonsense"))
        .await
        .expect(200);
    assert!(none.has("No such gateway") && none.has("value=\"&#60;b&#62;\""));
}

#[tokio::test]
async fn the_page_of_a_gateway_shows_what_it_is_and_runs_nothing_of_it() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let okta = source(&bench, &project, "Okta <b>").await;
    let made = gateway(
        &bench,
        &project,
        NewGateway {
            user_source_id: Some(okta.id),
            description: "<script>alert(1)</script>".to_owned(),
            instructions: "\"><img src=x onerror=alert(1)>".to_owned(),
            trusted_clients: vec![TrustedClient {
                url: "https://claude.ai/oauth/claude-code-client-metadata".to_owned(),
                allow_loopback: true,
            }],
            ..named("Support <i>", Mode::UserSource)
        },
    )
    .await;
    let path = format!("{project}/gateways/{}", made.id);
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("Support &#60;i&#62;") && page.has("Okta &#60;b&#62;") && page.has("Claude Code"));
    assert!(page.has(&format!("/mcp/{}</code>", made.slug)) && page.has("Skips consent too"));
    assert!(!page.has("<script>alert") && !page.has("<img") && !page.has("<i>"));
    let elsewhere = ada
        .post("/projects", &[("name", "Other")])
        .await
        .expect(303)
        .location();
    ada.get(&format!("{elsewhere}/gateways/{}", made.id))
        .await
        .expect(404);
    ada.get(&format!("{project}/gateways/gw_nothing"))
        .await
        .expect(404);
    bench.browser().get(&path).await.expect(303);
}
