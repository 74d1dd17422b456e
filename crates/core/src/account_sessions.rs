//! Sessions of accounts: who is signed in. Each request looks its session up, so that a new role, a removal or a new
//! password acts on the next one.

use gatewright_domain::{
    Timestamp,
    account::Account,
    account_session::{AccountSession, SEEN_RESOLUTION},
    id::{AccountSessionId, ProjectId},
    member::Role,
    secret::Secret,
    token_hash::TokenHash,
};
use gatewright_store::{StoreError, account_session as rows, member, member::Membership};

use crate::Core;

/// A signed-in account with everything that is open to it at this moment.
#[derive(Debug, Clone)]
pub struct Session {
    /// The account.
    pub account: Account,
    /// The session.
    pub session: AccountSession,
    /// Its projects, by name.
    pub memberships: Vec<Membership>,
}

impl Session {
    /// What the account may do in a project; `None` when it is not a member.
    pub fn role_in(&self, project: ProjectId) -> Option<Role> {
        let of_project = self
            .memberships
            .iter()
            .find(|membership| membership.project_id == project);
        of_project.map(|membership| membership.role)
    }
}

/// The session of a cookie; `None` when it has ended, in whatever way.
pub async fn find(core: &Core, token: &Secret) -> Result<Option<Session>, StoreError> {
    let now = core.now();
    let hash = TokenHash::of(token.expose());
    let found: Result<_, StoreError> = core
        .store
        .look(move |tx| {
            Box::pin(async move {
                let Some((session, account)) = rows::find_live(tx, hash, now).await? else {
                    return Ok(None);
                };
                let memberships = member::memberships(tx, account.id).await?;
                Ok(Some((session, account, memberships)))
            })
        })
        .await;
    let Some((session, account, memberships)) = found? else {
        return Ok(None);
    };
    if now.since(session.last_seen_at) >= SEEN_RESOLUTION {
        note_seen(core, session.id, now).await;
    }
    Ok(Some(Session {
        account,
        session,
        memberships,
    }))
}

/// Failing to note a use is not a reason to refuse the request.
async fn note_seen(core: &Core, id: AccountSessionId, now: Timestamp) {
    let noted = async {
        let mut tx = core.store.write().await?;
        rows::note_seen(&mut tx, id, now).await?;
        tx.commit().await
    };
    if let Err(error) = noted.await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the use of a session was not noted"
        );
    }
}
