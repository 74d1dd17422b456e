//! `authorization_code`: a code is redeemed once, in the transaction that begins the grant (RFC 6749 section 4.1.3).

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    client::short_id,
    grant::{AuthorizationCode, Grant, RefreshToken, RevocationReason},
    id::ClientId,
    secret::Secret,
    sign_in_attempt::Step,
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
    refresh_text,
    reuse::{self, Reused},
    token::{IssuedRefresh, TokenError, access_token_ends_at, announce_revocation, invalid_grant, respond},
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
    let Some((known, _)) = known.filter(|(code, _)| code.gateway_id == entry.gateway.id) else {
        return Err(invalid_grant(REFUSED));
    };
    let trace = app.sign_in_trace.of_code(&known);
    trace.enter(Step::Token);
    let refuse = |why: Why| {
        trace.fail(Step::Token, why.reason(), why.advice());
        invalid_grant(REFUSED)
    };
    let mut tx = app.store.write().await?;
    client.use_up_assertion(&mut tx, now).await?;
    match authorization_code::redeem(&mut tx, entry.gateway.id, hash, now).await? {
        Redemption::Redeemed(code) => {
            // Leaving here drops the transaction: the code stays as it was for whom it belongs to.
            if let Some(why) = foreign(&code, client, redirect_uri, verifier) {
                return Err(refuse(why));
            }
            if !is_still_welcome(entry, client, &mut tx).await? {
                return Err(invalid_grant(REFUSED));
            }
            let (grant, text, row) = begin(app, entry, client, &code, now, &mut tx).await?;
            let gave_way = grant::make_room(&mut tx, &grant, now).await?;
            tx.commit().await?;
            app.authorization_server
                .documents
                .remember(app, entry, &client.id)
                .await;
            trace.succeed();
            if gave_way > 0 {
                tracing::info!(grant = %grant.id, gave_way, "grants of the same person gave way");
                announce_revocation(app, grant.id).await;
            }
            let refresh_token = IssuedRefresh {
                text: &text,
                ends_at: row.expires_at,
                generation: row.generation,
            };
            Ok(respond(app, entry, &grant, &refresh_token, now))
        }
        // A code alone, read in a log, ends no one's grant: whoever sends it must be the client it was issued to.
        Redemption::Replayed { code, .. } if short_id(&code.client_id) != client.short_id => {
            Err(refuse(Why::Client))
        }
        Redemption::Replayed { code, redeemed_at } => {
            let why = if now.since(redeemed_at) > RESEND_WINDOW {
                let reused = Reused {
                    project: code.project_id,
                    grant: code.grant_id,
                    person: code.person,
                    client_name: &code.client_name,
                    reason: RevocationReason::CodeReplayed,
                    trace: &trace,
                };
                reuse::end_grant(app, entry, &reused, tx).await?;
                Why::Replayed
            } else {
                Why::Resent
            };
            Err(refuse(why))
        }
        Redemption::Refused if known.expires_at <= now => Err(refuse(Why::Expired)),
        Redemption::Refused => Err(refuse(Why::Overtaken)),
    }
}

/// Why a code that was issued here brought no tokens. The client is not told which it was; the trace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Client,
    RedirectUri,
    Verifier,
    Replayed,
    Resent,
    Expired,
    Overtaken,
}

impl Why {
    const fn reason(self) -> &'static str {
        match self {
            Self::Client => "another client than the one that asked presented the code",
            Self::RedirectUri => {
                "`redirect_uri` of the token request is not the one of the authorization request"
            }
            Self::Verifier => {
                "`code_verifier` does not belong to the `code_challenge` of the authorization request"
            }
            Self::Replayed => "the code was presented again long after it was used",
            Self::Resent => "the code was presented again right after it was used",
            Self::Expired => "the app presented the code later than a minute after it was issued",
            Self::Overtaken => "gateway, User Source or user changed before the app presented the code",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::Client | Self::Replayed => {
                "Somebody may have got hold of the code on its way. The user signs in again; if it repeats, look at where the app's redirects go."
            }
            Self::RedirectUri | Self::Verifier => "This is a fault of the app; tell its makers the reason.",
            Self::Resent => "Nothing: some apps ask twice when an answer is slow. The first answer is good.",
            Self::Expired => {
                "The user signs in again. If it happens to everybody with this app, look at how long it takes to come back."
            }
            Self::Overtaken => "Nothing: the user signs in again.",
        }
    }
}

/// Why a code is not this client's to redeem, for this redirect URI, as the holder of this verifier; `None` if it is.
fn foreign(
    code: &AuthorizationCode,
    client: &AuthenticatedClient,
    redirect_uri: Option<&str>,
    verifier: &Credential,
) -> Option<Why> {
    let challenge = CodeChallenge::parse(&code.code_challenge);
    if short_id(&code.client_id) != client.short_id {
        Some(Why::Client)
    } else if redirect_uri.is_some_and(|uri| uri != code.redirect_uri) {
        Some(Why::RedirectUri)
    } else if !challenge.is_some_and(|challenge| challenge.is_met_by(verifier.expose())) {
        Some(Why::Verifier)
    } else {
        None
    }
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

/// Begins the grant of a redeemed code, with its first refresh token.
async fn begin(
    app: &App,
    entry: &GatewayEntry,
    client: &AuthenticatedClient,
    code: &AuthorizationCode,
    now: Timestamp,
    tx: &mut Tx,
) -> Result<(Grant, Secret, RefreshToken), TokenError> {
    let settings = &entry.gateway.settings;
    let grant = Grant {
        id: code.grant_id,
        project_id: code.project_id,
        gateway_id: code.gateway_id,
        person: code.person,
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
    let text = refresh_text::mint(app, code.gateway_id, grant.id, 1);
    let row = RefreshToken {
        hash: TokenHash::of(text.expose()),
        grant_id: grant.id,
        generation: Some(1),
        created_at: now,
        expires_at: now.plus(Duration::from_secs(settings.grant_idle_seconds.into())),
        used_at: None,
        successor: None,
    };
    refresh_token::insert(tx, &row, access_token_ends_at(entry, now)).await?;
    Ok((grant, text, row))
}
