//! Sessions of accounts. They are rows, so that they can be listed and ended.

use std::time::Duration;

use crate::{
    Timestamp,
    id::{AccountId, AccountSessionId},
    token_hash::TokenHash,
};

/// A session expires after a working day without use.
pub const IDLE_LIFE: Duration = Duration::from_hours(12);
/// It expires after a week even if it is used (OWASP recommends an absolute limit).
pub const MAX_LIFE: Duration = Duration::from_hours(7 * 24);
/// The last use is recorded to within this time, so that a busy page does not mean a busy database.
pub const SEEN_RESOLUTION: Duration = Duration::from_mins(5);
/// The maximum number of sessions of one account. Beyond it, the one unused for longest is ended.
pub const MAX_PER_ACCOUNT: u32 = 50;

/// The name of a browser is kept up to this many characters: enough to recognise it in a list.
const MAX_USER_AGENT: usize = 200;

/// A session as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSession {
    /// Its id.
    pub id: AccountSessionId,
    /// The account.
    pub account_id: AccountId,
    /// SHA-256 of the cookie's value.
    pub hash: TokenHash,
    /// The account's session epoch when it began.
    pub epoch: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to within [`SEEN_RESOLUTION`].
    pub last_seen_at: Timestamp,
    /// When it expires, used or not.
    pub expires_at: Timestamp,
    /// Where it began.
    pub address: String,
    /// In which browser, as the browser says.
    pub user_agent: String,
}

impl AccountSession {
    /// Whether it has not expired at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at > now && self.last_seen_at.plus(IDLE_LIFE) > now
    }
}

/// The part of a `User-Agent` header that is stored: its start, without control characters.
pub fn shorten_user_agent(header: &str) -> String {
    header
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_USER_AGENT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::FixedClock, entropy::SeededEntropy};

    #[test]
    fn it_expires_when_idle_and_after_a_week() {
        let (clock, entropy) = (FixedClock::at_seconds(0), SeededEntropy::new(1));
        let began = Timestamp::from_seconds(0);
        let mut session = AccountSession {
            id: AccountSessionId::generate(&clock, &entropy),
            account_id: AccountId::generate(&clock, &entropy),
            hash: TokenHash::of("token"),
            epoch: 1,
            created_at: began,
            last_seen_at: began,
            expires_at: began.plus(MAX_LIFE),
            address: "127.0.0.1".to_owned(),
            user_agent: String::new(),
        };
        let just_before = |life: Duration| began.plus(life).minus(Duration::from_millis(1));
        assert!(session.is_live(just_before(IDLE_LIFE)));
        assert!(!session.is_live(began.plus(IDLE_LIFE)));
        session.last_seen_at = just_before(MAX_LIFE);
        assert!(session.is_live(just_before(MAX_LIFE)));
        assert!(!session.is_live(began.plus(MAX_LIFE)));
    }

    #[test]
    fn a_browser_cannot_fill_the_list() {
        assert_eq!(shorten_user_agent("Moz\u{7}illa\n"), "Mozilla");
        assert_eq!(
            shorten_user_agent(&"é".repeat(10_000)).chars().count(),
            MAX_USER_AGENT
        );
    }
}
