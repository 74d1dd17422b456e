//! The demo as a whole, in process: the main job end to end.

use super::*;

fn arguments(folder: &std::path::Path) -> DemoArguments {
    DemoArguments {
        once: true,
        port: None,
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
    // Somebody else took the ports meanwhile.
    let ports = Folder::open(folder.path()).unwrap().kept.ports;
    let _provider = ports::listen_exactly(ports.provider).await.unwrap();
    let _server = ports::listen_exactly(ports.server).await.unwrap();

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
    assert!(!demo.walk(&mut Screen::new(&mut out, false)).await);
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains(" 1  The client calls the gateway without a token  failed"),
        "{text}"
    );
    for label in ["expected", "but", "what to do"] {
        assert!(text.contains(&format!("    {label} ")), "{label}: {text}");
    }
}

/// Every source file of this crate that names the crate of the demo provider.
fn files_that_name_the_demo(folder: &std::path::Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_that_name_the_demo(&path, found);
        } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains("gatewright_demo")) {
            found.push(path);
        }
    }
}

#[test]
fn nothing_but_the_demo_can_start_the_provider() {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files_that_name_the_demo(&source, &mut found);
    assert!(found.contains(&source.join("demo/mod.rs")));
    // Tests of other parts may use it: they are in no program.
    let is_test = |path: &PathBuf| path.iter().any(|part| part == "tests" || part == "tests.rs");
    found.retain(|path| !path.starts_with(source.join("demo")) && !is_test(path));
    assert_eq!(found, Vec::<PathBuf>::new(), "the demo provider signs anybody in");
}
