//! The pages of activity: charts, the list with its filters, and one request.

use std::{sync::Arc, time::Duration};

use gatewright_domain::{
    activity::{
        Activity, ActivityCaller, ActivityClient, Outcome, RequestKind, RequestNumber, Rule, SessionMark,
    },
    id::{ServerId, UserId},
};
use serde_json::json;

use super::people::{People, create};
use crate::testing::servers::dead_url;

/// A name as a hostile server would choose it.
pub(super) const HOSTILE: &str = "</title><script>alert(1)</script>\u{202e}\"'";

/// A project with a gateway, a server and a person who calls its tools.
pub(super) struct Office {
    pub(super) people: People,
    server: ServerId,
    user: UserId,
}

impl Office {
    pub(super) async fn new() -> Self {
        let mut people = People::new().await;
        let server = json!({"slug": "tickets", "name": "Tickets", "url": dead_url().await});
        let server = create(&mut people.ada, &format!("{}/servers", people.project), &server).await;
        let user = people.user("grace", "Grace Hopper").await;
        Self {
            server: server.parse().unwrap(),
            people,
            user,
        }
    }

    /// A call of a tool that went well, `ago` before now.
    pub(super) fn call(&self, tool: &str, ago: Duration) -> Activity {
        Activity {
            at: self.people.bench.test.app.now().minus(ago),
            project_id: self.people.project_id(),
            gateway_id: self.people.gateway,
            caller: Some(Arc::new(ActivityCaller {
                person: Some(self.user.to_string().into()),
                client: Some(ActivityClient::new("client-1", "Claude <b>Code</b>")),
            })),
            server_id: Some(self.server),
            kind: RequestKind::Call,
            item: Some(tool.into()),
            outcome: Outcome::Ok,
            rule: None,
            duration_us: 120_000,
            upstream_us: Some(90_000),
            bytes_in: 300,
            bytes_out: 12_345,
            request: RequestNumber(0xabc),
            trace: None,
            session: Some(SessionMark::of_number(77)),
        }
    }

    pub(super) fn failed(&self, tool: &str, ago: Duration) -> Activity {
        Activity {
            outcome: Outcome::ToolError,
            ..self.call(tool, ago)
        }
    }

    /// A request that was refused before anyone knew who made it.
    fn refused(&self, ago: Duration) -> Activity {
        Activity {
            caller: None,
            server_id: None,
            kind: RequestKind::Other,
            item: None,
            outcome: Outcome::Refused,
            rule: Some(Rule::BadCredentials),
            upstream_us: None,
            session: None,
            ..self.call("", ago)
        }
    }

    pub(super) async fn write(&self, mut batch: Vec<Activity>) {
        // As they happen.
        batch.sort_by_key(|activity| activity.at);
        let store = self.people.bench.test.app.gateways().store.activity();
        let write = store.transact(move |tx| {
            Box::pin(async move { gatewright_store::activity::write_batch(tx, &batch).await })
        });
        write.await.unwrap();
    }

    async fn page(&mut self, rest: &str) -> super::bench::Answer {
        let path = format!("{}{rest}", self.people.project);
        self.people.ada.get(&path).await.expect(200)
    }
}

pub(super) const fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

#[tokio::test]
async fn a_project_without_requests_says_how_they_appear() {
    let mut office = Office::new().await;
    let page = office.page("/activity").await;
    assert!(page.has("No requests in the last day") && page.has("Refresh"));
    assert!(page.has("No one was active in the last day."));
    let page = office.page("").await;
    assert!(!page.has("Last 24 hours"), "nothing to show yet");
}

#[tokio::test]
async fn charts_and_list_show_what_was_asked() {
    let mut office = Office::new().await;
    let mut batch: Vec<_> = (0..6).map(|ago| office.call("search", minutes(ago))).collect();
    batch.extend([office.failed("search", minutes(90)), office.refused(minutes(3))]);
    office.write(batch).await;
    let page = office.page("/activity").await;
    assert!(page.has("8 requests in the last day: 6 OK, 1 failed, 1 refused."));
    assert!(page.has("One person was active in the last day."));
    assert!(page.has("95 % at most"), "latency");
    let rows = page.body.matches("<tr data-row").count();
    assert_eq!(rows, 8);
    assert!(page.has("Grace Hopper") && page.has("Claude &#60;b&#62;Code&#60;/b&#62;"));
    assert!(page.has("Support agents") && page.has("Tickets") && page.has("Credentials not valid"));
    let hour = office.page("/activity?range=hour").await;
    assert!(hour.has("7 requests in the last hour: 6 OK, 0 failed, 1 refused."));
    assert_eq!(
        hour.body.matches("<tr data-row").count(),
        7,
        "the list ends where the charts begin"
    );
    for range in ["week", "month"] {
        let page = office.page(&format!("/activity?range={range}")).await;
        assert!(page.has("8 requests in"), "{range}");
    }
}

