//! Test sign-ins: an administrator goes through a source's whole sign-in and sees what the provider says, and neither user
//! nor grant nor code comes of it.

use crate::{
    Timestamp,
    id::{ProjectId, TestSignInId, UserSourceId},
    stored_secret::SealedText,
    token_hash::TokenHash,
};

/// A test sign-in as stored, for ten minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestSignIn {
    /// Its id.
    pub id: TestSignInId,
    /// The project.
    pub project_id: ProjectId,
    /// The source that is tried out.
    pub user_source_id: UserSourceId,
    /// Who started it, as [`ActorKind`](crate::audit::ActorKind) is written: nobody else sees what comes of it.
    pub started_by: String,
    /// SHA-256 of the token in the address of its page.
    pub page_hash: TokenHash,
    /// How far it has come.
    pub progress: TestProgress,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it is forgotten, with all that came of it.
    pub expires_at: Timestamp,
}

/// How far a test sign-in has come. One that failed may be tried again on its page; one that succeeded is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestProgress {
    /// Nobody has begun it on its page.
    Waiting,
    /// A browser was sent to the provider.
    AtProvider,
    /// The provider vouched for a person; what it said of them, sealed.
    Succeeded(SealedText),
    /// It did not work; why, sealed.
    Failed(SealedText),
}
