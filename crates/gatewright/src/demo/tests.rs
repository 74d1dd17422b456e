//! The demo as a whole, in process: the main job end to end.

use gatewright_domain::audit::Origin;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tower::ServiceExt as _;

use super::*;
use gatewright_admin::testing::TestAdmin;

use crate::{
    operator::{Authority, IfMatch, projects},
    request::{RequestContext, RequestId},
};

fn arguments(folder: &std::path::Path) -> DemoArguments {
    DemoArguments {
        once: true,
        no_open: true,
        port: None,
        provider_port: None,
        server_port: None,
        data_dir: Some(folder.to_owned()),
        verbose: 0,
    }
}

/// Listens on free ports, so that tests and demos run side by side.
async fn start(folder: &std::path::Path) -> Demo {
    let mut opened = Folder::open(folder).unwrap();
    if opened.kept.ports == folder::PORTS {
        opened.kept.ports = Ports {
            gateway: 0,
            provider: 0,
            server: 0,
        };
        opened.save().unwrap();
    }
    drop(opened);
    Demo::start(&arguments(folder)).await.unwrap()
}

async fn steps(demo: &Demo) -> Vec<walk::Step> {
    let mut steps = Vec::new();
    let outcome = walk::walk(&demo.gateway, |step| steps.push(step)).await;
    outcome.unwrap_or_else(|problem| panic!("{problem} after {steps:#?}"));
    steps
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_walk_arrives_and_whoami_knows_ada() {
    let folder = tempfile::tempdir().unwrap();
    let demo = start(folder.path()).await;
    let steps = steps(&demo).await;
    let whoami = steps.iter().find(|step| step.title.contains("whoami")).unwrap();
    assert!(
        whoami.learnt[0].1.contains("Ada Lovelace <ada@example.com>"),
        "{whoami:?}"
    );
    demo.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_start_over_the_same_data_walks_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path()).await;
    steps(&first).await;
    let (project, key) = (first.objects.project, first.objects.api_key.clone());
    first.stop().await.unwrap();

    let second = start(folder.path()).await;
    assert_eq!(second.objects.project, project);
    assert_eq!(second.objects.api_key, key);
    steps(&second).await;
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_start_on_other_ports_walks_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path()).await;
    let gateway = first.objects.gateway.id;
    let issuer = first.issuer.clone();
    first.stop().await.unwrap();
    // Another process took the ports in the meantime.
    let ports = Folder::open(folder.path()).unwrap().kept.ports;
    let _provider = ports::listen_exactly(ports.provider, "--provider-port")
        .await
        .unwrap();
    let _server = ports::listen_exactly(ports.server, "--server-port")
        .await
        .unwrap();

    let second = start(folder.path()).await;
    assert_ne!(second.issuer, issuer);
    assert_eq!(second.objects.gateway.id, gateway);
    steps(&second).await;
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_that_fails_says_what_was_expected_what_came_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = start(folder.path()).await;
    demo.tasks.abort_all();
    while demo.tasks.join_next().await.is_some() {}
    let mut out = Vec::new();
    assert!(!demo.walk(&mut Screen::new(&mut out, false, Detail::Full)).await);
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains(" 1  The client calls the gateway without a token  failed"),
        "{text}"
    );
    for label in ["expected", "but", "what to do"] {
        assert!(text.contains(&format!("    {label} ")), "{label}: {text}");
    }
}

