//! Typed identifiers: a UUIDv7 with a prefix that says what it identifies, so that one kind can never be used
//! in place of another. Their text form is `prefix_` and 32 lower-case hexadecimal digits.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::{Clock, Entropy, Timestamp};

/// Why a text is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id that starts with `{expected}`, like `{expected}0192f0c1a2b37c4d8e5f60718293a4b5`")]
pub struct IdError {
    expected: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of the text form, including the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// The bare number. The lower half of its bits is random.
            pub const fn number(self) -> u128 {
                self.0.as_u128()
            }

            /// The identifier with a bare number.
            pub const fn of_number(number: u128) -> Self {
                Self(Uuid::from_u128(number))
            }

            /// A new identifier; identifiers sort by time (UUIDv7, RFC 9562 section 5.7).
            pub fn generate(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
                Self(uuid_v7(clock, entropy))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse($prefix, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A project: the unit of isolation and trust.
    ProjectId = "prj_";
    /// A User Source: the connection to one identity provider.
    UserSourceId = "src_";
    /// A gateway.
    GatewayId = "gw_";
    /// An upstream MCP server.
    ServerId = "srv_";
    /// An end user.
    UserId = "usr_";
    /// An account that administers.
    AccountId = "acc_";
    /// An API key.
    ApiKeyId = "key_";
    /// A grant: one user's authorization of one client at one gateway.
    GrantId = "grt_";
    /// A registered OAuth client.
    ClientId = "cli_";
    /// A blocked client of a gateway.
    ClientBlockId = "blk_";
    /// An audit event.
    EventId = "evt_";
    /// A test sign-in at a User Source.
    TestSignInId = "tst_";
    /// A project secret, referenced as `${secret:NAME}`.
    SecretId = "sec_";
    /// An invitation into a project.
    InvitationId = "inv_";
    /// A session of an account.
    AccountSessionId = "ses_";
    /// A signing key; its text form is the `kid` of the tokens it signs.
    SigningKeyId = "sig_";
    /// An attempt to sign in.
    AttemptId = "att_";
    /// A request of a gateway, as recorded.
    ActivityId = "act_";
    /// An incident.
    IncidentId = "inc_";
    /// A message about incidents.
    NotificationId = "msg_";
    /// A stream.
    StreamId = "str_";
}

impl ActivityId {
    /// The ID of the row with this number, written at this moment. Nothing in it is random: the number takes the place of the
    /// random bits (RFC 9562 section 6.2 has counters there), so an ID leads to its row without an index.
    pub fn of_row(at: Timestamp, row: i64) -> Self {
        let millis = u128::from(at.as_millis().max(0).cast_unsigned()) & 0xffff_ffff_ffff;
        let row = u128::from(row.max(0).cast_unsigned()) & 0x3fff_ffff_ffff_ffff;
        Self(Uuid::from_u128(millis << 80 | 7 << 76 | 0b10 << 62 | row))
    }

    /// The number of its row.
    pub const fn row(self) -> i64 {
        // 62 bits.
        (self.0.as_u128() & 0x3fff_ffff_ffff_ffff) as i64
    }
}

impl AttemptId {
    /// The grant this attempt leads to. It has the same number, so anyone who holds a code or token of the grant finds
    /// the attempt without a query.
    pub const fn grant(self) -> GrantId {
        GrantId(self.0)
    }

    /// The attempt that led to a grant.
    pub const fn of_grant(grant: GrantId) -> Self {
        Self(grant.0)
    }

    /// When it was generated.
    pub fn made_at(self) -> Timestamp {
        let seconds_and_nanos = self.0.get_timestamp().map(|at| at.to_unix());
        let millis = seconds_and_nanos.map(|(seconds, nanos)| seconds * 1_000 + u64::from(nanos) / 1_000_000);
        Timestamp::from_millis(
            millis
                .and_then(|millis| i64::try_from(millis).ok())
                .unwrap_or_default(),
        )
    }
}

fn parse(prefix: &'static str, text: &str) -> Result<Uuid, IdError> {
    let error = IdError { expected: prefix };
    let hex = text.strip_prefix(prefix).ok_or_else(|| error.clone())?;
    let canonical = hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !canonical {
        return Err(error);
    }
    Uuid::try_parse(hex).map_err(|_| error)
}

fn uuid_v7(clock: &dyn Clock, entropy: &dyn Entropy) -> Uuid {
    let mut random = [0_u8; 10];
    entropy.fill(&mut random);
    let millis = u64::try_from(clock.now().as_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::FixedClock, entropy::SeededEntropy};

    #[test]
    fn an_id_reads_back_from_its_text_and_from_nothing_else() {
        let id = GatewayId::generate(&FixedClock::at_seconds(1_700_000_000), &SeededEntropy::new(7));
        let text = id.to_string();
        assert_eq!(text.parse::<GatewayId>().unwrap(), id);
        assert!(text.parse::<ServerId>().is_err());
        assert!(text.to_uppercase().parse::<GatewayId>().is_err());
        assert!(format!("{text}0").parse::<GatewayId>().is_err());
    }

    #[test]
    fn an_attempt_and_its_grant_find_each_other() {
        let id = AttemptId::generate(&FixedClock::at_seconds(1_700_000_000), &SeededEntropy::new(7));
        assert_eq!(AttemptId::of_grant(id.grant()), id);
        assert_eq!(id.made_at(), Timestamp::from_seconds(1_700_000_000));
    }

    #[test]
    fn an_activity_leads_to_its_row() {
        let at = Timestamp::from_millis(1_700_000_000_123);
        for row in [0, 1, 257, i64::from(u32::MAX), 1 << 61] {
            let id = ActivityId::of_row(at, row);
            assert_eq!(id.row(), row);
            assert_eq!(id.to_string().parse::<ActivityId>().unwrap(), id);
            assert_eq!(id.0.get_version_num(), 7);
            assert_eq!(id.0.get_variant(), uuid::Variant::RFC4122);
        }
        let later = ActivityId::of_row(Timestamp::from_millis(1_700_000_000_124), 0);
        assert!(later.to_string() > ActivityId::of_row(at, 1 << 61).to_string());
        assert!(ActivityId::of_row(at, 257).to_string() > ActivityId::of_row(at, 256).to_string());
    }

    #[test]
    fn ids_made_later_sort_later() {
        let entropy = SeededEntropy::new(1);
        let early = UserId::generate(&FixedClock::at_seconds(1_000), &entropy);
        let late = UserId::generate(&FixedClock::at_seconds(2_000), &entropy);
        assert!(early.to_string() < late.to_string());
    }
}
