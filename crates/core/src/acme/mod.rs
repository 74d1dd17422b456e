//! Certificates that are ordered from an authority (ACME, RFC 8555), for the listener. One replica at a time orders; every replica
//! answers the authority's challenges, and presents what was issued.

mod answers;
mod http;
mod ordering;
mod schedule;
#[cfg(test)]
mod tests;

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatewright_domain::{Timestamp, sealed::Purpose};
use gatewright_store::{StoreError, acme};

use crate::{
    Core,
    config::AcmeConfig,
    tls::{Pair, Problem},
};

pub use ordering::order_if_due;

/// How often a replica reads which challenges are open, and whether there is a newer certificate.
pub const FOLLOW_EVERY: Duration = Duration::from_secs(2);
/// How often a replica asks whether an order is due.
pub const ORDER_EVERY: Duration = Duration::from_secs(10);
/// So many failures in a row need attention, if there is a certificate that can be presented.
const FAILURES_TO_SAY: u32 = 2;
const REMEDY: &str = "Check that each name in acme.domains leads to this instance, at port 443 (server.listen) or 80 (tls.http_listen). \
                      It is tried again automatically.";

/// The name of a certificate in the database: another directory or other domains are another certificate.
fn id_of(config: &AcmeConfig) -> String {
    let text = format!("{}\n{}", config.directory, config.domains.join("\n"));
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, text.as_bytes()).as_ref()[..16])
}

/// What was ordered, for checks.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// When the newest certificate expires; `None` if there is none.
    pub expires_at: Option<Timestamp>,
    /// When the next order is due.
    pub next_at: Timestamp,
    /// Why the last order failed, if it did.
    pub last_error: Option<String>,
}

/// Looks up what was ordered.
pub async fn ordered(core: &Core) -> Result<Ordered, StoreError> {
    let id = id_of(&core.config.acme);
    let mut tx = core.store.read().await?;
    let standing = acme::standing(&mut tx, &id).await?;
    let certificate = acme::find(&mut tx, &id).await?;
    Ok(Ordered {
        expires_at: certificate.map(|certificate| certificate.expires_at),
        next_at: standing.attempt_at,
        last_error: standing.last_error,
    })
}

/// What a replica has seen of the orders.
#[derive(Debug, Default)]
pub struct Followed {
    generation: i64,
    tokens: Vec<String>,
}

impl Followed {
    /// Answers the challenges that are open, and presents the newest certificate.
    pub async fn follow(&mut self, core: &Core) -> Result<(), StoreError> {
        let id = id_of(&core.config.acme);
        let mut tx = core.store.read().await?;
        let standing = acme::standing(&mut tx, &id).await?;
        let challenges = acme::list_challenges(&mut tx, core.now()).await?;
        let newer = match standing.generation {
            generation if generation > self.generation => acme::find(&mut tx, &id).await?,
            _ => None,
        };
        drop(tx);
        let tokens: Vec<String> = challenges
            .iter()
            .map(|challenge| challenge.token.clone())
            .collect();
        if tokens != self.tokens {
            answers::present(core, &challenges);
            self.tokens = tokens;
        }
        if let Some(certificate) = newer {
            self.generation = standing.generation;
            let key = core.keyring.open(
                Purpose::StoredSecret,
                &acme::key_context(&id),
                &certificate.private_key,
            );
            let pair = key.map_err(|error| error.to_string()).and_then(|key| {
                Pair::parse(certificate.chain.as_bytes(), &key).map_err(|wrong| wrong.to_string())
            });
            match pair {
                Ok(pair) => {
                    // At a start, it is looked up twice.
                    if core.tls.current().is_none_or(|current| !current.is_same(&pair)) {
                        let expires = pair.validity.not_after.to_rfc3339();
                        tracing::info!(expires, "the TLS certificate of the authority is presented");
                    }
                    core.tls.present(pair);
                }
                Err(error) => tracing::error!(error, "the certificate in the database cannot be used"),
            }
        }
        let needs_attention =
            standing.failures >= FAILURES_TO_SAY || (standing.failures > 0 && core.tls.current().is_none());
        core.tls.note(needs_attention.then(|| Problem {
            what: format!(
                "no certificate could be ordered from {}: {}. The next attempt is at {}",
                core.config.acme.directory,
                standing.last_error.unwrap_or_default(),
                standing.attempt_at.to_rfc3339()
            ),
            remedy: REMEDY,
        }));
        Ok(())
    }
}
