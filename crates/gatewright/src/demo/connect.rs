//! How to connect a real client, and what else to try.

use std::io::Write;

use gatewright_domain::gateway::Mode;

use super::{door::Links, objects::Objects, screen::Screen};
use gatewright_admin::ClientSetup;

/// The name of the server in clients.
const NAME: &str = "gatewright-demo";

/// Prints what to type, with everything filled in.
pub(super) fn print<W: Write>(
    screen: &mut Screen<W>,
    public_url: &str,
    gateway: &str,
    objects: &Objects,
    links: &Links,
) {
    let setup = ClientSetup::new(NAME, gateway, Mode::UserSource);
    if screen.is_brief() {
        screen.heading("Now with your own client: sign in as Ada or as Grace, then ask it to call whoami");
        screen.copy_alone(&setup.claude_code());
        screen.copy_alone(&setup.vscode_command());
        screen.heading("Look at all of it in the dashboard. This link signs you in:");
        screen.copy_alone(&links.printed);
        screen.say("");
        screen.say("More clients, the API and every step in detail: start it with --verbose.");
        screen.say("The demo serves until you press Ctrl-C.");
        return;
    }
    screen.heading("Now with your own client");
    screen.say("Each of these opens your browser: choose Allow, then sign in as Ada or as Grace.");
    screen.say("Then ask it to call whoami.");
    screen.copy(
        "Claude Code (then type /mcp in it and authenticate)",
        &[&setup.claude_code()],
    );
    screen.copy("VS Code", &[&setup.vscode_command()]);
    let file = setup.cursor();
    screen.copy("Cursor, in ~/.cursor/mcp.json", &file.lines().collect::<Vec<_>>());
    screen.copy("MCP Inspector", &[&setup.inspector()]);
    let Objects { project, api_key, .. } = objects;
    screen.heading("And what administrators have");
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
    screen.heading("Look at all of it in the dashboard");
    screen.say("This link signs you in, as often as you like, for as long as this demo runs:");
    screen.copy_alone(&links.printed);
    screen.say("");
    screen
        .say("The demo serves until you press Ctrl-C. When started again, it continues with the same data.");
}
