//! Verifying the ID token that a token request brought, also while the provider rotates its keys.

use std::sync::Arc;

use gatewright_domain::secret::Secret;

use crate::{
    id_token::{Expected, IdToken, IdTokenError, UnverifiedToken},
    jose::{key_cache::KeysWanted, key_set::KeySet},
    providers::ProviderError,
    token_request::Tokens,
    visit::Visit,
};

/// Why an ID token was not verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is not acceptable.
    #[error(transparent)]
    Token(#[from] IdTokenError),
    /// The provider's keys could not be read again.
    #[error(transparent)]
    Keys(ProviderError),
}

impl Visit<'_> {
    /// Checks the ID token, and returns it with the keys that verified it. If no key fits or the signature does not verify, the
    /// provider may have rotated its keys: they are fetched again, unless that happened a moment ago. `reads_again` is
    /// called before.
    pub async fn verify(
        &self,
        tokens: &Tokens,
        mut keys: Arc<KeySet>,
        nonce: &str,
        reads_again: impl FnOnce(),
    ) -> Result<(IdToken, Arc<KeySet>), VerifyError> {
        let token = UnverifiedToken::parse(tokens.id_token.expose())?;
        let signed = match token.verify(&keys) {
            Err(error) if error.may_be_rotation() => {
                reads_again();
                let others = KeysWanted::OtherThan(&keys);
                let again = self.providers.keys(self.provider, others, self.budget).await;
                let again = again.map_err(VerifyError::Keys)?;
                if Arc::ptr_eq(&keys, &again) {
                    return Err(error.into());
                }
                keys = again;
                token.verify(&keys)?
            }
            outcome => outcome?,
        };
        let id_token = signed.check(&Expected {
            issuer: self.registration.issuer,
            client_id: self.registration.client_id,
            nonce,
            access_token: tokens.access_token.as_ref().map(Secret::expose),
            now: self.providers.now(),
        })?;
        Ok((id_token, keys))
    }
}
