//! Sessions of accounts: who is signed in, where, and the end of it. Each request looks its session up, so that a new
//! role, a removal or a new password acts on the next one.

use gatewright_domain::{
    account::Account,
    account_session::{AccountSession, MAX_LIFE},
    entropy,
    id::{AccountSessionId, ProjectId},
    secret::Secret,
    token_hash::TokenHash,
};
use gatewright_store::{Tx, account_session as rows};

pub use gatewright_core::account_sessions::{Session, find};

use super::{
    Authority, ServiceError,
    audit_events::Entry,
    authority::before_sign_in,
    change::{Change, Object, created, field},
    entity::Entity,
};
use crate::{Admin, account::visitor::Visitor};

/// A session that has just begun, with the value of its cookie.
#[derive(Debug)]
pub struct Begun {
    /// The account.
    pub account: Account,
    /// The session.
    pub session: AccountSession,
    /// The cookie's value, for [`session_cookie::set`](gatewright_core::session_cookie::set).
    pub token: Secret,
}

/// Ends the session a visitor came with. Ending what has ended does nothing.
pub async fn sign_out(app: &Admin, visitor: &Visitor) -> Result<(), ServiceError> {
    let Some(token) = &visitor.session else {
        return Ok(());
    };
    let mut tx = app.store.write(before_sign_in()).await?;
    let hash = TokenHash::of(token.expose());
    let Some(account) = rows::end_by_hash(&mut tx, hash).await? else {
        return Ok(());
    };
    if let Some(account) = gatewright_store::account::find(&mut tx, account).await? {
        let authority = Authority::of_newcomer(account.id, visitor.address);
        note(app, &mut tx, &authority, &account, "signed_out").await?;
    }
    tx.commit().await?;
    Ok(())
}

/// The sessions of the signed-in account, the one used last first.
pub async fn list(app: &Admin, authority: &Authority) -> Result<Vec<AccountSession>, ServiceError> {
    let me = authority.oneself()?;
    let mut tx = app.store.read(me).await?;
    Ok(rows::list(&mut tx, me.account, app.now()).await?)
}

/// Ends one session of the signed-in account, which can be the session of the request itself.
pub async fn end(app: &Admin, authority: &Authority, id: AccountSessionId) -> Result<(), ServiceError> {
    let me = authority.oneself()?;
    let account = me.account;
    let mut change = Change::begin(app, me.change()).await?;
    let now = change.now;
    let sessions = rows::list(&mut change.tx, account, now).await?;
    let Some(session) = sessions.iter().find(|session| session.id == id) else {
        return Err(ServiceError::not_found("session"));
    };
    if !rows::end(&mut change.tx, account, id).await? {
        return Err(ServiceError::not_found("session"));
    }
    let object = Object {
        kind: "account_session",
        id: id.to_string(),
        name: &session.user_agent,
    };
    change.record("ended", object, Vec::new()).await?;
    change.commit().await
}

/// Ends every session of the signed-in account but the one it asks through; how many.
pub async fn end_others(app: &Admin, authority: &Authority) -> Result<u64, ServiceError> {
    let me = authority.oneself()?;
    let (id, current) = (me.account, me.session);
    let mut change = Change::begin(app, me.change()).await?;
    let account = Account::found(gatewright_store::account::find(&mut change.tx, id).await?)?;
    let Some(current) = current else {
        return Ok(0);
    };
    let ended = rows::end_others(&mut change.tx, id, current).await?;
    if ended == 0 {
        return Ok(0);
    }
    let changes = created(vec![field("sessions_ended", ended)]);
    change.record("sessions_ended", account.object(), changes).await?;
    change.commit().await?;
    Ok(ended)
}

/// Begins a session in the transaction that causes it, and ends the one that the browser had. Nothing when the
/// account was disabled or its password changed in the meantime.
pub(super) async fn begin(
    app: &Admin,
    tx: &mut Tx,
    account: &Account,
    visitor: &Visitor,
) -> Result<Option<Begun>, ServiceError> {
    if let Some(before) = &visitor.session {
        rows::end_by_hash(tx, TokenHash::of(before.expose())).await?;
    }
    let now = app.now();
    let token = Secret::new(entropy::token(app.entropy.as_ref()));
    let session = AccountSession {
        id: AccountSessionId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        account_id: account.id,
        hash: TokenHash::of(token.expose()),
        epoch: account.session_epoch,
        created_at: now,
        last_seen_at: now,
        expires_at: now.plus(MAX_LIFE),
        address: visitor.address.to_string(),
        user_agent: visitor.user_agent.clone(),
    };
    if !rows::begin(tx, &session).await? {
        return Ok(None);
    }
    gatewright_store::account::note_sign_in(tx, account.id, now).await?;
    Ok(Some(Begun {
        account: account.clone(),
        session,
        token,
    }))
}

/// Notes in the trail of the instance what an account did, in the transaction of it.
pub(super) async fn note(
    app: &Admin,
    tx: &mut Tx,
    authority: &Authority,
    account: &Account,
    verb: &str,
) -> Result<(), ServiceError> {
    note_in(app, tx, authority, account, None, verb).await
}

/// The same in the trail of a project (`None`: of the instance).
pub(super) async fn note_in(
    app: &Admin,
    tx: &mut Tx,
    authority: &Authority,
    account: &Account,
    project: Option<ProjectId>,
    verb: &str,
) -> Result<(), ServiceError> {
    let entry = Entry {
        project,
        actor: authority.actor().clone(),
        verb,
        object: account.object(),
        changes: Vec::new(),
    };
    gatewright_store::audit::insert(tx, &entry.event(app)).await?;
    Ok(())
}
