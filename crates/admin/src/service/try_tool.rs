//! Trying a gateway out: an administrator calls one of its tools, gets a prompt or reads a resource, as themselves or as one of
//! its users. Each request is in the audit trail before it is made, with what it names and the user and never with
//! arguments or results, and a server that receives the identity of the user also receives who acts for them.

mod requests;

use std::sync::Arc;

use gatewright_domain::{
    Invalid,
    account::Account,
    audit::ActorKind,
    gateway::{Authentication, Gateway, GatewayStatus},
    grant::Person,
    id::{AccountId, GatewayId, ProjectId, UserId, UserSourceId},
    principal::{Principal, Proof, Trial, TriedAs},
    user::UserStatus,
    user_source::UserSourceStatus,
};
use gatewright_mcp::{
    listing::ListKind,
    own_client::{OfferedItem, OwnRequest},
};
use gatewright_store::{StoreError, account as accounts, audit};

use self::requests::Asked;
pub use self::requests::{LogLevel, PromptRequest, Request, ResourceRequest, ToolCall};
use super::{
    Authority, ServiceError,
    audit_events::Entry,
    authority::{MayChange, MayRead},
    change::{Object, created, field},
    gateways, members, users,
};
use crate::{
    Admin,
    directory::GatewayEntry,
    resource_server::{Heard, Tried, trial, user_id},
};

/// What a call is made for, if nothing prevents it.
struct Way {
    gateway: Gateway,
    entry: Arc<GatewayEntry>,
}

/// What a gateway offers of a kind to the signed-in account.
pub async fn offered(
    app: &Arc<Admin>,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    kind: ListKind,
) -> Result<Vec<OfferedItem>, ServiceError> {
    let permit = authority.act(project)?;
    let way = way(app, permit, gateway).await?;
    let account = own_account(app, authority).await?;
    let principal = as_oneself(&way, account);
    let listed = trial::offered(&app.gateways().resource_server, &way.entry, principal, kind).await;
    listed.map_err(|why| ServiceError::conflict(why.to_string()))
}

/// Makes a request, once it is in the audit trail. What the server makes of it is not an error here; what it reports before it
/// responds is passed on as it arrives. Dropping this cancels the request.
pub async fn ask(
    app: &Arc<Admin>,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    request: &Request,
    heard: Heard<'_>,
) -> Result<Tried, ServiceError> {
    let permit = authority.change(project)?;
    let way = way(app, authority.read(project)?, gateway).await?;
    let asked = request.asked()?;
    let principal = match asked.user {
        None => as_oneself(&way, own_account(app, authority).await?),
        Some(user) => as_user(app, authority, &way, user).await?,
    };
    note(app, permit, &way.gateway, &asked, &principal).await?;
    let own = OwnRequest {
        method: asked.method,
        params: &asked.params,
        log_level: asked.log_level,
        input: asked.input(),
    };
    Ok(trial::ask(&app.gateways().resource_server, &way.entry, principal, own, heard).await)
}

/// The gateway as requests of clients find it.
async fn way(app: &Admin, permit: MayRead, id: GatewayId) -> Result<Way, ServiceError> {
    let gateway = gateways::find_with(app, permit, id).await?;
    let entry = app.directory.gateway(permit, id).map_err(|_| StoreError::Busy)?;
    match entry.filter(|_| gateway.status == GatewayStatus::Active) {
        Some(entry) => Ok(Way { gateway, entry }),
        None => Err(ServiceError::conflict(
            "This gateway is inactive, so no one can use it. Activate it first.",
        )),
    }
}

async fn own_account(app: &Admin, authority: &Authority) -> Result<Account, ServiceError> {
    let Ok(me) = authority.oneself() else {
        return Err(Invalid::one(
            "/user",
            "An API key does not belong to a person, so name the user of the gateway to call for.",
        )
        .into());
    };
    let mut tx = app.store.read(me).await?;
    let account = accounts::find(&mut tx, me.account).await?;
    account.ok_or_else(|| ServiceError::not_found("account"))
}

fn as_oneself(way: &Way, account: Account) -> Principal {
    as_member(way, account, None)
}

/// An account, as servers see it in calls of its owner's clients.
fn as_member(way: &Way, account: Account, actor: Option<ActorKind>) -> Principal {
    let who = TriedAs::Person(Person::Member(account.id));
    let email = account.proven_email().map(str::to_owned);
    principal(way, who, actor, account.id.to_string(), email, Some(account.name))
}

