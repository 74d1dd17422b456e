//! What only the demo needs: an account without a setup, and a session without a sign-in.
//! `serve` names nothing of it (a test of the demo looks), and the demo listens on loopback only.

use gatewright_domain::{
    account::{Account, Email},
    audit::Origin,
    id::{AccountId, ProjectId},
    member::{Member, Role},
};
use gatewright_store::{account as rows, member};

use super::{
    Authority, ServiceError,
    account_sessions::{self, Begun},
    authority::before_sign_in,
    change::{Change, created, field},
    entity::Entity,
    setup::{self, NewInstance},
};
use crate::{Admin, account::visitor::Visitor};

/// The address of the account: in a domain that is reserved (RFC 2606).
const EMAIL: &str = "demo@example.com";
/// What people call it.
const NAME: &str = "Demo admin";

/// The account of the demo, which administers the instance. On the first start it is made, with the project `project`.
pub async fn account(app: &Admin, project: &str) -> Result<Account, ServiceError> {
    let first = NewInstance {
        email: EMAIL.to_owned(),
        name: NAME.to_owned(),
        password: None,
        project: project.to_owned(),
    };
    if let Some(made) = setup::by_operator(app, first).await? {
        return Ok(made.account);
    }
    let mut tx = app.store.read(before_sign_in()).await?;
    let found = rows::find_by_email(&mut tx, &Email::check("/email", EMAIL)?).await?;
    found.ok_or_else(|| ServiceError::not_found("account of the demo"))
}

/// Makes sure that the account owns the project, which may have been deleted and created again, or created before there
/// were accounts.
pub async fn own(app: &Admin, account: AccountId, project: ProjectId) -> Result<(), ServiceError> {
    let operator = Authority::operator(Origin::System);
    let mut change = Change::begin(app, operator.own(project)?).await?;
    let owner = Member::new(project, account, Role::Owner, change.now);
    if !member::insert(&mut change.tx, &owner).await? {
        return Ok(());
    }
    let account = rows::find(&mut change.tx, account).await?;
    let account = account.ok_or_else(|| ServiceError::not_found("account of the demo"))?;
    let changes = created(vec![field("role", owner.role)]);
    change.record("joined", account.object(), changes).await?;
    change.commit().await
}

/// Signs a visitor in to the account. Nothing when the account is disabled.
pub async fn sign_in(
    app: &Admin,
    visitor: &Visitor,
    account: AccountId,
) -> Result<Option<Begun>, ServiceError> {
    let mut tx = app.store.write(before_sign_in()).await?;
    let Some(account) = rows::find(&mut tx, account).await? else {
        return Ok(None);
    };
    let Some(begun) = account_sessions::begin(app, &mut tx, &account, visitor).await? else {
        return Ok(None);
    };
    let authority = Authority::of_newcomer(account.id, visitor.address);
    account_sessions::note(app, &mut tx, &authority, &account, "signed_in").await?;
    tx.commit().await?;
    Ok(Some(begun))
}
