//! Sessions that were ended at another replica: each tells the others what was ended at it.

use std::{collections::HashSet, sync::Arc};

use gatewright_domain::Timestamp;

use super::{Session, Sessions};

/// A session that ends, as the other replicas are told of it. Neither value lets anyone use the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The session.
    pub session: [u8; 16],
    /// Whose it was.
    pub caller: [u8; 16],
    /// When it would have ended by itself: no one needs to remember it longer.
    pub until: Timestamp,
}

impl Session {
    /// What other replicas are told when it ends.
    pub const fn ending(&self) -> Ending {
        Ending {
            session: self.id,
            caller: self.caller,
            until: self.ends_at,
        }
    }
}

impl Sessions {
    /// Notes sessions that were ended elsewhere: they are unknown here from now on, and their calls that run here are
    /// cancelled. Returns those that were in use here.
    pub(in crate::endpoint) fn note_ended(
        &self,
        sessions: impl IntoIterator<Item = [u8; 16]>,
    ) -> Vec<Arc<Session>> {
        let fresh: HashSet<[u8; 16]> = sessions
            .into_iter()
            .filter(|session| !self.ended.contains_key(session))
            .collect();
        if fresh.is_empty() {
            return Vec::new();
        }
        for session in &fresh {
            self.ended.insert(*session, ());
        }
        let opened = self.opened.iter().map(|(_, session)| session);
        let ended: Vec<_> = opened.filter(|session| fresh.contains(&session.id)).collect();
        for session in &ended {
            self.end(session);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gatewright_domain::{
        Clock,
        clock::FixedClock,
        entropy::SeededEntropy,
        id::{ApiKeyId, GatewayId, ProjectId},
        principal::{Principal, Proof},
        sealed::{Keyring, MasterKey},
    };

    use super::*;
    use crate::{peer::caller::CallerKey, wire::version::ProtocolVersion};

    #[test]
    fn a_session_that_was_ended_at_one_replica_is_unknown_at_the_other_and_its_calls_are_cancelled() {
        let clock = Arc::new(FixedClock::at_seconds(1_000));
        let entropy = Arc::new(SeededEntropy::new(3));
        let keyring = Keyring::new(vec![MasterKey::generate(entropy.as_ref())]).unwrap();
        let gateway_id = GatewayId::generate(clock.as_ref(), entropy.as_ref());
        let caller = CallerKey::of(&Principal {
            project_id: ProjectId::generate(clock.as_ref(), entropy.as_ref()),
            gateway_id,
            subject: "ada".to_owned(),
            proof: Proof::Key(ApiKeyId::generate(clock.as_ref(), entropy.as_ref())),
            email: None,
            display_name: None,
        });
        let replica = || {
            Sessions::new(
                keyring.clone(),
                Arc::clone(&clock) as Arc<dyn Clock>,
                entropy.clone(),
            )
        };
        let (one, other) = (replica(), replica());
        let begin = || {
            let id = one.begin(gateway_id, caller, ProtocolVersion::V2025_11_25, None);
            id.to_str().unwrap().to_owned()
        };
        let (ended, kept) = (begin(), begin());
        let there = other.open(&ended, gateway_id, caller).unwrap();
        let call = there.run(Bytes::from_static(b"1"));
        let here = one.open(&ended, gateway_id, caller).unwrap();
        one.end(&here);
        assert!(other.open(&ended, gateway_id, caller).is_ok());
        let in_use = other.note_ended([here.ending().session]);
        assert_eq!(in_use.len(), 1);
        assert!(other.note_ended([here.ending().session]).is_empty());
        assert!(other.open(&ended, gateway_id, caller).is_err());
        assert!(call.token.is_cancelled());
        assert!(other.open(&kept, gateway_id, caller).is_ok());
    }
}
