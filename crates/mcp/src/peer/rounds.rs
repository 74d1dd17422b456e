//! A stateless server that asks for input, and a client with a session: what is asked becomes requests on the stream of the
//! call, and the call is sent again with the answers (2026-07-28 basic/patterns/mrtr), for a bounded number of rounds.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::future::{BoxFuture, join_all};
use gatewright_domain::id::ProjectId;
use http::{HeaderName, HeaderValue, Method, Response};
use http_body::Frame;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    answer_error::AnswerError,
    answer_events::EVENT_MAX,
    budget::{BUSY, Owner},
    carried,
    exchange::SMALL_ANSWER,
    late::SIGN_OF_LIFE,
    mailbox::{Mailbox, OF_CALL_MAX, OpenQuestion},
    net::Net,
    outgoing::{Call, To, modern_headers},
    questions::{cancelled, too_many},
    replies::KeptUser,
    seals::SessionId,
    transport::Transport,
    upstream::Upstream,
    watch::{Wake, Watch},
    whole::{next_data, refuse_encoded, whole},
};
use crate::wire::{
    bridge::{Bridge, Step},
    envelope::{self, Limits, Message, Request},
    id::RequestId,
    input_required::{InputRequest, write_again},
    jsonrpc::{self, tool_error},
    media_type::{MediaType, media_type},
    question::{ClientCapabilities, Question},
    sse::{self, Decoder},
    version::Era,
};

mod reading;

use reading::{as_request, asked_for, result_of};

/// Rounds of one call.
const ROUNDS_MAX: u32 = 16;
/// A server that only asks for another round gets it after this long.
const PAUSE: Duration = Duration::from_millis(500);
/// Messages that wait for the client to read them.
const SAID_MAX: usize = 4;

/// The rounds of a call on their way to its client.
pub(crate) struct Rounds {
    /// Asks and sends, for as long as there is something to do.
    driver: Option<BoxFuture<'static, ()>>,
    said: mpsc::Receiver<Bytes>,
    watch: Watch,
    /// When something was passed on last.
    passed_at: Instant,
    cancelled: Option<Cancelled>,
    /// The answer of a call that lasts too long.
    too_long: Option<Bytes>,
}

/// Ready when the client has cancelled the call.
pub(super) type Cancelled = Pin<Box<WaitForCancellationFutureOwned>>;

/// A call that can be sent again, however its server is reached.
pub(super) trait Again: Send {
    /// Goes through the rounds that begin with this answer.
    fn begin(self: Box<Self>, first: Bytes, watch: Watch, cancelled: Option<Cancelled>) -> Rounds;
}

/// What it takes to send a call again.
pub(super) struct Repeated<T> {
    net: Arc<Net<T>>,
    upstream: Arc<Upstream>,
    user: KeptUser,
    mailbox: Arc<Mailbox>,
    project: ProjectId,
    session: SessionId,
    can: ClientCapabilities,
    /// The message as the server got it.
    body: Bytes,
    name: String,
    /// The mirrored parameters, and the trace.
    mirrored: Vec<(HeaderName, HeaderValue)>,
    bridge: Bridge,
}

impl<T: Transport> Repeated<T> {
    /// The call of a client with a session, sent as `body`; `None` if the client has none.
    pub(super) fn of(
        net: &Arc<Net<T>>,
        call: &Call<'_>,
        to: &To<'_>,
        bridge: &Bridge,
        body: &Bytes,
    ) -> Option<Self> {
        Some(Self {
            net: Arc::clone(net),
            upstream: Arc::clone(to.upstream),
            user: KeptUser::of(call.caller),
            mailbox: Arc::clone(call.client.mailbox),
            project: call.client.project,
            session: call.client.session?,
            can: call.client.can,
            body: body.clone(),
            name: to.name.to_owned(),
            mirrored: to
                .mirrored
                .iter()
                .cloned()
                .chain(call.trace.iter().flat_map(carried::Sent::headers))
                .collect(),
            bridge: bridge.clone(),
        })
    }
}

impl<T: Transport> Again for Repeated<T> {
    fn begin(self: Box<Self>, first: Bytes, watch: Watch, cancelled: Option<Cancelled>) -> Rounds {
        let (tell, said) = mpsc::channel(SAID_MAX);
        let too_long = self.failed(&format!(
            "The server `{}` asked for input, and the call took longer than a call may.",
            self.upstream.slug()
        ));
        Rounds {
            driver: Some(Box::pin(self.drive(first, tell))),
            said,
            watch,
            passed_at: Instant::now(),
            cancelled,
            too_long: Some(too_long),
        }
    }
}

