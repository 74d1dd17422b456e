//! A request whose server waits for an answer, as the page carries it: sealed, so that it comes back as it was, to the gateway
//! and the session of the administrator it was made in.

use std::time::Duration;

use gatewright_domain::{Timestamp, id::GatewayId, sealed::Purpose, stored_secret::SealedText};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::{InputRequired, Questions};
use crate::{
    Admin,
    resource_server::{Told, Tried},
    service::try_tool::Request,
    session::InProject,
};

/// A question can be answered for this long. Servers may wait less.
const LIFE: Duration = Duration::from_hours(1);
/// Bytes of it that fit into a form, before it is sealed.
const BYTES_MAX: usize = 200 * 1024;

/// What continues when a question is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct Waiting {
    /// When it expires, in seconds.
    expires: i64,
    /// The request, without answers of an earlier round.
    pub(in super::super) request: Request,
    /// What the server asks, as it wrote it.
    asked: Option<Box<RawValue>>,
    /// The state of the server.
    state: Option<String>,
    /// What the server learnt about the caller when it was asked first.
    pub(in super::super) told: Told,
    /// Name and ID of the server.
    server: Option<(String, String)>,
    /// How often it has asked.
    round: u32,
}

impl Waiting {
    /// A request that is made for the first time.
    pub(in super::super) fn new(app: &Admin, request: Request) -> Self {
        Self {
            expires: app.now().plus(LIFE).as_seconds(),
            request,
            asked: None,
            state: None,
            told: Told::default(),
            server: None,
            round: 0,
        }
    }

    /// The same, whose server asks for input.
    pub(in super::super) fn asked(mut self, app: &Admin, asked: InputRequired, tried: Tried) -> Self {
        self.expires = app.now().plus(LIFE).as_seconds();
        self.request = self.request.again(None, None);
        self.asked = asked.requests;
        self.state = asked.state;
        self.told = tried.told;
        let server = tried
            .server
            .map(|entry| (entry.server.name.clone(), entry.server.slug.clone()));
        self.server = server.or(self.server);
        self.round += 1;
        self
    }

    /// Continues the request with these answers.
    pub(in super::super) fn answer(&mut self, answers: Option<Map<String, Value>>) {
        self.request = self.request.again(answers, self.state.take());
    }

    /// What is asked, to be shown.
    pub(in super::super) fn questions(&self) -> Questions {
        let all = super::read(self.asked.as_deref());
        let problem = all.is_none().then(|| {
            "The server asks for input in a form that cannot be read, or for too much at once. This page cannot go on.".to_owned()
        });
        Questions {
            all: all.unwrap_or_default(),
            problem,
            round: self.round,
            sealed: None,
            server: self.server.clone(),
            reports: Vec::new(),
            uri: self.request.uri().map(str::to_owned),
        }
    }

    /// Sealed for the page; `None` if it is too large for one.
    pub(in super::super) fn seal(
        &self,
        app: &Admin,
        place: &InProject,
        gateway: GatewayId,
    ) -> Option<String> {
        let plain = serde_json::to_vec(self).ok()?;
        if plain.len() > BYTES_MAX {
            return None;
        }
        let context = context(place, gateway);
        let sealed = app
            .keyring
            .seal(app.entropy.as_ref(), Purpose::Trial, &context, &plain);
        Some(sealed.0)
    }

    /// Opened when the page comes back, or why it is not.
    pub(in super::super) fn open(
        app: &Admin,
        place: &InProject,
        gateway: GatewayId,
        sealed: &str,
    ) -> Result<Self, &'static str> {
        let sealed = SealedText(sealed.to_owned());
        let opened = app
            .keyring
            .open(Purpose::Trial, &context(place, gateway), &sealed)
            .ok()
            .and_then(|plain| serde_json::from_slice::<Self>(&plain).ok())
            .ok_or(
                "This question was not asked here in this session, so nothing was sent. Make the request again to be asked.",
            )?;
        if Timestamp::from_seconds(opened.expires) <= app.now() {
            return Err(
                "This question has expired, so nothing was sent. Make the request again to be asked.",
            );
        }
        Ok(opened)
    }
}

fn context(place: &InProject, gateway: GatewayId) -> String {
    format!("{}/{gateway}", place.visit.session.session.id)
}
