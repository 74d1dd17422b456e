//! `authorization_code`: a code is redeemed once, in the transaction that begins the grant (RFC 6749 section 4.1.3).

use std::time::Duration;

use gatewright_domain::{
    Timestamp, entropy,
    grant::{AuthorizationCode, Grant, RefreshToken, RevocationReason},
    id::ClientId,
    secret::Secret,
    token_hash::TokenHash,
};
use gatewright_oauth::{Credential, pkce::CodeChallenge, token::TokenResponse};
use gatewright_store::{
    StoreError, Tx,
    authorization_code::{self, Redemption},
    client_block, grant, preregistered_client, refresh_token,
};

use super::{
    client::AuthenticatedClient,
    reuse::{self, Reused},
    token::{TokenError, invalid_grant, respond},
};
use crate::{app::App, directory::GatewayEntry};

/// Some clients send the same code again when an answer was slow; within this time it is taken for that.
const RESEND_WINDOW: Duration = Duration::from_secs(10);

/// Said whatever is wrong with a code.
const REFUSED: &str =
    "The code is unknown, expired or used, or was issued to another client. Start a new sign-in.";

/// Redeems a code.
pub(super) async fn redeem(
    app: &App,
    entry: &GatewayEntry,
    client: &AuthenticatedClient,
    code: &Credential,
    redirect_uri: Option<&str>,
    verifier: &Credential,
) -> Result<TokenResponse, TokenError> {
    let now = app.now();
    let hash = TokenHash::of(code.expose());
    // Anybody can send a made-up code: it takes no turn from those who have something to write.
    let mut tx = app.store.read().await?;
    let known = authorization_code::find(&mut tx, hash).await?;
    drop(tx);
    if known.is_none_or(|(code, _)| code.gateway_id != entry.gateway.id) {
        return Err(invalid_grant(REFUSED));
    }
    let mut tx = app.store.write().await?;
    client.use_up_assertion(&mut tx, now).await?;
    match authorization_code::redeem(&mut tx, entry.gateway.id, hash, now).await? {
        Redemption::Redeemed(code) => {
            // Leaving here drops the transaction: the code stays as it was for whom it belongs to.
            if !belongs(&code, client, redirect_uri, verifier) {
                return Err(invalid_grant(REFUSED));
            }
            if !is_still_welcome(entry, client, &mut tx).await? {
                return Err(invalid_grant(REFUSED));
            }
            let (grant, refresh_token) = begin(app, entry, client, &code, now, &mut tx).await?;
            tx.commit().await?;
            let (refresh_token, refresh_ends_at) = refresh_token;
            Ok(respond(app, entry, &grant, &refresh_token, refresh_ends_at))
        }
        Redemption::Replayed { code, redeemed_at } => {
            if now.since(redeemed_at) > RESEND_WINDOW {
                let reused = Reused {
                    project: code.project_id,
                    grant: code.grant_id,
                    user: code.user_id,
                    client_name: &code.client_name,
                    reason: RevocationReason::CodeReplayed,
                };
                reuse::end_grant(app, entry, &reused, tx).await?;
            }
            Err(invalid_grant(REFUSED))
        }
        Redemption::Refused => Err(invalid_grant(REFUSED)),
    }
}

/// Whether a code was issued to this client, for this redirect URI, and to the holder of the verifier.
fn belongs(
    code: &AuthorizationCode,
    client: &AuthenticatedClient,
    redirect_uri: Option<&str>,
    verifier: &Credential,
) -> bool {
    let challenge = CodeChallenge::parse(&code.code_challenge);
    code.client_id == client.id
        && redirect_uri.is_none_or(|uri| uri == code.redirect_uri)
        && challenge.is_some_and(|challenge| challenge.is_met_by(verifier.expose()))
}

/// Whether the client was neither blocked nor deleted since it was authenticated. Redeeming holds the gateway, so that
/// who does either waits for this transaction and finds its grant.
async fn is_still_welcome(
    entry: &GatewayEntry,
    client: &AuthenticatedClient,
    tx: &mut Tx,
) -> Result<bool, StoreError> {
    let gateway = entry.gateway.id;
    if client_block::is_blocked(tx, gateway, &client.short_id).await? {
        return Ok(false);
    }
    match client.id.parse::<ClientId>() {
        Ok(id) => preregistered_client::hold(tx, gateway, id).await,
        Err(_) => Ok(true),
    }
}

/// Begins the grant of a redeemed code, with its first refresh token and the end of that.
async fn begin(
    app: &App,
    entry: &GatewayEntry,
    client: &AuthenticatedClient,
    code: &AuthorizationCode,
    now: Timestamp,
    tx: &mut Tx,
) -> Result<(Grant, (Secret, Timestamp)), TokenError> {
    let settings = &entry.gateway.settings;
    let grant = Grant {
        id: code.grant_id,
        project_id: code.project_id,
        gateway_id: code.gateway_id,
        user_id: code.user_id,
        user_source_id: code.user_source_id,
        identity_epoch: code.identity_epoch,
        client_id: client.short_id.clone(),
        client_name: code.client_name.clone(),
        scope: code.scope.clone(),
        begun_with_key: client.assertion.is_some(),
        created_at: now,
        ends_at: now.plus(Duration::from_secs(settings.grant_max_seconds.into())),
        last_used_at: now,
        revoked: None,
    };
    grant::insert(tx, &grant).await?;
    let refresh_token = Secret::new(entropy::token(app.entropy.as_ref()));
    let row = RefreshToken {
        hash: TokenHash::of(refresh_token.expose()),
        grant_id: grant.id,
        created_at: now,
        expires_at: now.plus(Duration::from_secs(settings.grant_idle_seconds.into())),
        used_at: None,
        successor: None,
    };
    refresh_token::insert(tx, &row).await?;
    Ok((grant, (refresh_token, row.expires_at)))
}
