//! What signals ask of the process: to stop, immediately or after load balancers have noticed, and to read the
//! configuration again.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use gatewright_admin::Admin;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// SIGTERM, SIGQUIT: whatever manages processes takes this one out of service.
    Drain,
    /// SIGINT: a person at the terminal pressed Ctrl-C and waits.
    Stop,
    /// SIGHUP.
    Reload,
}

struct Signals {
    terminate: Signal,
    quit: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new(hangup: Signal) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Drain,
            _ = self.quit.recv() => Wish::Drain,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }

    /// The next signal that asks for an end.
    async fn end(&mut self, reload: &mut (impl FnMut() + Send)) -> Wish {
        loop {
            match self.next().await {
                Wish::Reload => reload(),
                end => return end,
            }
        }
    }
}

/// SIGHUP from now on, for [`watch_signals`]: before it is handled, it ends a process, even one that is still starting.
pub(crate) fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Cancels `app.shutdown` at SIGINT, and at SIGTERM or SIGQUIT after [`drain`]; the second of these signals ends the process
/// immediately. SIGHUP never does: it calls `reload`.
pub(crate) async fn watch_signals(
    app: Arc<Admin>,
    hangups: Signal,
    mut reload: impl FnMut() + Send,
) -> io::Result<()> {
    let mut signals = Signals::new(hangups)?;
    if signals.end(&mut reload).await == Wish::Drain {
        tokio::select! {
            () = drain(&app) => {}
            _ = signals.end(&mut reload) => at_once(),
        }
    }
    app.shutdown.cancel();
    signals.end(&mut reload).await;
    at_once();
    Ok(())
}

/// Reports with `/readyz` that the process is stopping, and continues to serve until load balancers have had time to notice.
pub(super) async fn drain(app: &Admin) {
    let time = Duration::from_secs(app.config.server.drain_seconds.into());
    app.drains.store(true, Ordering::Relaxed);
    app.stopping.cancel();
    tracing::info!(
        seconds = time.as_secs(),
        "stopping: /readyz says so, connections are still accepted for a while"
    );
    tokio::time::sleep(time).await;
}

fn at_once() {
    // The log may be waiting for other lines; this must be written now.
    eprintln!("stopping immediately");
    std::process::exit(1);
}
