//! A new password for someone who is locked out: a one-time link, created by someone with a shell on the machine.

use gatewright_domain::{
    account::{Account, AccountStatus, Email},
    account_link::{AccountLink, LinkPurpose, RESET_LIFE},
    audit::Origin,
    entropy,
    password::Password,
    secret::Secret,
    token_hash::TokenHash,
};
use gatewright_store::{account as rows, account_address, account_link};

use super::{
    Authority, ServiceError,
    account_sessions::{self, Begun},
    accounts,
    authority::before_sign_in,
    change::{Change, created, field, secret_changed},
};
use crate::{Admin, account::visitor::Visitor};

/// A link that was made.
#[derive(Debug)]
pub struct Offer {
    /// The link.
    pub link: String,
    /// Whether the password the account had was forgotten, with its sessions, because its address was not proven.
    pub forgot_password: bool,
}

/// [`offer_fully`], of which only the link is wanted.
pub async fn offer(app: &Admin, email: &str, make_admin: bool) -> Result<Option<String>, ServiceError> {
    let offered = offer_fully(app, email, make_admin).await?;
    Ok(offered.map(|offer| offer.link))
}

/// Creates a link to set the password of an account, which is enabled if it was disabled and, if that is requested, made
/// an administrator of the instance: anyone who has a shell here could do all of it to the database. Nothing when there
/// is no such account. An account that becomes administrator with an address that is not proven loses its password
/// immediately: it may be that of the person who opened the invitation first.
pub async fn offer_fully(app: &Admin, email: &str, make_admin: bool) -> Result<Option<Offer>, ServiceError> {
    let email = Email::check("/email", email)?;
    let authority = Authority::operator(Origin::Cli);
    let mut change = Change::begin(app, authority.instance_in_person()?).await?;
    let of_address = account_address::list(&mut change.tx, &email).await?;
    let Some(account) = of_address.first() else {
        return Ok(None);
    };
    if of_address.len() > 1 {
        let ids: Vec<_> = of_address.iter().map(|account| account.id.to_string()).collect();
        return Err(ServiceError::conflict(format!(
            "Several accounts have this address, and none of them is proven to be its owner's: {}. An administrator of the \
             instance decides in the dashboard, under Accounts, whose it is.",
            ids.join(", ")
        )));
    }
    let (id, now) = (account.id, change.now);
    let mut told = Vec::new();
    let mut forgot_password = false;
    if account.status == AccountStatus::Disabled {
        rows::set_status(&mut change.tx, id, AccountStatus::Active, now).await?;
        told.push(field("status", AccountStatus::Active));
    }
    if make_admin && !account.is_instance_admin {
        rows::set_instance_admin(&mut change.tx, id, true, now).await?;
        if account_address::prove(&mut change.tx, id, now).await? {
            rows::forget_password(&mut change.tx, id, now).await?;
            forgot_password = account.has_password;
        }
        told.push(field("is_instance_admin", true));
    }
    let token = entropy::token(app.entropy.as_ref());
    let link = AccountLink {
        hash: TokenHash::of(&token),
        purpose: LinkPurpose::ResetPassword(id),
        created_at: now,
        expires_at: now.plus(RESET_LIFE),
    };
    account_link::insert(&mut change.tx, &link, authority.actor().kind).await?;
    let mut changes = created(told);
    if forgot_password {
        changes.push(secret_changed("password"));
    }
    accounts::tell(&mut change, account, "password_link_made", changes).await?;
    change.commit().await?;
    Ok(Some(Offer {
        link: format!("{}/account/reset/{token}", app.config.public_url()),
        forgot_password,
    }))
}

/// Whose password a link sets; `None` when it has run out, was used or never was.
pub async fn look(app: &Admin, token: &str) -> Result<Option<Account>, ServiceError> {
    let mut tx = app.store.read(before_sign_in()).await?;
    let found = account_link::find(&mut tx, TokenHash::of(token), app.now()).await?;
    match found {
        Some(LinkPurpose::ResetPassword(account)) => Ok(rows::find(&mut tx, account).await?),
        Some(LinkPurpose::Setup) | None => Ok(None),
    }
}

/// Uses a link: sets the password, ends every session of the account, and signs in. It works even if the instance uses no
/// passwords too, because that is when an identity provider that fails locks everyone out.
pub async fn complete(
    app: &Admin,
    visitor: &Visitor,
    token: &str,
    password: &Secret,
) -> Result<Begun, ServiceError> {
    let Some(account) = look(app, token).await? else {
        return Err(ServiceError::not_found("link to set a password"));
    };
    let password = Password::check("/password", password, &account.email)?;
    let hash = accounts::hash(app, &password).await?;
    let authority = Authority::of_newcomer(account.id, visitor.address);
    let mut change = Change::begin(app, before_sign_in().redeem(&authority, None)).await?;
    let now = change.now;
    let purpose = account_link::redeem(&mut change.tx, TokenHash::of(token), now).await?;
    if purpose != Some(LinkPurpose::ResetPassword(account.id)) {
        return Err(ServiceError::not_found("link to set a password"));
    }
    let Some(epoch) = rows::set_password(&mut change.tx, account.id, &hash, now).await? else {
        return Err(ServiceError::Forbidden(
            "This account is disabled. Ask an administrator of the instance to enable it.".to_owned(),
        ));
    };
    let account = Account {
        session_epoch: epoch,
        has_password: true,
        ..account
    };
    let changes = vec![secret_changed("password")];
    accounts::tell(&mut change, &account, "password_reset", changes).await?;
    let begun = account_sessions::begin(app, &mut change.tx, &account, visitor).await?;
    let begun = begun.ok_or_else(ServiceError::changed_meanwhile)?;
    change.commit().await?;
    Ok(begun)
}
