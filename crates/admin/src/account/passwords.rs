//! Hashing of passwords: Argon2id (RFC 9106), in a bounded pool, so that a flood of sign-ins can take neither the memory
//! nor the processors.

use std::{sync::Arc, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, phc},
};
use gatewright_domain::{
    Entropy, entropy,
    password::{Password, PasswordHash},
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// Memory in KiB, passes and lanes: the OWASP Password Storage Cheat Sheet's first choice that needs one thread.
const COST: Cost = Cost {
    memory_kib: 19_456,
    passes: 2,
    lanes: 1,
};
/// Hashes computed at the same time: about 76 MiB at most.
const RUNNING: usize = 4;
/// Callers that can wait for one. A hash takes about 30 ms, so the last of them waits about a second.
const WAITING: usize = 128;
/// The longest wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a hash costs.
#[derive(Debug, Clone, Copy)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Too many wait already: answer 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords wait to be checked")]
pub struct Overloaded;

/// What a password turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not the one.
    Wrong,
    /// The one.
    Right,
    /// The one, and its hash is of another cost than hashes are made with now: store a new one.
    RightButOutdated,
}

/// The pool.
#[derive(Debug, Clone)]
pub struct Passwords {
    cost: Cost,
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self::of_cost(COST)
    }
}

impl Passwords {
    fn of_cost(cost: Cost) -> Self {
        Self {
            cost,
            admitted: Arc::new(Semaphore::new(RUNNING + WAITING)),
            running: Arc::new(Semaphore::new(RUNNING)),
        }
    }

    /// The hash of a password, with its own salt.
    pub async fn hash(&self, entropy: &dyn Entropy, password: &Password) -> Result<PasswordHash, Overloaded> {
        let salt: [u8; 16] = entropy::bytes(entropy);
        let (argon2, password) = (self.argon2(), password.clone());
        self.run(move || {
            let hash = argon2
                .hash_password_with_salt(password.expose().as_bytes(), &salt)
                .expect("a checked password and a salt of 16 bytes are within the algorithm's limits");
            PasswordHash::new(hash.to_string())
        })
        .await
    }

    /// Whether a password is the one that was hashed. Without a hash, as for an unknown account, it takes as long and is
    /// wrong: the time does not reveal which accounts exist.
    pub async fn verify(
        &self,
        password: &Password,
        hash: Option<&PasswordHash>,
    ) -> Result<Verdict, Overloaded> {
        let (argon2, password, hash) = (self.argon2(), password.clone(), hash.cloned());
        let now = self.cost;
        self.run(move || {
            let typed = password.expose().as_bytes();
            let stored = hash
                .as_ref()
                .and_then(|hash| phc::PasswordHash::new(hash.expose()).ok());
            let Some(stored) = stored else {
                let _ = argon2.hash_password_with_salt(typed, &[0; 16]);
                return Verdict::Wrong;
            };
            if argon2::PasswordVerifier::verify_password(&argon2, typed, &stored).is_err() {
                return Verdict::Wrong;
            }
            if now.made(&stored) {
                Verdict::Right
            } else {
                Verdict::RightButOutdated
            }
        })
        .await
    }

    fn argon2(&self) -> Argon2<'static> {
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = self.cost;
        let params =
            Params::new(memory_kib, passes, lanes, None).expect("constants within the algorithm's limits");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }

    /// Computes in its turn. The permit belongs to the work, which continues if the caller leaves.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let admitted = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_| Overloaded)?;
        let turn = timeout(PATIENCE, Arc::clone(&self.running).acquire_owned()).await;
        let turn = turn.map_err(|_| Overloaded)?.map_err(|_| Overloaded)?;
        let done = spawn_blocking(move || {
            let _held = (admitted, turn);
            work()
        });
        // A task fails only when the process is going down.
        done.await.map_err(|_| Overloaded)
    }
}

impl Cost {
    /// Whether a hash was made at this cost.
    fn made(self, hash: &phc::PasswordHash) -> bool {
        let is = |name: &str, value: u32| hash.params.get_decimal(name) == Some(value);
        hash.algorithm.as_str() == Algorithm::Argon2id.as_str()
            && hash.version == Some(Version::V0x13.into())
            && is("m", self.memory_kib)
            && is("t", self.passes)
            && is("p", self.lanes)
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{entropy::SeededEntropy, secret::Secret};

    use super::*;

    const CHEAP: Cost = Cost {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };

    fn typed(text: &str) -> Password {
        Password::typed(&Secret::new(text)).unwrap()
    }

    #[tokio::test]
    async fn a_password_is_right_only_when_it_is_the_one() {
        let passwords = Passwords::default();
        let entropy = SeededEntropy::new(1);
        let hash = passwords.hash(&entropy, &typed("violet harbour")).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let again = passwords.hash(&entropy, &typed("violet harbour")).await.unwrap();
        assert_ne!(hash.expose(), again.expose());
        let verify = async |text, hash| passwords.verify(&typed(text), hash).await.unwrap();
        assert_eq!(verify("violet harbour", Some(&hash)).await, Verdict::Right);
        assert_eq!(verify("violet harbor", Some(&hash)).await, Verdict::Wrong);
        assert_eq!(verify("violet harbour", None).await, Verdict::Wrong);
        let broken = PasswordHash::new("not a hash".to_owned());
        assert_eq!(verify("violet harbour", Some(&broken)).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_recognised() {
        let (cheap, now) = (Passwords::of_cost(CHEAP), Passwords::default());
        let hash = cheap
            .hash(&SeededEntropy::new(1), &typed("violet harbour"))
            .await
            .unwrap();
        let verdict = now.verify(&typed("violet harbour"), Some(&hash)).await;
        assert_eq!(verdict, Ok(Verdict::RightButOutdated));
        let verdict = now.verify(&typed("something else"), Some(&hash)).await;
        assert_eq!(verdict, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_flood_is_refused_and_the_pool_recovers() {
        let passwords = Passwords::of_cost(CHEAP);
        let (sender, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let mut held = Vec::new();
        for _ in 0..RUNNING + WAITING {
            let (passwords, gate) = (passwords.clone(), Arc::clone(&gate));
            held.push(tokio::spawn(async move {
                passwords.run(move || gate.lock().unwrap().recv().is_ok()).await
            }));
        }
        while passwords.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(passwords.run(|| ()).await, Err(Overloaded));
        for _ in &held {
            sender.send(()).unwrap();
        }
        for one in held {
            assert_eq!(one.await.unwrap(), Ok(true));
        }
        assert_eq!(passwords.run(|| ()).await, Ok(()));
    }
}
