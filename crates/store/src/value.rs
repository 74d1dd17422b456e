//! Values for the placeholders of a query: texts and numbers, each with its own NULL, because PostgreSQL needs to
//! know the type of a NULL too. A project is a separate kind of text, because a transaction can be confined to one.

use gatewright_domain::{
    Timestamp,
    id::{
        AccountId, AccountSessionId, ApiKeyId, AttemptId, ClientBlockId, ClientId, EventId, GatewayId,
        GrantId, IncidentId, InvitationId, NotificationId, ProjectId, SecretId, ServerId, SigningKeyId,
        StreamId, TestSignInId, UserId, UserSourceId,
    },
    stored_secret::SealedText,
    token_hash::TokenHash,
};

/// A value for a placeholder.
#[derive(Clone)]
pub(crate) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Project(ProjectId),
}

/// Builds the slice of values for a query; domain types convert themselves.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::value::Value::from($value)),*] };
}
pub(crate) use values;

/// Placeholders for a list of values, beginning with `$first`: `$3, $4, $5`.
pub(crate) fn places<T>(first: usize, list: &[T]) -> String {
    let places: Vec<String> = (first..first + list.len())
        .map(|place| format!("${place}"))
        .collect();
    places.join(", ")
}

macro_rules! from_display {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Value {
            fn from(value: $kind) -> Self {
                Self::Text(Some(value.to_string()))
            }
        }

        impl From<Option<$kind>> for Value {
            fn from(value: Option<$kind>) -> Self {
                Self::Text(value.map(|value| value.to_string()))
            }
        }
    )*};
}
from_display!(
    AccountId,
    AccountSessionId,
    ApiKeyId,
    AttemptId,
    ClientBlockId,
    ClientId,
    EventId,
    GatewayId,
    GrantId,
    IncidentId,
    InvitationId,
    NotificationId,
    SecretId,
    ServerId,
    SigningKeyId,
    StreamId,
    TestSignInId,
    UserId,
    UserSourceId
);

impl From<ProjectId> for Value {
    fn from(id: ProjectId) -> Self {
        Self::Project(id)
    }
}

impl From<Option<ProjectId>> for Value {
    fn from(id: Option<ProjectId>) -> Self {
        id.map_or(Self::Text(None), Self::Project)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&SealedText> for Value {
    fn from(sealed: &SealedText) -> Self {
        Self::Text(Some(sealed.0.clone()))
    }
}

impl From<Option<&SealedText>> for Value {
    fn from(sealed: Option<&SealedText>) -> Self {
        Self::Text(sealed.map(|sealed| sealed.0.clone()))
    }
}

impl From<Option<TokenHash>> for Value {
    fn from(hash: Option<TokenHash>) -> Self {
        Self::Text(hash.map(TokenHash::to_text))
    }
}

impl From<TokenHash> for Value {
    fn from(hash: TokenHash) -> Self {
        Self::Text(Some(hash.to_text()))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Int(Some(i64::from(flag)))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(Some(i64::from(number)))
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Int(Some(at.as_millis()))
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(at: Option<Timestamp>) -> Self {
        Self::Int(at.map(Timestamp::as_millis))
    }
}
