//! Accounts: one's own, and all of them for administrators of the instance. They are created by setup, invitation or the identity
//! provider for administrators, never by an API call.

mod managed;

use std::net::IpAddr;

use gatewright_domain::{
    Invalid,
    account::{Account, AccountStatus},
    account_session::AccountSession,
    audit::{ActorKind, FieldChange},
    grant::RevocationReason,
    id::AccountId,
    password::{Password, PasswordHash},
    project::check_name,
    secret::Secret,
};
use gatewright_store::{
    Page, PageRequest, StoreError, Tx,
    account::{self as rows, AccountWrite},
    account_address, account_session,
    grant::Holder,
    member,
};
use serde::Deserialize;
use utoipa::ToSchema;

pub use self::managed::{end_sessions_of, memberships_of, offer_password, others_of_address, search};
use super::{
    Authority, IfMatch, Patch, ServiceError,
    account_sessions::{self, Begun},
    change::{Change, Fields, field, secret_changed, updated},
    entity::Entity,
    grants, invitations, sign_in,
};
use crate::{
    Admin,
    account::{passwords::Verdict, visitor::Visitor},
    schema,
};

/// An account without password gets one only in a session that began this lately, because the session is all that proves
/// who asks.
const FRESH: std::time::Duration = std::time::Duration::from_mins(15);

/// A change of an account by an administrator of the instance.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountPatch {
    /// `disabled` ends every session of the account, and every grant it has as a member.
    #[schema(schema_with = schema::account_status)]
    #[serde(default)]
    pub status: Patch<AccountStatus>,
    /// Whether it manages projects and accounts of the instance. Its address must be proven first.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    pub is_instance_admin: Patch<bool>,
    /// `true` says that you know that this account belongs to the address's owner. Its password, which someone else may have
    /// chosen, is deleted and its sessions end: create a password link for the owner. Other accounts of the address are
    /// deleted, and their memberships become this one's. It cannot be undone.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    pub address_proven: Patch<bool>,
}

/// A change of one's own account.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnAccountPatch {
    /// 1-80 characters.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub name: Patch<String>,
}

/// A change of one's own password.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The present one. An account that has none leaves it out, and must have signed in within the last quarter of an hour.
    #[schema(value_type = Option<String>, format = Password)]
    #[serde(default)]
    pub current_password: Option<Secret>,
    /// The new one: 12 to 128 characters, not a common one.
    #[schema(value_type = String, required = true, format = Password, min_length = 12, max_length = 128)]
    #[serde(default)]
    pub new_password: Option<Secret>,
}

/// All accounts, oldest first.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    page: &PageRequest,
) -> Result<Page<Account>, ServiceError> {
    let mut tx = app.store.read(authority.read_instance()?).await?;
    Ok(rows::list(&mut tx, page).await?)
}

/// One account.
pub async fn find(app: &Admin, authority: &Authority, id: AccountId) -> Result<Account, ServiceError> {
    let mut tx = app.store.read(authority.read_instance()?).await?;
    existing(&mut tx, id).await
}

/// Enables, disables, or changes who administers the instance. All of it ends the sessions of the account.
pub async fn update(
    app: &Admin,
    authority: &Authority,
    id: AccountId,
    patch: AccountPatch,
    if_match: &IfMatch,
) -> Result<Account, ServiceError> {
    let permit = authority.instance_in_person()?;
    let mut invalid = Invalid::default();
    let status = patch.status.required_word(&mut invalid, "/status");
    let is_admin = patch
        .is_instance_admin
        .required(&mut invalid, "/is_instance_admin", &["true", "false"]);
    let proven = patch
        .address_proven
        .required(&mut invalid, "/address_proven", &["true"]);
    invalid.into_result()?;
    let mut change = Change::begin(app, permit).await?;
    let current = existing(&mut change.tx, id).await?;
    if_match.holds(current.updated_at)?;
    if proven == Some(false) && current.address_proven {
        return Err(Invalid::one(
            "/address_proven",
            "A proven address cannot become unproven: disable the account instead.",
        )
        .into());
    }
    let now = change.later_than(current.updated_at);
    let own = own_session(&mut change, authority, id).await?;
    if let Some(status) = status.filter(|status| *status != current.status) {
        if own.is_some() {
            return Err(ServiceError::conflict(
                "This is your own account: another administrator of the instance has to disable it.",
            ));
        }
        written(rows::set_status(&mut change.tx, id, status, now).await?)?;
        if status == AccountStatus::Disabled {
            end_member_grants(&mut change, id).await?;
            invitations::end_of(&mut change, None, ActorKind::Account(id)).await?;
        }
    }
    if let Some(is_admin) = is_admin.filter(|is_admin| *is_admin != current.is_instance_admin) {
        // Anyone who had the link of an invitation may have chosen its password.
        if is_admin && !current.address_proven && proven != Some(true) {
            return Err(ServiceError::conflict(
                "The address of this account is not proven, and someone else may know its password: mark the address as \
                 proven first. That forgets the password; create a password link for the owner.",
            ));
        }
        written(rows::set_instance_admin(&mut change.tx, id, is_admin, now).await?)?;
    }
    if proven == Some(true) && account_address::prove(&mut change.tx, id, now).await? {
        // As with single sign-on: what was set before the owner of the address was known goes.
        rows::forget_password(&mut change.tx, id, now).await?;
    }
    let next = existing(&mut change.tx, id).await?;
    if next == current {
        return Ok(current);
    }
    if let Some(own) = own {
        account_session::keep(&mut change.tx, &own, next.session_epoch).await?;
    }
    let mut changes = updated(&current.audited(), next.audited());
    if current.has_password && !next.has_password {
        changes.push(secret_changed("password"));
    }
    tell(&mut change, &next, "updated", changes).await?;
    change.commit().await?;
    Ok(next)
}

