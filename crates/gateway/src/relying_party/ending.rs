//! What a claimed sign-in writes when it ends, as a whole: all of it is made before, because everyone who writes waits for
//! that transaction.

use gatewright_domain::{
    Timestamp,
    id::{ProjectId, UserId, UserSourceId},
    stored_secret::SealedText,
    token_hash::TokenHash,
    user::{User, UserStatus},
};
use gatewright_store::{
    StoreError, Tx,
    authorization_code::Insertion,
    claimed_sign_in,
    connection_session::{self, ConnectionSession},
    user, user_source,
};

use super::{failure::Failure, registration::SecretNews};
use crate::authorization_server::code::NewCode;

/// What is kept of a sign-in, whatever came of it.
#[derive(Debug)]
pub(super) struct Ending {
    /// SHA-256 of its state.
    pub(super) state: TokenHash,
    /// SHA-256 of the provider's code it was claimed with.
    pub(super) code: TokenHash,
    /// What the browser gets, sealed.
    pub(super) answer: SealedText,
    /// The project of the source.
    pub(super) project: ProjectId,
    /// The source.
    pub(super) source: UserSourceId,
    /// What was learnt about the source's client secret.
    pub(super) news: SecretNews,
    /// When.
    pub(super) now: Timestamp,
}

impl Ending {
    /// Writes it in the caller's transaction.
    pub(super) async fn write(&self, tx: &mut Tx) -> Result<(), Failure> {
        if !claimed_sign_in::answer(tx, self.state, self.code, &self.answer).await? {
            return Err(Failure::Internal);
        }
        match &self.news {
            SecretNews::None => {}
            SecretNews::Accepted(secret) => {
                user_source::note_secret_accepted(tx, self.project, self.source, secret, self.now).await?;
            }
            SecretNews::Refused(secret) => {
                user_source::note_secret_refused(tx, self.project, self.source, secret, self.now).await?;
            }
        }
        Ok(())
    }
}

/// The person whom the provider has vouched for.
#[derive(Debug)]
pub(super) struct Who {
    /// The user, as new.
    pub(super) user: User,
    /// Whether an address that was said at an earlier sign-in is not kept.
    pub(super) forgets_email: bool,
}

impl Who {
    /// Notes the sign-in; the user as they are known, who is not blocked.
    async fn sign_in(&self, tx: &mut Tx) -> Result<UserId, NotIssued> {
        let user = user::sign_in(tx, &self.user).await?;
        if self.forgets_email && user.email.is_some() {
            user::forget_email(tx, user.project_id, user.id).await?;
        }
        if user.status == UserStatus::Blocked {
            return Err(NotIssued::Blocked(user.id));
        }
        Ok(user.id)
    }
}

/// A sign-in that ends with a code for the client.
#[derive(Debug)]
pub(super) struct Issuing {
    /// Who it is.
    pub(super) who: Who,
    /// The code, of the user as new.
    pub(super) code: NewCode,
    /// What is kept beside it.
    pub(super) ending: Ending,
}

/// Why no code was issued and nothing was written.
#[derive(Debug)]
pub(super) enum NotIssued {
    /// An administrator blocked this user.
    Blocked(UserId),
    /// Anything else.
    Failed(Failure),
}

impl From<Failure> for NotIssued {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StoreError> for NotIssued {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Issuing {
    /// User, code, answer, and what was learnt about the secret; the user as they are known.
    pub(super) async fn write(mut self, tx: &mut Tx) -> Result<UserId, NotIssued> {
        let user = self.who.sign_in(tx).await?;
        self.code.is_of(user);
        let refused = match self.code.issue(tx).await? {
            Insertion::Done => None,
            Insertion::TooMany { .. } => Some(Failure::TooMany),
            Insertion::ConsentUsedUp => Some(Failure::ConsentUsedUp),
            Insertion::Refused => Some(Failure::Overtaken),
        };
        if let Some(failure) = refused {
            return Err(failure.into());
        }
        self.ending.write(tx).await?;
        Ok(user)
    }
}

/// A sign-in that ends with a session on the connections page.
#[derive(Debug)]
pub(super) struct Opening {
    /// Who it is.
    pub(super) who: Who,
    /// The session, of the user as new.
    pub(super) session: ConnectionSession,
    /// What is kept beside it.
    pub(super) ending: Ending,
}

impl Opening {
    /// User, session, answer, and what was learnt about the secret; the user as they are known.
    pub(super) async fn write(mut self, tx: &mut Tx) -> Result<UserId, NotIssued> {
        let user = self.who.sign_in(tx).await?;
        self.session.user_id = user;
        if !connection_session::begin(tx, &self.session).await? {
            return Err(Failure::Overtaken.into());
        }
        self.ending.write(tx).await?;
        Ok(user)
    }
}
