//! Signing in as an administrator with e-mail address and password.

use std::time::Duration;

use gatewright_domain::{
    account::{Account, AccountStatus, Email},
    audit::{Actor, ActorKind, Origin},
    password::{Password, PasswordHash},
    secret::Secret,
};
use gatewright_store::{StoreError, account as rows};

use super::{
    Authority, ServiceError,
    account_sessions::{self, Begun},
    audit_events::{self, Entry},
    change::Object,
};
use crate::{
    account::{
        passwords::{Overloaded, Verdict},
        visitor::Visitor,
    },
    app::App,
};

/// An address that is longer is nobody's, and need not be counted in full.
const MAX_TYPED: usize = 254;

/// Why somebody was not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No such account, or another password; which of the two is not told.
    #[error("e-mail address or password is wrong")]
    Wrong,
    /// The password is right, and an administrator has disabled the account.
    #[error("the account is disabled")]
    Disabled,
    /// This instance takes no passwords.
    #[error("this instance takes no passwords")]
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
    app: &App,
    visitor: &Visitor,
    email: &str,
    password: &Secret,
) -> Result<Begun, SignInError> {
    if !app.config.administrators.password_sign_in {
        return Err(SignInError::PasswordsOff);
    }
    // What is no address is nobody's, and takes as long to refuse as one that is.
    let typed = email.trim().chars().take(MAX_TYPED).collect();
    let email = Email::check("/email", email).unwrap_or_else(|_| Email::stored(typed));
    let prefix = visitor.address_prefix();
    let attempt = app
        .accounts
        .limits
        .begin(&email, &prefix)
        .map_err(|limited| SignInError::Limited { after: limited.after })?;
    let checked = check(app, &email, password).await;
    match checked {
        Ok(Checked::Right { account, outdated }) => {
            app.accounts.limits.right(&attempt);
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
            attempt.undecided();
            Err(error)
        }
    }
}

enum Checked {
    Wrong,
    Right {
        account: Account,
        /// The hash, where a new one should take its place.
        outdated: Option<PasswordHash>,
    },
}

async fn check(app: &App, email: &Email, password: &Secret) -> Result<Checked, SignInError> {
    // PostgreSQL stores no NUL and would refuse to look for one.
    let is_searchable = !email.as_str().contains('\0');
    let found = if is_searchable {
        let mut tx = app.store.read().await?;
        rows::find_credentials(&mut tx, email).await?
    } else {
        None
    };
    let (account, hash) = match found {
        Some((account, hash)) => (Some(account), hash),
        None => (None, None),
    };
    let Some(password) = Password::typed(password) else {
        return Ok(Checked::Wrong);
    };
    let verdict = app.accounts.passwords.verify(&password, hash.as_ref()).await?;
    Ok(match (verdict, account) {
        (Verdict::Wrong, _) | (_, None) => Checked::Wrong,
        (Verdict::Right, Some(account)) => Checked::Right {
            account,
            outdated: None,
        },
        (Verdict::RightButOutdated, Some(account)) => Checked::Right {
            account,
            outdated: hash,
        },
    })
}

async fn finish(
    app: &App,
    visitor: &Visitor,
    account: &Account,
    outdated: Option<&PasswordHash>,
    password: &Secret,
) -> Result<Begun, SignInError> {
    // The one moment at which the password is at hand; when the pool is full, the next sign-in will do.
    let renewed = match (outdated, Password::typed(password)) {
        (Some(before), Some(password)) => {
            let hash = app.accounts.passwords.hash(app.entropy.as_ref(), &password).await;
            hash.ok().map(|after| (before, after))
        }
        _ => None,
    };
    let mut tx = app.store.write().await?;
    if let Some((before, after)) = renewed {
        rows::rehash(&mut tx, account.id, before, &after).await?;
    }
    // The password was changed, or the account disabled, while this one was being checked.
    let Some(begun) = account_sessions::begin(app, &mut tx, account, visitor).await? else {
        return Err(SignInError::Wrong);
    };
    let authority = Authority::of_newcomer(account.id, visitor.address);
    account_sessions::note(app, &mut tx, &authority, account, "signed_in").await?;
    tx.commit().await?;
    Ok(begun)
}

/// One row per address prefix and five minutes, and nothing of what was typed: people type passwords into the other field.
pub(super) async fn note_failure(app: &App, visitor: &Visitor) {
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
    audit_events::tally(app, entry, &prefix).await;
}
