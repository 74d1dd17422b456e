//! Clients registered beforehand at a gateway: create, list, read, change, rotate the secret, delete.

mod keys;

use std::time::Duration;

use gatewright_domain::{
    Invalid, entropy,
    grant::RevocationReason,
    id::{ClientId, GatewayId, ProjectId},
    preregistered_client::{
        ClientProof, ClientSecretHashes, DEFAULT_OVERLAP_SECONDS, MAX_OVERLAP_SECONDS, PreregisteredClient,
        SecretPlace, check_fields,
    },
    secret::Secret,
    token_hash::TokenHash,
};
use gatewright_oauth::{client_authentication::Method, redirect_uri::RedirectUri};
use gatewright_store::{Page, PageRequest, Tx, preregistered_client as rows, quota::Counted};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use self::keys::{check_keys, with_keys};
use super::{
    Authority, IfMatch, Patch, ServiceError,
    change::{Change, Fields, created, field, secret_changed},
    entity::{Entity, Stored, Written, dated, inserted},
};
use crate::{Admin, schema};

/// A client to register.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPreregisteredClient {
    /// 1-80 characters, unique at the gateway; the consent page shows it.
    #[schema(required = true, min_length = 1, max_length = 80)]
    #[serde(default)]
    pub name: String,
    /// Where people can be sent back to, 1 to 10. On loopback any port matches.
    #[schema(required = true, min_items = 1, max_items = 10)]
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// `none` for programs that cannot keep a secret, such as those on people's machines; `private_key_jwt` for those
    /// that sign with their own key; for the others a secret is generated. It never changes.
    #[schema(required = true, schema_with = schema::client_method)]
    #[serde(default)]
    pub token_endpoint_auth_method: String,
    /// The public keys (a JWK set, RFC 7517) of a client that signs: for `private_key_jwt` only.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    pub jwks: Option<Value>,
}

/// A change of a client. What is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreregisteredClientPatch {
    /// 1-80 characters, unique at the gateway.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub name: Patch<String>,
    /// All redirect URIs; the list is replaced as a whole.
    #[schema(value_type = Option<Vec<String>>)]
    #[serde(default)]
    pub redirect_uris: Patch<Vec<String>>,
    /// All public keys of a client that signs; the set is replaced as a whole. List old and new keys during the change.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    pub jwks: Patch<Value>,
}

/// How to rotate a secret.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRotation {
    /// How long the old secret keeps working, in seconds: a day when left out, 0 to revoke it immediately.
    #[schema(minimum = 0, maximum = 2_592_000)]
    #[serde(default)]
    pub overlap_seconds: Option<u32>,
}

/// A client with the secret that was just created for it, which cannot be read again.
#[derive(Debug)]
pub struct WithSecret {
    /// The client.
    pub client: PreregisteredClient,
    /// Its new secret; none for a public client.
    pub secret: Option<Secret>,
}

/// A client to register, checked.
pub(super) struct CheckedClient {
    name: String,
    redirect_uris: Vec<RedirectUri>,
    method: Method,
    jwks: Option<String>,
}

impl NewPreregisteredClient {
    /// Checks all of it.
    pub(super) fn check(self) -> Result<CheckedClient, Invalid> {
        let mut invalid = Invalid::default();
        let fields = invalid.take(check_fields(&self.name, &self.redirect_uris));
        let method = Method::from_name(&self.token_endpoint_auth_method);
        if method.is_none() {
            invalid.add(
                "/token_endpoint_auth_method",
                "Enter how the client proves who it is: `none` for a program that cannot keep a secret, \
                 `client_secret_basic` or `client_secret_post` for one that can, `private_key_jwt` for one that signs.",
            );
        }
        let jwks = match (method, &self.jwks) {
            (Some(Method::PrivateKeyJwt), keys) => invalid.take(check_keys(keys.as_ref())),
            (Some(_), Some(_)) => {
                invalid.add(
                    "/jwks",
                    "Only a client with `private_key_jwt` has keys: leave this out, or change the method.",
                );
                None
            }
            (Some(_) | None, _) => None,
        };
        invalid.into_result()?;
        let (name, redirect_uris) = fields.expect("fields without a violation were read");
        Ok(CheckedClient {
            name,
            redirect_uris,
            method: method.expect("a method is there, or a violation was returned"),
            jwks,
        })
    }
}

