//! The doctor's findings on installations that are well and that are not.

use gatewright_demo::provider::{Client, Provider};
use gatewright_domain::{
    Clock as _,
    clock::SystemClock,
    id::ProjectId,
    server::{CustomHeader, Server},
    testing,
    user_source::UserSource,
};
use tokio::net::TcpListener;

use super::*;
use crate::relying_party::testing::user_source;

/// An instance that serves, and its configuration.
struct Instance {
    app: Arc<Admin>,
    project: ProjectId,
    _folder: tempfile::TempDir,
}

impl Instance {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = Config::default();
        config.database.data_dir = folder.path().join("data");
        config.server.public_url = format!("http://{}", listener.local_addr().unwrap());
        let app = super::super::build(config).await.unwrap();
        tokio::spawn(crate::serve::run(Arc::clone(&app), listener, None));
        let project = ProjectId::generate(&SystemClock, &SystemEntropy);
        let at = SystemClock.now();
        let row = testing::project(project, at);
        let mut tx = app.core().store.write().await.unwrap();
        gatewright_store::project::insert(&mut tx, &row).await.unwrap();
        tx.commit().await.unwrap();
        Self {
            app,
            project,
            _folder: folder,
        }
    }

    async fn add_server(&self, slug: &str, url: &str, headers: Vec<CustomHeader>) {
        let at = SystemClock.now();
        let server = Server {
            timeout_ms: 1_000,
            headers,
            ..testing::server(self.project, at, slug, url)
        };
        let mut tx = self.app.core().store.write().await.unwrap();
        gatewright_store::server::insert(&mut tx, &server).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn add_source(&self, name: &str, issuer: &str) {
        let source = UserSource {
            name: name.to_owned(),
            client_id: "client".to_owned(),
            ..user_source(self.project, SystemClock.now(), issuer)
        };
        let mut tx = self.app.core().store.write().await.unwrap();
        gatewright_store::user_source::insert(&mut tx, &source)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn examine(&self) -> (usize, String) {
        examined(self.app.config.clone()).await
    }
}

async fn examined(config: Config) -> (usize, String) {
    let mut out = Vec::new();
    let mut report = Report::new(&mut out, Form::Text);
    Box::pin(examine(&mut report, config)).await;
    let failures = report.failures();
    (failures, String::from_utf8(out).unwrap())
}

async fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

#[tokio::test]
async fn a_sound_installation_passes() {
    let instance = Instance::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client {
        id: "client".to_owned(),
        secret: "secret".to_owned(),
        redirect_uri: instance.app.config.callback_url(),
    };
    let provider = Provider::on(&listener, client).unwrap();
    let issuer = provider.issuer().to_owned();
    tokio::spawn(provider.serve(listener, instance.app.shutdown.clone()));
    instance.add_source("Okta", &issuer).await;
    let url = format!("{}/healthz", instance.app.config.public_url());
    instance.add_server("tools", &url, Vec::new()).await;
    let (failures, text) = instance.examine().await;
    assert_eq!(failures, 0, "{text}");
    for line in [
        "ok    database: SQLite, up to date",
        "ok    public URL: ",
        "ok    User Source \"Okta\" of \"Project\": ",
        "ok    clock: ",
        "ok    server \"tools\" of \"Project\": ",
    ] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
}

#[test]
fn findings_are_also_one_document() {
    let mut out = Vec::new();
    let mut report = Report::new(&mut out, Form::Json);
    report.good("database", "up to date");
    report.warn("proxy", "it is missing", "Configure it");
    report.bad("disk", "it is full", "Free some space");
    let _ = report.finish();
    let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let expected = serde_json::json!({
        "ok": 1, "warnings": 1, "failures": 1,
        "findings": [
            { "outcome": "ok", "subject": "database", "found": "up to date" },
            { "outcome": "warning", "subject": "proxy", "found": "it is missing.", "remedy": "Configure it." },
            { "outcome": "failure", "subject": "disk", "found": "it is full.", "remedy": "Free some space." },
        ],
    });
    assert_eq!(document, expected);
}

#[tokio::test]
async fn what_cannot_be_reached_is_reported_with_the_remedy() {
    let instance = Instance::start().await;
    let (nobody, base) = (free_address().await, instance.app.config.public_url().to_owned());
    instance.add_source("Gone", &format!("http://{nobody}")).await;
    instance
        .add_server("gone", &format!("http://{nobody}/mcp"), Vec::new())
        .await;
    instance
        .add_server("elsewhere", &format!("{base}/nothing"), Vec::new())
        .await;
    let header = CustomHeader {
        name: "x-key".to_owned(),
        value: "${secret:MISSING}".to_owned(),
    };
    instance
        .add_server("secretless", &format!("{base}/healthz"), vec![header])
        .await;
    let (failures, text) = instance.examine().await;
    assert_eq!(failures, 3, "{text}");
    for line in [
        "FAIL  User Source \"Gone\" of \"Project\": ",
        "FAIL  server \"gone\" of \"Project\": could not connect to 127.0.0.1: nothing listens",
        "warn  server \"elsewhere\" of \"Project\": ",
        "FAIL  server \"secretless\" of \"Project\": ",
    ] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
}

#[tokio::test]
async fn a_public_url_that_leads_elsewhere_is_reported() {
    let instance = Instance::start().await;
    let mut config = instance.app.config.clone();
    config.server.public_url = format!("http://{}", free_address().await);
    let (failures, text) = examined(config).await;
    assert_eq!(failures, 1, "{text}");
    assert!(text.contains("FAIL  public URL: could not connect"), "{text}");
}

#[tokio::test]
async fn nothing_is_made_where_there_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.database.data_dir = folder.path().join("data");
    let (failures, text) = examined(config).await;
    assert_eq!(failures, 1, "{text}");
    assert!(text.contains("gatewright serve"), "{text}");
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn a_wrong_or_exposed_master_key_is_reported() {
    let instance = Instance::start().await;
    let mut config = instance.app.config.clone();
    let path = config.database.data_dir.join(master_key::GENERATED_FILE);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (failures, text) = instance.examine().await;
    assert_eq!(failures, 0, "{text}");
    assert!(
        text.contains("warn  master key: ") && text.contains("chmod 600"),
        "{text}"
    );
    config.keys.master = vec![gatewright_domain::sealed::MasterKey::generate(&SystemEntropy).to_text()];
    let (failures, text) = examined(config).await;
    assert_eq!(failures, 1, "{text}");
    assert!(text.contains("another master key"), "{text}");
}

#[tokio::test]
async fn a_change_of_the_master_key_is_explained_step_by_step() {
    use gatewright_domain::{sealed::MasterKey, secret::Secret};
    let instance = Instance::start().await;
    let mut config = instance.app.config.clone();
    let path = config.database.data_dir.join(master_key::GENERATED_FILE);
    let old = Secret::new(format!("file:{}", path.display()));
    let new = MasterKey::generate(&SystemEntropy).to_text();
    let (_, text) = instance.examine().await;
    assert!(!text.contains("change of the master key"), "{text}");
    config.keys.master = vec![old.clone(), new.clone()];
    let (failures, text) = examined(config.clone()).await;
    assert_eq!(failures, 0, "{text}");
    assert!(text.contains("ok    change of the master key: "), "{text}");
    assert!(
        text.contains("move it to the front once every replica has it"),
        "{text}"
    );
    config.keys.master = vec![new, old];
    let (failures, text) = examined(config).await;
    assert_eq!(failures, 0, "{text}");
    assert!(
        text.contains("warn  change of the master key: ") && text.contains("gatewright keys rotate"),
        "{text}"
    );
}

#[tokio::test]
async fn a_proxy_that_is_not_configured_is_reported() {
    let told = async |url: &str, proxies: &[&str], is_tls: bool| {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.database.data_dir = folder.path().join("data");
        config.server.public_url = url.to_owned();
        config.server.trusted_proxies = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        config.acme.accept_terms = is_tls;
        let (_, text) = examined(config).await;
        text.contains("warn  proxy: ") && text.contains("server.trusted_proxies")
    };
    assert!(told("https://gateway.example.com", &[], false).await);
    assert!(!told("https://gateway.example.com", &["10.0.0.0/8"], false).await);
    assert!(!told("http://127.0.0.1:8080", &[], false).await);
    // Where TLS ends here, a load balancer in front names no clients.
    assert!(!told("https://gateway.example.com", &[], true).await);
    assert!(told("https://gateway.example.com", &["10.0.0.0/8"], true).await);
}

#[test]
fn a_full_disk_fails_and_names_the_file_that_cannot_grow() {
    let told = |bytes| {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out, Form::Text);
        room(&mut report, Path::new("/data/gatewright.db"), bytes);
        let failed = report.failures() > 0;
        (!failed, String::from_utf8(out).unwrap())
    };
    let (good, text) = told(4096);
    assert!(
        !good && text.contains("/data/gatewright.db") && text.contains("full"),
        "{text}"
    );
    let (good, text) = told(100 * 1024 * 1024);
    assert!(good && text.contains("100 MB"), "{text}");
    let (good, text) = told(LITTLE_ROOM);
    assert!(good && !text.contains("disk"), "{text}");
}
