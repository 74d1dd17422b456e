//! Invitations into a project: make, list, revoke, accept. The link is shown once, to be sent by whatever way the two
//! trust; only an account of the invited address can accept it.

use std::net::IpAddr;

use gatewright_domain::{
    Invalid,
    account::{Account, AccountStatus, Email},
    audit::ActorKind,
    entropy,
    id::{AccountId, InvitationId, ProjectId},
    invitation::{Invitation, InvitationStatus, LIFE},
    member::{Member, Role},
    password::Password,
    project::{Project, check_name},
    secret::Secret,
    token_hash::TokenHash,
};
use gatewright_store::{
    Page, PageRequest, StoreError, Tx, account_address, invitation as rows, member, quota::Counted,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Authority, ServiceError,
    account_sessions::{self, Begun, Session},
    accounts, api_keys,
    authority::before_sign_in,
    change::{Change, Fields, created, field},
    entity::Entity,
    members, quota,
};
use crate::{Admin, account::visitor::Visitor, schema};

/// An invitation to make.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    /// Whom it is for: an account of another address cannot accept it.
    #[schema(required = true, format = Email)]
    #[serde(default)]
    pub email: String,
    /// `viewer` reads, `admin` changes, `owner` also manages keys and members.
    #[schema(required = true, schema_with = schema::member_role)]
    #[serde(default)]
    pub role: Option<Role>,
}

/// An invitation that was just created, with its link, which cannot be read again.
#[derive(Debug)]
pub struct CreatedInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// The link to send.
    pub link: Secret,
}

/// An invitation as its recipient sees it.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The invitation.
    pub invitation: Invitation,
    /// Its state.
    pub status: InvitationStatus,
    /// The project.
    pub project: Project,
    /// Who has the invited address.
    pub holder: Holder,
}

/// Who has the address of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// There is none: the recipient creates an account.
    None,
    /// Someone who set up an account with another invitation, and may be anyone who had its link. The recipient joins with
    /// it by its password, or makes their own account beside it.
    Unproven,
    /// An account that is proven to be the owner's, or that an administrator has disabled: it has to sign in.
    Known,
}

/// Creates an invitation; an open one for the same address is revoked by it. Owners do; an instance key may invite the first
/// owner of a project that has none. A key that expires cannot invite: a member stays. An invitation ends with its creator
/// ([`end_of`]).
pub async fn create(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    new: NewInvitation,
) -> Result<CreatedInvitation, ServiceError> {
    let permit = authority.own_or_begin(project)?;
    authority.lasting("the member that an invitation makes")?;
    let mut invalid = Invalid::default();
    let email = invalid.take(Email::check("/email", &new.email));
    if new.role.is_none() {
        invalid.add("/role", "A role is required: enter `viewer`, `admin` or `owner`.");
    }
    invalid.into_result()?;
    let email = email.expect("an address is there, or a violation was returned");
    let role = new.role.expect("a role is there, or a violation was returned");
    let mut change = Change::begin(app, permit).await?;
    let made = create_in(&mut change, project, email, role).await;
    change.finish(made).await
}

/// The same in a change in progress.
pub(super) async fn create_in(
    change: &mut Change<'_>,
    project: ProjectId,
    email: Email,
    role: Role,
) -> Result<CreatedInvitation, ServiceError> {
    let (app, authority) = (change.app(), change.authority());
    if authority.is_instance_key() {
        api_keys::may_make_first_owner(change, project, role.into()).await?;
    }
    for account in account_address::list(&mut change.tx, &email).await? {
        if member::find(&mut change.tx, project, account.id).await?.is_some() {
            return Err(Invalid::one(
                "/email",
                "This account is a member of the project already: change its role instead.",
            )
            .into());
        }
    }
    let token = entropy::token(app.entropy.as_ref());
    let invitation = Invitation {
        id: InvitationId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        project_id: project,
        email,
        role,
        hash: TokenHash::of(&token),
        created_at: change.now,
        expires_at: change.now.plus(LIFE),
        accepted: None,
        revoked_at: None,
    };
    let members = quota::counted(change, project, Counted::Members).await?;
    rows::insert(&mut change.tx, &invitation, authority.actor().kind)
        .await
        .map_err(|error| match error {
            StoreError::Taken { .. } => ServiceError::changed_meanwhile(),
            other => other.into(),
        })?;
    quota::check_growth(change, project, Counted::Members, members).await?;
    let changes = created(invitation.audited());
    change.record("created", invitation.object(), changes).await?;
    let link = format!("{}/account/invitations/{token}", app.config.public_url());
    Ok(CreatedInvitation {
        invitation,
        link: Secret::new(link),
    })
}

