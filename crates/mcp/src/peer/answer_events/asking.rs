//! What a server asks for while it answers a call by events, and a call that is held for its client.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http_body::Body;
use tokio::time::Instant;

use super::{Asks, Draining, EventsAnswer};
use crate::{
    peer::{call_guard::Held, held::Retry, questions::Asked, seals::Nonce, upstream::Upstream},
    wire::{
        bridge::reply_to,
        bridge_splice::Seal as _,
        envelope::{self, Limits, Message},
        sse,
    },
};

impl<B> EventsAnswer<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
{
    /// The same, and the client can be asked for what the server wants.
    pub(in crate::peer) fn with_asks(self, asks: Option<Asks>) -> Self {
        Self { asks, ..self }
    }

    /// Whether the server waits for the client.
    pub(super) fn is_asking(&self) -> bool {
        match &self.asks {
            Some(Asks::Questions(questions)) => questions.is_open(),
            _ => false,
        }
    }

    /// Whether the call waits for its client without a stream.
    pub(super) fn is_held(&self) -> bool {
        self.held_bytes() > 0
    }

    /// The size of the question that the call waits for without a stream.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.asks {
            Some(Asks::Questions(questions)) => questions.held_bytes(),
            _ => 0,
        }
    }

    /// The same, and this is held for as long as it lasts.
    pub(in crate::peer) fn holding(mut self, held: Option<Held>) -> Self {
        self.guard.hold(held);
        self
    }

    /// Asks the client what the server asks. A call that is held from then on has ended for now.
    pub(super) fn ask(&mut self, message: &Bytes) {
        let Some(Asks::Questions(questions)) = &mut self.asks else {
            if let Ok(Message::Request(request)) = envelope::parse(message, &Limits::default()) {
                self.guard.reply(reply_to(&request));
            }
            return;
        };
        match questions.ask(message, &self.bridge.client_id, self.decoder.buffered()) {
            Asked::Refused => {}
            Asked::Told(message) => self.ready.push_back(sse::encode_message(&message)),
            Asked::Held(message) => {
                self.ready.push_back(sse::encode_message(&message));
                self.ended = true;
            }
        }
    }

    /// The server asks for input in the place of a result.
    pub(super) fn input_required(&mut self, answer: &Bytes) {
        match self.asks.take() {
            Some(Asks::Again(again)) => {
                let cancelled = self.cancelled.take();
                let watch = self.watch.take();
                self.rounds = Some(Box::new(again.begin(answer.clone(), watch, cancelled)));
                return;
            }
            Some(Asks::Sealed(states)) => {
                let message = self.bridge.input_required(answer, |state| states.seal(state));
                self.ready.push_back(sse::encode_message(&message));
            }
            Some(Asks::Questions(_)) | None => {
                let error = self.bridge.cannot_give_input();
                self.ready.push_back(sse::encode_message(&error));
            }
        }
        self.guard.complete();
        self.ended = true;
        self.draining = Draining::Due;
    }

    /// The call has ended, and with it what is asked of the client.
    pub(super) fn close_questions(&mut self) {
        if let Some(Asks::Questions(questions)) = &mut self.asks {
            let told = questions.close();
            self.ready
                .extend(told.iter().map(|message| sse::encode_message(message)));
        }
    }

    /// Whether all that the client gets for now has been passed on, and the call is to be held.
    pub(crate) fn is_to_be_held(&self) -> bool {
        match &self.asks {
            Some(Asks::Questions(questions)) => {
                self.ended && self.ready.is_empty() && questions.held_as().is_some()
            }
            _ => false,
        }
    }

    /// Holds the call until its client comes back.
    pub(crate) fn hold(self: Box<Self>) {
        if let Some(Asks::Questions(questions)) = &self.asks
            && let Some(held_as) = questions.held_as()
        {
            let mailbox = Arc::clone(&questions.mailbox);
            mailbox.hold(held_as, self);
        }
    }

    /// Goes on with the call, whose client has come back with this one.
    fn resume(&mut self, retry: Retry<'_>) {
        self.bridge.client_id = Bytes::copy_from_slice(retry.request.id.raw.as_bytes());
        let meta = retry.request.meta();
        let token = meta.and_then(|meta| meta.progress_token);
        self.bridge.progress_token = token.map(|token| Bytes::copy_from_slice(token.raw.as_bytes()));
        self.bridge.logs = retry.logs;
        self.passed_at = Instant::now();
        let Some(Asks::Questions(questions)) = &mut self.asks else {
            return;
        };
        let alive = retry.alive.or_else(|| questions.alive());
        let alive = alive.unwrap_or_else(|| Box::new(|| false));
        self.watch = self.watch.once_more(self.upstream.config.timeout, alive);
        if let Some(message) = questions.resume(retry.request) {
            // It stays as it was held, and is held again.
            self.ready.push_back(sse::encode_message(&message));
        } else {
            self.ended = false;
            self.take_events();
        }
    }
}

/// The answer to a call that is held, whose client has come back with this one; `None` if it is no longer held.
pub(in crate::peer) fn resume<B>(
    retry: Retry<'_>,
    held: Nonce,
) -> Option<(Arc<Upstream>, Box<EventsAnswer<B>>)>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
{
    let answer = retry.mailbox.take_held(held, retry.caller)?;
    let mut answer = answer.downcast::<EventsAnswer<B>>().ok()?;
    answer.resume(retry);
    Some((Arc::clone(&answer.upstream), answer))
}