impl Rounds {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        loop {
            if let Some(cancelled) = &mut self.cancelled
                && cancelled.as_mut().poll(cx).is_ready()
            {
                self.driver = None;
                return Poll::Ready(None);
            }
            match self.said.poll_recv(cx) {
                Poll::Ready(Some(message)) => {
                    self.passed_at = Instant::now();
                    return Poll::Ready(Some(Ok(Frame::data(sse::encode_message(&message)))));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {}
            }
            if let Some(driver) = &mut self.driver
                && driver.as_mut().poll(cx).is_ready()
            {
                // What it said last is read before the end.
                self.driver = None;
                continue;
            }
            match std::task::ready!(self.watch.poll(cx)) {
                Wake::Look(now) if now.duration_since(self.passed_at) >= SIGN_OF_LIFE => {
                    self.passed_at = now;
                    return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(sse::KEEP_ALIVE)))));
                }
                Wake::Look(_) => {}
                // Each step has its own limit.
                Wake::End(AnswerError::Timeout) if self.watch.may_wait() => {}
                Wake::End(end) => {
                    self.driver = None;
                    self.said.close();
                    let answer = self.too_long.take().filter(|_| end == AnswerError::Timeout);
                    if let Some(answer) = answer {
                        return Poll::Ready(Some(Ok(Frame::data(sse::encode_message(&answer)))));
                    }
                }
            }
        }
    }
}

/// The answers to what was asked, as the text of `inputResponses`, and the state of the server, JSON text.
struct Round {
    responses: Option<Vec<u8>>,
    state: Option<Vec<u8>>,
}

/// The error of the call, for the model and its user.
struct Failed(String);

impl<T: Transport> Repeated<T> {
    async fn drive(self: Box<Self>, first: Bytes, tell: mpsc::Sender<Bytes>) {
        let mut asked = first;
        for round in 0..ROUNDS_MAX {
            let outcome = match self.ask(&asked, &tell).await {
                Ok(answers) => self.send(round, &answers, &tell).await,
                Err(failed) => Err(failed),
            };
            match outcome {
                Ok(Some(next)) => asked = next,
                Ok(None) => return,
                Err(Failed(text)) => {
                    let _ = tell.send(self.failed(&text)).await;
                    return;
                }
            }
        }
        let text = format!(
            "The server `{}` asked for input {ROUNDS_MAX} times without an answer to the call.",
            self.upstream.slug()
        );
        let _ = tell.send(self.failed(&text)).await;
    }

    /// A failure in the place of the answer. That of a tool is a result: clients show it to the model.
    fn failed(&self, text: &str) -> Bytes {
        let is_tool = self.with_request(|request| request.method.value == "tools/call");
        if is_tool != Some(true) {
            return self.bridge.refuse(text.to_owned());
        }
        let id = std::str::from_utf8(&self.bridge.client_id)
            .ok()
            .and_then(RequestId::from_json);
        id.map_or_else(
            || self.bridge.refuse(text.to_owned()),
            |id| jsonrpc::write_result(&id, &tool_error(text, Era::Legacy)),
        )
    }

