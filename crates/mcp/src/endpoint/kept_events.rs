//! How much is kept of the answers to calls whose clients may come back: bytes, of one call, of one user and in all, and calls
//! that run on without their client.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Of one call; about as much as the largest answers that tools in use give.
const OF_CALL: usize = 8 * 1024 * 1024;
/// Of one user.
const OF_USER: usize = 16 * 1024 * 1024;
/// In all.
const IN_ALL: usize = 128 * 1024 * 1024;
/// What a call takes beside its events.
pub(super) const CALL_BYTES: usize = 2 * 1024;
/// The same for an event.
const EVENT_BYTES: usize = 128;
/// Calls of one user that run on without their client.
const ALONE_OF_USER: usize = 8;
/// The same in all.
const ALONE_IN_ALL: usize = 256;

/// What a user has.
#[derive(Debug, Default)]
struct OfUser {
    bytes: usize,
    alone: usize,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: usize,
    alone: usize,
    of_users: HashMap<[u8; 16], OfUser>,
}

/// What is kept in the whole process.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Taken>);

impl Kept {
    // Held for single operations on the counts only.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The share of a call, with room for the call itself; nothing where there is none.
    pub(super) fn share(self: &Arc<Self>, user: [u8; 16]) -> Option<Share> {
        let mut share = Share {
            kept: Arc::clone(self),
            user,
            bytes: 0,
        };
        share.grow(CALL_BYTES).then_some(share)
    }

    /// A place for a call that runs on without its client; nothing where there are as many as may be.
    pub(super) fn alone(self: &Arc<Self>, user: [u8; 16]) -> Option<Alone> {
        let mut taken = self.lock();
        let of_user = taken.of_users.get(&user).map_or(0, |of_user| of_user.alone);
        if taken.alone >= ALONE_IN_ALL || of_user >= ALONE_OF_USER {
            return None;
        }
        taken.alone += 1;
        taken.of_users.entry(user).or_default().alone += 1;
        drop(taken);
        Some(Alone {
            kept: Arc::clone(self),
            user,
        })
    }

    fn give_back(&self, user: &[u8; 16], bytes: usize, alone: usize) {
        let mut taken = self.lock();
        taken.bytes -= bytes;
        taken.alone -= alone;
        if let Some(of_user) = taken.of_users.get_mut(user) {
            of_user.bytes -= bytes;
            of_user.alone -= alone;
            if of_user.bytes == 0 && of_user.alone == 0 {
                taken.of_users.remove(user);
            }
        }
    }
}

/// The bytes of one call, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    kept: Arc<Kept>,
    user: [u8; 16],
    bytes: usize,
}

impl Share {
    /// What an event of so many bytes takes.
    pub(super) const fn of_event(bytes: usize) -> usize {
        bytes + EVENT_BYTES
    }

    /// Takes so many bytes more; `false` where there is no room for them.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let mut taken = self.kept.lock();
        let in_all = taken.bytes + bytes;
        let of_user = taken.of_users.entry(self.user).or_default();
        let has_room = in_all <= IN_ALL
            && of_user.bytes + bytes <= OF_USER
            && self.bytes + bytes <= OF_CALL + CALL_BYTES;
        if has_room {
            of_user.bytes += bytes;
            taken.bytes = in_all;
            self.bytes += bytes;
        } else if of_user.bytes == 0 && of_user.alone == 0 {
            taken.of_users.remove(&self.user);
        }
        has_room
    }

    /// Gives so many bytes back.
    pub(super) fn shrink(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.kept.give_back(&self.user, bytes, 0);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.kept.give_back(&self.user, self.bytes, 0);
    }
}

/// The place of a call that runs on without its client, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Alone {
    kept: Arc<Kept>,
    user: [u8; 16],
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.kept.give_back(&self.user, 0, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_by_call_by_user_and_in_all() {
        let kept = Arc::<Kept>::default();
        let mut shares = Vec::new();
        let mut fill = |user| {
            let mut share = kept.share([user; 16])?;
            let mut grown = 0;
            while share.grow(1024 * 1024) {
                grown += 1;
            }
            shares.push(share);
            Some(grown)
        };
        assert_eq!(fill(0), Some(8), "of one call");
        assert_eq!(fill(0), Some(7), "of one user");
        let of_others: u32 = (1..30).map_while(&mut fill).sum();
        assert!((110..=113).contains(&of_others), "{of_others}");
        let places: Vec<_> = (0..20).map_while(|_| kept.alone([0; 16])).collect();
        assert_eq!(places.len(), ALONE_OF_USER);
        let others: Vec<_> = (1..200_u8)
            .flat_map(|user| [kept.alone([user; 16]), kept.alone([user; 16])])
            .flatten()
            .collect();
        assert_eq!(places.len() + others.len(), ALONE_IN_ALL);
        drop((shares, places, others));
        let taken = kept.lock();
        assert_eq!((taken.bytes, taken.alone, taken.of_users.len()), (0, 0, 0));
    }
}