#[tokio::test]
async fn filters_are_in_the_address_and_charts_follow_the_narrowest() {
    let mut office = Office::new().await;
    let (server, user, gateway) = (office.server, office.user, office.people.gateway);
    let batch = vec![
        office.call("search", minutes(1)),
        office.call("search", minutes(2)),
        office.failed("create", minutes(3)),
        office.refused(minutes(4)),
    ];
    office.write(batch).await;
    for (query, requests, rows, caption) in [
        (
            format!("gateway={gateway}"),
            4,
            4,
            "Requests at the gateway Support agents",
        ),
        (format!("server={server}"), 3, 3, "Requests to the server Tickets"),
        (
            format!("server={server}&tool=search"),
            2,
            2,
            "Calls of search of the server Tickets",
        ),
        (format!("person={user}"), 3, 3, "Requests of Grace Hopper"),
        (
            "client=client-1".to_owned(),
            3,
            3,
            "Requests of the client client-1",
        ),
        ("outcome=refused".to_owned(), 4, 1, "All requests of the project"),
        ("kind=call".to_owned(), 4, 3, "All requests of the project"),
        (
            "rule=bad_credentials".to_owned(),
            4,
            1,
            "All requests of the project",
        ),
        (
            "session=00000000004d".to_owned(),
            4,
            3,
            "All requests of the project",
        ),
        (
            format!("person={user}&outcome=tool_error"),
            3,
            1,
            "Requests of Grace Hopper",
        ),
    ] {
        let page = office.page(&format!("/activity?{query}")).await;
        assert!(
            page.has(&format!("{requests} requests in the last day")),
            "{query}"
        );
        assert_eq!(page.body.matches("<tr data-row").count(), rows, "{query}");
        assert!(page.has(caption), "{query}");
        let is_narrower = ["outcome", "kind", "rule", "session"]
            .iter()
            .any(|name| query.contains(name));
        assert_eq!(
            page.has("The other filters apply to the list only"),
            is_narrower,
            "{query}"
        );
        let first = query.split('&').next().unwrap();
        assert!(page.has(first), "a link keeps it: {query}");
    }
    let page = office.page("/activity?tool=nothing").await;
    assert!(page.has("Nothing matches these filters"));
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let mut office = Office::new().await;
    let batch = (0..120)
        .map(|ago| office.call("search", Duration::from_secs(ago)))
        .collect();
    office.write(batch).await;
    let mut path = "/activity".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = office.page(&path).await;
        seen.extend(
            page.body
                .split("<tr data-row=\"")
                .skip(1)
                .map(|row| row[..36].to_owned()),
        );
        assert_eq!(
            page.has("data-live="),
            seen.len() == 50,
            "only the first page is followed"
        );
        if !page.has("rel=\"next\"") {
            break;
        }
        let (before, _) = page.body.split_once("\" rel=\"next\"").unwrap();
        let (_, next) = before.rsplit_once("/activity").unwrap();
        path = format!("/activity{}", next.replace("&#38;", "&"));
    }
    assert_eq!(seen.len(), 120);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 120);
}

