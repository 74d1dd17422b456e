//! What a server with sessions asks outside of the stream of a call: on the stream that it is listened to with (2025-11-25
//! basic/transports, "Listening for Messages from the Server"). Several SDKs send there whatever a tool asks in the usual way.
//! One such stream is open for each session that belongs to clients which can be asked, for as long as the session lasts.
//!
//! A client with a session is asked on its own stream. Stateless clients only have the streams of their calls: one is
//! asked there if a single call runs in the session, which the question then certainly belongs to; otherwise the server
//! gets an error that says why. What the server logs goes the same ways, but to calls that want it only.

use std::{
    sync::{Arc, Weak},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gatewright_domain::id::ProjectId;
use http::{HeaderValue, Method, Response, header};
use http_body_util::BodyExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    task::AbortHandle,
    time::Instant,
};

use super::{
    call_guard::Lists,
    caller::Caller,
    listening::changed_list,
    mailbox::Mailbox,
    net::Net,
    places::Place,
    questions::{Asked, Client, Questions, refuse_unreachable},
    replies::{InSession, KeptUser, Replies, send_where_room},
    respondent::Respondent,
    seals::SessionId,
    session::{SlotKey, UpstreamSession, session_headers},
    tasks::OfTasks,
    transport::Transport,
    upstream::Upstream,
};
use crate::wire::{
    bridge::reply_to,
    envelope::{self, Limits, Message, Notification, Request},
    jsonrpc::{ErrorCode, Refusal},
    media_type::{MediaType, media_type},
    question::ClientCapabilities,
    sse::Decoder,
    task_ids::{edit_status, tells_status},
    version::Era,
};

/// How long the first call of a session waits until its server is listened to; one that asks earlier is not received.
const PATIENCE: Duration = Duration::from_secs(1);
/// The maximum size of one event there, in bytes; it can contain a picture for a model.
const EVENT_MAX: usize = 8 * 1024 * 1024;
/// The maximum size of a message that asks nothing, in bytes: it waits for its client in memory that is not counted.
const NOTE_MAX: usize = 64 * 1024;
/// A stream that ended is opened again after this long; each that lasts for less than a minute doubles it.
const PAUSE: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_mins(2);
const LASTED: Duration = Duration::from_mins(1);

/// Listening to one session with a server. It ends with this.
#[derive(Debug)]
pub(super) struct Aside(AbortHandle);

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Replies within a session for as long as others use it.
struct WhileItLasts<T> {
    net: Arc<Net<T>>,
    upstream: Weak<Upstream>,
    session: Weak<UpstreamSession>,
    user: KeptUser,
}

impl<T: Transport> Replies for WhileItLasts<T> {
    fn send(self: Arc<Self>, message: Bytes) -> BoxFuture<'static, ()> {
        let (Some(upstream), Some(session)) = (self.upstream.upgrade(), self.session.upgrade()) else {
            return Box::pin(std::future::ready(()));
        };
        let way = InSession {
            net: Arc::clone(&self.net),
            upstream,
            session,
            user: self.user.clone(),
        };
        Arc::new(way).send(message)
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.session.upgrade()?.place_for_reply()
    }
}

/// A session with a server that is listened to for its client.
struct Ear<T> {
    net: Arc<Net<T>>,
    upstream: Weak<Upstream>,
    session: Weak<UpstreamSession>,
    user: KeptUser,
    mailbox: Arc<Mailbox>,
    /// The session of the client, if it has one.
    client: Option<SessionId>,
    can: ClientCapabilities,
    project: ProjectId,
    /// Who keeps what the server lists to the client, and whose that is.
    lists: Option<Weak<dyn Lists>>,
    whose: SlotKey,
    tasks: OfTasks,
    _place: Place,
}

impl<T: Transport> Net<T> {
    /// Listens to a session that has just begun, for the clients it belongs to. `None` if the server keeps none, or the maximum
    /// number is listened to.
    pub(super) async fn listen_aside(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        session: &Arc<UpstreamSession>,
        caller: Caller<'_>,
        client: &Respondent<'_>,
        lists: Option<Weak<dyn Lists>>,
    ) -> Option<Aside> {
        session.id.as_ref()?;
        let ear = Ear {
            net: Arc::clone(self),
            upstream: Arc::downgrade(upstream),
            session: Arc::downgrade(session),
            user: KeptUser::of(caller),
            mailbox: Arc::clone(client.mailbox),
            client: client.session,
            can: client.can,
            project: client.project,
            lists,
            whose: caller.slot(),
            tasks: OfTasks::new(client, caller.key, upstream),
            _place: client.mailbox.aside_places.take(client.project, caller.key)?,
        };
        let (opened, is_open) = oneshot::channel();
        // A separate task: it lasts as long as the session, not as a call.
        let task = tokio::spawn(ear.listen(opened));
        let aside = Aside(task.abort_handle());
        let _ = tokio::time::timeout(PATIENCE, is_open).await;
        Some(aside)
    }
}

