//! Whom a request is made for, as far as the federation needs to know.

use std::{fmt, sync::Arc};

use gatewright_domain::{principal::Principal, trace_context::NamedTrace};
use sha2::{Digest as _, Sha256};

use super::{carried::Carried, config::UpstreamConfig, credentials::Asked, session::SlotKey};

/// Names one user at one gateway. Two users never share one, so what is kept under it is never served to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallerKey([u8; 16]);

impl CallerKey {
    /// Of requests made for no user, whose answers no user gets.
    pub(crate) const NOBODY: Self = Self([0; 16]);

    /// The key of a principal: its assertion subject at its gateway in its mode, and who acts for it: a session with a
    /// server that was begun by an administrator in a user's name is never the user's own.
    pub fn of(principal: &Principal) -> Self {
        let mut digest = Sha256::new()
            .chain_update(principal.mode().as_str())
            .chain_update([0])
            .chain_update(principal.gateway_id.to_string())
            .chain_update([0])
            .chain_update(principal.assertion_subject());
        if let Some(actor) = principal.actor() {
            // No subject holds this byte: user ids have no control characters.
            digest.update([0]);
            digest.update(actor.to_string());
        }
        let digest = digest.finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(key)
    }

    /// A key that is known, for tests.
    #[cfg(test)]
    pub(crate) fn known(number: u64) -> Self {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.to_be_bytes());
        Self(key)
    }

    /// The key of these bytes, which were sealed into a session id.
    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key as bytes, for sealing into a session id.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for CallerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerKey(…)")
    }
}

/// The class of users that the rules of a gateway offer the same. What is made for one class is never served to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RuleClass(pub u64);

impl RuleClass {
    /// The one class of a gateway without rules.
    pub const EVERYONE: Self = Self(0);
}

/// Whether a user is still allowed: their credentials are still valid.
pub type Alive = Box<dyn Fn() -> bool + Send + Sync>;

/// What runs for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// A call or a list, until its answer has ended.
    Request,
    /// A stream that only listens.
    Stream,
}

/// Why nothing more may run for a user at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// The maximum number of their own requests is running.
    #[error(
        "{0} of your requests are running at this gateway, which is the limit. Try again when one has finished."
    )]
    Person(u32),
    /// The maximum number of their own messages is on its way.
    #[error(
        "{0} of your messages to this gateway are still on their way, which is the limit. Try again when one has arrived."
    )]
    Sending(u32),
    /// The project of the gateway has the maximum number running.
    #[error("Too many requests are running at this gateway right now. Try again in a moment.")]
    Project,
}

/// A place for a running request, returned when it is dropped.
pub type Place = Box<dyn Send + Sync>;

/// What depends on who the user is.
pub trait Identify: Send + Sync {
    /// Asks for the credentials for a server that learns who the user is. What is in memory is returned immediately.
    fn credentials<'a>(&'a self, server: &'a UpstreamConfig) -> Asked<'a>;

    /// The same user for work that outlives the request, such as a list that is read for all who wait for it. A request
    /// borrows who its user is, so that it needs no allocation; only what continues after it needs this one.
    fn kept(&self) -> Arc<dyn Identify>;

    /// Tells, for as long as an answer to the user streams, whether they are still allowed.
    fn alive(&self) -> Alive;

    /// The trace that a request takes along to its server, given the one that its message names.
    fn carries(&self, _named: Option<&NamedTrace>) -> Option<Carried> {
        None
    }

    /// Takes a place for a running request. The place is held until the answer has ended.
    fn admit(&self, _what: Runs) -> Result<(), Busy> {
        Ok(())
    }

    /// Takes one more place, for one of several messages that came together. It is held until it is dropped.
    fn place(&self, _what: Runs) -> Result<Place, Busy> {
        Ok(Box::new(()))
    }
}

/// A conversation of a user with its own session at each server that keeps a state: the session of a client, or what stateless
/// clients that can be asked the same share. What a server says there, what it lists and what it learned there stays out
/// of other conversations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Distinguishes those of one user.
    pub(crate) key: [u8; 16],
    /// The capabilities that servers receive, as the JSON text of an object.
    pub(crate) declares: Arc<str>,
    /// Whether its sessions are listened to for what servers ask, and need no other stream.
    pub(crate) is_heard_aside: bool,
}

/// The user of a request.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Who it is.
    pub key: CallerKey,
    /// Which class of users they belong to.
    pub class: RuleClass,
    /// What servers learn about them.
    pub identity: &'a dyn Identify,
    /// The conversation it belongs to; `None` for what all conversations of the user share.
    pub conversation: Option<&'a Conversation>,
}

impl<'a> Caller<'a> {
    /// The same within a conversation.
    #[must_use]
    pub(crate) const fn within(self, conversation: &'a Conversation) -> Self {
        Self {
            conversation: Some(conversation),
            ..self
        }
    }

    /// Whose sessions with servers it uses.
    pub(crate) fn slot(self) -> SlotKey {
        match self.conversation {
            Some(conversation) => SlotKey::of_client(self.key, conversation.key),
            None => self.key.into(),
        }
    }

    /// The same for a stream that listens to a server: sessions that are listened to aside get no second one.
    #[must_use]
    pub(crate) fn listening(self) -> Self {
        Self {
            conversation: self
                .conversation
                .filter(|conversation| !conversation.is_heard_aside),
            ..self
        }
    }
}

impl fmt::Debug for Caller<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({:?})", self.key)
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{
        audit::ActorKind,
        clock::FixedClock,
        entropy::SeededEntropy,
        grant::Person,
        id::{AccountId, GatewayId, GrantId, ProjectId, UserId, UserSourceId},
        principal::{Proof, Trial, TriedAs},
    };

    use super::*;

    #[test]
    fn an_actor_for_a_user_shares_nothing_with_them() {
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
        let person = Person::User {
            user_id: UserId::generate(&clock, &entropy),
            user_source_id: UserSourceId::generate(&clock, &entropy),
            identity_epoch: 1,
        };
        let (project_id, gateway_id) = (
            ProjectId::generate(&clock, &entropy),
            GatewayId::generate(&clock, &entropy),
        );
        let by = |proof| Principal {
            project_id,
            gateway_id,
            subject: "ada".to_owned(),
            proof,
            email: None,
            display_name: None,
        };
        let by_grant = |client: &str| {
            by(Proof::Grant {
                person,
                grant_id: GrantId::generate(&clock, &entropy),
                client_id: client.to_owned(),
            })
        };
        let acted_for = |actor| {
            let who = TriedAs::Person(person);
            by(Proof::Trial(Trial {
                who,
                actor: Some(actor),
            }))
        };
        let own = CallerKey::of(&by_grant("client-1"));
        assert!(
            own == CallerKey::of(&by_grant("client-2")),
            "one user is one, whatever the client"
        );
        let account = || ActorKind::Account(AccountId::generate(&clock, &entropy));
        let (one, other) = (acted_for(account()), acted_for(account()));
        assert_eq!(one.assertion_subject(), by_grant("client-1").assertion_subject());
        assert!(own != CallerKey::of(&one) && own != CallerKey::of(&other));
        assert!(CallerKey::of(&one) != CallerKey::of(&other));
        assert!(CallerKey::of(&one) == CallerKey::of(&one.clone()));
    }
}
