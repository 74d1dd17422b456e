//! What ends an answer that streams: a server that pauses for too long, a call that lasts too long, and a user who may
//! no longer read it.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use super::{answer_error::AnswerError, caller::Alive};

/// However much progress a server reports, a call ends after this long.
const CALL_MAX: Duration = Duration::from_hours(1);
/// How often it is checked whether the user is still allowed: an ended grant ends their answers within this time.
const LOOK: Duration = Duration::from_secs(2);

/// Why an answer is not only waited for.
pub(super) enum Wake {
    /// It ends.
    End(AnswerError),
    /// It continues, and it is this late.
    Look(Instant),
}

/// Watches one answer. The timer is made at the first pause only: most answers come in one piece.
pub(super) struct Watch {
    /// How long the server may pause.
    allowed: Duration,
    alive: Alive,
    began: Instant,
    moved_at: Instant,
    looked_at: Instant,
    /// Whether something came since the timer was set.
    moved: bool,
    // Boxed because a timer must not move once it runs, and this state moves until it does.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Watch {
    pub(super) fn new(allowed: Duration, alive: Alive) -> Self {
        let now = Instant::now();
        Self {
            allowed,
            alive,
            began: now,
            moved_at: now,
            looked_at: now,
            moved: false,
            timer: None,
        }
    }

    /// The same watch for what continues in another place; what stays here is no longer watched.
    pub(super) fn take(&mut self) -> Self {
        let alive = std::mem::replace(&mut self.alive, Box::new(|| false));
        Self::new(self.allowed, alive)
    }

    /// The watch of the same call, which was held in the meantime: its total time continues.
    pub(super) fn once_more(&self, allowed: Duration, alive: Alive) -> Self {
        Self {
            began: self.began,
            ..Self::new(allowed, alive)
        }
    }

    /// Something arrived from the server; returns the time.
    pub(super) fn moved(&mut self) -> Result<Instant, AnswerError> {
        let now = Instant::now();
        self.moved_at = now;
        self.moved = true;
        self.look(now)?;
        Ok(now)
    }

    /// The server waits for the client, so it can pause for as long as that takes, and once again.
    pub(super) fn wait(&mut self) {
        self.moved_at = Instant::now();
        self.moved = true;
    }

    /// Whether the call can continue if its server waits for the client, which this records.
    pub(super) fn may_wait(&mut self) -> bool {
        let is_over = self.began.elapsed() >= CALL_MAX;
        self.wait();
        !is_over
    }

    /// Nothing arrived; ready now and then. If the result is to continue, the caller polls again.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Wake> {
        let ends = (self.began + CALL_MAX).min(self.moved_at + self.allowed);
        let until = ends.min(self.looked_at + LOOK);
        let reset = std::mem::take(&mut self.moved);
        let timer = match &mut self.timer {
            Some(timer) => {
                if reset {
                    timer.as_mut().reset(until);
                }
                timer
            }
            none => none.insert(Box::pin(tokio::time::sleep_until(until))),
        };
        std::task::ready!(timer.as_mut().poll(cx));
        // The timer starts again.
        self.moved = true;
        let now = Instant::now();
        Poll::Ready(if now >= ends {
            Wake::End(AnswerError::Timeout)
        } else {
            self.look(now).map_or_else(Wake::End, |()| Wake::Look(now))
        })
    }

    fn look(&mut self, now: Instant) -> Result<(), AnswerError> {
        if now.duration_since(self.looked_at) < LOOK {
            return Ok(());
        }
        self.looked_at = now;
        if (self.alive)() {
            Ok(())
        } else {
            Err(AnswerError::NotAlive)
        }
    }
}
