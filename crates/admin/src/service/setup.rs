//! The first account of an instance, with its first project: by a one-time link, or by someone with a shell. There is
//! exactly one, however many requests try at the same time, on any number of replicas.

use gatewright_domain::{
    Invalid, Timestamp,
    account::{Account, Email},
    account_link::{AccountLink, LinkPurpose, SETUP_LIFE},
    audit::{ActorKind, Origin},
    entropy,
    id::{AccountId, ProjectId},
    member::{Member, Role},
    password::{Password, PasswordHash},
    project::{Project, check_name},
    secret::Secret,
    token_hash::TokenHash,
};
use gatewright_store::{PageRequest, account as rows, account_link, member};

use super::{
    Authority, ServiceError,
    account_sessions::{self, Begun},
    accounts,
    authority::before_sign_in,
    change::{Change, created, field},
    entity::Entity,
};
use crate::{Admin, account::visitor::Visitor};

/// The name of the project if none is entered.
const DEFAULT_PROJECT: &str = "Default project";

/// The first account and its project.
#[derive(Debug)]
pub struct NewInstance {
    /// The address to sign in with.
    pub email: String,
    /// What people call the account; the part of the address before the `@` when empty.
    pub name: String,
    /// Its password. Can be left out if the instance does not use passwords, and by someone with a shell, who can create
    /// a link to set one.
    pub password: Option<Secret>,
    /// The first project.
    pub project: String,
}

/// The outcome of a setup link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupState {
    /// It can be used.
    Open,
    /// The instance has its first account: sign in.
    Done,
    /// It has run out, or never was: a restart prints a new one.
    Unknown,
}

/// The first account as it was made.
#[derive(Debug)]
pub struct MadeInstance {
    /// The account, an administrator of the instance.
    pub account: Account,
    /// Its project.
    pub project: ProjectId,
}

/// Whether the first account does not exist yet.
async fn is_needed(app: &Admin) -> Result<bool, ServiceError> {
    let mut tx = app.store.read(before_sign_in()).await?;
    Ok(!rows::has_first(&mut tx).await?)
}

/// Whether there is no account at all: neither the first one nor any other, created by an invitation with a key.
pub async fn has_no_account(app: &Admin) -> Result<bool, ServiceError> {
    if !is_needed(app).await? {
        return Ok(false);
    }
    let one = PageRequest::first(1);
    let mut tx = app.store.read(before_sign_in()).await?;
    Ok(rows::list(&mut tx, &one).await?.items.is_empty())
}

/// A new setup link, to be shown to the person who started the process; `None` once there is a first account. Links of other
/// replicas and earlier starts stay valid until they expire or one of them is used.
pub async fn offer(app: &Admin) -> Result<Option<String>, ServiceError> {
    if !is_needed(app).await? {
        return Ok(None);
    }
    let now = app.now();
    let token = entropy::token(app.entropy.as_ref());
    let link = AccountLink {
        hash: TokenHash::of(&token),
        purpose: LinkPurpose::Setup,
        created_at: now,
        expires_at: now.plus(SETUP_LIFE),
    };
    let mut tx = app.store.write(before_sign_in()).await?;
    account_link::insert(&mut tx, &link, ActorKind::System).await?;
    tx.commit().await?;
    Ok(Some(format!("{}/account/setup/{token}", app.config.public_url())))
}

/// The state of a setup link. Not used yet.
pub async fn look(app: &Admin, token: &str) -> Result<SetupState, ServiceError> {
    let mut tx = app.store.read(before_sign_in()).await?;
    if rows::has_first(&mut tx).await? {
        return Ok(SetupState::Done);
    }
    let found = account_link::find(&mut tx, TokenHash::of(token), app.now()).await?;
    Ok(match found {
        Some(LinkPurpose::Setup) => SetupState::Open,
        Some(LinkPurpose::ResetPassword(_)) | None => SetupState::Unknown,
    })
}

/// Uses a setup link: makes the first account and project, and signs in.
pub async fn complete(
    app: &Admin,
    visitor: &Visitor,
    token: &str,
    new: NewInstance,
) -> Result<Begun, ServiceError> {
    // Before any work, so that strangers cannot have passwords hashed.
    usable(look(app, token).await?)?;
    let prepared = prepare(app, new, app.config.administrators.password_sign_in).await?;
    let authority = Authority::of_newcomer(prepared.account.id, visitor.address);
    let mut change = Change::begin(app, before_sign_in().redeem(&authority, None)).await?;
    let (hash, now) = (TokenHash::of(token), change.now);
    if account_link::redeem(&mut change.tx, hash, now).await? != Some(LinkPurpose::Setup) {
        return Err(used());
    }
    make(&mut change, &prepared).await?;
    let begun = account_sessions::begin(app, &mut change.tx, &prepared.account, visitor).await?;
    let begun = begun.ok_or_else(ServiceError::changed_meanwhile)?;
    change.commit().await?;
    Ok(begun)
}

