//! Signing in as an administrator at the identity provider of the instance. Who someone is there is (issuer, `sub`); their
//! verified address only says which account that is, once.

pub mod provider;

use gatewright_domain::{
    account::{Account, AccountStatus, Email},
    id::AccountId,
    project::check_name,
};
use gatewright_store::{StoreError, Tx, account as rows, account_address, invitation, member};
use http::{HeaderMap, HeaderValue};

use self::provider::{AdministratorError, AdministratorStart, VerifiedAdministrator};
use super::{
    Authority, ServiceError,
    account_sessions::{self, Begun},
    authority::before_sign_in,
    sign_in,
};
use crate::{Admin, account::visitor::Visitor, next};

/// Why a person was not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SingleSignOnError {
    /// The provider, or its response.
    #[error(transparent)]
    Provider(#[from] AdministratorError),
    /// The provider does not say, by `email_verified: true`, that it has verified the address.
    #[error("the provider vouches for no e-mail address of this person")]
    NoVerifiedAddress,
    /// This address was not invited, and accounts are not created for its domain.
    #[error("this address was not invited, and accounts are not created for its domain")]
    NotInvited,
    /// The account of this address signs in at the provider as someone else: the address has changed hands.
    #[error("the account of this address belongs to someone else at the provider")]
    AnotherPerson,
    /// An administrator has disabled the account.
    #[error("the account is disabled")]
    Disabled,
    /// Something else stood in the way.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<StoreError> for SingleSignOnError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

/// Someone who has signed in.
#[derive(Debug)]
pub struct Finished {
    /// The session.
    pub begun: Begun,
    /// Where to go: a path of this instance.
    pub next: String,
}

/// The text of the button; `None` if no provider for administrators is configured.
pub fn label(app: &Admin) -> Option<&str> {
    let administrators = &app.config.administrators;
    administrators
        .provider()
        .map(|_| administrators.oidc_label.as_str())
}

/// Begins, after a click on a page of this instance.
pub async fn begin(app: &Admin, next_path: Option<&str>) -> Result<AdministratorStart, SingleSignOnError> {
    Ok(provider::begin(app, next::safe_path(next_path)).await?)
}

/// `Set-Cookie` that ends what was in progress, for every answer of the callback.
pub fn forget(app: &Admin) -> HeaderValue {
    provider::forget(app)
}

/// Finishes what [`begin`] began, at the callback, with its query and the browser's headers.
pub async fn finish(
    app: &Admin,
    visitor: &Visitor,
    query: &str,
    headers: &HeaderMap,
) -> Result<Finished, SingleSignOnError> {
    let person = provider::finish(app, query, headers).await?;
    match admit(app, visitor, &person).await {
        Ok(begun) => Ok(Finished {
            begun,
            next: person.next,
        }),
        Err(error) => {
            if !matches!(error, SingleSignOnError::Service(_)) {
                sign_in::note_failure(app, visitor).await;
            }
            Err(error)
        }
    }
}

/// Why a response that the provider made the browser post is refused.
pub async fn posted(app: &Admin, form: &str) -> SingleSignOnError {
    provider::posted(app, form).await.into()
}

async fn admit(
    app: &Admin,
    visitor: &Visitor,
    person: &VerifiedAdministrator,
) -> Result<Begun, SingleSignOnError> {
    let mut tx = app.store.write(before_sign_in()).await?;
    let known = rows::find_by_identity(&mut tx, &person.issuer, &person.subject).await?;
    let account = match known {
        Some(account) => account,
        None => link(app, &mut tx, visitor, person).await?,
    };
    if account.status == AccountStatus::Disabled {
        return Err(SingleSignOnError::Disabled);
    }
    let begun = account_sessions::begin(app, &mut tx, &account, visitor).await?;
    let begun = begun.ok_or_else(ServiceError::changed_meanwhile)?;
    let authority = Authority::of_newcomer(account.id, visitor.address);
    account_sessions::note(app, &mut tx, &authority, &account, "signed_in").await?;
    tx.commit().await?;
    Ok(begun)
}

/// The account of someone who comes for the first time: the one of their verified address, or a new one where they are
/// expected.
async fn link(
    app: &Admin,
    tx: &mut Tx,
    visitor: &Visitor,
    person: &VerifiedAdministrator,
) -> Result<Account, SingleSignOnError> {
    let email = person
        .verified_email
        .as_deref()
        .and_then(|email| Email::check("/email", email).ok())
        .ok_or(SingleSignOnError::NoVerifiedAddress)?;
    let now = app.now();
    let of_address = account_address::list(tx, &email).await?;
    // What an administrator decided about this person applies to any of their accounts.
    let is_kept_out = |account: &Account| account.status == AccountStatus::Disabled;
    if of_address.iter().all(|account| !account.address_proven) && of_address.iter().any(is_kept_out) {
        return Err(SingleSignOnError::Disabled);
    }
    let (account, verb) = match of_address.into_iter().next() {
        Some(account) if rows::has_identity(tx, account.id, &person.issuer).await? => {
            return Err(SingleSignOnError::AnotherPerson);
        }
        Some(account) => {
            // Anyone who had the link of an invitation could create this account and set its password. The provider knows
            // better whose address it is: what was set before goes, with other accounts of the address.
            let epoch = rows::forget_password(tx, account.id, now).await?;
            if account_address::prove(tx, account.id, now).await? {
                tell_projects(app, tx, visitor, &account).await?;
            }
            let account = Account {
                address_proven: true,
                has_password: false,
                session_epoch: epoch.unwrap_or(account.session_epoch),
                ..account
            };
            (account, "identity_linked")
        }
        None => {
            if !is_expected(app, tx, &email).await? {
                return Err(SingleSignOnError::NotInvited);
            }
            let name = person.name.as_deref().unwrap_or_else(|| email.local());
            let name = check_name("/name", name).unwrap_or_else(|_| "Administrator".to_owned());
            let id = AccountId::generate(app.clock.as_ref(), app.entropy.as_ref());
            let account = Account {
                address_proven: true,
                ..Account::new(id, email, name, now)
            };
            rows::insert(tx, &account, None).await?;
            (account, "created")
        }
    };
    if !rows::link_identity(tx, account.id, &person.issuer, &person.subject, now).await? {
        return Err(ServiceError::changed_meanwhile().into());
    }
    let authority = Authority::of_newcomer(account.id, visitor.address);
    account_sessions::note(app, tx, &authority, &account, verb).await?;
    Ok(account)
}

/// Each project of the account sees that it is now known whose it is: memberships of others of its address may have become
/// its own.
async fn tell_projects(
    app: &Admin,
    tx: &mut Tx,
    visitor: &Visitor,
    account: &Account,
) -> Result<(), SingleSignOnError> {
    let authority = Authority::of_newcomer(account.id, visitor.address);
    for membership in member::memberships(tx, account.id).await? {
        let project = Some(membership.project_id);
        account_sessions::note_in(app, tx, &authority, account, project, "address_proven").await?;
    }
    Ok(())
}

async fn is_expected(app: &Admin, tx: &mut Tx, email: &Email) -> Result<bool, SingleSignOnError> {
    let domain = email.domain();
    let opens = &app.config.administrators.oidc_domains;
    if opens.iter().any(|open| open.to_lowercase() == domain) {
        return Ok(true);
    }
    Ok(invitation::is_invited(tx, email, app.now()).await?)
}