/// Notes what was done to a person in the trail of the instance, and of every project the account is a member of: a
/// password link or another status affects all of them.
pub(super) async fn tell(
    change: &mut Change<'_>,
    account: &Account,
    verb: &str,
    changes: Vec<FieldChange>,
) -> Result<(), ServiceError> {
    for membership in member::memberships(&mut change.tx, account.id).await? {
        let project = Some(membership.project_id);
        change
            .record_in(project, verb, account.object(), changes.clone())
            .await?;
    }
    change.record_in(None, verb, account.object(), changes).await
}

/// Ends what a disabled account holds as a member, so that nothing of it comes back when it is enabled again.
async fn end_member_grants(change: &mut Change<'_>, id: AccountId) -> Result<(), ServiceError> {
    let holder = Holder::Member(id);
    for membership in member::memberships(&mut change.tx, id).await? {
        let project = membership.project_id;
        grants::end_all(change, project, holder, RevocationReason::MemberRemoved).await?;
    }
    Ok(())
}

/// The signed-in account.
pub(crate) async fn own(app: &Admin, authority: &Authority) -> Result<Account, ServiceError> {
    let me = authority.oneself()?;
    let mut tx = app.store.read(me).await?;
    existing(&mut tx, me.account).await
}

/// The projects of the signed-in account, by name.
pub(crate) async fn own_memberships(
    app: &Admin,
    authority: &Authority,
) -> Result<Vec<member::Membership>, ServiceError> {
    let me = authority.oneself()?;
    let mut tx = app.store.read(me).await?;
    Ok(member::memberships(&mut tx, me.account).await?)
}

/// Renames the signed-in account.
pub async fn update_own(
    app: &Admin,
    authority: &Authority,
    patch: OwnAccountPatch,
    if_match: &IfMatch,
) -> Result<Account, ServiceError> {
    let me = authority.oneself()?;
    let id = me.account;
    let mut change = Change::begin(app, me.change()).await?;
    let current = existing(&mut change.tx, id).await?;
    if_match.holds(current.updated_at)?;
    let name = check_name("/name", &patch.name.over(&current.name))?;
    if name == current.name {
        return Ok(current);
    }
    let now = change.later_than(current.updated_at);
    if !rows::rename(&mut change.tx, id, &name, now).await? {
        return Err(ServiceError::not_found("account"));
    }
    let next = Account {
        name,
        updated_at: now,
        ..current.clone()
    };
    change.record_update(&current, &next, Vec::new()).await?;
    change.commit().await?;
    Ok(next)
}

/// Changes the password of the signed-in account. Every session ends, the present one too: it continues with a new cookie.
pub async fn change_password(
    app: &Admin,
    authority: &Authority,
    visitor: &Visitor,
    input: &PasswordChange,
) -> Result<Begun, ServiceError> {
    let me = authority.oneself()?;
    let id = me.account;
    let Some(new_password) = &input.new_password else {
        return Err(Invalid::one("/new_password", "Enter a new password.").into());
    };
    let mut tx = app.store.read(me).await?;
    let account = existing(&mut tx, id).await?;
    let hash = rows::find_password(&mut tx, id).await?;
    let now = app.now();
    let sessions = account_session::list(&mut tx, id, now).await?;
    drop(tx);
    match (&hash, &input.current_password) {
        (Some(hash), Some(typed)) => {
            prove(app, &account, visitor.address, "/current_password", typed, hash).await?;
        }
        (Some(_), None) => {
            return Err(Invalid::one("/current_password", "Enter your current password.").into());
        }
        (None, _) => {
            let is_fresh = sessions
                .iter()
                .any(|session| Some(session.id) == me.session && now.since(session.created_at) <= FRESH);
            if !is_fresh {
                return Err(ServiceError::Forbidden(
                    "Your account has no password yet, and you signed in a while ago. Sign out, sign in again, and set a \
                     password then."
                        .to_owned(),
                ));
            }
        }
    }
    let password = Password::check("/new_password", new_password, &account.email)?;
    let hash = self::hash(app, &password).await?;
    let mut change = Change::begin(app, me.change()).await?;
    let now = change.later_than(account.updated_at);
    let Some(epoch) = rows::set_password(&mut change.tx, id, &hash, now).await? else {
        return Err(ServiceError::not_found("account"));
    };
    let account = Account {
        session_epoch: epoch,
        has_password: true,
        updated_at: now,
        ..account
    };
    let changes = vec![secret_changed("password")];
    change
        .record("password_changed", account.object(), changes)
        .await?;
    let begun = account_sessions::begin(app, &mut change.tx, &account, visitor).await?;
    let begun = begun.ok_or_else(ServiceError::changed_meanwhile)?;
    change.commit().await?;
    Ok(begun)
}

