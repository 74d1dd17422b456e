//! What is remembered about the administrators' identity provider.

use gatewright_domain::registration::SecretMethod::{Basic, Post};
use gatewright_store::administrator_provider::{find_method, note_method};

use crate::world::{World, commit, contract, look};

contract!(what_worked_is_remembered_only_for_the_configured_client);

async fn what_worked_is_remembered_only_for_the_configured_client(world: World) {
    const ISSUER: &str = "https://login.example.com";
    assert_eq!(look!(world, tx => find_method(tx, ISSUER, "one")), None);
    for method in [Post, Basic, Post] {
        commit!(world, tx => note_method(tx, ISSUER, "one", method));
        assert_eq!(look!(world, tx => find_method(tx, ISSUER, "one")), Some(method));
    }
    assert_eq!(look!(world, tx => find_method(tx, ISSUER, "two")), None);
    commit!(world, tx => note_method(tx, ISSUER, "two", Basic));
    assert_eq!(look!(world, tx => find_method(tx, ISSUER, "one")), None);
    assert_eq!(look!(world, tx => find_method(tx, ISSUER, "two")), Some(Basic));
}
