//! How to connect a real client, and what else to try.

use std::io::Write;

use serde_json::json;

use super::{objects::Objects, screen::Screen};

/// The name clients give the server.
const NAME: &str = "gatewright-demo";

/// Prints what to type, with everything filled in.
pub(super) fn print<W: Write>(screen: &mut Screen<W>, public_url: &str, gateway: &str, objects: &Objects) {
    screen.heading("Now with your own client");
    screen.say("Each of these opens your browser: choose Allow, then sign in as Ada or as Grace.");
    screen.say("Then ask it to call whoami.");
    screen.copy(
        "Claude Code (then type /mcp in it and authenticate)",
        &[&format!("claude mcp add --transport http {NAME} {gateway}")],
    );
    let vscode = json!({ "name": NAME, "type": "http", "url": gateway });
    screen.copy("VS Code", &[&format!("code --add-mcp '{vscode}'")]);
    let cursor = json!({ "mcpServers": { NAME: { "url": gateway } } });
    screen.copy("Cursor, in ~/.cursor/mcp.json", &[&cursor.to_string()]);
    screen.copy(
        "MCP Inspector (choose Streamable HTTP, and type the gateway's URL)",
        &["npx @modelcontextprotocol/inspector"],
    );
    let Objects { project, api_key, .. } = objects;
    screen.heading("And what administrators see");
    screen.copy(
        "The gateways of the demo's project",
        &[
            &format!("curl -H 'Authorization: Bearer {api_key}' \\"),
            &format!("  {public_url}/api/v1/projects/{project}/gateways"),
        ],
    );
    screen.copy(
        "Who has signed in",
        &[
            &format!("curl -H 'Authorization: Bearer {api_key}' \\"),
            &format!("  {public_url}/api/v1/projects/{project}/users"),
        ],
    );
    screen.say("");
    screen.say("The demo serves until you press Ctrl-C. Started again, it goes on with the same data.");
}
