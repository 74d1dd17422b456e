//! Members and keys of a declaration. Rights are given before others are taken away, so that a project keeps an owner.

use std::collections::HashSet;

use gatewright_domain::{
    Invalid,
    account::Email,
    api_key::{ApiKey, KeyScope},
    id::{AccountId, GatewayId},
    member::Role,
};

use super::{
    apply::{Stop, Work, at},
    outcome::Credential,
};
use crate::{
    declared::model,
    service::{
        IfMatch,
        api_keys::{self, NewApiKey},
        invitations, members,
    },
};

impl Work<'_, '_> {
    /// Invites people, changes roles, and removes who is not named.
    pub(super) async fn save_members(&mut self) -> Result<(), Stop> {
        let (declaration, present) = (self.declaration, self.present);
        let Some(wanted) = &declaration.project.members else {
            return Ok(());
        };
        let mut lower = Vec::new();
        let mut named = HashSet::new();
        for (index, member) in wanted.iter().enumerate() {
            let pointer = format!("/members/{index}");
            let email = Email::check("/email", &member.email).map_err(at(&pointer))?;
            let key = email.key();
            let accounts = present.members.iter();
            let accounts: Vec<_> = accounts
                .filter(|(_, account)| account.email.key() == key)
                .collect();
            for (known, _) in &accounts {
                if known.role < member.role {
                    self.change_role(&pointer, known.account_id, member.role).await?;
                } else if known.role > member.role {
                    lower.push((pointer.clone(), known.account_id, member.role));
                }
            }
            let mut invited = present.invitations.iter();
            let is_invited = invited.any(|it| it.email.key() == key && it.role == member.role);
            if accounts.is_empty() && !is_invited {
                let made = invitations::create_in(self.change, self.project, email, member.role).await;
                let made = made.map_err(at(&pointer))?;
                self.credentials.push(Credential {
                    kind: "invitation",
                    name: made.invitation.email.as_str().to_owned(),
                    id: made.invitation.id.to_string(),
                    text: made.link,
                });
            }
            named.insert(key);
        }
        for (pointer, account, role) in lower {
            self.change_role(&pointer, account, role).await?;
        }
        if self.options.prune {
            self.remove_members(&named).await?;
        }
        Ok(())
    }

    async fn change_role(&mut self, pointer: &str, account: AccountId, role: Role) -> Result<(), Stop> {
        let changed = members::update_in(self.change, self.project, account, Some(role), &IfMatch::Any).await;
        changed.map(drop).map_err(at(pointer))
    }

    async fn remove_members(&mut self, named: &HashSet<String>) -> Result<(), Stop> {
        let present = self.present;
        for (member, account) in &present.members {
            if !named.contains(&account.email.key()) {
                let id = member.account_id;
                let removed =
                    members::remove_in(self.change, self.project, id, "removed", &IfMatch::Any).await;
                removed.map_err(at("/members"))?;
            }
        }
        for invitation in &present.invitations {
            if !named.contains(&invitation.email.key()) {
                let revoked = invitations::revoke_in(self.change, self.project, invitation.id).await;
                revoked.map_err(at("/members"))?;
            }
        }
        Ok(())
    }

    /// Creates keys, and revokes those that are not named.
    pub(super) async fn save_keys(&mut self) -> Result<(), Stop> {
        let (declaration, present) = (self.declaration, self.present);
        let Some(wanted) = &declaration.project.keys else {
            return Ok(());
        };
        for (index, key) in wanted.iter().enumerate() {
            let pointer = format!("/keys/{index}");
            let known: Vec<_> = present
                .keys
                .iter()
                .filter(|known| self.is_key(known, key))
                .collect();
            let Some(first) = known.first() else {
                self.create_key(&pointer, key).await?;
                continue;
            };
            if !known.iter().any(|known| known.expires_at == key.expires_at) {
                let expires = |at: Option<gatewright_domain::Timestamp>| {
                    at.map_or_else(|| "does not expire".to_owned(), |at| format!("expires at {at}"))
                };
                let note = format!(
                    "API key {}: it {}, and the file says that it {}. The expiry of a key does not change: rotate the key, or \
                     correct the file.",
                    key.name,
                    expires(first.expires_at),
                    expires(key.expires_at)
                );
                self.notes.push(note);
            }
        }
        if self.options.prune {
            for known in present.keys.iter().chain(&present.rotated_keys) {
                if !wanted.iter().any(|key| self.is_key(known, key)) {
                    let project = Some(self.project);
                    let revoked = api_keys::revoke_in(self.change, project, known.id, &IfMatch::Any).await;
                    revoked.map_err(at("/keys"))?;
                }
            }
        }
        Ok(())
    }

    /// Whether this is the key that a file means: keys are known by name, role and gateway.
    fn is_key(&self, known: &ApiKey, key: &model::Key) -> bool {
        let KeyScope::Project { role, gateway_id, .. } = known.scope else {
            return false;
        };
        let is_at_gateway = match &key.gateway {
            None => gateway_id.is_none(),
            Some(slug) => gateway_id.is_some() && self.gateway_id(slug) == gateway_id,
        };
        known.name == key.name.trim() && role == key.role && is_at_gateway
    }

    fn gateway_id(&self, slug: &str) -> Option<GatewayId> {
        self.gateways.get(&slug.trim().to_lowercase()).copied()
    }

    async fn create_key(&mut self, pointer: &str, key: &model::Key) -> Result<(), Stop> {
        if key.expires_at.is_some_and(|at| at <= self.change.now) {
            self.notes.push(format!(
                "API key {}: it has expired, as the file says. Remove it from the file.",
                key.name
            ));
            return Ok(());
        }
        let gateway_id = match &key.gateway {
            None => None,
            // Without its gateway, the key would work at all of them.
            Some(slug) => Some(self.gateway_id(slug).ok_or_else(|| {
                let detail = "There is no gateway of this slug. Correct it, or add the gateway to the file.";
                at(pointer)(Invalid::one("/gateway", detail))
            })?),
        };
        let new = NewApiKey {
            name: key.name.clone(),
            role: Some(key.role),
            gateway_id,
            expires_at: key.expires_at,
        };
        let (app, authority) = (self.change.app(), self.change.authority());
        let checked = api_keys::check(app, authority, &new).map_err(at(pointer))?;
        let made = api_keys::create_in(self.change, self.project, checked).await;
        let made = made.map_err(at(pointer))?;
        self.credentials.push(Credential {
            kind: "api_key",
            name: made.key.name.clone(),
            id: made.key.id.to_string(),
            text: made.text,
        });
        Ok(())
    }
}
