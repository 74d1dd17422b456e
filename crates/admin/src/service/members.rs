//! Members of a project: list, change roles, remove, leave. They come by invitation.

use gatewright_domain::{
    Invalid,
    account::Account,
    audit::ActorKind,
    grant::{Grant, RevocationReason},
    id::{AccountId, GrantId, ProjectId},
    member::{Member, Role},
};
use gatewright_store::{
    Page, PageRequest, Tx,
    grant::Holder,
    member::{self as rows, MemberWrite},
    quota::Counted,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Authority, IfMatch, Patch, ServiceError, accounts,
    change::{Change, Object, created, field, updated},
    grants, invitations, quota,
};
use crate::{Admin, schema};

/// A change of a member.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberPatch {
    /// The new role. It ends the member's sessions; the last owner stays an owner.
    #[schema(schema_with = schema::member_role)]
    #[serde(default)]
    pub role: Patch<Role>,
}

/// Members with their accounts, in the order in which the accounts were made.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    page: &PageRequest,
) -> Result<Page<(Member, Account)>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(rows::list(&mut tx, project, page).await?)
}

/// One member.
pub async fn find(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    account: AccountId,
) -> Result<(Member, Account), ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing(&mut tx, project, account).await
}

/// Adds the signed-in administrator of the instance to a project as an owner. Everyone in the project can see it, in the
/// list of members and in the audit trail.
pub async fn join(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
) -> Result<(Member, Account), ServiceError> {
    let permit = authority.join(project)?;
    let account = authority.oneself()?.account;
    let mut change = Change::begin(app, permit).await?;
    let member = Member::new(project, account, Role::Owner, change.now);
    if !rows::insert(&mut change.tx, &member).await? {
        return Err(ServiceError::conflict(
            "You are a member of this project already. An owner can change your role.",
        ));
    }
    quota::check(&mut change, project, Counted::Members).await?;
    let (member, account) = existing(&mut change.tx, project, account).await?;
    let changes = created(vec![field("role", member.role)]);
    change.record("joined", object(&account), changes).await?;
    change.commit().await?;
    Ok((member, account))
}

/// Changes the role of a member, whose sessions end.
pub async fn update(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    account: AccountId,
    patch: MemberPatch,
    if_match: &IfMatch,
) -> Result<(Member, Account), ServiceError> {
    let permit = authority.own(project)?;
    let mut invalid = Invalid::default();
    let role = patch.role.required_word(&mut invalid, "/role");
    invalid.into_result()?;
    let mut change = Change::begin(app, permit).await?;
    let updated = update_in(&mut change, project, account, role, if_match).await;
    change.finish(updated).await
}

/// The same in a change in progress.
pub(super) async fn update_in(
    change: &mut Change<'_>,
    project: ProjectId,
    account: AccountId,
    role: Option<Role>,
    if_match: &IfMatch,
) -> Result<(Member, Account), ServiceError> {
    let authority = change.authority();
    let (current, person) = existing(&mut change.tx, project, account).await?;
    if_match.holds(current.updated_at)?;
    let Some(role) = role else {
        return Ok((current, person));
    };
    if role > current.role {
        authority.lasting("the higher role of a member")?;
    }
    let now = change.later_than(current.updated_at);
    match rows::change_role(&mut change.tx, project, account, role, now).await? {
        MemberWrite::Done => {}
        MemberWrite::Same => return Ok((current, person)),
        MemberWrite::Missing => return Err(ServiceError::not_found("member")),
        MemberWrite::LastOwner => return Err(last_owner(change, &person, "role_refused")),
    }
    accounts::end_sessions(change, authority, account).await?;
    if current.role == Role::Owner {
        invitations::end_of(change, Some(project), ActorKind::Account(account)).await?;
    }
    let changes = updated(&vec![field("role", current.role)], vec![field("role", role)]);
    change.record("updated", object(&person), changes).await?;
    let next = Member {
        role,
        updated_at: now,
        ..current
    };
    Ok((next, person))
}