#[tokio::test]
async fn a_request_has_a_page_that_explains_it() {
    let mut office = Office::new().await;
    let batch = vec![
        office.call("search", minutes(3)),
        office.failed("create", minutes(2)),
        office.refused(minutes(1)),
    ];
    office.write(batch).await;
    let list = office.page("/activity").await;
    let hrefs: Vec<_> = list
        .body
        .split("<tr data-row=\"")
        .skip(1)
        .map(|row| format!("/activity/{}", &row[..36]))
        .collect();
    let refused = office.page(&hrefs[0]).await;
    assert!(refused.has("The token or key is not valid here") && refused.has("Sign-ins at this gateway"));
    assert!(
        refused.has("Unknown: the request was refused before the person was identified")
            && refused.has("No server was called")
    );
    let failed = office.page(&hrefs[1]).await;
    assert!(failed.has("the tool reported that it failed") && failed.has("Open the server Tickets"));
    assert!(failed.has("In the same session"), "its neighbour");
    let good = office.page(&hrefs[2]).await;
    assert!(!good.has("class=\"notice"), "nothing to explain");
    assert!(good.has("120 ms") && good.has("90 ms at the server, 30 ms in Gatewright"));
    assert!(good.has("0000000000000abc") && good.has("00000000004d") && good.has("12.3 kB answered"));
    let user = office.user;
    assert!(good.has(&format!("/users/{user}\"><bdi>Grace Hopper")));
    let path = format!("{}{}", office.people.project, hrefs[2].replace("act_0", "act_1"));
    office.people.ada.get(&path).await.expect(404);
    let mut other = office.people.bench.browser();
    other.sign_in("nobody@example.com", "/").await;
    other
        .get(&format!("{}/activity", office.people.project))
        .await
        .expect(303);
}

#[tokio::test]
async fn hostile_names_are_texts_on_every_page() {
    let mut office = Office::new().await;
    let mut batch: Vec<_> = (0..6).map(|ago| office.failed(HOSTILE, minutes(ago))).collect();
    batch[0].caller = Some(Arc::new(ActivityCaller {
        person: Some(format!("|{HOSTILE}").into()),
        client: Some(ActivityClient::new(HOSTILE, HOSTILE)),
    }));
    office.write(batch).await;
    let query: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    let list = office.page("/activity").await;
    let row = list.between("<tr data-row=\"", "\"");
    for path in [
        String::new(),
        "/activity".to_owned(),
        format!("/activity/{row}"),
        format!("/activity?tool={query}&server={}", office.server),
        format!("/activity?client={query}"),
        format!("/activity?person=%7C{query}"),
    ] {
        let page = office.page(&path).await;
        assert!(!page.has("<script>alert"), "{path}");
        assert!(page.has("&#60;script&#62;alert"), "{path}");
        assert!(page.body.len() < 100_000, "{path}: {} bytes", page.body.len());
    }
}

#[tokio::test]
async fn the_last_day_is_compared_with_the_week_before() {
    let mut office = Office::new().await;
    let week = minutes(7 * 24 * 60);
    let mut batch: Vec<_> = (0..10)
        .map(|ago| office.call("search", week + minutes(120 + ago)))
        .collect();
    batch.extend((0..15).map(|ago| office.failed("search", minutes(120 + ago))));
    office.write(batch).await;
    office.people.attempt(Some(office.user), None);
    let (server, user, gateway) = (office.server, office.user, office.people.gateway);
    let overview = office.page("").await;
    assert!(overview.has("Last 24 hours") && overview.has("50 % more than a week ago"));
    assert!(overview.has("People active") && overview.has("Sign-ins"));
    assert!(overview.has("Failed most") && overview.has("Slowest") && overview.has("of 15 calls"));
    for path in [
        format!("/gateways/{gateway}"),
        format!("/servers/{server}"),
        format!("/users/{user}"),
    ] {
        let page = office.page(&path).await;
        assert!(
            page.has("Last 24 hours") && page.has("50 % more than a week ago"),
            "{path}"
        );
        assert!(page.has("none a week ago"), "failures: {path}");
        assert!(page.has("class=\"spark\"") && page.has("/activity?"), "{path}");
    }
}

#[tokio::test]
async fn the_heaviest_page_is_light_enough() {
    let mut office = Office::new().await;
    let batch = (0..600)
        .map(|number| Activity {
            duration_us: 1_000 * number,
            outcome: [Outcome::Ok, Outcome::ToolError, Outcome::Unavailable]
                [usize::try_from(number % 3).unwrap()],
            ..office.call(&"tool_".repeat(12), minutes(number.unsigned_abs()))
        })
        .collect();
    office.write(batch).await;
    for path in [
        "",
        "/activity",
        "/activity?range=hour",
        "/activity?range=week",
        "/activity?range=month",
    ] {
        let page = office.page(path).await;
        assert!(page.body.len() < 100_000, "{path}: {} bytes", page.body.len());
    }
}
