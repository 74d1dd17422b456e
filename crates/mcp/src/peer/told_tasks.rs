//! Listening to what a stateless server reports about the states of tasks (`taskIds` of `subscriptions/listen`, which the
//! extension `io.modelcontextprotocol/tasks` adds). A stream is for one client, and what it reports about other tasks is
//! left out: servers may take all users for one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Response;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    exchange::modern_request_of, listening::next_data, net::Net, replies::KeptUser, transport::Transport,
    unavailable::Unavailable, upstream::Upstream,
};
use crate::wire::{
    envelope::{self, Limits, Message, Notification},
    extensions::TASKS,
    json::json_string,
    media_type::{MediaType, media_type},
    scan::{self, decode_string},
    sse::Decoder,
    task_ids::{edit_told, tells_status},
};

/// The maximum size of what a server reports about a task, in bytes: a stream is kept for each client, and what waits in
/// it has no share in the memory for answers. The result of a task can be longer, and then has to be requested.
const TOLD_MAX: usize = 256 * 1024;
/// A stream that ended is opened again after this long; each that lasts for less than a minute doubles it.
const PAUSE: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_mins(2);
const LASTED: Duration = Duration::from_mins(1);

/// The tasks of one server that one client wants to follow.
#[derive(Debug)]
pub(crate) struct WantedTasks {
    /// Their ids at the server, and those that the client sent.
    pub(crate) ids: Vec<(String, String)>,
    /// The id of the client's subscription, JSON text.
    pub(crate) subscription: Bytes,
    /// Receives the messages for the client.
    pub(crate) tell: mpsc::Sender<Bytes>,
    /// Receives which of the tasks the server reports, by the IDs that the client sent; nothing if the server reports
    /// none.
    pub(crate) agreed: oneshot::Sender<Vec<String>>,
}

impl<T: Transport> Net<T> {
    /// Reports tasks to a client for as long as this is polled and the user is still allowed.
    pub(super) async fn hear_of_tasks(
        self: &Arc<Self>,
        upstream: &Upstream,
        user: &KeptUser,
        wanted: WantedTasks,
    ) {
        let WantedTasks {
            ids,
            subscription,
            tell,
            agreed,
        } = wanted;
        let mut agreed = Some(agreed);
        let alive = user.caller().identity.alive();
        let mut pause = PAUSE;
        while alive() {
            let began = Instant::now();
            let answer = self.subscription_to_tasks(upstream, user, &ids).await;
            let is_stream = |answer: &Response<T::Body>| {
                answer.status().is_success() && media_type(answer.headers()) == MediaType::EventStream
            };
            match answer {
                Ok(answer) if is_stream(&answer) => {
                    let mut heard = Heard {
                        ids: &ids,
                        subscription: &subscription,
                        tell: &tell,
                        agreed: &mut agreed,
                    };
                    heard.read_all(answer).await;
                }
                // It reports no tasks.
                Ok(_) if agreed.is_some() => return,
                Ok(_) | Err(_) => {}
            }
            if tell.is_closed() {
                return;
            }
            if began.elapsed() >= LASTED {
                pause = PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn subscription_to_tasks(
        &self,
        upstream: &Upstream,
        user: &KeptUser,
        ids: &[(String, String)],
    ) -> Result<Response<T::Body>, Unavailable> {
        let ids: Vec<_> = ids.iter().map(|(theirs, _)| json_string(theirs)).collect();
        let filter = format!(r#""notifications":{{"taskIds":[{}]}}"#, ids.join(","));
        // Servers report tasks only if that is declared.
        let declares = format!(r#"{{"extensions":{{"{TASKS}":{{}}}}}}"#);
        let method = "subscriptions/listen";
        let request = modern_request_of(upstream, user.caller(), method, &filter, &declares).await?;
        let sent = self.transport.send(request, upstream.config.timeout).await;
        sent.map_err(|_| upstream.unreachable())
    }
}

/// One stream, and what is made of it.
struct Heard<'a> {
    ids: &'a [(String, String)],
    subscription: &'a [u8],
    tell: &'a mpsc::Sender<Bytes>,
    agreed: &'a mut Option<oneshot::Sender<Vec<String>>>,
}

impl Heard<'_> {
    fn ours(&self, theirs: &str) -> Option<String> {
        let is_it = |(id, _): &&(String, String)| *id == *theirs;
        self.ids.iter().find(is_it).map(|(_, ours)| ours.clone())
    }

    /// Reads a stream to its end.
    async fn read_all<B>(&mut self, answer: Response<B>)
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let mut body = answer.into_body();
        let mut decoder = Decoder::new(TOLD_MAX);
        while let Some(data) = next_data(&mut body).await {
            decoder.push(data);
            loop {
                match decoder.next_event() {
                    Ok(Some(event)) => {
                        if !self.take(&event.data).await {
                            return;
                        }
                    }
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
        }
    }

    /// Passes a message on, if it is one for the client; returns whether the stream continues.
    async fn take(&mut self, message: &Bytes) -> bool {
        match envelope::parse(message, &Limits::default()) {
            Ok(Message::Notification(notification)) => match &*notification.method.value {
                "notifications/subscriptions/acknowledged" => {
                    let told = self.acknowledged(message, &notification);
                    if let Some(agreed) = self.agreed.take() {
                        // It is no longer waited for.
                        let _ = agreed.send(told);
                    }
                    true
                }
                method if tells_status(method) => {
                    let told = edit_told(message, &|theirs| self.ours(theirs), self.subscription);
                    match told {
                        Some(told) => self.tell.send(told).await.is_ok(),
                        None => true,
                    }
                }
                _ => true,
            },
            Ok(Message::Response(_)) => false,
            Ok(Message::Request(_)) | Err(_) => true,
        }
    }

    /// The tasks that the server says it reports, by the IDs that the client sent.
    fn acknowledged(&self, message: &[u8], notification: &Notification<'_>) -> Vec<String> {
        let ids = || {
            let params = notification.params.as_ref()?;
            let [filter] = scan::pick(message, params.span, ["notifications"]).ok()?;
            let [ids] = scan::pick(message, filter?.value, ["taskIds"]).ok()?;
            Some(ids?.value)
        };
        let Some(ids) = ids() else {
            return Vec::new();
        };
        scan::each_element(message, ids)
            .map_while(Result::ok)
            .filter_map(|(id, _)| self.ours(&decode_string(id.of(message))?))
            .collect()
    }
}
