//! What to enter in each MCP client so that it uses a gateway: commands, files and links that install. Where people sign
//! in, a client needs only the URL; in Headers mode it also sends a key and names the user.

mod shell;

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatewright_domain::gateway::Mode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use self::shell::quoted;

/// The placeholder for an API key of role `gateway`.
pub const KEY: &str = "YOUR_GATEWAY_KEY";
/// The placeholder for the ID of the end user.
pub const USER: &str = "YOUR_USER_ID";
/// The header that says for whom a request is.
const USER_HEADER: &str = "Gatewright-User-ID";

/// What `encodeURIComponent` leaves as it is: clients decode with its counterpart.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// What is entered in clients for one gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSetup {
    /// Its name in the client: letters, digits, `-` and `_`, which every client accepts unchanged.
    name: String,
    url: String,
    speaks_by_key: bool,
}

/// The headers of Headers mode, with texts to replace.
#[derive(Serialize)]
struct Headers<'a> {
    #[serde(rename = "Authorization")]
    authorization: &'a str,
    #[serde(rename = "Gatewright-User-ID")]
    user: &'a str,
}

/// A server that a client connects to directly.
#[derive(Serialize)]
struct Remote<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Headers<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<[Input; 2]>,
}

/// A value that VS Code asks for and stores, so that it is not in a file.
#[derive(Serialize)]
struct Input {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    password: bool,
}

/// A program that a client starts, which reaches the server for it.
#[derive(Serialize)]
struct Local<'a> {
    command: &'static str,
    args: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<BTreeMap<&'static str, String>>,
}

#[derive(Serialize)]
struct McpServers<'a, T> {
    #[serde(rename = "mcpServers")]
    servers: BTreeMap<&'a str, T>,
}

#[derive(Serialize)]
struct VsCodeFile<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<[Input; 2]>,
    servers: BTreeMap<&'a str, Remote<'a>>,
}

impl ClientSetup {
    /// The set-up of a gateway of this slug, URL and mode.
    pub fn new(slug: &str, url: &str, mode: Mode) -> Self {
        // A name that began with a hyphen would be an option to whatever reads the command.
        let name = slug.trim_start_matches(['-', '_']);
        Self {
            name: if name.is_empty() { "gateway" } else { name }.to_owned(),
            url: url.to_owned(),
            speaks_by_key: mode == Mode::Headers,
        }
    }

    /// Its name in the client.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The command that adds it to Claude Code.
    pub fn claude_code(&self) -> String {
        // Its option for headers takes all that follows, so it comes last.
        let (name, url) = (quoted(&self.name), quoted(&self.url));
        format!(
            "claude mcp add --transport http {name} {url}{}",
            self.header_options()
        )
    }

    /// The file of Claude Desktop, if it cannot reach the gateway directly: `mcp-remote` does it from the person's own
    /// machine. The values of headers are in the environment, because some systems break arguments with spaces in them.
    pub fn claude_desktop(&self) -> String {
        let mut args = vec!["-y", "mcp-remote", &self.url];
        let env = self.speaks_by_key.then(|| {
            BTreeMap::from([
                ("GATEWRIGHT_AUTHORIZATION", format!("Bearer {KEY}")),
                ("GATEWRIGHT_USER_ID", USER.to_owned()),
            ])
        });
        if env.is_some() {
            args.extend([
                "--header",
                "Authorization:${GATEWRIGHT_AUTHORIZATION}",
                "--header",
                "Gatewright-User-ID:${GATEWRIGHT_USER_ID}",
            ]);
        }
        self.servers(Local {
            command: "npx",
            args,
            env,
        })
    }

    /// The link that adds it to Cursor.
    pub fn cursor_link(&self) -> String {
        let config = STANDARD.encode(compact(&self.remote(None)));
        format!(
            "cursor://anysphere.cursor-deeplink/mcp/install?name={}&config={}",
            component(&self.name),
            component(&config)
        )
    }

    /// The file of Cursor.
    pub fn cursor(&self) -> String {
        self.servers(self.remote(None))
    }

    /// The link that adds it to VS Code.
    pub fn vscode_link(&self) -> String {
        format!("vscode:mcp/install?{}", component(&compact(&self.for_vscode())))
    }

    /// The command that adds it to VS Code.
    pub fn vscode_command(&self) -> String {
        format!("code --add-mcp {}", quoted(&compact(&self.for_vscode())))
    }

    /// The file of a workspace of VS Code.
    pub fn vscode(&self) -> String {
        let Remote {
            kind, url, headers, ..
        } = self.for_vscode();
        let server = Remote {
            name: None,
            kind,
            url,
            headers,
            inputs: None,
        };
        pretty(&VsCodeFile {
            inputs: self.inputs(),
            servers: BTreeMap::from([(self.name.as_str(), server)]),
        })
    }

    /// The command that opens it in MCP Inspector.
    pub fn inspector(&self) -> String {
        let url = quoted(&self.url);
        format!(
            "npx @modelcontextprotocol/inspector --transport http --server-url {url}{}",
            self.header_options()
        )
    }

    /// The form of configuration that most other clients read.
    pub fn plain(&self) -> String {
        self.servers(self.remote(Some("http")))
    }

    fn header_options(&self) -> String {
        if !self.speaks_by_key {
            return String::new();
        }
        let key = format!("Authorization: Bearer {KEY}");
        let user = format!("{USER_HEADER}: {USER}");
        format!(" --header {} --header {}", quoted(&key), quoted(&user))
    }

    fn remote(&self, kind: Option<&'static str>) -> Remote<'_> {
        const AUTHORIZATION: &str = "Bearer YOUR_GATEWAY_KEY";
        Remote {
            name: None,
            kind,
            url: &self.url,
            headers: self.speaks_by_key.then_some(Headers {
                authorization: AUTHORIZATION,
                user: USER,
            }),
            inputs: None,
        }
    }

    fn for_vscode(&self) -> Remote<'_> {
        Remote {
            name: Some(&self.name),
            kind: Some("http"),
            url: &self.url,
            headers: self.speaks_by_key.then_some(Headers {
                authorization: "Bearer ${input:gatewright-key}",
                user: "${input:gatewright-user}",
            }),
            inputs: self.inputs(),
        }
    }

    fn inputs(&self) -> Option<[Input; 2]> {
        self.speaks_by_key.then_some([
            Input {
                kind: "promptString",
                id: "gatewright-key",
                description: "API key of role gateway",
                password: true,
            },
            Input {
                kind: "promptString",
                id: "gatewright-user",
                description: "User ID",
                password: false,
            },
        ])
    }

    fn servers<T: Serialize>(&self, server: T) -> String {
        pretty(&McpServers {
            servers: BTreeMap::from([(self.name.as_str(), server)]),
        })
    }
}

fn compact(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and maps of texts are always JSON")
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("texts and maps of texts are always JSON")
}

fn component(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

#[cfg(test)]
mod tests;
