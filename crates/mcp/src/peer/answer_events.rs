//! A server's events, translated one by one.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{
    answer_error::AnswerError,
    budget::{BUSY, Share},
    call_guard::CallGuard,
    late::{Opened, Opening, SIGN_OF_LIFE},
    progress::Progress,
    questions::Questions,
    resume::Resume,
    rounds::{Again, Rounds},
    states::States,
    upstream::Upstream,
    watch::{Wake, Watch},
    whole::DRAIN_MAX,
};
use crate::wire::{
    bridge::{Bridge, Step},
    sse::{self, Decoder},
};

pub(super) mod asking;

/// One event of a server, at most: it must be whole before it can be passed on.
pub(super) const EVENT_MAX: usize = 32 * 1024 * 1024;

/// The events of a server on their way.
pub(crate) struct EventsAnswer<B> {
    /// `None` before the server's answer has come.
    body: Option<B>,
    /// What is waited for: the answer, or a stream that continues.
    opening: Option<Opening<B>>,
    decoder: Decoder,
    bridge: Bridge,
    upstream: Arc<Upstream>,
    /// How it continues if the server closes it before the answer; `None` if it cannot.
    resume: Option<Resume<B>>,
    /// The progress that is reported elsewhere.
    progress: Option<Progress>,
    watch: Watch,
    /// When something was passed on last.
    passed_at: Instant,
    share: Share,
    // Boxed because it must not move once it is polled.
    cancelled: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    guard: CallGuard,
    /// How the client is asked for what the server wants, if it can be. Small, because most answers never use it.
    asks: Option<Asks>,
    /// The further rounds of a call whose server asked for input.
    rounds: Option<Box<Rounds>>,
    ready: VecDeque<Bytes>,
    ended: bool,
    /// Why it was ended with our own error, in a word.
    pub(crate) fault: Option<&'static str>,
    draining: Draining,
}

/// How a client is asked for what a server wants while it answers a call.
pub(super) enum Asks {
    /// The server asks with its own requests.
    Questions(Box<Questions>),
    /// It asks in the place of a result, which a stateless client understands, with a state that is sealed.
    Sealed(States),
    /// The same for a client with a session.
    Again(Box<dyn Again>),
}

/// Whether the server's end of the stream is waited for after its answer.
enum Draining {
    No,
    /// From the next poll on.
    Due,
    // Boxed because a timer must not move once it runs.
    Until(Pin<Box<Sleep>>),
}

impl<B> EventsAnswer<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
{
    pub(super) fn new(
        of: Result<B, Opening<B>>,
        bridge: Bridge,
        upstream: Arc<Upstream>,
        watch: Watch,
        share: Share,
        cancelled: Option<CancellationToken>,
        guard: CallGuard,
    ) -> Self {
        let (body, opening) = match of {
            Ok(body) => (Some(body), None),
            Err(opening) => (None, Some(opening)),
        };
        Self {
            body,
            opening,
            decoder: Decoder::new(EVENT_MAX),
            bridge,
            upstream,
            resume: None,
            progress: None,
            watch,
            passed_at: Instant::now(),
            share,
            cancelled: cancelled.map(|token| Box::pin(token.cancelled_owned())),
            guard,
            asks: None,
            rounds: None,
            ready: VecDeque::new(),
            ended: false,
            fault: None,
            draining: Draining::No,
        }
    }

    /// The same, which continues if the server closes it before the answer, with what is reported elsewhere.
    #[must_use]
    pub(super) fn within_session(self, resume: Resume<B>, progress: Option<Progress>) -> Self {
        Self {
            resume: Some(resume),
            progress,
            ..self
        }
    }

    /// Whether the answer has been passed on, and only the end of the server's stream is waited for.
    pub(crate) const fn has_answered(&self) -> bool {
        self.ended
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        // What was passed on has gone to the client when more is asked for.
        self.settle();
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if self.ended {
                return self.drain(cx).map(|()| None);
            }
            // The client has cancelled: nothing more is sent for the request, and dropping the guard notifies the server.
            if let Some(cancelled) = &mut self.cancelled
                && cancelled.as_mut().poll(cx).is_ready()
            {
                self.ended = true;
                continue;
            }
            if let Some(rounds) = &mut self.rounds {
                return rounds.poll(cx);
            }
            if let Some(Asks::Questions(questions)) = &mut self.asks
                && let Poll::Ready(told) = questions.poll(cx)
            {
                self.watch.wait();
                self.ready
                    .extend(told.map(|message| sse::encode_message(&message)));
                continue;
            }
            match self.poll_server(cx) {
                Poll::Pending => {
                    if let Some(progress) = &mut self.progress
                        && let Poll::Ready(message) = progress.poll(cx)
                    {
                        match self.watch.moved() {
                            Ok(_) => self.take_message(&message),
                            Err(end) => self.end(&end),
                        }
                        continue;
                    }
                    match std::task::ready!(self.watch.poll(cx)) {
                        Wake::End(AnswerError::Timeout) if self.is_asking() && self.watch.may_wait() => {}
                        Wake::End(end) => self.end(&end),
                        Wake::Look(now) => self.keep_alive(now),
                    }
                }
                Poll::Ready(Some(Ok(frame))) => {
                    let now = match self.watch.moved() {
                        Ok(now) => now,
                        Err(end) => {
                            self.end(&end);
                            continue;
                        }
                    };
                    if let Ok(data) = frame.into_data() {
                        self.decoder.push(data);
                        self.take_events();
                        self.keep_alive(now);
                    }
                }
                Poll::Ready(None) => {
                    if !self.goes_on() {
                        // A server that sent event IDs may still be working on it, and is notified that the client no
                        // longer waits.
                        if self.resume.is_none() || self.decoder.last_event_id().is_none() {
                            self.guard.complete();
                        }
                        self.give_up("broken", self.upstream.lost().of_call());
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::info!(%error, server = self.upstream.slug(), "the stream of a server broke off");
                    if !self.goes_on() {
                        self.give_up("broken", self.upstream.lost().of_call());
                    }
                }
            }
        }
    }

