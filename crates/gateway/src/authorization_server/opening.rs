//! The beginning of a sign-in, before *Allow*, as the trace sees it.

use std::{sync::Arc, time::Duration};

use gatewright_domain::{
    client::RegisteredClient,
    reference::Reference,
    sign_in_attempt::{Step, StepRecord},
};
use gatewright_oauth::metadata_document::is_url;

use super::AuthorizationServer;
use super::client::{Client, ClientError};
use crate::{
    directory::GatewayEntry,
    request::RequestContext,
    sign_in_trace::{
        BeforeAllow,
        before_allow::{KnownClient, Sort},
    },
};

/// A sign-in that begins, as far as it has come.
pub(super) struct Opening<'a> {
    pub(super) app: &'a AuthorizationServer,
    pub(super) entry: &'a Arc<GatewayEntry>,
    before: BeforeAllow,
    client: Option<(String, String)>,
    since: Duration,
}

/// The entry of a refusal in the trace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    pub(super) step: Step,
    pub(super) sort: Sort,
    /// What the administrator can do about it.
    pub(super) advice: &'static str,
}

impl Refusal {
    /// A client that is refused.
    pub(super) const fn of_client(error: &ClientError, step: Step) -> Self {
        let advice = match error {
            ClientError::Unknown | ClientError::WrongSecret => {
                "The person removes the server in the app and adds it again, so that the app registers again. If it happens to everyone, check that no master key was removed too early."
            }
            ClientError::SwitchedOff => {
                "Turn this kind of registration on in the settings of the gateway if such apps should be able to sign in."
            }
            ClientError::Blocked => "Unblock this app if it should be able to sign in.",
            ClientError::Document(_) => {
                "Open the app's metadata document in a browser. If it is there, check that this machine may fetch it."
            }
            // Only said to programs, which do not come this way.
            ClientError::KeyMissing | ClientError::NoKeys | ClientError::Proof(_) => {
                "The app's keys do not match; report the reason to its developers."
            }
            ClientError::Stale(_) | ClientError::Store(_) => "Check the database.",
        };
        let sort = Sort::Refused;
        Self { step, sort, advice }
    }
}

impl<'a> Opening<'a> {
    /// A request has come for a gateway.
    pub(super) fn new(
        app: &'a AuthorizationServer,
        entry: &'a Arc<GatewayEntry>,
        context: &RequestContext,
    ) -> Self {
        Self {
            app,
            entry,
            before: BeforeAllow::new(context.id.reference(), app.now()),
            client: None,
            since: app.clock.monotonic(),
        }
    }

    /// What its pages show.
    pub(super) fn reference(&self) -> Reference {
        self.before.reference
    }

    /// The client is known now, and how it introduced itself.
    pub(super) fn knows(&mut self, client: &Client) {
        self.client = Some((client.id.clone(), client.name.clone()));
        let now = self.app.now();
        let registration = |at, detail: &str| StepRecord::done(Step::Registration, at).with_detail(detail);
        let record = if is_url(&client.id) {
            let read = format!("the app describes itself at {}", client.id);
            registration(now, &read).lasting(self.elapsed())
        } else if let Some(registered) = RegisteredClient::open(&self.app.keyring, &client.id) {
            let place = match registered.gateway_id {
                Some(_) => "the app registered itself at this gateway",
                None => "the app registered itself at the root of this instance",
            };
            registration(registered.issued_at, place)
        } else {
            registration(now, "the app was registered by an administrator")
        };
        self.before.steps.push(record);
    }

    /// The request is valid, and the client is trusted: consent is skipped.
    pub(super) fn skips_consent(&mut self) -> BeforeAllow {
        self.authorized();
        let skipped = "not asked, because the gateway trusts this app";
        let consent = StepRecord::done(Step::Consent, self.app.now()).with_detail(skipped);
        self.before.steps.push(consent);
        self.before.clone()
    }

    /// The request is valid, and the person is asked.
    pub(super) fn shows_consent(&mut self) -> BeforeAllow {
        self.authorized();
        self.note(Sort::Shown);
        self.before.clone()
    }

    /// The person has answered what was asked before, for this client.
    pub(super) fn goes_on(&mut self, before: BeforeAllow, client: (String, String)) {
        self.before = before;
        self.client = Some(client);
    }

    /// The person allowed it: all that happened before.
    pub(super) fn allowed(&mut self, asked: StepRecord) -> BeforeAllow {
        self.before.steps.push(asked);
        self.before.clone()
    }

    /// The person did not allow it.
    pub(super) fn denied(&mut self, asked: StepRecord) {
        let advice = "Nothing. A person who did not mean to deny it connects again from their app.";
        self.before
            .steps
            .push(asked.failed("the person pressed Deny", advice));
        self.note(Sort::Refused);
    }

    /// It was refused, for this reason.
    pub(super) fn refused(&mut self, reason: &str, refusal: Refusal) {
        let record = StepRecord::done(refusal.step, self.app.now()).lasting(self.elapsed());
        self.before.steps.push(record.failed(reason, refusal.advice));
        self.note(refusal.sort);
    }

    fn authorized(&mut self) {
        let record = StepRecord::done(Step::Authorize, self.before.started_at).lasting(self.elapsed());
        self.before.steps.push(record);
    }

    fn note(&self, sort: Sort) {
        let client = self.client.as_ref().map(|(id, name)| KnownClient { id, name });
        self.app
            .sign_in_trace
            .note(self.entry, sort, client, &self.before);
    }

    fn elapsed(&self) -> Duration {
        self.app.clock.monotonic().saturating_sub(self.since)
    }
}

/// A request that means no gateway.
pub(super) fn stray(app: &AuthorizationServer, context: &RequestContext, step: Step, reason: &str) {
    let advice = "Compare the address in the app with the gateway's, and see that the gateway is active.";
    app.sign_in_trace
        .note_stray(context.id.reference(), step, reason, advice);
}