/// Requests a page from a running demo; returns its status, where it leads, and the cookie it sets.
async fn get(link: &str, cookie: Option<&str>) -> (u16, Option<String>, Option<String>, String) {
    let url = Url::parse(link).unwrap();
    let address = (url.host_str().unwrap(), url.port().unwrap());
    // A test is a browser here, not the gateway.
    #[allow(clippy::disallowed_methods)]
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::get(url.path()).header("host", "127.0.0.1");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let answer = send
        .send_request(request.body(String::new()).unwrap())
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let header = |name: &str| {
        answer
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let (location, cookie) = (header("location"), header("set-cookie"));
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let cookie = cookie.map(|line| line.split(';').next().unwrap().to_owned());
    (
        status,
        location,
        cookie,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

/// Follows a link into the dashboard and returns the page it leads to.
async fn enter(demo: &Demo, link: &str) -> String {
    let (status, location, cookie, page) = get(link, None).await;
    assert_eq!(status, 303, "{page}");
    let there = format!("{}{}", demo.app.config.public_url(), location.unwrap());
    let (status, _, _, page) = get(&there, cookie.as_deref()).await;
    assert_eq!(status, 200, "{page}");
    page
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_link_opens_the_dashboard_as_often_as_one_likes_and_the_opened_one_once() {
    let folder = tempfile::tempdir().unwrap();
    let demo = start(folder.path()).await;
    for _ in 0..2 {
        let page = enter(&demo, &demo.links.printed).await;
        assert!(page.contains("Demo admin"), "{page}");
    }
    enter(&demo, &demo.links.opened).await;
    let guessed = format!("{}/demo/guessed", demo.app.config.public_url());
    for dead in [&demo.links.opened, &guessed] {
        let (status, _, cookie, page) = get(dead, None).await;
        assert_eq!((status, cookie), (404, None));
        assert!(page.contains("terminal"), "{page}");
    }
    let sign_in = format!("{}/sign-in", demo.app.config.public_url());
    assert!(get(&sign_in, None).await.3.contains("This is the demo."));
    demo.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_start_has_its_own_links_to_the_same_account() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path()).await;
    enter(&first, &first.links.printed).await;
    let (account, project) = (first.objects.account, first.objects.project);
    let old = Url::parse(&first.links.printed).unwrap();
    // A person deletes the project: the next start creates it again, with the account as its owner.
    let operator = Authority::operator(Origin::System);
    projects::delete(&first.app, &operator, project, "Demo", &IfMatch::Any)
        .await
        .unwrap();
    first.stop().await.unwrap();

    let second = start(folder.path()).await;
    assert_eq!(second.objects.account, account);
    assert_ne!(second.objects.project, project);
    enter(&second, &second.links.printed).await;
    let old = format!("{}{}", second.app.config.public_url(), old.path());
    assert_eq!(get(&old, None).await.0, 404);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn no_other_instance_has_the_door() {
    let test = TestAdmin::new().await;
    let context = RequestContext::known(RequestId::next(), [127, 0, 0, 1]);
    let router = gatewright_dashboard::router(test.app.clone()).layer(axum::Extension(context));
    for (path, status) in [("/demo/some-token", 404), ("/healthz", 200)] {
        let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        assert_eq!(
            router.clone().oneshot(request).await.unwrap().status(),
            status,
            "{path}"
        );
    }
}

/// Every source file of this crate that has one of these words.
fn files_that_name(words: &[&str], folder: &std::path::Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_that_name(words, &path, found);
        } else if std::fs::read_to_string(&path)
            .is_ok_and(|text| words.iter().any(|word| text.contains(word)))
        {
            found.push(path);
        }
    }
}

#[test]
fn nothing_but_the_demo_can_start_the_provider_or_sign_in_without_proof() {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    for (words, user) in [
        (&["gatewright_demo"][..], "demo/mod.rs"),
        (
            &["demo::sign_in", "demo as demo_service", "run_with("][..],
            "demo/door.rs",
        ),
    ] {
        let mut found = Vec::new();
        files_that_name(words, &source, &mut found);
        assert!(found.contains(&source.join(user)), "{words:?}");
        // Tests of other parts can use it: they are not in the program. The listener only says how it is done.
        let is_test = |path: &PathBuf| path.iter().any(|part| part == "tests" || part == "tests.rs");
        found.retain(|path| !path.starts_with(source.join("demo")) && !is_test(path));
        found.retain(|path| *path != source.join("serve.rs"));
        assert_eq!(found, Vec::<PathBuf>::new(), "{words:?}");
    }
}
