//! Streams that clients only listen to: what a client of the session-based revisions opens with GET (2025-11-25
//! basic/transports, listening for messages), and `subscriptions/listen` (2026-07-28 basic/patterns/subscriptions).

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::subscribing::Listener;
use crate::{
    federation::{
        news::{ANNOUNCED, News},
        plan::Plan,
        task_news::TaskNews,
    },
    peer::{announced, client_streams::ClientStream},
    wire::{json::json_string, jsonrpc, listing::ListKind, meta_keys::SUBSCRIPTION_ID, sse},
};

/// How often the stream checks whether it can continue: an ended grant or session ends it within this time, and a change of
/// the gateway is reported.
const LOOK: Duration = Duration::from_secs(2);
/// A comment is sent after this many checks, so that proxies do not take the stream for dead.
const LOOKS_PER_COMMENT: u8 = 8;

/// The plan of the gateway as it is now, for as long as the user may listen.
pub type PlanNow = Box<dyn Fn() -> Option<Arc<Plan>> + Send + Sync>;

/// The wording of the change messages.
pub(super) enum Words {
    /// Those of a session.
    Session,
    /// Those of a subscription.
    Subscription {
        /// The id of its request, JSON text.
        id: Bytes,
        /// Which of the lists the client asked for.
        asked: [bool; ANNOUNCED.len()],
        /// The resources whose changes are reported.
        resources: Vec<Arc<str>>,
        /// The tasks whose states are reported, by the IDs that the client sent.
        tasks: Vec<String>,
    },
}

