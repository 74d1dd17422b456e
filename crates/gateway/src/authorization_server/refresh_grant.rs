//! `refresh_token`: rotation with overlap. Clients refresh late, at once and several times with one token, so a used
//! token answers with the same successor until that, or an access token issued with it, is used (OAuth 2.1 section 4.3.1,
//! RFC 9700 section 4.14.2).

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    audit::chain::Stamp,
    grant::Grant,
    id::{GatewayId, GrantId},
    sealed::{open_under, seal_under},
    secret::Secret,
    stored_secret::SealedText,
    token_hash::TokenHash,
};
use gatewright_oauth::{Credential, token::TokenResponse};
use gatewright_store::{
    StoreError, Tx, Urgency,
    grant::{self as grants, Seen},
    refresh_token::{self, Proposal, Rotation},
};

use super::AuthorizationServer;
use super::{
    client::AuthenticatedClient,
    refresh_text,
    reuse::Reused,
    token::{IssuedRefresh, TokenError, access_token_ends_at, invalid_grant, respond},
};
use crate::{directory::GatewayEntry, request::RequestContext};

/// Said whatever is wrong with a refresh token.
const REFUSED: &str =
    "The refresh token is unknown, expired or revoked, or belongs to another client. Start a new sign-in.";

/// Said to a straggler, whose client has the newer tokens already.
const STRAGGLER: &str =
    "The refresh token was replaced, and the tokens that replaced it are in use. Use those.";

