//! Tests of `gatewright init`.

use std::io::Cursor;

use super::*;

type Typed = Questions<Cursor<Vec<u8>>, Vec<u8>>;

fn typed(lines: &str) -> Typed {
    Questions::new(Cursor::new(lines.as_bytes().to_vec()), Vec::new())
}

const UNASKED: Option<&mut Typed> = None;

fn answers(public_url: &str, database: &str) -> Answers {
    Answers {
        public_url: answers::public_url(Some(public_url.into()), UNASKED).unwrap(),
        database: answers::database(Some(database.into()), UNASKED).unwrap(),
        issuer: None,
    }
}

#[test]
fn an_answer_that_cannot_be_used_is_asked_for_again_and_enter_means_the_default() {
    let mut person = typed("gateway.example.com\nhttps://gateway.example.com/\n");
    let url = answers::public_url(None, Some(&mut person)).unwrap();
    assert_eq!(url, "https://gateway.example.com");
    let url = answers::public_url(None, Some(&mut typed("\n"))).unwrap();
    assert_eq!(url, "http://127.0.0.1:8080");
    let database = answers::database(
        None,
        Some(&mut typed("mysql://host/db\npostgres://u:p@host/db\n")),
    )
    .unwrap();
    assert!(matches!(database, Database::Postgres(url) if url.expose() == "postgres://u:p@host/db"));
    let left = answers::public_url(None, Some(&mut typed("wrong\n"))).unwrap_err();
    assert!(left.to_string().contains("nothing was written"), "{left}");
}

#[test]
fn a_flag_that_cannot_be_used_is_an_error_with_the_remedy() {
    let error = answers::public_url(Some("http://gateway.example.com".into()), UNASKED).unwrap_err();
    assert!(error.to_string().contains("Write https://"), "{error}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().display().to_string();
    let error = answers::database(Some(name), UNASKED).unwrap_err();
    assert!(
        error.to_string().contains("is not a folder. Name another"),
        "{error}"
    );
}

#[test]
fn the_file_loads_and_says_what_its_keys_mean() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.toml");
    let data = folder.path().join("data").display().to_string();
    let config = write(&path, &answers("https://mcp.example.com", &data)).unwrap();
    assert_eq!(config.public_url(), "https://mcp.example.com");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.database.data_dir.display().to_string(), data);
    assert_eq!(config.public_url_doubt(), None);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("# The address and port to listen on."), "{text}");
    assert!(text.contains("a reverse proxy with TLS has to forward"), "{text}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let config = write(&path, &answers("http://[::1]:9000", &data)).unwrap();
    assert_eq!(config.server.listen.to_string(), "[::1]:9000");
    assert_eq!(config.public_url_doubt(), None);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[test]
fn postgresql_gets_a_master_key_that_another_run_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.toml");
    let answers = answers("https://mcp.example.com", "postgres://u:p@host/db");
    let config = write(&path, &answers).unwrap();
    let key = fs::read(folder.path().join("master.key")).unwrap();
    assert_eq!(master_key::configured(&config).unwrap().len(), 1);
    let again = write(&path, &answers).unwrap();
    assert_eq!(master_key::configured(&again).unwrap().len(), 1);
    assert_eq!(fs::read(folder.path().join("master.key")).unwrap(), key);
}

#[tokio::test]
async fn a_provider_that_cannot_be_used_is_told_and_a_file_that_exists_stays() {
    let wrong = provider::issuer(Some("login.example.com".into()), UNASKED, "http://127.0.0.1:8080").await;
    let text = wrong.unwrap_err().to_string();
    assert!(text.contains("Correct --issuer, or leave it out"), "{text}");

    let mut person = typed("http://127.0.0.1:9\n\n");
    let skipped = provider::issuer(None, Some(&mut person), "http://127.0.0.1:8080")
        .await
        .unwrap();
    assert_eq!(skipped, None);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.toml");
    fs::write(&path, "mine").unwrap();
    let arguments = Arguments {
        public_url: None,
        database: None,
        issuer: None,
        force: false,
    };
    let error = run(arguments, Some(path.clone())).await.unwrap_err();
    assert!(
        error.to_string().contains("replace this one with --force"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}