/// Invitations of a project, newest first, those that ended too.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    page: &PageRequest,
) -> Result<Page<Invitation>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    Ok(rows::list(&mut tx, project, page).await?)
}

/// One invitation.
pub(crate) async fn find(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: InvitationId,
) -> Result<Invitation, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing(&mut tx, project, id).await
}

/// Revokes an open invitation. Revoking what has ended does nothing.
pub async fn revoke(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    id: InvitationId,
) -> Result<(), ServiceError> {
    let mut change = Change::begin(app, authority.own(project)?).await?;
    let revoked = revoke_in(&mut change, project, id).await;
    change.finish(revoked).await
}

/// The same in a change in progress.
pub(super) async fn revoke_in(
    change: &mut Change<'_>,
    project: ProjectId,
    id: InvitationId,
) -> Result<(), ServiceError> {
    let invitation = existing(&mut change.tx, project, id).await?;
    let now = change.now;
    if !rows::revoke(&mut change.tx, project, id, now).await? {
        return Ok(());
    }
    change.record("revoked", invitation.object(), Vec::new()).await
}

/// What a link offers; `None` if it is not a link. It is not accepted yet.
pub async fn look(app: &Admin, token: &str) -> Result<Option<Offer>, ServiceError> {
    let mut tx = app.store.read(before_sign_in()).await?;
    let Some(invitation) = rows::find_by_hash(&mut tx, TokenHash::of(token)).await? else {
        return Ok(None);
    };
    let Some(project) = gatewright_store::project::find(&mut tx, invitation.project_id).await? else {
        return Ok(None);
    };
    let holder = holder_of(&mut tx, &invitation.email).await?;
    Ok(Some(Offer {
        status: invitation.status(app.now()),
        invitation,
        project,
        holder,
    }))
}

async fn holder_of(tx: &mut Tx, email: &Email) -> Result<Holder, ServiceError> {
    let accounts = account_address::list(tx, email).await?;
    let is_known = |account: &Account| account.address_proven || account.status == AccountStatus::Disabled;
    Ok(if accounts.iter().any(is_known) {
        Holder::Known
    } else if accounts.is_empty() {
        Holder::None
    } else {
        Holder::Unproven
    })
}

/// Accepts as the signed-in account; the project. An account whose address is not proven enters its password: a browser may be
/// signed in to an account that someone else has set up for the address.
pub async fn accept(
    app: &Admin,
    authority: &Authority,
    session: &Session,
    token: &str,
    password: &Secret,
    address: IpAddr,
) -> Result<ProjectId, ServiceError> {
    let offer = open(app, token).await?;
    let account = &session.account;
    if account.email.key() != offer.invitation.email.key() {
        return Err(ServiceError::Forbidden(format!(
            "This invitation is for {}, and you are signed in as {}. Sign out, and sign in with the invited address.",
            offer.invitation.email.as_str(),
            account.email.as_str()
        )));
    }
    if !account.address_proven {
        let mut tx = app.store.read(before_sign_in()).await?;
        let hash = gatewright_store::account::find_password(&mut tx, account.id).await?;
        drop(tx);
        let Some(hash) = hash else {
            return Err(ServiceError::Forbidden(
                "The address of this account is not proven, and it has no password to show that it is yours. Ask an \
                 administrator of the instance."
                    .to_owned(),
            ));
        };
        accounts::prove(app, account, address, "/password", password, &hash).await?;
    }
    let project = offer.project.id;
    let mut change = Change::begin(app, before_sign_in().redeem(authority, Some(project))).await?;
    admit(&mut change, token, account).await?;
    change.commit().await?;
    Ok(project)
}