/// Registers a client at a gateway.
pub async fn create(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    new: NewPreregisteredClient,
) -> Result<WithSecret, ServiceError> {
    let permit = authority.change(project)?;
    let new = new.check()?;
    let mut change = Change::begin(app, permit).await?;
    let made = create_in(&mut change, project, gateway, new).await;
    change.finish(made).await
}

/// Registers a client in a change that has begun.
pub(super) async fn create_in(
    change: &mut Change<'_>,
    project: ProjectId,
    gateway: GatewayId,
    new: CheckedClient,
) -> Result<WithSecret, ServiceError> {
    existing_gateway(&mut change.tx, project, gateway).await?;
    let app = change.app();
    let (proof, secret) = make_proof(app, change, new.method, new.jwks);
    let client = PreregisteredClient {
        id: ClientId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        project_id: project,
        gateway_id: gateway,
        name: new.name,
        redirect_uris: new.redirect_uris,
        proof,
        created_at: change.now,
        updated_at: change.now,
    };
    let more = secret.iter().map(|_| secret_changed("client_secret")).collect();
    change.create(&client, more).await?;
    Ok(WithSecret { client, secret })
}

/// Clients of a gateway, oldest first.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    page: &PageRequest,
) -> Result<Page<PreregisteredClient>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing_gateway(&mut tx, project, gateway).await?;
    Ok(rows::list(&mut tx, project, gateway, page).await?)
}

/// One client, without its secret.
pub(crate) async fn find(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    id: ClientId,
) -> Result<PreregisteredClient, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing(&mut tx, project, gateway, id).await
}

/// Changes name or redirect URIs. Grants continue.
pub(crate) async fn update(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    id: ClientId,
    patch: PreregisteredClientPatch,
    if_match: &IfMatch,
) -> Result<PreregisteredClient, ServiceError> {
    let mut change = Change::begin(app, authority.change(project)?).await?;
    let updated = update_in(&mut change, project, gateway, id, patch, if_match).await;
    change.finish(updated).await
}

/// The same in a change that has begun.
pub(super) async fn update_in(
    change: &mut Change<'_>,
    project: ProjectId,
    gateway: GatewayId,
    id: ClientId,
    patch: PreregisteredClientPatch,
    if_match: &IfMatch,
) -> Result<PreregisteredClient, ServiceError> {
    let current = existing(&mut change.tx, project, gateway, id).await?;
    if_match.holds(current.updated_at)?;
    let texts = current.redirect_uri_texts().into_iter().map(str::to_owned);
    let (name, redirect_uris) = check_fields(
        &patch.name.over(&current.name),
        &patch.redirect_uris.over(&texts.collect()),
    )?;
    let next = PreregisteredClient {
        name,
        redirect_uris,
        proof: with_keys(&current.proof, patch.jwks)?,
        ..current.clone()
    };
    change.save(current, next, Vec::new()).await
}

/// Makes a new secret. The old one keeps working for the overlap; one that was still in its overlap ends.
pub async fn rotate_secret(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    id: ClientId,
    rotation: SecretRotation,
    if_match: &IfMatch,
) -> Result<WithSecret, ServiceError> {
    let permit = authority.change(project)?;
    let overlap = rotation.overlap_seconds.unwrap_or(DEFAULT_OVERLAP_SECONDS);
    if overlap > MAX_OVERLAP_SECONDS {
        return Err(Invalid::one(
            "/overlap_seconds",
            format!("Enter 0 to {MAX_OVERLAP_SECONDS} seconds: how long the old secret keeps working."),
        )
        .into());
    }
    let mut change = Change::begin(app, permit).await?;
    let current = existing(&mut change.tx, project, gateway, id).await?;
    if_match.holds(current.updated_at)?;
    let (place, hashes) = match &current.proof {
        ClientProof::Secret { place, hashes } => (*place, hashes),
        ClientProof::Public => {
            return Err(ServiceError::conflict(
                "This client is public and has no secret to rotate. Register another client with \
                 `client_secret_basic` or `client_secret_post` where the program can keep one.",
            ));
        }
        ClientProof::Key { .. } => {
            return Err(ServiceError::conflict(
                "This client signs with its own key and has no secret to rotate. Change its `jwks` instead: list \
                 the old and the new key during the change.",
            ));
        }
    };
    let secret = Secret::new(entropy::token(app.entropy.as_ref()));
    let overlap = Duration::from_secs(overlap.into());
    let next = PreregisteredClient {
        proof: ClientProof::Secret {
            place,
            hashes: hashes.rotated(TokenHash::of(secret.expose()), change.now, overlap),
        },
        updated_at: change.later_than(current.updated_at),
        ..current.clone()
    };
    change.replace(&current, &next).await?;
    let mut changes = created(vec![field("overlap_seconds", overlap.as_secs())]);
    changes.push(secret_changed("client_secret"));
    change.record("secret_rotated", next.object(), changes).await?;
    change.commit().await?;
    Ok(WithSecret {
        client: next,
        secret: Some(secret),
    })
}

