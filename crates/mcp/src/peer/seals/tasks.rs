//! The ids under which clients know tasks of servers. They carry the server and its own id, sealed for one user of one
//! gateway, so that every replica can see whose task it is without remembering it. The same task always has the
//! same id for its user: clients compare ids.

use gatewright_domain::{
    id::{GatewayId, ServerId},
    sealed::Purpose,
    stored_secret::SealedText,
};

use super::{Seals, hex};
use crate::peer::caller::CallerKey;

/// The maximum length of our IDs; they travel in a header of requests.
const ID_MAX: usize = 4_096;

/// A task as its server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    /// The server that has it.
    pub(crate) server: ServerId,
    /// Its id there.
    pub(crate) id: String,
}

impl Seals {
    /// The id under which a user of a gateway knows a task.
    pub(crate) fn task_id(
        &self,
        gateway: GatewayId,
        caller: CallerKey,
        server: ServerId,
        id: &str,
    ) -> String {
        let plain = [&server.number().to_be_bytes()[..], id.as_bytes()].concat();
        let context = context(gateway, caller);
        self.keyring.seal_alike(Purpose::Task, &context, &plain).0
    }

    /// The task that a user of a gateway knows under an ID; `None` if they did not get the ID here.
    pub(crate) fn open_task(&self, gateway: GatewayId, caller: CallerKey, id: &str) -> Option<Task> {
        if id.len() > ID_MAX {
            return None;
        }
        let sealed = SealedText(id.to_owned());
        let context = context(gateway, caller);
        let plain = self.keyring.open(Purpose::Task, &context, &sealed).ok()?;
        let (server, id) = plain.split_first_chunk()?;
        Some(Task {
            server: ServerId::of_number(u128::from_be_bytes(*server)),
            id: String::from_utf8(id.to_vec()).ok()?,
        })
    }
}

fn context(gateway: GatewayId, caller: CallerKey) -> String {
    format!("{gateway}/{}", hex(caller.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gatewright_domain::{
        clock::FixedClock,
        entropy::SeededEntropy,
        sealed::{Keyring, MasterKey},
    };

    use super::*;

    #[test]
    fn the_id_of_a_task_is_its_users_and_the_gateways_and_the_same_on_every_replica() {
        let clock = Arc::new(FixedClock::at_seconds(1_000));
        let keyring = Keyring::new(vec![MasterKey::generate(&SeededEntropy::new(5))]).unwrap();
        let [one, two] = [1, 2].map(|replica| {
            let entropy = Arc::new(SeededEntropy::new(replica));
            Seals::new(keyring.clone(), Arc::clone(&clock) as _, entropy)
        });
        let entropy = SeededEntropy::new(9);
        let [gateway, other] = [(); 2].map(|()| GatewayId::generate(clock.as_ref(), &entropy));
        let [server, next] = [(); 2].map(|()| ServerId::generate(clock.as_ref(), &entropy));
        let [ada, bob] = [1, 2].map(CallerKey::known);
        let id = one.task_id(gateway, ada, server, "7 é");
        assert_eq!(id, two.task_id(gateway, ada, server, "7 é"));
        let task = Task {
            server,
            id: "7 é".to_owned(),
        };
        assert_eq!(two.open_task(gateway, ada, &id), Some(task));
        assert_eq!(one.open_task(gateway, bob, &id), None);
        assert_eq!(one.open_task(other, ada, &id), None);
        let altered = format!("{}A", &id[..id.len() - 1]);
        let altered = if altered == id { format!("{id}B") } else { altered };
        for forged in [&*altered, "7 é", "", "v1..", &"x".repeat(10_000)] {
            assert_eq!(one.open_task(gateway, ada, forged), None, "{forged:.40}");
        }
        assert_ne!(id, one.task_id(gateway, ada, next, "7 é"));
        assert_ne!(id, one.task_id(gateway, bob, server, "7 é"));
    }
}
