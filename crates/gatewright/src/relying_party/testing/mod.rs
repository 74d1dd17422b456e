//! What the tests of the relying party share: a provider that does as it is told, and an instance that uses it.

mod client;
mod log;
mod provider;
mod world;

use gatewright_domain::{
    Timestamp,
    clock::FixedClock,
    entropy::SeededEntropy,
    id::{ProjectId, UserSourceId},
    stored_secret::SealedText,
    user_source::{Callback, ClientAuthentication, ClientSecretSlots, UserSource, UserSourceStatus},
};

pub(super) use crate::jose::signer::{Signer, SignerKind, encode};
pub(super) use client::{Client, VERIFIER};
pub(crate) use log::Log;
pub(super) use provider::{Fault, HostileProvider, SECRET, Script, TokenRule};
pub(super) use world::{Seen, SignIn, World};

/// A source of this issuer, with a secret that nobody can open.
pub(super) fn source(issuer: &str) -> UserSource {
    let (clock, entropy) = (FixedClock::at_seconds(1_800_000_000), SeededEntropy::new(11));
    let at = Timestamp::from_seconds(1_800_000_000);
    UserSource {
        id: UserSourceId::generate(&clock, &entropy),
        project_id: ProjectId::generate(&clock, &entropy),
        name: "Provider".to_owned(),
        description: String::new(),
        issuer: issuer.to_owned(),
        client_id: "client-1".to_owned(),
        client_secret: ClientSecretSlots {
            current: SealedText("v1.none.none".to_owned()),
            previous: None,
            changed_at: at,
            confirmed_at: None,
            refused_at: None,
        },
        client_authentication: ClientAuthentication::default(),
        scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
        subject_claim: "sub".to_owned(),
        callback: Callback::Shared,
        status: UserSourceStatus::Active,
        identity_epoch: 1,
        verified_at: None,
        last_test: None,
        created_at: at,
        updated_at: at,
    }
}
