//! The core flow, step by step, by a small client that does what an MCP client and a browser do together: from a URL without
//! a token, through the person's own identity provider, to a tool that knows who called it.

mod browser;
mod calls;
mod discovery;
mod form;
pub(crate) mod mcp;
mod problem;
mod sign_in;
mod tokens;

use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use url::Url;

pub use problem::Problem;

use problem::Mismatch;

/// The label of what the walk is about: how the MCP server knows the person who called it.
pub const THE_SERVER_SAYS: &str = "the server says";

/// A step that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Who did what, in a sentence.
    pub title: &'static str,
    /// What the client has learned in this step. Codes and tokens appear as fingerprints.
    pub learnt: Vec<(&'static str, String)>,
    /// How long it took.
    pub took: Duration,
}

/// What a step learns while it runs.
#[derive(Debug, Default)]
struct Notes(Vec<(&'static str, String)>);

impl Notes {
    fn add(&mut self, label: &'static str, value: impl Into<String>) {
        self.0.push((label, value.into()));
    }
}

/// Runs one step and reports it.
macro_rules! step {
    ($report:ident, $title:literal, |$notes:ident| $run:expr) => {{
        let started = Instant::now();
        let mut recorded = Notes::default();
        let $notes = &mut recorded;
        let outcome: Result<_, Mismatch> = $run.await;
        let outcome = outcome.map_err(|mismatch| Problem::new($title, mismatch))?;
        $report(Step {
            title: $title,
            learnt: recorded.0,
            took: started.elapsed(),
        });
        outcome
    }};
}

/// Goes from a gateway's URL to a tool call, and reports each finished step to `report`. The person who signs in is Ada, so the
/// gateway's User Source must lead to the demo provider.
pub async fn walk(gateway: &Url, mut report: impl FnMut(Step)) -> Result<(), Problem> {
    let metadata_url = step!(report, "The client calls the gateway without a token", |notes| {
        discovery::challenge(gateway, notes)
    });
    let issuer = step!(report, "It reads what protects the gateway", |notes| {
        discovery::protected_resource(gateway, &metadata_url, notes)
    });
    let server = step!(report, "It reads the authorization server's metadata", |notes| {
        discovery::authorization_server(&issuer, notes)
    });
    let client = step!(report, "It registers itself", |notes| discovery::register(
        &server, notes
    ));
    let mut sign_in = sign_in::SignIn::new(gateway, &server, &client);
    let consent = step!(report, "The browser opens the gateway's consent page", |notes| {
        sign_in.open(notes)
    });
    let to_provider = step!(report, "The person chooses Allow", |notes| {
        sign_in.allow(&consent, notes)
    });
    let to_callback = step!(report, "Ada signs in at her own identity provider", |notes| {
        sign_in.at_provider(&to_provider, notes)
    });
    let code = step!(
        report,
        "The provider sends the browser back to the gateway",
        |notes| { sign_in.call_back(&to_callback, notes) }
    );
    let tokens = step!(report, "The client exchanges its code for tokens", |notes| {
        tokens::exchange(&server, &client, &sign_in, &code, notes)
    });
    let calls = calls::Calls::new(gateway, &tokens.access);
    step!(report, "It asks the gateway what it supports", |notes| calls
        .discover(notes));
    step!(report, "It lists the tools", |notes| calls.list(notes));
    step!(report, "It calls the tool whoami", |notes| calls.whoami(notes));
    step!(report, "It calls the tool add", |notes| calls.add(notes));
    let renewed = step!(report, "It refreshes its tokens", |notes| {
        tokens::refresh(&server, &client, gateway, &tokens, notes)
    });
    let calls = calls::Calls::new(gateway, &renewed.access);
    step!(report, "It calls again with the new token", |notes| calls
        .echo(notes));
    Ok(())
}

/// A fingerprint of a secret for the screen: enough to compare two, not enough to use one.
fn fingerprint(secret: &str) -> String {
    let hash = Sha256::digest(secret);
    let short = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    format!("#{short:08x} ({} characters)", secret.len())
}

#[cfg(test)]
mod tests;
