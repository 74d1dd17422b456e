//! Asking a server before it is saved. It gets its secrets, so only after it was checked that they may go there.

use gatewright_core::headers;
use gatewright_domain::{sealed::Purpose, server::Server, stored_secret::StoredSecret};
use gatewright_store::{Tx, secret as secrets};

use crate::{
    Admin,
    directory::ServerEntry,
    relying_party::check::Finding,
    service::{
        ServiceError,
        change::every,
        server_checks::{self, Answered},
    },
};

/// A server ready to be asked.
pub(super) struct Trial(ServerEntry);

/// Whether the server's connection settings change, so that what is known about it no longer applies.
pub(super) fn is_needed(before: &Server, after: &Server) -> bool {
    before.url != after.url
        || before.headers != after.headers
        || before.identity != after.identity
        || before.protocol != after.protocol
}

/// Fills in the headers, as they would be sent.
pub(super) async fn prepare(app: &Admin, tx: &mut Tx, server: &Server) -> Result<Trial, ServiceError> {
    let mut known = Vec::new();
    if !server.secrets().is_empty() {
        known = every!(page => secrets::list(tx, server.project_id, &page));
    }
    let find = |name: &str| {
        let secret = known.iter().find(|secret| secret.name == name)?;
        let context = StoredSecret::context(secret.id);
        let value = app
            .keyring
            .open_secret(Purpose::StoredSecret, &context, &secret.value)
            .ok()?;
        Some((value, secret.origins.clone()))
    };
    let (headers, problem) = match headers::resolve(server, find) {
        Ok(headers) => (headers, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    Ok(Trial(ServerEntry {
        server: server.clone(),
        headers,
        problem,
    }))
}

impl Trial {
    /// Asks the server, within some four seconds.
    pub(super) async fn run(self, app: &Admin) -> Result<Answered, Finding> {
        server_checks::try_out(app, &self.0).await
    }
}

/// What is worth knowing about a server that is saved all the same.
pub(super) fn warnings(server: &Server, outcome: &Result<Answered, Finding>) -> Vec<Finding> {
    match outcome {
        Ok(answered) if answered.has_nothing() => vec![Finding {
            pointer: "/url".to_owned(),
            found: format!(
                "The server `{}` answers and has no tools, prompts or resources.",
                server.slug
            ),
            remedy: "Gateways have nothing to offer of it until it has some.".to_owned(),
        }],
        Ok(_) => Vec::new(),
        Err(why) => vec![why.clone()],
    }
}
