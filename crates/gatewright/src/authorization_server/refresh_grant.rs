//! `refresh_token`: rotation with overlap. Clients refresh late, at once and several times with one token, so a used
//! token answers with the same successor until that, or an access token issued with it, is used (OAuth 2.1 section 4.3.1,
//! RFC 9700 section 4.14.2).

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    grant::{Grant, RevocationReason},
    sealed::{open_under, seal_under},
    secret::Secret,
    token_hash::TokenHash,
};
use gatewright_oauth::{Credential, token::TokenResponse};
use gatewright_store::{
    Tx, grant as grants,
    refresh_token::{self, Proposal, Rotation},
};

use super::{
    client::AuthenticatedClient,
    refresh_text,
    reuse::{self, Reused},
    token::{IssuedRefresh, TokenError, access_token_ends_at, invalid_grant, respond},
};
use crate::{app::App, directory::GatewayEntry, request::RequestContext};

/// Said whatever is wrong with a refresh token.
const REFUSED: &str =
    "The refresh token is unknown, expired or revoked, or belongs to another client. Start a new sign-in.";

/// Said to a straggler, whose client has the newer tokens already.
const STRAGGLER: &str =
    "The refresh token was replaced, and the tokens that replaced it are in use. Use those.";

/// Rotates a refresh token.
pub(super) async fn rotate(
    app: &App,
    entry: &GatewayEntry,
    request: &RequestContext,
    client: &AuthenticatedClient,
    presented: &Credential,
) -> Result<TokenResponse, TokenError> {
    let now = app.now();
    let gateway = entry.gateway.id;
    let context = format!("refresh_tokens/successor/{gateway}");
    let presented = Secret::new(presented.expose());
    let hash = TokenHash::of(presented.expose());
    // Anybody can send a made-up token: it takes no turn from those who have something to write.
    let mut tx = app.store.read().await?;
    let known = refresh_token::find_known(&mut tx, gateway, hash).await?;
    drop(tx);
    let Some((known, generation)) = known else {
        return refuse_outlived(app, entry, client, &presented, now).await;
    };
    if known.client_id != client.short_id {
        return Err(invalid_grant(REFUSED));
    }
    client.must_sign_for(&known)?;
    let successor = refresh_text::mint(app, gateway, known.id, generation);
    let sealed = seal_under(
        &presented,
        app.entropy.as_ref(),
        &context,
        successor.expose().as_bytes(),
    );
    let from = request.address_prefix();
    let idle = Duration::from_secs(entry.gateway.settings.grant_idle_seconds.into());
    let proposal = Proposal {
        hash: TokenHash::of(successor.expose()),
        sealed: &sealed,
        generation,
        expires_at: now.plus(idle),
        access_token_ends_at: access_token_ends_at(entry, now),
        from: &from,
    };
    let mut tx = app.store.write().await?;
    client.use_up_assertion(&mut tx, now).await?;
    // What this replica saw since it last told the store counts at once.
    if let Some(seen) = app.resource_server.seen_tokens.of(known.id) {
        grants::note_seen(&mut tx, &[(known.id, seen)].into()).await?;
    }
    let rotation = refresh_token::rotate(&mut tx, gateway, &client.short_id, hash, &proposal, now).await?;
    match rotation {
        Rotation::Rotated(grant) => {
            tx.commit().await?;
            let issued = IssuedRefresh {
                text: &successor,
                ends_at: proposal.expires_at,
                generation: Some(generation),
            };
            Ok(respond(app, entry, &grant, &issued, now))
        }
        Rotation::Repeated {
            grant,
            sealed,
            generation,
            expires_at,
            first_from,
        } => {
            tx.commit().await?;
            if let Some(first_from) = first_from {
                let trace = app.sign_in_trace.of_grant(&grant);
                trace.refreshed_elsewhere(&first_from, &from);
            }
            let successor = open_under(&presented, &context, &sealed)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .map(Secret::new);
            let Some(successor) = successor else {
                tracing::error!(grant = %grant.id, "the successor of a refresh token does not open");
                return Err(invalid_grant(REFUSED));
            };
            let issued = IssuedRefresh {
                text: &successor,
                ends_at: expires_at,
                generation,
            };
            Ok(respond(app, entry, &grant, &issued, now))
        }
        Rotation::Straggler => Err(invalid_grant(STRAGGLER)),
        Rotation::Reused(grant) => end_reused(app, entry, &grant, tx).await,
        Rotation::Refused => Err(invalid_grant(REFUSED)),
    }
}

/// Refuses a token the store does not have. One that says, sealed, that it is an older one of a live grant was used long
/// ago: that ends the grant.
async fn refuse_outlived(
    app: &App,
    entry: &GatewayEntry,
    client: &AuthenticatedClient,
    presented: &Secret,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    let gateway = entry.gateway.id;
    let Some(family) = refresh_text::read(app, gateway, presented.expose()) else {
        return Err(invalid_grant(REFUSED));
    };
    let mut tx = app.store.read().await?;
    let known = grants::find(&mut tx, gateway, family.0).await?;
    drop(tx);
    let Some(known) = known.filter(|grant| grant.client_id == client.short_id) else {
        return Err(invalid_grant(REFUSED));
    };
    client.must_sign_for(&known)?;
    let mut tx = app.store.write().await?;
    client.use_up_assertion(&mut tx, now).await?;
    match refresh_token::outlived(&mut tx, gateway, &client.short_id, family, now).await? {
        Rotation::Reused(grant) => end_reused(app, entry, &grant, tx).await,
        Rotation::Rotated(_) | Rotation::Repeated { .. } | Rotation::Straggler | Rotation::Refused => {
            Err(invalid_grant(REFUSED))
        }
    }
}

/// Ends the grant of a token that came back too late.
async fn end_reused(
    app: &App,
    entry: &GatewayEntry,
    grant: &Grant,
    tx: Tx,
) -> Result<TokenResponse, TokenError> {
    let reused = Reused {
        project: grant.project_id,
        grant: grant.id,
        person: grant.person,
        client_name: &grant.client_name,
        reason: RevocationReason::RefreshReused,
        trace: &app.sign_in_trace.of_grant(grant),
    };
    reuse::end_grant(app, entry, &reused, tx).await?;
    Err(invalid_grant(REFUSED))
}
