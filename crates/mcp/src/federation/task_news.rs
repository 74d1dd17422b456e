//! What servers report to a client about the states of tasks that it follows.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use gatewright_domain::id::ServerId;
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
};

use super::{plan::Plan, servers::Federation};
use crate::{
    peer::{caller::Caller, peers::Peers, seals::Task, told_tasks::WantedTasks},
    wire::version::Era,
};

/// After this long at most, a client learns which tasks are reported, even if a server has not said so yet.
const PATIENCE: Duration = Duration::from_secs(2);
/// Messages that wait for the client to read them. Its servers wait behind them.
const WAITING_MAX: usize = 4;

/// What servers report about tasks. They are listened to for as long as this lasts.
#[derive(Debug)]
pub(crate) struct TaskNews {
    told: mpsc::Receiver<Bytes>,
    streams: Vec<Stream>,
    /// The IDs, as the client sent them, of the tasks that are reported.
    pub(crate) agreed: Vec<String>,
}

/// A server that is listened to.
#[derive(Debug)]
struct Stream {
    server: ServerId,
    task: AbortHandle,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TaskNews {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        match self.told.poll_recv(cx) {
            Poll::Ready(Some(message)) => Poll::Ready(message),
            // The servers no longer report anything.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// From now on only servers of this plan report.
    pub(crate) fn keep_to(&mut self, plan: &Plan) {
        self.streams.retain(|stream| {
            plan.place_of(stream.server)
                .is_some_and(|place| plan.servers[place].offers_tools())
        });
    }
}

impl<P: Peers> Federation<P> {
    /// Makes the servers of these tasks report them to a client; each comes with the ID that the client sent. A task is left
    /// out if its server is not in the gateway, reports none, or cannot be listened to because the maximum is reached.
    pub(crate) async fn tell_of_tasks(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        tasks: Vec<(Task, String)>,
        subscription: &Bytes,
    ) -> TaskNews {
        let (tell, told) = mpsc::channel(WAITING_MAX);
        let (mut streams, mut waiting) = (Vec::new(), Vec::new());
        for offered in &plan.servers {
            let upstream = &offered.server.upstream;
            let server = upstream.config.id;
            let ids: Vec<_> = tasks
                .iter()
                .filter(|(task, _)| task.server == server)
                .map(|(task, ours)| (task.id.clone(), ours.clone()))
                .collect();
            if ids.is_empty()
                || !offered.offers_tools()
                || self.peers.era(upstream, caller).await != Ok(Era::Modern)
            {
                continue;
            }
            let Some(place) = self.listening.take(plan.project, caller.key) else {
                break;
            };
            let (agreed, is_agreed) = oneshot::channel();
            let wanted = WantedTasks {
                ids,
                subscription: subscription.clone(),
                tell: tell.clone(),
                agreed,
            };
            let hearing = self.peers.tell_of_tasks(Arc::clone(upstream), caller, wanted);
            let task = tokio::spawn(async move {
                hearing.await;
                drop(place);
            });
            streams.push(Stream {
                server,
                task: task.abort_handle(),
            });
            waiting.push(tokio::time::timeout(PATIENCE, is_agreed));
        }
        let agreed = futures_util::future::join_all(waiting).await;
        TaskNews {
            told,
            streams,
            agreed: agreed.into_iter().flatten().flatten().flatten().collect(),
        }
    }
}
