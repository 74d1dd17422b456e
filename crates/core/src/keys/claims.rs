//! What an access token says.

use gatewright_domain::{
    grant::Person,
    id::{GatewayId, GrantId},
};
use serde::{Deserialize, Serialize};

/// The claims of an access token (RFC 9068 section 2.2 and our own).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The gateway's URL.
    pub iss: String,
    /// The same URL.
    pub aud: String,
    /// Whose it is: `sub`, and for a user of a source also `source` and its identity epoch at sign-in, `epoch`.
    #[serde(flatten, with = "whose")]
    pub person: Person,
    /// The client, in the short form.
    pub client_id: String,
    /// Seconds since the epoch.
    pub iat: i64,
    /// Seconds since the epoch.
    pub exp: i64,
    /// Unique.
    pub jti: String,
    /// Scopes granted.
    pub scope: String,
    /// The gateway's id, which must equal what the slug resolves to.
    pub gateway: GatewayId,
    /// The grant.
    pub grant: GrantId,
    /// The how-manieth refresh token of the grant it was issued with; absent in tokens of older versions.
    #[serde(default, rename = "gen", skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

mod whose {
    use gatewright_domain::{grant::Person, id::UserSourceId};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    #[derive(Serialize, Deserialize)]
    struct Whose {
        sub: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<UserSourceId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        epoch: Option<i64>,
    }

    pub(super) fn serialize<S: Serializer>(person: &Person, serializer: S) -> Result<S::Ok, S::Error> {
        let whose = Whose {
            sub: person.to_string(),
            source: person.user_source_id(),
            epoch: person.identity_epoch(),
        };
        whose.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Person, D::Error> {
        let whose = Whose::deserialize(deserializer)?;
        match (whose.source, whose.epoch) {
            (Some(user_source_id), Some(identity_epoch)) => Ok(Person::User {
                user_id: whose.sub.parse().map_err(D::Error::custom)?,
                user_source_id,
                identity_epoch,
            }),
            (None, None) => Ok(Person::Member(whose.sub.parse().map_err(D::Error::custom)?)),
            (Some(_), None) | (None, Some(_)) => {
                Err(D::Error::custom("`source` and `epoch` belong together"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{
        clock::FixedClock,
        entropy::SeededEntropy,
        id::{AccountId, UserId, UserSourceId},
    };
    use serde_json::{Value, json};

    use super::*;

    fn claims(person: Person) -> AccessClaims {
        let (clock, entropy) = (FixedClock::at_seconds(1_000), SeededEntropy::new(1));
        AccessClaims {
            iss: "https://gw.example/mcp/one".to_owned(),
            aud: "https://gw.example/mcp/one".to_owned(),
            person,
            client_id: "client".to_owned(),
            iat: 1_000,
            exp: 2_000,
            jti: "once".to_owned(),
            scope: "mcp".to_owned(),
            gateway: GatewayId::generate(&clock, &entropy),
            grant: GrantId::generate(&clock, &entropy),
            generation: None,
        }
    }

    #[test]
    fn users_and_members_differ_in_more_than_their_sub() {
        let (clock, entropy) = (FixedClock::at_seconds(1_000), SeededEntropy::new(2));
        let user = Person::User {
            user_id: UserId::generate(&clock, &entropy),
            user_source_id: UserSourceId::generate(&clock, &entropy),
            identity_epoch: 3,
        };
        let member = Person::Member(AccountId::generate(&clock, &entropy));
        for person in [user, member] {
            let written = serde_json::to_value(claims(person)).unwrap();
            assert_eq!(written["sub"], json!(person.to_string()));
            assert_eq!(written.get("source").is_some(), person == user);
            let read: AccessClaims = serde_json::from_value(written).unwrap();
            assert_eq!(read, claims(person));
        }
        let mut mixed = serde_json::to_value(claims(member)).unwrap();
        mixed["epoch"] = json!(1);
        assert!(serde_json::from_value::<AccessClaims>(mixed.clone()).is_err());
        mixed["source"] = Value::String(user.user_source_id().unwrap().to_string());
        assert!(
            serde_json::from_value::<AccessClaims>(mixed).is_err(),
            "an account is no user of a source"
        );
    }
}
