//! The files of the certificate are read again when they change. A pair that cannot be used changes nothing: the previous one
//! stays, and the log, `/readyz`, the metrics and an incident say so.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, sync::Arc, time::Duration};

use gatewright_domain::{Clock, Timestamp};
use tokio::time::{MissedTickBehavior, interval};

use super::{Files, Pair, PairError, Problem, ServedTls, Source};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Certificate and key are written one after the other: what is broken only for one look is not worth a word.
const FAILURES_TO_SAY: u32 = 2;
const REMEDY: &str =
    "Correct the files. They are read again automatically, and the previous certificate is used until then.";

/// What identifies the content of a file without reading it: the file behind any links, its size, and when it was modified.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// Looks at the files.
#[derive(Debug)]
struct Reloader {
    files: Files,
    /// The host that clients ask for.
    host: String,
    seen: Option<[Stamp; 2]>,
    failures: u32,
}

impl Reloader {
    /// Of these files, for clients of `host`.
    fn new(files: Files, host: &str) -> Self {
        Self {
            files,
            host: host.to_owned(),
            seen: None,
            failures: 0,
        }
    }

    /// Presents the pair for the first time. The error says why it cannot.
    fn begin(&mut self, tls: &ServedTls) -> Result<(), PairError> {
        self.seen = Some(self.stamps());
        tls.present(Pair::read(&self.files)?);
        Ok(())
    }

    /// Reads the files if they have changed or the last reading failed, and in any case if it was asked for.
    fn look(&mut self, tls: &ServedTls, asked: bool, now: Timestamp) {
        let stamps = self.stamps();
        if self.seen == Some(stamps) && self.failures == 0 && !asked {
            return;
        }
        self.seen = Some(stamps);
        let current = tls.current();
        let read = Pair::read(&self.files).map_err(|error| error.to_string());
        let usable = read.and_then(|pair| match &current {
            Some(current) if current.validity.contains(now) => self.valid(pair, now),
            _ => Ok(pair),
        });
        match usable {
            Ok(pair) => {
                let is_new = current.is_none_or(|current| !current.is_same(&pair));
                if is_new || asked || self.failures >= FAILURES_TO_SAY {
                    let expires = pair.validity.not_after.to_rfc3339();
                    tracing::info!(expires, is_new, "the TLS certificate was read again");
                    warn(&pair, &self.host, now);
                }
                self.failures = 0;
                tls.present(pair);
            }
            Err(what) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures == FAILURES_TO_SAY || asked {
                    tracing::error!(
                        error = what,
                        "the new TLS certificate cannot be used, so the previous one is"
                    );
                }
                if self.failures >= FAILURES_TO_SAY || asked {
                    tls.note(Some(Problem { what, remedy: REMEDY }));
                }
            }
        }
    }

    /// The pair if it is valid now. The error says why it is not.
    fn valid(&self, pair: Pair, now: Timestamp) -> Result<Pair, String> {
        let why = if pair.validity.not_after <= now {
            format!("expired at {}", pair.validity.not_after.to_rfc3339())
        } else if pair.validity.not_before > now {
            format!("is not valid before {}", pair.validity.not_before.to_rfc3339())
        } else {
            return Ok(pair);
        };
        let file = self.files.certificate.display();
        Err(format!("tls.certificate_file: the certificate in {file} {why}"))
    }

    fn stamps(&self) -> [Stamp; 2] {
        [&self.files.certificate, &self.files.key].map(|path| stamp(path))
    }
}