/// Deletes a client; its grants end, and its tokens fail from the next request.
pub async fn delete(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    id: ClientId,
    if_match: &IfMatch,
) -> Result<(), ServiceError> {
    let mut change = Change::begin(app, authority.change(project)?).await?;
    let deleted = delete_in(&mut change, project, gateway, id, if_match).await;
    change.finish(deleted).await
}

/// The same in a change that has begun.
pub(super) async fn delete_in(
    change: &mut Change<'_>,
    project: ProjectId,
    gateway: GatewayId,
    id: ClientId,
    if_match: &IfMatch,
) -> Result<(), ServiceError> {
    // Locked, so that no code becomes a grant between the end of the grants and the commit.
    if !gatewright_store::gateway::hold(&mut change.tx, project, gateway).await? {
        return Err(ServiceError::not_found("gateway"));
    }
    let client = existing(&mut change.tx, project, gateway, id).await?;
    if_match.holds(client.updated_at)?;
    let now = change.now;
    let reason = RevocationReason::ClientRemoved;
    let short_id = id.to_string();
    let ended =
        gatewright_store::grant::revoke_of_client(&mut change.tx, project, gateway, &short_id, reason, now)
            .await?;
    let more = created(vec![field("grants_ended", ended)]);
    change.delete(&client, more).await
}

/// How a new client proves who it is, and the secret made for that.
fn make_proof(
    app: &Admin,
    change: &Change<'_>,
    method: Method,
    jwks: Option<String>,
) -> (ClientProof, Option<Secret>) {
    let place = match method {
        Method::None => return (ClientProof::Public, None),
        Method::PrivateKeyJwt => {
            let jwks = jwks.expect("keys of a client that signs were checked");
            return (ClientProof::Key { jwks }, None);
        }
        Method::ClientSecretBasic => SecretPlace::Header,
        Method::ClientSecretPost => SecretPlace::Body,
    };
    let secret = Secret::new(entropy::token(app.entropy.as_ref()));
    let hashes = ClientSecretHashes {
        current: TokenHash::of(secret.expose()),
        changed_at: change.now,
        previous: None,
    };
    (ClientProof::Secret { place, hashes }, Some(secret))
}

/// Fails unless the gateway is one of the project's.
pub(super) async fn existing_gateway(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
) -> Result<(), ServiceError> {
    match gatewright_store::gateway::find(tx, project, gateway).await? {
        Some(_) => Ok(()),
        None => Err(ServiceError::not_found("gateway")),
    }
}

async fn existing(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    id: ClientId,
) -> Result<PreregisteredClient, ServiceError> {
    PreregisteredClient::found(rows::find(tx, project, gateway, id).await?)
}

impl Entity for PreregisteredClient {
    const KIND: &'static str = "preregistered_client";
    const NOUN: &'static str = "client";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn audited(&self) -> Fields {
        vec![
            field("name", &self.name),
            field("gateway_id", self.gateway_id),
            field("redirect_uris", self.redirect_uri_texts()),
            field("token_endpoint_auth_method", self.proof.method().as_str()),
            field("jwks", self.proof.jwks()),
        ]
    }
}

dated!(PreregisteredClient);

impl Stored for PreregisteredClient {
    fn counts(&self) -> Option<(ProjectId, Counted)> {
        Some((self.project_id, Counted::Clients))
    }

    async fn insert(&self, tx: &mut Tx) -> Result<(), ServiceError> {
        inserted::<Self>(rows::insert(tx, self).await)
    }

    async fn replace(&self, tx: &mut Tx, before: &Self) -> Result<Written, ServiceError> {
        Written::replaced::<Self>(rows::update(tx, self, before.updated_at).await)
    }

    async fn remove(&self, tx: &mut Tx) -> Result<Written, ServiceError> {
        let deleted = rows::delete(tx, self.project_id, self.gateway_id, self.id).await?;
        Written::unless_missing::<Self>(deleted)
    }
}
