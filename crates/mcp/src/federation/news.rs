//! What one client is told of the changes of a gateway's lists: what the servers announce, and what is changed of the gateway.
//! Of a storm it hears once a second.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream, SelectAll},
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::Sleep,
};

use super::{
    changes::{Change, Stream},
    plan::Plan,
    servers::Federation,
};
use crate::{
    peer::{
        caller::{Caller, CallerKey},
        peers::Peers,
    },
    wire::listing::ListKind,
};

pub(crate) use crate::peer::listening::ANNOUNCED;

/// A client is told of changes no more often.
const QUIET: Duration = Duration::from_secs(1);

/// What one client is told.
pub(crate) struct News {
    caller: CallerKey,
    serial: u64,
    heard: SelectAll<BoxStream<'static, Option<Change>>>,
    /// Held so that the servers are listened to.
    _streams: Vec<Arc<Stream>>,
    /// Which of [`ANNOUNCED`] have changed.
    changed: [bool; 3],
    // Boxed because a timer must not move once it runs.
    quiet: Option<Pin<Box<Sleep>>>,
}

impl<P: Peers> Federation<P> {
    /// What this user is told of a gateway from now on.
    pub(crate) fn news(&self, plan: &Plan, caller: Caller<'_>) -> News {
        let servers = || plan.servers.iter().map(|offered| &offered.server);
        News {
            caller: caller.key,
            serial: plan.serial,
            heard: servers()
                .map(|server| changes(server.changes.hear()).boxed())
                .collect(),
            _streams: servers()
                .filter_map(|server| self.listen_to(plan.project, server, caller))
                .collect(),
            changed: [false; 3],
            quiet: None,
        }
    }
}

/// What a server announces; nothing stands for what was missed.
fn changes(receiver: Receiver<Change>) -> impl stream::Stream<Item = Option<Change>> + Send {
    stream::unfold(receiver, async |mut receiver| match receiver.recv().await {
        Ok(change) => Some((Some(change), receiver)),
        Err(RecvError::Lagged(_)) => Some((None, receiver)),
        Err(RecvError::Closed) => None,
    })
}

impl News {
    /// Whether it is of this plan.
    pub(crate) fn is_of(&self, plan: &Plan) -> bool {
        self.serial == plan.serial
    }

    /// The same, and all lists have changed: the gateway is another.
    pub(crate) fn with_all_changed(self) -> Self {
        Self {
            changed: [true; 3],
            ..self
        }
    }

    /// Ready with the lists that have changed since.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Vec<ListKind>> {
        while let Poll::Ready(Some(change)) = self.heard.poll_next_unpin(cx) {
            match change {
                None => self.changed = [true; 3],
                Some(change) if change.of.is_none_or(|of| of == self.caller) => {
                    let at = ANNOUNCED.iter().position(|kind| *kind == change.kind);
                    if let Some(at) = at {
                        self.changed[at] = true;
                    }
                }
                Some(_) => {}
            }
        }
        if let Some(quiet) = &mut self.quiet {
            std::task::ready!(quiet.as_mut().poll(cx));
            self.quiet = None;
        }
        if self.changed == [false; 3] {
            return Poll::Pending;
        }
        let changed = std::mem::take(&mut self.changed);
        self.quiet = Some(Box::pin(tokio::time::sleep(QUIET)));
        let kinds = ANNOUNCED
            .into_iter()
            .zip(changed)
            .filter_map(|(kind, changed)| changed.then_some(kind));
        Poll::Ready(kinds.collect())
    }
}