async fn as_user(
    app: &Admin,
    authority: &Authority,
    way: &Way,
    user: &str,
) -> Result<Principal, ServiceError> {
    let actor = Some(authority.actor().kind);
    match way.gateway.authentication {
        Authentication::UserSource(source) => {
            as_user_of_source(app, authority, way, source, user, actor).await
        }
        Authentication::ProjectMembers => {
            let id: AccountId = user
                .parse()
                .map_err(|_| ServiceError::unknown("member", "/user"))?;
            let project = way.gateway.project_id;
            let found = members::find(app, authority, project, id).await;
            let (_, account) = found.map_err(at_user)?;
            let is_member = app.directory.is_member(authority.read(project)?, id);
            if !is_member.map_err(|_| StoreError::Busy)? {
                return Err(ServiceError::conflict(
                    "The account of this member is disabled: it cannot use the gateway, and calls cannot be made in its name.",
                ));
            }
            Ok(as_member(way, account, actor))
        }
        Authentication::Headers => {
            user_id::check(user).map_err(|error| Invalid::one("/user", error.to_string()))?;
            Ok(principal(
                way,
                TriedAs::HeaderUser,
                actor,
                user.to_owned(),
                None,
                None,
            ))
        }
    }
}

async fn as_user_of_source(
    app: &Admin,
    authority: &Authority,
    way: &Way,
    source_id: UserSourceId,
    user: &str,
    actor: Option<ActorKind>,
) -> Result<Principal, ServiceError> {
    let id: UserId = user.parse().map_err(|_| ServiceError::unknown("user", "/user"))?;
    let user = users::find(app, authority, way.gateway.project_id, id)
        .await
        .map_err(at_user)?;
    let source = way.entry.source.as_ref();
    let Some(source) = source.filter(|source| source.status == UserSourceStatus::Active) else {
        return Err(ServiceError::conflict(
            "The User Source of this gateway is inactive, so none of its users can call anything. Activate it first.",
        ));
    };
    if user.key.user_source_id != source_id {
        return Err(Invalid::one(
            "/user",
            "This user belongs to another User Source than the gateway. Choose one of the gateway's own.",
        )
        .into());
    }
    if user.status == UserStatus::Blocked {
        return Err(ServiceError::conflict(
            "This user is blocked: calls cannot be made by them or in their name. Unblock them first.",
        ));
    }
    if user.key.issuer != source.issuer || user.key.claim != source.subject_claim {
        return Err(ServiceError::conflict(
            "This user is known under an earlier issuer or subject claim of the User Source, and would be another person if \
             they signed in now. Choose one who has signed in since.",
        ));
    }
    let who = TriedAs::Person(Person::User {
        user_id: id,
        user_source_id: source_id,
        identity_epoch: source.identity_epoch,
    });
    Ok(principal(
        way,
        who,
        actor,
        user.key.subject,
        user.email,
        user.display_name,
    ))
}

/// Points at the member of the request that named what is not there.
fn at_user(error: ServiceError) -> ServiceError {
    match error {
        ServiceError::NotFound { what } => ServiceError::unknown(what, "/user"),
        other => other,
    }
}

fn principal(
    way: &Way,
    who: TriedAs,
    actor: Option<ActorKind>,
    subject: String,
    email: Option<String>,
    display_name: Option<String>,
) -> Principal {
    Principal {
        project_id: way.gateway.project_id,
        gateway_id: way.gateway.id,
        subject,
        proof: Proof::Trial(Trial { who, actor }),
        email,
        display_name,
    }
}

/// Writes the call into the audit trail. Without that, the call is not made.
async fn note(
    app: &Admin,
    permit: MayChange<'_>,
    gateway: &Gateway,
    asked: &Asked<'_>,
    principal: &Principal,
) -> Result<(), ServiceError> {
    let (what, name) = asked.what;
    let entry = Entry {
        project: Some(gateway.project_id),
        actor: permit.authority().actor().clone(),
        verb: asked.verb,
        object: Object {
            kind: "gateway",
            id: gateway.id.to_string(),
            name: &gateway.name,
        },
        changes: created(vec![
            field(what, name),
            field("user", principal.assertion_subject()),
            field("answers", &asked.answers),
        ]),
    };
    let mut tx = app.store.write(permit).await?;
    audit::insert(&mut tx, &entry.event(app)).await?;
    Ok(tx.commit().await?)
}
