//! Signing in as an administrator with e-mail address and password.

use std::time::Duration;

use gatewright_domain::{
    account::{Account, AccountStatus, Email},
    audit::{Actor, ActorKind, Origin},
    password::{Password, PasswordHash},
    secret::Secret,
};
use gatewright_store::{StoreError, account as rows, account_address, sign_in_place};

use super::{
    Authority, ServiceError,
    account_sessions::{self, Begun},
    audit_events::{self, Entry},
    authority::before_sign_in,
    change::Object,
};
use crate::{
    Admin,
    account::{
        passwords::{Overloaded, Verdict},
        visitor::Visitor,
    },
};

/// No account has a longer address, so it need not be counted in full.
const MAX_TYPED: usize = 254;

/// Why a person was not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No such account, or another password; which of the two is not revealed.
    #[error("e-mail address or password is wrong")]
    Wrong,
    /// The password is right, and an administrator has disabled the account.
    #[error("the account is disabled")]
    Disabled,
    /// This instance does not use passwords.
    #[error("this instance does not use passwords")]
    PasswordsOff,
    /// Too many wrong passwords for this account or from this network.
    #[error("too many wrong passwords")]
    Limited {
        /// When to come back.
        after: Duration,
    },
    /// Too many people sign in at this moment.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// Something else stood in the way.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

/// Signs in, and ends the session the browser came with.
pub async fn with_password(
    app: &Admin,
    visitor: &Visitor,
    email: &str,
    password: &Secret,
) -> Result<Begun, SignInError> {
    if !app.config.administrators.password_sign_in {
        return Err(SignInError::PasswordsOff);
    }
    // What is not an address has no account, and takes as long to refuse as one that has.
    let typed = email.trim().chars().take(MAX_TYPED).collect();
    let (email, is_address) = match Email::check("/email", email) {
        Ok(email) => (email, true),
        Err(_) => (Email::stored(typed), false),
    };
    let prefix = visitor.address_prefix();
    let at_home = is_address && is_at_home(app, &email, &prefix).await?;
    let attempt = app
        .accounts
        .limits
        .begin(&email, &prefix, at_home)
        .map_err(|limited| SignInError::Limited { after: limited.after })?;
    let checked = check(app, is_address.then_some(&email), password).await;
    match checked {
        Ok(Checked::Right { account, outdated }) => {
            attempt.forget();
            if account.status == AccountStatus::Disabled {
                return Err(SignInError::Disabled);
            }
            finish(app, visitor, &account, outdated.as_ref(), password).await
        }
        Ok(Checked::Wrong) => {
            note_failure(app, visitor).await;
            Err(SignInError::Wrong)
        }
        Err(error) => {
            attempt.forget();
            Err(error)
        }
    }
}

enum Checked {
    Wrong,
    Right {
        account: Account,
        /// The hash, if a new one should replace it.
        outdated: Option<PasswordHash>,
    },
}

/// Whether the right password of the account of this address was entered in this network recently; never while several accounts
/// share the address.
pub(super) async fn is_at_home(app: &Admin, email: &Email, prefix: &str) -> Result<bool, StoreError> {
    let mut tx = app.store.read(before_sign_in()).await?;
    sign_in_place::is_known(&mut tx, email, prefix, app.now()).await
}

async fn check(app: &Admin, email: Option<&Email>, password: &Secret) -> Result<Checked, SignInError> {
    let found = match email {
        Some(email) => {
            let mut tx = app.store.read(before_sign_in()).await?;
            account_address::credentials(&mut tx, email).await?
        }
        None => Vec::new(),
    };
    let Some(password) = Password::typed(password) else {
        return Ok(Checked::Wrong);
    };
    let passwords = &app.accounts.passwords;
    if found.is_empty() {
        passwords.verify(&password, None).await?;
    }
    // Until an address is proven, several people may have set up an account for it. The password determines which one this is.
    for (account, hash) in found {
        match passwords.verify(&password, hash.as_ref()).await? {
            Verdict::Wrong => {}
            Verdict::Right => {
                return Ok(Checked::Right {
                    account,
                    outdated: None,
                });
            }
            Verdict::RightButOutdated => {
                return Ok(Checked::Right {
                    account,
                    outdated: hash,
                });
            }
        }
    }
    Ok(Checked::Wrong)
}

async fn finish(
    app: &Admin,
    visitor: &Visitor,
    account: &Account,
    outdated: Option<&PasswordHash>,
    password: &Secret,
) -> Result<Begun, SignInError> {
    // The one moment at which the password is available; if the pool is full, the next sign-in will do.
    let renewed = match (outdated, Password::typed(password)) {
        (Some(before), Some(password)) => {
            let hash = app.accounts.passwords.hash(app.entropy.as_ref(), &password).await;
            hash.ok().map(|after| (before, after))
        }
        _ => None,
    };
    let mut tx = app.store.write(before_sign_in()).await?;
    if let Some((before, after)) = renewed {
        rows::rehash(&mut tx, account.id, before, &after).await?;
    }
    // The password was changed, or the account disabled, while this one was being checked.
    let Some(begun) = account_sessions::begin(app, &mut tx, account, visitor).await? else {
        return Err(SignInError::Wrong);
    };
    sign_in_place::note(&mut tx, account.id, &visitor.address_prefix(), app.now()).await?;
    let authority = Authority::of_newcomer(account.id, visitor.address);
    account_sessions::note(app, &mut tx, &authority, account, "signed_in").await?;
    tx.commit().await?;
    Ok(begun)
}

/// One row per address prefix and five minutes, and nothing of what was entered: people enter passwords in the wrong field.
pub async fn note_failure(app: &Admin, visitor: &Visitor) {
    let prefix = visitor.address_prefix();
    let entry = Entry {
        project: None,
        actor: Actor {
            kind: ActorKind::Anonymous,
            address: Some(prefix.clone()),
            origin: Origin::Dashboard,
        },
        verb: "sign_in_failed",
        object: Object {
            kind: "account",
            id: String::new(),
            name: &prefix,
        },
        changes: Vec::new(),
    };
    audit_events::tally(app, &entry.event(app), &prefix).await;
}