    /// What comes from the server, also on a stream that replaces another.
    fn poll_server(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(opening) = &mut self.opening {
            let opened = std::task::ready!(opening.as_mut().poll(cx));
            self.opening = None;
            match opened {
                Opened::Stream(body) => {
                    self.body = Some(body);
                    self.decoder = self.decoder.reconnected();
                }
                Opened::Last(message) => {
                    let message = self.bridge.recoded(&message).unwrap_or(message);
                    self.take_last(&message);
                }
                Opened::Together(messages) => {
                    self.decoder.push(sse::encode_message(&messages));
                    self.take_events();
                }
                Opened::InputRequired(answer) => self.input_required(&answer),
                Opened::Failed(fault, message) => self.give_up(fault, message),
            }
            // It shows that the server is there.
            return Poll::Ready(Some(Ok(Frame::data(Bytes::new()))));
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    /// Whether the stream that was closed continues.
    fn goes_on(&mut self) -> bool {
        self.opening = self
            .resume
            .as_mut()
            .and_then(|resume| resume.begin(&self.decoder));
        self.opening.is_some()
    }

    /// Takes what there is, and counts what is held of it from now on.
    fn take_events(&mut self) {
        self.take_all_events();
        if !self.settle() && !self.is_held() {
            self.ready.clear();
            self.give_up("busy", BUSY.to_owned());
        }
    }

    /// Counts what is held; `false` if it does not fit.
    fn settle(&mut self) -> bool {
        let ready: usize = self.ready.iter().map(Bytes::len).sum();
        self.share
            .resize(self.decoder.buffered() + ready + self.held_bytes())
    }

    fn take_all_events(&mut self) {
        loop {
            let event = match self.decoder.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, server = self.upstream.slug(), "an event of a server is too large");
                    let message = format!(
                        "The answer of the server `{}` is too large to be passed on. The server may have carried the call out: check before you try again, and ask for less at once.",
                        self.upstream.slug()
                    );
                    self.give_up("too_large", message);
                    return;
                }
            };
            // Servers prime streams with events that have no data.
            if event.data.is_empty() {
                continue;
            }
            if let Some(resume) = &mut self.resume {
                resume.has_brought();
            }
            self.take_message(&event.data);
            if self.ended || self.rounds.is_some() {
                return;
            }
        }
    }

    /// Passes a message of the server on, if it is one for the client.
    pub(super) fn take_message(&mut self, message: &Bytes) {
        match self.bridge.translate(message) {
            Step::Forward(message) => self.ready.push_back(sse::encode_message(&message)),
            Step::Last(message) => {
                self.take_last(&message);
                self.draining = Draining::Due;
            }
            Step::Drop => {}
            Step::ListChanged(kind) => self.guard.list_changed(kind),
            Step::Updated(uri) => self.guard.updated(&uri),
            Step::Reply(message) => self.guard.reply(message),
            Step::GivenUp => {
                if let Some(Asks::Questions(questions)) = &self.asks {
                    questions.give_up(message);
                }
            }
            Step::Ask => self.ask(message),
            Step::InputRequired => self.input_required(message),
        }
    }

    fn take_last(&mut self, message: &Bytes) {
        self.close_questions();
        self.guard.read(message);
        self.guard.complete();
        self.ready.push_back(sse::encode_message(message));
        self.ended = true;
    }

    /// Tells the client, and proxies that count bytes, that the call is still running.
    fn keep_alive(&mut self, now: Instant) {
        if !self.ready.is_empty() {
            self.passed_at = now;
        } else if now.duration_since(self.passed_at) >= SIGN_OF_LIFE {
            self.passed_at = now;
            self.ready.push_back(Bytes::from_static(sse::KEEP_ALIVE));
        }
    }

    /// Waits a moment for the server to end its stream after the answer: only then is its connection used again.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.draining, Draining::No) {
            return Poll::Ready(());
        }
        loop {
            let Some(body) = &mut self.body else {
                return Poll::Ready(());
            };
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => {
                    self.draining = Draining::No;
                    return Poll::Ready(());
                }
                Poll::Pending => break,
            }
        }
        if matches!(self.draining, Draining::Due) {
            self.draining = Draining::Until(Box::pin(tokio::time::sleep(DRAIN_MAX)));
        }
        let Draining::Until(timer) = &mut self.draining else {
            return Poll::Ready(());
        };
        std::task::ready!(timer.as_mut().poll(cx));
        self.draining = Draining::No;
        Poll::Ready(())
    }

    /// Ends the stream for our own reason. A user who is no longer allowed to read gets nothing more.
    fn end(&mut self, why: &AnswerError) {
        match why.word() {
            None => self.ended = true,
            Some(word) => self.give_up(word, self.upstream.timed_out().of_call()),
        }
    }

    /// Ends the stream with an error in the place of the answer; `fault` is why, in a word.
    fn give_up(&mut self, fault: &'static str, message: String) {
        self.fault = Some(fault);
        self.close_questions();
        let error = self.bridge.refuse(message);
        self.ready.push_back(sse::encode_message(&error));
        self.ended = true;
    }
}