impl<T: Transport> Ear<T> {
    async fn listen(self, opened: oneshot::Sender<()>) {
        let mut opened = Some(opened);
        let mut pause = PAUSE;
        loop {
            let (Some(upstream), Some(session)) = (self.upstream.upgrade(), self.session.upgrade()) else {
                return;
            };
            let began = Instant::now();
            let answer = self.open(&upstream, &session).await;
            // Also sent if it failed: waiters continue.
            drop(opened.take());
            // The session must not live for this alone.
            drop((upstream, session));
            let way: Arc<dyn Replies> = Arc::new(WhileItLasts {
                net: Arc::clone(&self.net),
                upstream: Weak::clone(&self.upstream),
                session: Weak::clone(&self.session),
                user: self.user.clone(),
            });
            match answer {
                Some(answer) if is_stream(&answer) => self.hear(answer, &way).await,
                // It announces nothing, or the session has ended.
                Some(answer) if answer.status().is_success() || answer.status().is_client_error() => return,
                Some(_) | None => {}
            }
            if began.elapsed() >= LASTED {
                pause = PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn open(&self, upstream: &Upstream, session: &UpstreamSession) -> Option<Response<T::Body>> {
        let request = upstream.request(Method::GET, self.user.caller(), Bytes::new());
        let mut request = request.await.ok()?;
        let map = request.headers_mut();
        map.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        map.remove(header::CONTENT_TYPE);
        session_headers(&mut request, session);
        let sent = self.net.transport.send(request, upstream.config.timeout);
        sent.await.ok()
    }

    /// Reads one stream to its end.
    async fn hear(&self, answer: Response<T::Body>, way: &Arc<dyn Replies>) {
        let mut body = answer.into_body();
        let mut decoder = Decoder::new(EVENT_MAX);
        let mut asked = self.client.map(|client| {
            let questions = Questions::new(
                Arc::clone(way),
                &self.mailbox,
                (self.project, self.user.key),
                self.can,
                Client::in_session(client, None),
                self.tasks.clone(),
            );
            (client, questions)
        });
        loop {
            let told = std::future::poll_fn(|cx| match &mut asked {
                Some((client, questions)) => questions.poll(cx).map(|told| Some((*client, told?))),
                None => Poll::Pending,
            });
            let data = tokio::select! {
                told = told => {
                    if let Some((client, message)) = told {
                        self.mailbox.tell(client, &message);
                    }
                    continue;
                }
                frame = body.frame() => match frame {
                    Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                    Some(Err(_)) | None => return,
                },
            };
            decoder.push(data);
            loop {
                match decoder.next_event() {
                    Ok(Some(event)) if event.data.is_empty() => {}
                    Ok(Some(event)) => self.take(&event.data, way, &mut asked),
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
        }
    }

    fn take(&self, message: &Bytes, way: &Arc<dyn Replies>, asked: &mut Option<(SessionId, Questions)>) {
        match envelope::parse(message, &Limits::default()) {
            Ok(Message::Request(request)) if request.method.value == "ping" => {
                send_where_room(way, reply_to(&request));
            }
            Ok(Message::Request(request)) => match asked {
                Some((client, questions)) => {
                    if let Asked::Told(told) = questions.ask(message, b"", 0)
                        && !self.mailbox.tell(*client, &told)
                    {
                        questions.forget(&request.id.to_owned());
                        refuse_unreachable(way, &request);
                    }
                }
                None => {
                    if let Err(running) = self.ask_call(message) {
                        send_where_room(way, not_attributed(&request, running));
                    }
                }
            },
            Ok(Message::Notification(notification))
                if notification.method.value == "notifications/cancelled" =>
            {
                match asked {
                    Some((_, questions)) => questions.give_up(message),
                    None => drop(self.ask_call(message)),
                }
            }
            Ok(Message::Notification(notification)) => self.note(&notification, message),
            Ok(Message::Response(_)) | Err(_) => {}
        }
    }

    /// Passes a message on to the only call that runs in the session.
    fn ask_call(&self, message: &Bytes) -> Result<(), usize> {
        let session = self.session.upgrade();
        session.map_or(Err(0), |session| session.calls.ask(message))
    }

    /// Passes a log message on: to the client on its own stream, else to the call that it certainly belongs to.
    fn log(&self, notification: &Notification<'_>, message: &Bytes) {
        let Some(session) = self.session.upgrade() else {
            return;
        };
        let is_told = (self.client)
            .is_some_and(|client| session.logs().want(notification) && self.mailbox.tell(client, message));
        if !is_told {
            session.calls.log(message);
        }
    }

    /// Records what the server reports in the session without asking anything.
    fn note(&self, notification: &Notification<'_>, message: &Bytes) {
        if message.len() > NOTE_MAX {
            return;
        }
        let (method, params) = (&*notification.method.value, notification.params.as_ref());
        let lists = self.lists.as_ref().and_then(Weak::upgrade);
        match (method, lists) {
            ("notifications/progress", _) => {
                let token = params.and_then(|params| params.progress_token);
                if let (Some(session), Some(token)) = (self.session.upgrade(), token) {
                    session.calls.report(token.raw, message);
                }
            }
            ("notifications/message", _) => self.log(notification, message),
            (method, _) if tells_status(method) => {
                if let (Some(client), Some(told)) = (self.client, edit_status(message, &self.tasks)) {
                    self.mailbox.tell(client, &told);
                }
            }
            ("notifications/resources/updated", Some(lists)) => {
                if let Some(uri) = params.and_then(|params| params.uri.as_ref()) {
                    lists.has_updated(&uri.value, self.whose);
                }
            }
            (method, Some(lists)) => {
                if let Some(kind) = changed_list(method) {
                    lists.has_changed(kind, self.whose);
                }
            }
            (_, None) => {}
        }
    }
}

/// The answer to a question that is not passed on, because this many calls run in its session.
fn not_attributed(request: &Request<'_>, running: usize) -> Bytes {
    let why = if running == 0 {
        "No call runs in this session whose client could be asked.".to_owned()
    } else {
        format!(
            "{running} calls run in this session, so it is not known which of their clients is asked. Ask on the stream of the call."
        )
    };
    Refusal::new(ErrorCode::INVALID_REQUEST, why).to_response(Some(&request.id.to_owned()), Era::Legacy)
}

fn is_stream<B>(answer: &Response<B>) -> bool {
    answer.status().is_success() && media_type(answer.headers()) == MediaType::EventStream
}