/// Someone at an unlocked browser must still know the password, and cannot guess it either.
pub(super) async fn prove(
    app: &Admin,
    account: &Account,
    address: IpAddr,
    pointer: &str,
    typed: &Secret,
    hash: &PasswordHash,
) -> Result<(), ServiceError> {
    let prefix = crate::request::address_prefix(address);
    let at_home = sign_in::is_at_home(app, &account.email, &prefix).await?;
    let limits = &app.accounts.limits;
    let attempt = limits
        .begin(&account.email, &prefix, at_home)
        .map_err(|limited| ServiceError::TooManyAttempts { after: limited.after })?;
    let verdict = match Password::typed(typed) {
        Some(typed) => app.accounts.passwords.verify(&typed, Some(hash)).await,
        None => Ok(Verdict::Wrong),
    };
    match verdict {
        Ok(Verdict::Right | Verdict::RightButOutdated) => {
            attempt.forget();
            Ok(())
        }
        Ok(Verdict::Wrong) => {
            Err(Invalid::one(pointer, "This is not your current password: enter it again.").into())
        }
        Err(_) => {
            attempt.forget();
            Err(ServiceError::Overloaded)
        }
    }
}

/// The caller's own session, when a change is about the caller's own account: the one that continues.
pub(super) async fn own_session(
    change: &mut Change<'_>,
    authority: &Authority,
    id: AccountId,
) -> Result<Option<AccountSession>, ServiceError> {
    let Ok(me) = authority.oneself() else {
        return Ok(None);
    };
    if me.account != id {
        return Ok(None);
    }
    let (current, now) = (me.session, change.now);
    let sessions = account_session::list(&mut change.tx, id, now).await?;
    Ok(sessions.into_iter().find(|session| Some(session.id) == current))
}

/// Ends the sessions of an account whose role changes; the caller's own continues.
pub(super) async fn end_sessions(
    change: &mut Change<'_>,
    authority: &Authority,
    id: AccountId,
) -> Result<(), ServiceError> {
    let own = own_session(change, authority, id).await?;
    let epoch = rows::end_sessions(&mut change.tx, id).await?;
    if let (Some(own), Some(epoch)) = (own, epoch) {
        account_session::keep(&mut change.tx, &own, epoch).await?;
    }
    Ok(())
}

pub(super) async fn hash(app: &Admin, password: &Password) -> Result<PasswordHash, ServiceError> {
    let hash = app.accounts.passwords.hash(app.entropy.as_ref(), password).await;
    hash.map_err(|_| ServiceError::Overloaded)
}

pub(super) fn taken(error: StoreError) -> ServiceError {
    match error {
        StoreError::Taken { field } => Invalid::one(
            format!("/{field}"),
            "There is an account of this address already: sign in with it.",
        )
        .into(),
        other => other.into(),
    }
}

fn written(outcome: AccountWrite) -> Result<(), ServiceError> {
    match outcome {
        AccountWrite::Done => Ok(()),
        AccountWrite::Missing => Err(ServiceError::not_found("account")),
        AccountWrite::LastInstanceAdmin => Err(ServiceError::conflict(
            "This is the only administrator of the instance: make another account one first.",
        )),
    }
}

async fn existing(tx: &mut Tx, id: AccountId) -> Result<Account, ServiceError> {
    Account::found(rows::find(tx, id).await?)
}

impl Entity for Account {
    const KIND: &'static str = "account";
    const NOUN: &'static str = "account";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        self.email.as_str()
    }

    fn audited(&self) -> Fields {
        vec![
            field("name", &self.name),
            field("status", self.status),
            field("address_proven", self.address_proven),
            field("is_instance_admin", self.is_instance_admin),
        ]
    }
}