    fn with_request<R>(&self, then: impl FnOnce(&Request<'_>) -> R) -> Option<R> {
        match envelope::parse(&self.body, &Limits::default()) {
            Ok(Message::Request(request)) => Some(then(&request)),
            Ok(Message::Notification(_) | Message::Response(_)) | Err(_) => None,
        }
    }

    /// Asks the client what an answer of the server asks for.
    async fn ask(&self, answer: &Bytes, tell: &mpsc::Sender<Bytes>) -> Result<Round, Failed> {
        let (requests, state) = asked_for(answer).ok_or_else(|| {
            Failed(format!(
                "The server `{}` asked for input in a form that cannot be read.",
                self.upstream.slug()
            ))
        })?;
        if requests.is_empty() {
            tokio::time::sleep(PAUSE).await;
            return Ok(Round {
                responses: None,
                state,
            });
        }
        if requests.len() > OF_CALL_MAX {
            return Err(Failed(too_many().message.into_owned()));
        }
        let mut open = Vec::with_capacity(requests.len());
        for request in &requests {
            let question = self.allowed(request)?;
            let asked = self.mailbox.ask(self.session, self.project, self.user.key);
            let asked = asked.ok_or_else(|| Failed(too_many().message.into_owned()))?;
            let message = as_request(answer, request, question, &asked.id);
            open.push(asked);
            if tell.send(message).await.is_err() {
                return Err(Failed(String::new()));
            }
        }
        let answers = join_all(open.iter_mut().map(OpenQuestion::answer)).await;
        let mut responses = b"{".to_vec();
        let mut failed = None;
        for ((request, question), answered) in requests.iter().zip(&open).zip(answers) {
            let Some(answered) = answered else {
                let _ = tell.send(cancelled(&question.id)).await;
                failed.get_or_insert_with(|| Failed("The client did not answer in time.".to_owned()));
                continue;
            };
            match result_of(&answered) {
                Ok(result) => {
                    if responses.len() > 1 {
                        responses.push(b',');
                    }
                    responses.extend_from_slice(request.key.of(answer));
                    responses.push(b':');
                    responses.extend_from_slice(result.of(&answered));
                }
                Err(why) => {
                    let text = format!("The client refused `{}`: {why}", request.method);
                    failed.get_or_insert(Failed(text));
                }
            }
        }
        responses.push(b'}');
        match failed {
            Some(failed) => Err(failed),
            None => Ok(Round {
                responses: Some(responses),
                state,
            }),
        }
    }

    fn allowed(&self, request: &InputRequest) -> Result<Question, Failed> {
        let slug = self.upstream.slug();
        let Some(question) = request.question else {
            let method = &request.method;
            return Err(Failed(format!(
                "The server `{slug}` asked for `{method}`, which clients do not know."
            )));
        };
        if !self.can.has(question) {
            let why = question.not_declared().message;
            return Err(Failed(format!(
                "The server `{slug}` asks for further input. {why}"
            )));
        }
        Ok(question)
    }

    /// Sends the call again, and passes what the server answers to the client. Returns an answer that asks for more.
    async fn send(
        &self,
        round: u32,
        answers: &Round,
        tell: &mpsc::Sender<Bytes>,
    ) -> Result<Option<Bytes>, Failed> {
        let id = Bytes::from(format!("\"round-{}\"", round + 2));
        let (responses, state) = (answers.responses.as_deref(), answers.state.as_deref());
        let body = self
            .with_request(|request| write_again(request, &id, responses, state))
            .and_then(Result::ok)
            .ok_or_else(|| Failed("The request could not be sent again.".to_owned()))?;
        let method = self.with_request(|request| request.method.value.clone().into_owned());
        let upstream = &self.upstream;
        let request = upstream.request(Method::POST, self.user.caller(), body).await;
        let mut request = request.map_err(|why| Failed(why.to_string()))?;
        let method = method.unwrap_or_default();
        modern_headers(request.headers_mut(), &method, &self.name, &self.mirrored);
        let sent = self.net.send(upstream, request, upstream.config.timeout).await;
        let answer = sent.map_err(|why| Failed(why.of_call()))?;
        let bridge = Bridge {
            server_id: Some(id),
            ..self.bridge.clone()
        };
        if !answer.status().is_success() {
            let reading = whole::<T>(upstream, answer, SMALL_ANSWER, None);
            let answer = tokio::time::timeout(upstream.config.timeout, reading)
                .await
                .unwrap_or_else(|_| Err(upstream.timed_out()))
                .map_err(|why| Failed(why.of_call()))?;
            let error = answer.error_object();
            if error.is_empty() {
                let why = upstream.bad_status(answer.status, &answer.headers);
                return Err(Failed(why.of_call()));
            }
            let _ = tell.send(bridge.error(error)).await;
            return Ok(None);
        }
        refuse_encoded(upstream, answer.headers()).map_err(|why| Failed(why.of_call()))?;
        self.pass_on(answer, &bridge, tell).await
    }

    /// Passes on what a server answers. Returns an answer that asks for more.
    async fn pass_on(
        &self,
        answer: Response<T::Body>,
        bridge: &Bridge,
        tell: &mpsc::Sender<Bytes>,
    ) -> Result<Option<Bytes>, Failed> {
        let upstream = &self.upstream;
        let is_stream = media_type(answer.headers()) == MediaType::EventStream;
        let mut body = answer.into_body();
        let mut share = self.net.budget.share(Owner {
            project: self.project,
            user: Some(self.user.key),
        });
        let mut decoder = Decoder::new(EVENT_MAX);
        let mut text = BytesMut::new();
        loop {
            let data = tokio::time::timeout(upstream.config.timeout, next_data(upstream, &mut body));
            let data = data.await.unwrap_or_else(|_| Err(upstream.timed_out()));
            let Some(data) = data.map_err(|why| Failed(why.of_call()))? else {
                break;
            };
            if !is_stream {
                text.extend_from_slice(&data);
                if text.len() > EVENT_MAX || !share.resize(text.len()) {
                    return Err(Failed(BUSY.to_owned()));
                }
                continue;
            }
            decoder.push(data);
            while let Some(event) = decoder.next_event().map_err(|_| Failed(BUSY.to_owned()))? {
                if event.data.is_empty() {
                    continue;
                }
                match bridge.translate(&event.data) {
                    Step::Forward(message) => drop(tell.send(message).await),
                    Step::Last(message) => {
                        let _ = tell.send(message).await;
                        return Ok(None);
                    }
                    Step::InputRequired => return Ok(Some(event.data)),
                    Step::Drop
                    | Step::ListChanged(_)
                    | Step::Updated(_)
                    | Step::Reply(_)
                    | Step::Ask
                    | Step::GivenUp => {}
                }
            }
            if !share.resize(decoder.buffered()) {
                return Err(Failed(BUSY.to_owned()));
            }
        }
        let text = text.freeze();
        match bridge.translate(&text) {
            Step::Last(message) if !is_stream => {
                let _ = tell.send(message).await;
                Ok(None)
            }
            Step::InputRequired if !is_stream => Ok(Some(text)),
            _ => Err(Failed(upstream.lost().of_call())),
        }
    }
}
