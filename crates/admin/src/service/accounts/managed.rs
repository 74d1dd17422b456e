//! What administrators of the instance do with other people's accounts, apart from changing them: find one, see its memberships,
//! end its sessions, and restore access for someone who is locked out.

use gatewright_domain::{
    account::{Account, AccountStatus},
    account_link::{AccountLink, LinkPurpose, RESET_LIFE},
    entropy,
    id::AccountId,
    token_hash::TokenHash,
};
use gatewright_store::{Page, PageRequest, account as rows, account_address, account_link, member};

use super::{end_sessions as end_sessions_in, existing, tell};
use crate::{
    Admin,
    service::{Authority, ServiceError, change::Change},
};

/// Accounts whose name or e-mail address contains a text, oldest first.
pub async fn search(
    app: &Admin,
    authority: &Authority,
    text: &str,
    page: &PageRequest,
) -> Result<Page<Account>, ServiceError> {
    let mut tx = app.store.read(authority.read_instance()?).await?;
    Ok(rows::search(&mut tx, text, page).await?)
}

/// Other accounts of the address of an account, none of which is proven.
pub async fn others_of_address(
    app: &Admin,
    authority: &Authority,
    account: &Account,
) -> Result<Vec<Account>, ServiceError> {
    let mut tx = app.store.read(authority.read_instance()?).await?;
    let mut others = account_address::list(&mut tx, &account.email).await?;
    others.retain(|other| other.id != account.id);
    Ok(others)
}

/// The projects of an account, by name.
pub async fn memberships_of(
    app: &Admin,
    authority: &Authority,
    id: AccountId,
) -> Result<Vec<member::Membership>, ServiceError> {
    let mut tx = app.store.read(authority.read_instance()?).await?;
    existing(&mut tx, id).await?;
    Ok(member::memberships(&mut tx, id).await?)
}

/// Ends every session of an account; the caller's own continues. It can sign in again.
pub async fn end_sessions_of(app: &Admin, authority: &Authority, id: AccountId) -> Result<(), ServiceError> {
    let mut change = Change::begin(app, authority.instance()?).await?;
    let account = existing(&mut change.tx, id).await?;
    end_sessions_in(&mut change, authority, id).await?;
    tell(&mut change, &account, "sessions_ended", Vec::new()).await?;
    change.commit().await
}

/// Creates a link, valid once and for an hour, with which the owner of an account chooses a new password. The old one works
/// until then. It ends earlier when the sessions of its maker are ended. A disabled account must be enabled first.
pub async fn offer_password(
    app: &Admin,
    authority: &Authority,
    id: AccountId,
) -> Result<String, ServiceError> {
    let mut change = Change::begin(app, authority.instance_in_person()?).await?;
    let account = existing(&mut change.tx, id).await?;
    if account.status == AccountStatus::Disabled {
        return Err(ServiceError::conflict(
            "This account is disabled, and cannot sign in with a new password: enable it first.",
        ));
    }
    let token = entropy::token(app.entropy.as_ref());
    let link = AccountLink {
        hash: TokenHash::of(&token),
        purpose: LinkPurpose::ResetPassword(id),
        created_at: change.now,
        expires_at: change.now.plus(RESET_LIFE),
    };
    account_link::insert(&mut change.tx, &link, authority.actor().kind).await?;
    tell(&mut change, &account, "password_link_made", Vec::new()).await?;
    change.commit().await?;
    Ok(format!("{}/account/reset/{token}", app.config.public_url()))
}
