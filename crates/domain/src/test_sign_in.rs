//! Test sign-ins: an administrator goes through a source's complete sign-in and sees what the provider says, without
//! creating a user, grant or code.

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
    /// Who started it, in the form of [`ActorKind`](crate::audit::ActorKind): only they can see the result.
    pub started_by: String,
    /// SHA-256 of the token in the URL of its page.
    pub page_hash: TokenHash,
    /// Its progress.
    pub progress: TestProgress,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it is deleted, with its results.
    pub expires_at: Timestamp,
}

/// The progress of a test sign-in. A failed one can be tried again on its page; a successful one is finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestProgress {
    /// Not yet begun on its page.
    Waiting,
    /// A browser was sent to the provider.
    AtProvider,
    /// The provider identified a person; what it said about them, sealed.
    Succeeded(SealedText),
    /// It did not work; why, sealed.
    Failed(SealedText),
}