/// Rotates a refresh token.
pub(super) async fn rotate(
    app: &AuthorizationServer,
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
    // Anyone can send a made-up token: it takes no turn from those who have something to write.
    let known: Result<_, StoreError> = app
        .store
        .look(move |tx| Box::pin(refresh_token::find_known(tx, gateway, hash)))
        .await;
    let Some((known, generation)) = known? else {
        return Err(refuse_outlived(app, gateway, client, &presented, now).await);
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
    let idle = Duration::from_secs(entry.gateway.settings.grant_idle_seconds.into());
    let turn = Turn {
        gateway,
        client: client.clone(),
        presented: hash,
        // What this replica saw since it last wrote to the store counts immediately.
        seen: app
            .resource_server
            .seen_tokens
            .of(known.id)
            .map(|seen| (known.id, seen)),
        successor: TokenHash::of(successor.expose()),
        sealed,
        generation,
        event: Stamp::generate(app.clock.as_ref(), app.entropy.as_ref()),
        expires_at: now.plus(idle),
        access_token_ends_at: access_token_ends_at(entry, now),
        from: request.address_prefix(),
        now,
    };
    let (expires_at, from) = (turn.expires_at, turn.from.clone());
    let taken = app
        .store
        .transact(Urgency::Program, move |tx| Box::pin(turn.take(tx)))
        .await;
    match taken {
        Ok(Kept::Rotated(grant)) => {
            let issued = IssuedRefresh {
                text: &successor,
                ends_at: expires_at,
                generation: Some(generation),
            };
            Ok(respond(app, entry, &grant, &issued, now))
        }
        Ok(Kept::Repeated {
            grant,
            sealed,
            generation,
            expires_at,
            first_from,
        }) => {
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
        Ok(Kept::Ended(grant)) => Err(ended(app, &grant).await),
        Err(Undone::Straggler) => Err(invalid_grant(STRAGGLER)),
        Err(Undone::Refused) => Err(invalid_grant(REFUSED)),
        Err(Undone::Token(error)) => Err(*error),
    }
}

/// One turn at the store, as a whole: a refresh crosses to the thread of SQLite's connection once.
struct Turn {
    gateway: GatewayId,
    client: AuthenticatedClient,
    presented: TokenHash,
    seen: Option<(GrantId, Seen)>,
    successor: TokenHash,
    sealed: SealedText,
    generation: i64,
    /// The audit event of a grant that ends.
    event: Stamp,
    expires_at: Timestamp,
    access_token_ends_at: Timestamp,
    from: String,
    now: Timestamp,
}

/// What a turn that is kept has led to.
enum Kept {
    Rotated(Box<Grant>),
    Repeated {
        grant: Box<Grant>,
        sealed: SealedText,
        generation: Option<i64>,
        expires_at: Timestamp,
        first_from: Option<String>,
    },
    /// The token came back too late, so its grant has ended.
    Ended(Box<Grant>),
}

/// Why a turn is undone: an assertion of the client, say, is then not used up.
enum Undone {
    Straggler,
    Refused,
    Token(Box<TokenError>),
}

impl From<TokenError> for Undone {
    fn from(error: TokenError) -> Self {
        Self::Token(Box::new(error))
    }
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        TokenError::from(error).into()
    }
}

impl Turn {
    async fn take(self, tx: &mut Tx) -> Result<Kept, Undone> {
        let now = self.now;
        self.client.use_up_assertion(tx, now).await?;
        if let Some((grant, seen)) = self.seen {
            grants::note_seen(tx, &[(grant, seen)].into()).await?;
        }
        let proposal = Proposal {
            hash: self.successor,
            sealed: &self.sealed,
            generation: self.generation,
            expires_at: self.expires_at,
            access_token_ends_at: self.access_token_ends_at,
            from: &self.from,
        };
        let short_id = &self.client.short_id;
        match refresh_token::rotate(tx, self.gateway, short_id, self.presented, &proposal, now).await? {
            Rotation::Rotated(grant) => Ok(Kept::Rotated(grant)),
            Rotation::Repeated {
                grant,
                sealed,
                generation,
                expires_at,
                first_from,
            } => Ok(Kept::Repeated {
                grant,
                sealed,
                generation,
                expires_at,
                first_from,
            }),
            Rotation::Straggler => Err(Undone::Straggler),
            Rotation::Reused(grant) => {
                end_reused(tx, &grant, self.event, now).await?;
                Ok(Kept::Ended(grant))
            }
            Rotation::Refused => Err(Undone::Refused),
        }
    }
}

/// Ends the grant of a token that came back too late, in the transaction that has seen it.
async fn end_reused(tx: &mut Tx, grant: &Grant, event: Stamp, now: Timestamp) -> Result<(), Undone> {
    if Reused::of_token(grant).end_grant(tx, event, now).await? {
        Ok(())
    } else {
        Err(Undone::Refused)
    }
}

/// Reports a grant that ended because a token of it came back too late; returns what the client receives.
async fn ended(app: &AuthorizationServer, grant: &Grant) -> TokenError {
    let trace = app.sign_in_trace.of_grant(grant);
    Reused::of_token(grant).announce(app, &trace).await;
    invalid_grant(REFUSED)
}

/// Refuses a token the store does not have. One that says, sealed, that it is an older one of a live grant was used long
/// ago: that ends the grant.
async fn refuse_outlived(
    app: &AuthorizationServer,
    gateway: GatewayId,
    client: &AuthenticatedClient,
    presented: &Secret,
    now: Timestamp,
) -> TokenError {
    let Some(family) = refresh_text::read(app, gateway, presented.expose()) else {
        return invalid_grant(REFUSED);
    };
    match end_outlived(app, gateway, client, family, now).await {
        Ok(grant) => ended(app, &grant).await,
        Err(Undone::Straggler | Undone::Refused) => invalid_grant(REFUSED),
        Err(Undone::Token(error)) => *error,
    }
}

async fn end_outlived(
    app: &AuthorizationServer,
    gateway: GatewayId,
    client: &AuthenticatedClient,
    family: (GrantId, i64),
    now: Timestamp,
) -> Result<Box<Grant>, Undone> {
    let known: Result<_, StoreError> = app
        .store
        .look(move |tx| Box::pin(grants::find(tx, gateway, family.0)))
        .await;
    let Some(known) = known?.filter(|grant| grant.client_id == client.short_id) else {
        return Err(Undone::Refused);
    };
    client.must_sign_for(&known)?;
    let client = client.clone();
    let event = Stamp::generate(app.clock.as_ref(), app.entropy.as_ref());
    app.store
        .transact(Urgency::Program, move |tx| {
            Box::pin(async move {
                client.use_up_assertion(tx, now).await?;
                match refresh_token::outlived(tx, gateway, &client.short_id, family, now).await? {
                    Rotation::Reused(grant) => {
                        end_reused(tx, &grant, event, now).await?;
                        Ok(grant)
                    }
                    Rotation::Rotated(_)
                    | Rotation::Repeated { .. }
                    | Rotation::Straggler
                    | Rotation::Refused => Err(Undone::Refused),
                }
            })
        })
        .await
}