impl Words {
    /// The message that something has changed, if the client wants it.
    fn changed(&self, news: &announced::News) -> Option<Bytes> {
        match news {
            announced::News::List(kind) => self.list_changed(*kind),
            announced::News::Resource(uri) => {
                let uri = json_string(uri);
                let params = match self {
                    Self::Session => format!(r#"{{"uri":{uri}}}"#),
                    Self::Subscription { id, .. } => format!(r#"{{{},"uri":{uri}}}"#, of_subscription(id)),
                };
                let method = "notifications/resources/updated";
                Some(jsonrpc::write_notification(method, Some(params.as_bytes())))
            }
        }
    }

    fn list_changed(&self, kind: ListKind) -> Option<Bytes> {
        let method = match kind {
            ListKind::Tools => "notifications/tools/list_changed",
            ListKind::Prompts => "notifications/prompts/list_changed",
            ListKind::Resources | ListKind::ResourceTemplates => "notifications/resources/list_changed",
        };
        match self {
            Self::Session => Some(jsonrpc::write_notification(method, None)),
            Self::Subscription { id, asked, .. } => {
                let at = ANNOUNCED.iter().position(|announced| *announced == kind)?;
                asked[at].then(|| {
                    let params = format!("{{{}}}", of_subscription(id));
                    jsonrpc::write_notification(method, Some(params.as_bytes()))
                })
            }
        }
    }

    /// The first message.
    fn begun(&self) -> Option<Bytes> {
        let Self::Subscription {
            id,
            asked,
            resources,
            tasks,
        } = self
        else {
            return None;
        };
        let names = ["toolsListChanged", "promptsListChanged", "resourcesListChanged"];
        let honored = names.into_iter().zip(asked).filter(|(_, asked)| **asked);
        let mut honored: Vec<_> = honored.map(|(name, _)| format!(r#""{name}":true"#)).collect();
        if !resources.is_empty() {
            let uris: Vec<_> = resources.iter().map(|uri| json_string(uri)).collect();
            honored.push(format!(r#""resourceSubscriptions":[{}]"#, uris.join(",")));
        }
        if !tasks.is_empty() {
            let ids: Vec<_> = tasks.iter().map(|id| json_string(id)).collect();
            honored.push(format!(r#""taskIds":[{}]"#, ids.join(",")));
        }
        let params = format!(
            r#"{{{},"notifications":{{{}}}}}"#,
            of_subscription(id),
            honored.join(",")
        );
        let method = "notifications/subscriptions/acknowledged";
        Some(jsonrpc::write_notification(method, Some(params.as_bytes())))
    }

    /// The last message, if the gateway ends the stream.
    fn ended(&self) -> Option<Bytes> {
        let Self::Subscription { id, .. } = self else {
            return None;
        };
        let text = String::from_utf8_lossy(id);
        let meta = of_subscription(id);
        Some(format!(r#"{{"jsonrpc":"2.0","id":{text},"result":{{"resultType":"complete",{meta}}}}}"#).into())
    }
}

/// The member `_meta` that says which subscription a message is of.
fn of_subscription(id: &Bytes) -> String {
    format!(
        r#""_meta":{{"{SUBSCRIPTION_ID}":{}}}"#,
        String::from_utf8_lossy(id)
    )
}

/// A stream that a client listens to.
pub(super) struct Listening {
    plan_now: PlanNow,
    news: News,
    /// Who listens.
    listener: Arc<dyn Listener>,
    /// Finds out where what the client wants leads.
    settling: Option<BoxFuture<'static, ()>>,
    words: Words,
    /// What servers ask the client outside of the stream of a call.
    asked: Option<ClientStream>,
    /// What servers report about tasks.
    tasks: Option<TaskNews>,
    ready: VecDeque<Bytes>,
    // Boxed because a timer must not move once it runs.
    timer: Pin<Box<Sleep>>,
    looks: u8,
    has_looked: bool,
    // Boxed for the same reason.
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: bool,
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Listening {
    /// A stream that ends once the user no longer has a plan, or the process stops.
    pub(super) fn new(
        shutdown: CancellationToken,
        news: News,
        plan_now: PlanNow,
        listener: Arc<dyn Listener>,
        words: Words,
    ) -> Self {
        Self {
            news,
            ready: words
                .begun()
                .iter()
                .map(|message| sse::encode_message(message))
                .collect(),
            shutdown: Box::pin(shutdown.cancelled_owned()),
            plan_now,
            listener,
            settling: None,
            words,
            asked: None,
            tasks: None,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            looks: 0,
            has_looked: false,
            ended: false,
        }
    }

    /// The same, and the client is asked on it what servers ask.
    pub(super) fn with_questions(self, asked: Option<ClientStream>) -> Self {
        Self { asked, ..self }
    }

    /// The same, and it also reports tasks to the client.
    pub(super) fn with_tasks(self, tasks: Option<TaskNews>) -> Self {
        Self { tasks, ..self }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Poll::Ready(Some(piece));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            if self.shutdown.as_mut().poll(cx).is_ready() {
                self.end();
                continue;
            }
            if let Some(asked) = &mut self.asked
                && let Poll::Ready(message) = asked.poll(cx)
            {
                self.ready.push_back(sse::encode_message(&message));
                continue;
            }
            if let Some(tasks) = &mut self.tasks
                && let Poll::Ready(message) = tasks.poll(cx)
            {
                self.ready.push_back(sse::encode_message(&message));
                continue;
            }
            if let Some(settling) = &mut self.settling
                && settling.as_mut().poll(cx).is_ready()
            {
                self.settling = None;
                self.news.note_settled();
            }
            if let Poll::Ready(changed) = self.news.poll(cx) {
                let messages = changed.iter().filter_map(|news| self.words.changed(news));
                let messages: Vec<_> = messages.map(|message| sse::encode_message(&message)).collect();
                self.ready.extend(messages);
                continue;
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let Some(plan) = (self.plan_now)() else {
                self.end();
                continue;
            };
            let is_another = !self.news.is_of(&plan);
            if is_another {
                self.news.client().unwatch_all();
                if let Some(tasks) = &mut self.tasks {
                    tasks.keep_to(&plan);
                }
                self.news = self.listener.news(&plan).with_all_changed();
            }
            let is_first = !std::mem::replace(&mut self.has_looked, true);
            let is_session = matches!(self.words, Words::Session);
            // Asked in any case: what is found out now is settled.
            let is_unsettled = is_session && self.news.client().take_unsettled();
            if is_another || is_unsettled || is_first && is_session {
                self.settling = Arc::clone(&self.listener).settle(plan);
            }
            self.timer.as_mut().reset(Instant::now() + LOOK);
            // The first check is immediate, and its comment shows the client that the stream is open.
            let comment = self.looks == 0;
            self.looks = (self.looks + 1) % LOOKS_PER_COMMENT;
            if comment {
                return Poll::Ready(Some(Bytes::from_static(sse::KEEP_ALIVE)));
            }
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.ready
            .extend(self.words.ended().map(|message| sse::encode_message(&message)));
    }
}
