//! A User Source as a registration at its provider: its client secrets, of which two are tried while one is being replaced,
//! and what is remembered of how the provider takes them.

use gatewright_domain::{
    registration::{ClientSecretSlots, SecretMethod, SecretSlot},
    sealed::Purpose,
    stored_secret::SealedText,
    user_source::{Callback, UserSource, client_secret_context},
};
use gatewright_identity::{
    Budget, ClientSecrets, Provider, Redeemed, Redemption, Registration, TokenError, Tokens,
};
use gatewright_store::{StoreError, user_source};

use crate::Gateways;

/// What was learnt about the newest client secret, to be stored with the outcome of the sign-in. The sealed form says
/// which one that was: another may have been entered in the meantime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SecretNews {
    /// Nothing new.
    None,
    /// It was accepted for the first time, or again after a refusal.
    Accepted(SealedText),
    /// It was refused, for the first time or after it had been accepted.
    Refused(SealedText),
}

/// The registration of a source, for people who come back there.
pub(super) fn of<'a>(app: &Gateways, source: &'a UserSource, callback: Callback) -> Registration<'a> {
    Registration {
        issuer: &source.issuer,
        client_id: &source.client_id,
        authentication: source.client_authentication,
        secrets: secrets(app, source),
        scopes: &source.scopes,
        redirect_url: app.config.redirect_url(source.id, callback),
        pushes_counted_as: Some(source.id.number()),
    }
}

/// The secrets of a source, in the order of [`ClientSecretSlots::order`].
fn secrets(app: &Gateways, source: &UserSource) -> ClientSecrets {
    let slots = &source.client_secret;
    let context = client_secret_context(source.id);
    let open = |sealed| app.keyring.open_secret(Purpose::StoredSecret, &context, sealed);
    let in_turn = slots.order(app.now()).iter().filter_map(|slot| {
        let sealed = match slot {
            SecretSlot::Current => &slots.current,
            SecretSlot::Previous => slots.previous.as_ref()?,
        };
        Some((*slot, open(sealed).ok()))
    });
    ClientSecrets {
        in_turn: in_turn.collect(),
        is_proven: slots.confirmed_at.is_some(),
    }
}

/// Redeems a code, and remembers how the secret had to be sent if that was not what was tried first. If no secret is accepted,
/// it may have been changed this very moment, here or at the provider, and another attempt is made with what that
/// would have made right.
pub(super) async fn redeem(
    app: &Gateways,
    source: &UserSource,
    provider: &Provider,
    callback: Callback,
    redemption: &Redemption<'_>,
    budget: Budget,
) -> (Result<Tokens, TokenError>, SecretNews) {
    let redeem = async |source: &UserSource| {
        let registration = of(app, source, callback);
        let visit = app.providers.visit(&registration, provider, budget);
        visit.redeem(redemption).await
    };
    let first = redeem(source).await;
    if matches!(first.tokens, Err(TokenError::ClientRefused { .. }))
        && let Some(by_now) = worth_another_try(app, source).await
    {
        let second = redeem(&by_now).await;
        if second.tokens.is_ok() {
            return learn(app, &by_now, second).await;
        }
    }
    learn(app, source, first).await
}

/// Takes from an outcome what it says about the source's secret.
async fn learn(
    app: &Gateways,
    source: &UserSource,
    redeemed: Redeemed,
) -> (Result<Tokens, TokenError>, SecretNews) {
    if let Some(method) = redeemed.other_method {
        remember(app, source, method).await;
    }
    let news = news(&source.client_secret, &redeemed);
    (redeemed.tokens, news)
}

fn news(slots: &ClientSecretSlots, redeemed: &Redeemed) -> SecretNews {
    let newest = || slots.current.clone();
    if redeemed.newest_accepted() && (slots.confirmed_at.is_none() || slots.refused_at.is_some()) {
        SecretNews::Accepted(newest())
    } else if redeemed.newest_refused && slots.refused_at.is_none() {
        SecretNews::Refused(newest())
    } else {
        SecretNews::None
    }
}

/// The source with the secrets that are worth a second round after all it had were refused: those in the store, where
/// another was entered that is not in memory yet; or only the newest, if it was refused before an older one that was
/// then refused: the provider may have gone from one to the other in between. `None` also if the source has changed
/// since, because a secret is sent only to the provider that it was entered for.
async fn worth_another_try(app: &Gateways, source: &UserSource) -> Option<UserSource> {
    let stored = async {
        let mut tx = app.store.read().await?;
        user_source::find(&mut tx, source.project_id, source.id).await
    };
    let mut by_now = stored
        .await
        .ok()
        .flatten()
        .filter(|stored| stored.identity_epoch == source.identity_epoch)?;
    if by_now.client_secret.current == source.client_secret.current {
        source.client_secret.previous.as_ref()?;
        by_now.client_secret.previous = None;
    }
    Some(by_now)
}

/// Notes with the source how its provider takes the client secret, which is not the way that was tried first. A sign-in does
/// not fail for it.
pub(super) async fn remember(app: &Gateways, source: &UserSource, method: SecretMethod) {
    if !app.providers.verdicts().count(source.project_id) {
        return;
    }
    let noted = async {
        let mut tx = app.store.write().await?;
        let (project, id, epoch) = (source.project_id, source.id, source.identity_epoch);
        if user_source::note_method_worked(&mut tx, project, id, epoch, method).await? {
            tx.commit().await?;
            app.refresh_directory().await?;
        }
        Ok::<_, StoreError>(())
    };
    if let Err(error) = noted.await {
        tracing::warn!(%error, user_source = %source.id, "how the provider takes the client secret was not noted");
    }
}
