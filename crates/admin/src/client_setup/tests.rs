//! What is entered, read back as its client reads it.

use serde_json::{Value, json};
use url::Url;

use super::*;

const URL: &str = "https://gw.example.com/mcp/support";

fn setup(mode: Mode) -> ClientSetup {
    ClientSetup::new("support", URL, mode)
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The configuration in a link of Cursor.
fn of_cursor_link(link: &str) -> (String, Value) {
    let link = Url::parse(link).unwrap();
    assert_eq!((link.scheme(), link.path()), ("cursor", "/mcp/install"));
    assert_eq!(link.host_str(), Some("anysphere.cursor-deeplink"));
    let pairs: BTreeMap<String, String> = link.query_pairs().into_owned().collect();
    let config = STANDARD.decode(&pairs["config"]).unwrap();
    (pairs["name"].clone(), serde_json::from_slice(&config).unwrap())
}

/// The configuration in a link of VS Code.
fn of_vscode_link(link: &str) -> Value {
    let query = link.strip_prefix("vscode:mcp/install?").unwrap();
    let decoded = percent_encoding::percent_decode_str(query).decode_utf8().unwrap();
    json_of(&decoded)
}

#[test]
fn where_people_sign_in_a_client_gets_the_url_and_nothing_else() {
    for mode in [Mode::UserSource, Mode::ProjectMembers] {
        let setup = setup(mode);
        assert_eq!(
            setup.claude_code(),
            format!("claude mcp add --transport http support {URL}")
        );
        assert_eq!(
            setup.inspector(),
            format!("npx @modelcontextprotocol/inspector --transport http --server-url {URL}")
        );
        assert_eq!(
            json_of(&setup.cursor()),
            json!({"mcpServers": {"support": {"url": URL}}})
        );
        assert_eq!(
            json_of(&setup.plain()),
            json!({"mcpServers": {"support": {"type": "http", "url": URL}}})
        );
        assert_eq!(
            json_of(&setup.vscode()),
            json!({"servers": {"support": {"type": "http", "url": URL}}})
        );
        assert_eq!(
            json_of(&setup.claude_desktop()),
            json!({"mcpServers": {"support": {"command": "npx", "args": ["-y", "mcp-remote", URL]}}})
        );
        assert_eq!(
            of_cursor_link(&setup.cursor_link()),
            ("support".to_owned(), json!({"url": URL}))
        );
        let for_vscode = json!({"name": "support", "type": "http", "url": URL});
        assert_eq!(of_vscode_link(&setup.vscode_link()), for_vscode);
        let command = setup.vscode_command();
        let argument = command
            .strip_prefix("code --add-mcp '")
            .unwrap()
            .strip_suffix('\'')
            .unwrap();
        assert_eq!(json_of(argument), for_vscode);
        let all = [
            setup.plain(),
            setup.vscode(),
            setup.cursor(),
            setup.claude_desktop(),
            command,
        ];
        assert!(!all.concat().contains("Authorization"), "{all:?}");
    }
}

#[test]
fn in_headers_mode_it_also_gets_a_key_and_a_user_to_fill_in() {
    let setup = setup(Mode::Headers);
    let headers = json!({"Authorization": format!("Bearer {KEY}"), "Gatewright-User-ID": USER});
    assert_eq!(
        setup.claude_code(),
        format!(
            "claude mcp add --transport http support {URL} --header \"Authorization: Bearer {KEY}\" \
             --header \"Gatewright-User-ID: {USER}\""
        )
    );
    assert!(
        setup
            .inspector()
            .ends_with(&format!("--header \"Gatewright-User-ID: {USER}\""))
    );
    assert_eq!(
        json_of(&setup.plain()),
        json!({"mcpServers": {"support": {"type": "http", "url": URL, "headers": headers}}})
    );
    assert_eq!(
        of_cursor_link(&setup.cursor_link()).1,
        json!({"url": URL, "headers": headers})
    );
    let local = &json_of(&setup.claude_desktop())["mcpServers"]["support"];
    assert_eq!(local["env"]["GATEWRIGHT_AUTHORIZATION"], format!("Bearer {KEY}"));
    assert_eq!(local["env"]["GATEWRIGHT_USER_ID"], USER);
    for argument in local["args"].as_array().unwrap() {
        assert!(
            !argument.as_str().unwrap().contains(' '),
            "{argument} would be broken apart"
        );
    }
    // What VS Code asks for is what its headers name, and the key is entered hidden.
    let file = json_of(&setup.vscode());
    let ids: Vec<_> = file["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|input| &input["id"])
        .collect();
    assert_eq!(ids, ["gatewright-key", "gatewright-user"]);
    assert_eq!(file["inputs"][0]["password"], true);
    let named = &file["servers"]["support"]["headers"];
    assert_eq!(named["Authorization"], "Bearer ${input:gatewright-key}");
    assert_eq!(named["Gatewright-User-ID"], "${input:gatewright-user}");
    let link = of_vscode_link(&setup.vscode_link());
    assert_eq!(link["inputs"], file["inputs"]);
    assert_eq!(&link["headers"], named);
}

#[test]
fn a_name_is_never_taken_for_an_option() {
    for (slug, name) in [
        ("--dangerous", "dangerous"),
        ("__", "gateway"),
        ("a-b_c", "a-b_c"),
    ] {
        assert_eq!(ClientSetup::new(slug, URL, Mode::UserSource).name(), name);
    }
}

#[test]
fn an_address_in_brackets_is_quoted() {
    let setup = ClientSetup::new("x", "http://[::1]:8080/mcp/x", Mode::UserSource);
    assert!(setup.claude_code().ends_with(" x \"http://[::1]:8080/mcp/x\""));
    assert_eq!(
        of_cursor_link(&setup.cursor_link()).1["url"],
        "http://[::1]:8080/mcp/x"
    );
}