/// Removes a member; everyone may remove themselves. Keys belong to the project and stay; grants the account has as a
/// member end, and fail from the next request.
pub async fn remove(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    account: AccountId,
    if_match: &IfMatch,
) -> Result<(), ServiceError> {
    let is_oneself = authority.oneself().is_ok_and(|me| me.account == account);
    let permit = if is_oneself {
        authority.leave(project)?
    } else {
        authority.own(project)?
    };
    let mut change = Change::begin(app, permit).await?;
    let verb = if is_oneself { "left" } else { "removed" };
    let removed = remove_in(&mut change, project, account, verb, if_match).await;
    change.finish(removed).await
}

/// The same in a change in progress; `verb` is what the event calls it.
pub(super) async fn remove_in(
    change: &mut Change<'_>,
    project: ProjectId,
    account: AccountId,
    verb: &str,
    if_match: &IfMatch,
) -> Result<(), ServiceError> {
    let authority = change.authority();
    let (current, person) = existing(&mut change.tx, project, account).await?;
    if_match.holds(current.updated_at)?;
    match rows::remove(&mut change.tx, project, account).await? {
        MemberWrite::Done | MemberWrite::Same => {}
        MemberWrite::Missing => return Err(ServiceError::not_found("member")),
        MemberWrite::LastOwner => return Err(last_owner(change, &person, "removal_refused")),
    }
    accounts::end_sessions(change, authority, account).await?;
    invitations::end_of(change, Some(project), ActorKind::Account(account)).await?;
    // The directory alone would end them too, until the account is a member again.
    grants::end_all(
        change,
        project,
        Holder::Member(account),
        RevocationReason::MemberRemoved,
    )
    .await?;
    let changes = updated(&vec![field("role", current.role)], Vec::new());
    change.record(verb, object(&person), changes).await
}

/// Live grants a member holds at the project's gateways for members, newest first.
pub(crate) async fn grants(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    account: AccountId,
    page: &PageRequest,
) -> Result<Page<Grant>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing(&mut tx, project, account).await?;
    grants::list(app, &mut tx, project, Holder::Member(account), page).await
}

/// Ends one grant of a member.
pub(crate) async fn end_grant(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    account: AccountId,
    grant: GrantId,
) -> Result<(), ServiceError> {
    let mut change = Change::begin(app, authority.change(project)?).await?;
    existing(&mut change.tx, project, account).await?;
    grants::end(change, project, Holder::Member(account), grant).await
}

/// Ends all grants of a member; how many. They may sign in again.
pub(crate) async fn end_grants(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    account: AccountId,
) -> Result<u64, ServiceError> {
    let mut change = Change::begin(app, authority.change(project)?).await?;
    let (_, person) = existing(&mut change.tx, project, account).await?;
    let holder = Holder::Member(account);
    let ended = grants::end_all(&mut change, project, holder, RevocationReason::Administrator).await?;
    let changes = created(vec![field("grants_ended", ended)]);
    change.record("grants_ended", object(&person), changes).await?;
    change.commit().await?;
    Ok(ended)
}

fn last_owner(change: &mut Change<'_>, person: &Account, verb: &str) -> ServiceError {
    let conflict = super::error::Conflict {
        detail: "This is the only owner of the project who can sign in: make another member an owner first, or delete the \
                 project."
            .to_owned(),
        ..super::error::Conflict::default()
    };
    change.refused(verb, object(person), conflict)
}

pub(super) async fn existing(
    tx: &mut Tx,
    project: ProjectId,
    account: AccountId,
) -> Result<(Member, Account), ServiceError> {
    rows::find(tx, project, account)
        .await?
        .ok_or_else(|| ServiceError::not_found("member"))
}

pub(super) fn object(account: &Account) -> Object<'_> {
    Object {
        kind: "member",
        id: account.id.to_string(),
        name: account.email.as_str(),
    }
}