/// Logs why clients of `host` will refuse a certificate.
fn warn(pair: &Pair, host: &str, now: Timestamp) {
    for warning in pair.warnings(host, now) {
        tracing::warn!("{warning}");
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((
        found.dev(),
        found.ino(),
        found.len(),
        found.mtime(),
        found.mtime_nsec(),
    ))
}

/// Presents the certificate for the first time, if it is in files, and logs why clients of `host` will refuse it.
pub fn begin(tls: &ServedTls, host: &str, now: Timestamp) -> Result<(), PairError> {
    let Some(Source::Files(files)) = tls.source() else {
        return Ok(());
    };
    Reloader::new(files.clone(), host).begin(tls)?;
    if let Some(pair) = tls.current() {
        warn(&pair, host, now);
    }
    Ok(())
}

/// Looks at the files every few seconds, and whenever it is asked to; logs why clients of `host` will refuse a new certificate.
/// Returns at once if the certificate is not in files.
pub async fn watch(tls: &Arc<ServedTls>, host: &str, clock: &dyn Clock) {
    let Some(Source::Files(files)) = tls.source() else {
        return;
    };
    let mut reloader = Reloader::new(files.clone(), host);
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            _ = ticks.tick() => false,
            () = tls.asked.notified() => true,
        };
        // Files can be on a network.
        let (tls, now) = (Arc::clone(tls), clock.now());
        let looking = tokio::task::spawn_blocking(move || {
            reloader.look(&tls, asked, now);
            reloader
        });
        match looking.await {
            Ok(back) => reloader = back,
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        tls::testing::{Made, folder_with, made, made_for, write},
    };

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn served(files: &Files) -> (ServedTls, Reloader) {
        let mut config = Config::default();
        config.tls.certificate_file = Some(files.certificate.clone());
        config.tls.key_file = Some(files.key.clone());
        let tls = ServedTls::new(&config);
        let mut reloader = Reloader::new(files.clone(), "a.example");
        reloader.begin(&tls).unwrap();
        (tls, reloader)
    }

    fn presents(tls: &ServedTls, made: &Made) -> bool {
        let pair = Pair::parse(made.certificate.as_bytes(), made.key.as_bytes()).unwrap();
        tls.current().is_some_and(|current| current.is_same(&pair))
    }

    #[test]
    fn a_new_pair_is_presented_and_a_broken_one_keeps_the_old() {
        let (first, second) = (made("a.example", 2031), made("a.example", 2032));
        let (_folder, files) = folder_with(&first);
        let (tls, mut reloader) = served(&files);
        reloader.look(&tls, false, NOW);
        assert!(presents(&tls, &first));
        // The certificate is there, its key not yet: that is not worth a word.
        std::fs::write(&files.certificate, &second.certificate).unwrap();
        reloader.look(&tls, false, NOW);
        assert!(presents(&tls, &first));
        assert!(tls.standing().unwrap().is_good(NOW));
        // It stays so, although the files do not change any more.
        reloader.look(&tls, false, NOW);
        let standing = tls.standing().unwrap();
        assert!(standing.problem.unwrap().what.contains("does not belong"));
        assert!(presents(&tls, &first));
        write(&files, &second);
        reloader.look(&tls, false, NOW);
        assert!(presents(&tls, &second));
        assert!(tls.standing().unwrap().is_good(NOW));
    }

    #[test]
    fn who_asks_learns_at_once_that_a_pair_is_broken() {
        let (first, second) = (made("a.example", 2031), made("a.example", 2032));
        let (_folder, files) = folder_with(&first);
        let (tls, mut reloader) = served(&files);
        std::fs::remove_file(&files.key).unwrap();
        reloader.look(&tls, true, NOW);
        assert!(!tls.standing().unwrap().is_good(NOW));
        assert!(presents(&tls, &first));
        write(&files, &second);
        reloader.look(&tls, false, NOW);
        assert!(presents(&tls, &second));
    }

    #[test]
    fn an_expired_certificate_does_not_replace_a_valid_one() {
        let (first, expired) = (made("a.example", 2031), made("a.example", 2026));
        let (_folder, files) = folder_with(&first);
        let (tls, mut reloader) = served(&files);
        write(&files, &expired);
        reloader.look(&tls, true, NOW);
        assert!(presents(&tls, &first));
        assert!(
            tls.standing()
                .unwrap()
                .problem
                .unwrap()
                .what
                .contains("expired at 2026")
        );
        // At start there is no better one.
        let (tls, _) = served(&files);
        assert!(presents(&tls, &expired));
        assert!(!tls.standing().unwrap().is_good(NOW));
    }

    #[test]
    fn a_certificate_of_the_future_waits_until_it_is_valid() {
        let (first, future) = (made("a.example", 2031), made_for("a.example", 2028, 2032));
        let (_folder, files) = folder_with(&first);
        let (tls, mut reloader) = served(&files);
        write(&files, &future);
        reloader.look(&tls, true, NOW);
        assert!(presents(&tls, &first));
        let what = tls.standing().unwrap().problem.unwrap().what;
        assert!(what.contains("is not valid before 2028"), "{what}");
        let later = NOW.plus(Duration::from_hours(24 * 365));
        reloader.look(&tls, false, later);
        assert!(presents(&tls, &future));
        assert!(tls.standing().unwrap().is_good(later));
        // At start there is no better one.
        let (tls, _) = served(&files);
        assert!(presents(&tls, &future));
        assert!(!tls.standing().unwrap().is_good(NOW));
    }
}