/// Creates the first account and project for someone with a shell on the machine; `None` when there is a first account.
pub async fn by_operator(app: &Admin, new: NewInstance) -> Result<Option<MadeInstance>, ServiceError> {
    if !is_needed(app).await? {
        return Ok(None);
    }
    let prepared = prepare(app, new, false).await?;
    let authority = Authority::operator(Origin::Cli);
    let mut change = Change::begin(app, authority.instance()?).await?;
    match make(&mut change, &prepared).await {
        Ok(()) => {}
        Err(ServiceError::Conflict(_)) => return Ok(None),
        Err(error) => return Err(error),
    }
    change.commit().await?;
    Ok(Some(MadeInstance {
        account: prepared.account,
        project: prepared.project.id,
    }))
}

struct Prepared {
    account: Account,
    hash: Option<PasswordHash>,
    project: Project,
}

async fn prepare(app: &Admin, new: NewInstance, needs_password: bool) -> Result<Prepared, ServiceError> {
    let now: Timestamp = app.now();
    let mut invalid = Invalid::default();
    let email = invalid.take(Email::check("/email", &new.email));
    let project = match new.project.trim() {
        "" => DEFAULT_PROJECT,
        named => named,
    };
    let project = invalid.take(check_name("/project", project));
    let name = email.as_ref().and_then(|email| {
        let name = match new.name.trim() {
            "" => email.local(),
            named => named,
        };
        invalid.take(check_name("/name", name))
    });
    let password = match (&email, &new.password) {
        (Some(email), Some(password)) => invalid.take(Password::check("/password", password, email)),
        (_, None) if needs_password => {
            invalid.add(
                "/password",
                "A password is required: enter at least 12 characters.",
            );
            None
        }
        _ => None,
    };
    invalid.into_result()?;
    let hash = match password {
        Some(password) => Some(accounts::hash(app, &password).await?),
        None => None,
    };
    let account = Account {
        has_password: hash.is_some(),
        is_instance_admin: true,
        address_proven: true,
        ..Account::new(
            AccountId::generate(app.clock.as_ref(), app.entropy.as_ref()),
            email.expect("an address is there, or a violation was returned"),
            name.expect("a name is there, or a violation was returned"),
            now,
        )
    };
    let project = Project::new(
        ProjectId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        project.expect("a name is there, or a violation was returned"),
        now,
    );
    Ok(Prepared {
        account,
        hash,
        project,
    })
}

async fn make(change: &mut Change<'_>, prepared: &Prepared) -> Result<(), ServiceError> {
    let (account, project, now) = (&prepared.account, &prepared.project, change.now);
    // First of all: the second to come goes no further.
    if !rows::claim_first(&mut change.tx, account.id, now).await? {
        return Err(used());
    }
    rows::insert(&mut change.tx, account, prepared.hash.as_ref())
        .await
        .map_err(accounts::taken)?;
    gatewright_store::project::insert(&mut change.tx, project)
        .await
        .map_err(|error| match error {
            gatewright_store::StoreError::Taken { .. } => Invalid::one(
                "/project",
                "There is a project of this name already: choose another.",
            )
            .into(),
            other => ServiceError::from(other),
        })?;
    let owner = Member::new(project.id, account.id, Role::Owner, now);
    member::insert(&mut change.tx, &owner).await?;
    let changes = created(vec![
        field("email", &account.email),
        field("name", &account.name),
        field("is_instance_admin", true),
    ]);
    change.record("created", account.object(), changes).await?;
    let changes = created(project.audited());
    change.record("created", project.object(), changes).await
}

fn usable(state: SetupState) -> Result<(), ServiceError> {
    match state {
        SetupState::Open => Ok(()),
        SetupState::Done => Err(used()),
        SetupState::Unknown => Err(ServiceError::not_found("setup link")),
    }
}

fn used() -> ServiceError {
    ServiceError::conflict(
        "This instance has its first account already, so no other was created. Sign in; if no one can, run `gatewright admin \
         reset-password` on the machine.",
    )
}