/// Accepts as someone who has no account yet, or whose address was used by someone else: makes an account of the invited
/// address, and signs in. It shares nothing with other accounts of the address, which keep what they have and get nothing of
/// this project; those that are not members of any project are deleted.
pub async fn accept_as_newcomer(
    app: &Admin,
    visitor: &Visitor,
    token: &str,
    name: &str,
    password: &Secret,
) -> Result<Begun, ServiceError> {
    if !app.config.administrators.password_sign_in {
        return Err(ServiceError::Forbidden(
            "This instance does not use passwords. Sign in with the identity provider, then open the link again."
                .to_owned(),
        ));
    }
    let offer = open(app, token).await?;
    if offer.holder == Holder::Known {
        return Err(ServiceError::conflict(
            "There is an account of this address already. Sign in with it, then open the link again.",
        ));
    }
    let email = offer.invitation.email.clone();
    let mut invalid = Invalid::default();
    let name = invalid.take(check_name("/name", name));
    let password = invalid.take(Password::check("/password", password, &email));
    invalid.into_result()?;
    let password = password.expect("a password is there, or a violation was returned");
    let hash = accounts::hash(app, &password).await?;
    let account = Account {
        has_password: true,
        ..Account::new(
            AccountId::generate(app.clock.as_ref(), app.entropy.as_ref()),
            email,
            name.expect("a name is there, or a violation was returned"),
            app.now(),
        )
    };
    let authority = Authority::of_newcomer(account.id, visitor.address);
    let permit = before_sign_in().redeem(&authority, Some(offer.project.id));
    let mut change = Change::begin(app, permit).await?;
    account_address::delete_empty(&mut change.tx, &account.email).await?;
    account_address::insert_unproven(&mut change.tx, &account, &hash)
        .await
        .map_err(too_many)?;
    account_sessions::note(app, &mut change.tx, &authority, &account, "created").await?;
    admit(&mut change, token, &account).await?;
    let begun = account_sessions::begin(app, &mut change.tx, &account, visitor).await?;
    let begun = begun.ok_or_else(ServiceError::changed_meanwhile)?;
    change.commit().await?;
    Ok(begun)
}

fn too_many(error: StoreError) -> ServiceError {
    match error {
        StoreError::Taken { .. } => ServiceError::conflict(
            "Others have set up accounts of this address already. Ask an administrator of the instance to say whose it is, \
             then open the link again.",
        ),
        other => other.into(),
    }
}

/// Takes the invitation, once, and makes the account a member.
async fn admit(change: &mut Change<'_>, token: &str, account: &Account) -> Result<(), ServiceError> {
    let (hash, now) = (TokenHash::of(token), change.now);
    let accepted = rows::accept(&mut change.tx, hash, &account.email, account.id, now).await?;
    let Some(invitation) = accepted else {
        return Err(ServiceError::not_found("open invitation"));
    };
    let member = Member::new(invitation.project_id, account.id, invitation.role, now);
    if !member::insert(&mut change.tx, &member).await? {
        return Err(ServiceError::conflict(
            "You are a member of this project already.",
        ));
    }
    change.record("accepted", invitation.object(), Vec::new()).await?;
    let changes = created(vec![field("role", member.role)]);
    change.record("added", members::object(account), changes).await
}

/// Revokes the open invitations of a creator who can no longer invite, in one project or (`None`) in all of them: an owner who
/// was removed must not come back by a link made before.
pub(super) async fn end_of(
    change: &mut Change<'_>,
    project: Option<ProjectId>,
    maker: ActorKind,
) -> Result<(), ServiceError> {
    let now = change.now;
    for ended in rows::revoke_of(&mut change.tx, project, maker, now).await? {
        let project = Some(ended.project_id);
        change
            .record_in(project, "revoked", ended.object(), Vec::new())
            .await?;
    }
    Ok(())
}

async fn open(app: &Admin, token: &str) -> Result<Offer, ServiceError> {
    look(app, token)
        .await?
        .filter(|offer| offer.status == InvitationStatus::Open)
        .ok_or_else(|| ServiceError::not_found("open invitation"))
}

async fn existing(tx: &mut Tx, project: ProjectId, id: InvitationId) -> Result<Invitation, ServiceError> {
    Invitation::found(rows::find(tx, project, id).await?)
}

impl Entity for Invitation {
    const KIND: &'static str = "invitation";
    const NOUN: &'static str = "invitation";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        self.email.as_str()
    }

    fn audited(&self) -> Fields {
        vec![field("role", self.role), field("expires_at", self.expires_at)]
    }
}
