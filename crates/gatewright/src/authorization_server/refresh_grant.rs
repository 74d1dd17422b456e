//! `refresh_token`: rotation with overlap. Clients refresh late, at once and several times with one token, so a used
//! token answers with the same successor until that successor is used (OAuth 2.1 section 4.3.1).

use std::time::Duration;

use gatewright_domain::{
    entropy,
    grant::RevocationReason,
    sealed::{open_under, seal_under},
    secret::Secret,
    token_hash::TokenHash,
};
use gatewright_oauth::{Credential, token::TokenResponse};
use gatewright_store::refresh_token::{self, Proposal, Rotation};

use super::{
    client::AuthenticatedClient,
    reuse::{self, Reused},
    token::{TokenError, invalid_grant, respond},
};
use crate::{app::App, directory::GatewayEntry};

/// Said whatever is wrong with a refresh token.
const REFUSED: &str =
    "The refresh token is unknown, expired or revoked, or belongs to another client. Start a new sign-in.";

/// Said to a straggler, whose client has the newer token already.
const STRAGGLER: &str =
    "The refresh token was replaced, and the token that replaced it is in use. Use that one.";

/// Rotates a refresh token.
pub(super) async fn rotate(
    app: &App,
    entry: &GatewayEntry,
    client: &AuthenticatedClient,
    presented: &Credential,
) -> Result<TokenResponse, TokenError> {
    let now = app.now();
    let context = format!("refresh_tokens/successor/{}", entry.gateway.id);
    let presented = Secret::new(presented.expose());
    let successor = Secret::new(entropy::token(app.entropy.as_ref()));
    let sealed = seal_under(
        &presented,
        app.entropy.as_ref(),
        &context,
        successor.expose().as_bytes(),
    );
    let proposal = Proposal {
        hash: TokenHash::of(successor.expose()),
        sealed: &sealed,
        expires_at: now.plus(Duration::from_secs(
            entry.gateway.settings.grant_idle_seconds.into(),
        )),
    };
    let hash = TokenHash::of(presented.expose());
    // Anybody can send a made-up token: it takes no turn from those who have something to write.
    let mut tx = app.store.read().await?;
    let known = refresh_token::find_grant(&mut tx, entry.gateway.id, hash).await?;
    drop(tx);
    let Some(known) = known.filter(|grant| grant.client_id == client.short_id) else {
        return Err(invalid_grant(REFUSED));
    };
    client.must_sign_for(&known)?;
    let mut tx = app.store.write().await?;
    client.use_up_assertion(&mut tx, now).await?;
    match refresh_token::rotate(&mut tx, entry.gateway.id, &client.short_id, hash, &proposal, now).await? {
        Rotation::Rotated(grant) => {
            tx.commit().await?;
            Ok(respond(app, entry, &grant, &successor, proposal.expires_at))
        }
        Rotation::Repeated {
            grant,
            sealed,
            expires_at,
        } => {
            tx.commit().await?;
            let successor = open_under(&presented, &context, &sealed)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .map(Secret::new);
            let Some(successor) = successor else {
                tracing::error!(grant = %grant.id, "the successor of a refresh token does not open");
                return Err(invalid_grant(REFUSED));
            };
            Ok(respond(app, entry, &grant, &successor, expires_at))
        }
        Rotation::Straggler => Err(invalid_grant(STRAGGLER)),
        Rotation::Reused(grant) => {
            let reused = Reused {
                project: grant.project_id,
                grant: grant.id,
                person: grant.person,
                client_name: &grant.client_name,
                reason: RevocationReason::RefreshReused,
                trace: &app.sign_in_trace.of_grant(&grant),
            };
            reuse::end_grant(app, entry, &reused, tx).await?;
            Err(invalid_grant(REFUSED))
        }
        Rotation::Refused => Err(invalid_grant(REFUSED)),
    }
}
