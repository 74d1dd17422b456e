//! The secrets of a source and the ways to send them: what is tried in which order, and what is remembered of it.

use gatewright_domain::{
    sealed::Purpose,
    secret::Secret,
    stored_secret::SealedText,
    user_source::{
        AuthenticationChoice, ClientAuthentication, SecretMethod, SecretSlot, UserSource,
        client_secret_context,
    },
};
use gatewright_store::{StoreError, administrator_provider, user_source};

use super::discovery::Provider;
use crate::{Gateways, config::AdministratorProvider};

/// Notes with the source how its provider takes the client secret, unless that is tried first anyway. A sign-in does not
/// fail for it.
pub(super) async fn remember(app: &Gateways, source: &UserSource, provider: &Provider, method: SecretMethod) {
    let verdicts = app.providers.verdicts();
    if of(source, provider).first() == Some(&method) || !verdicts.count(source.project_id) {
        return;
    }
    let noted = async {
        let mut tx = app.store.write().await?;
        let (id, epoch) = (source.id, source.identity_epoch);
        if user_source::note_method_worked(&mut tx, id, epoch, method).await? {
            tx.commit().await?;
            app.refresh_directory().await?;
        }
        Ok::<_, StoreError>(())
    };
    if let Err(error) = noted.await {
        tracing::warn!(%error, user_source = %source.id, "how the provider takes the client secret was not noted");
    }
}

/// The ways to send the secret of a source, in the order to try them.
pub(super) fn of(source: &UserSource, provider: &Provider) -> Vec<SecretMethod> {
    let listed = provider.client_authentication.as_deref();
    source.client_authentication.order(listed)
}

/// The ways to send the secret with which administrators sign in, in the order to try them.
pub(super) async fn of_administrators(
    app: &Gateways,
    configured: &AdministratorProvider<'_>,
    provider: &Provider,
) -> Result<Vec<SecretMethod>, StoreError> {
    let mut tx = app.store.read().await?;
    let worked =
        administrator_provider::find_method(&mut tx, configured.issuer, configured.client_id).await?;
    let authentication = ClientAuthentication {
        choice: AuthenticationChoice::Automatic,
        worked,
    };
    Ok(authentication.order(provider.client_authentication.as_deref()))
}

/// Notes how the provider of the administrators takes the secret, unless that was tried first anyway. A sign-in does not
/// fail for it.
pub(super) async fn remember_of_administrators(
    app: &Gateways,
    configured: &AdministratorProvider<'_>,
    tried: &[SecretMethod],
    method: SecretMethod,
) {
    if tried.first() == Some(&method) {
        return;
    }
    let noted = async {
        let mut tx = app.store.write().await?;
        let (issuer, client_id) = (configured.issuer, configured.client_id);
        administrator_provider::note_method(&mut tx, issuer, client_id, method).await?;
        tx.commit().await
    };
    if let Err(error) = noted.await {
        tracing::warn!(%error, "how the provider of the administrators takes the client secret was not noted");
    }
}

/// Opens one of the two secrets of a source.
pub(super) fn open(app: &Gateways, source: &UserSource, sealed: &SealedText) -> Option<Secret> {
    let context = client_secret_context(source.id);
    app.keyring
        .open_secret(Purpose::StoredSecret, &context, sealed)
        .ok()
}

/// The secrets of a source with the ways to send them, in the order in which a sign-in tries them.
pub(super) fn credentials(
    app: &Gateways,
    source: &UserSource,
    provider: &Provider,
) -> Vec<(Secret, SecretMethod)> {
    let slots = &source.client_secret;
    let stored = slots.order(app.now()).iter().filter_map(|slot| match slot {
        SecretSlot::Current => Some(&slots.current),
        SecretSlot::Previous => slots.previous.as_ref(),
    });
    let secrets: Vec<Secret> = stored.filter_map(|sealed| open(app, source, sealed)).collect();
    let with = |method| secrets.iter().map(move |secret| (secret.clone(), method));
    of(source, provider).into_iter().flat_map(with).collect()
}
