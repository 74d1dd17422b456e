//! Signing keys: one signs per purpose. Rotation of the master key reaches every sealed value.

use std::time::Duration;

use gatewright_domain::{
    entropy::SeededEntropy,
    sealed::{Keyring, MasterKey},
    stored_secret::SealedText,
};
use gatewright_store::{
    StoreError,
    keys::{self, SigningPurpose},
    secret, user_source,
};

use crate::world::{World, commit, contract, look};

contract!(
    one_key_signs_per_purpose,
    rotation_reseals_everything,
    rotation_leaves_concurrent_changes,
);

async fn one_key_signs_per_purpose(world: World) {
    let first = world.new_signing_key(SigningPurpose::AccessToken);
    assert_eq!(commit!(world, tx => keys::insert_if_none(tx, &first)), first);
    world.clock.advance(Duration::from_millis(1));
    let second = world.new_signing_key(SigningPurpose::AccessToken);
    assert_eq!(commit!(world, tx => keys::insert_if_none(tx, &second)), first);
    let assertion = world.new_signing_key(SigningPurpose::Assertion);
    assert_eq!(
        commit!(world, tx => keys::insert_if_none(tx, &assertion)),
        assertion
    );
    assert_eq!(look!(world, tx => keys::list(tx)), [first, assertion]);
}

fn master(seed: u64) -> MasterKey {
    MasterKey::generate(&SeededEntropy::new(seed))
}

async fn rotation_reseals_everything(world: World) {
    let entropy = &*world.entropy;
    let old = Keyring::new(vec![master(1)]).unwrap();
    let both = Keyring::new(vec![master(2), master(1)]).unwrap();
    let new = Keyring::new(vec![master(2)]).unwrap();
    world.store.check_keyring(&old, entropy).await.unwrap();

    let project = world.project().await.id;
    let seal = |context: &str, plain: &[u8]| old.seal(entropy, keys::purpose_of(context), context, plain);
    let mut source = world.new_source(project);
    let slot = format!("user_sources/client_secret/{}", source.id);
    source.client_secret.current = seal(&slot, b"current");
    source.client_secret.previous = Some(seal(&slot, b"previous"));
    commit!(world, tx => user_source::insert(tx, &source));
    let mut stored = Vec::new();
    for number in 0..120 {
        let mut secret = world.new_secret(project);
        secret.value = seal(
            &format!("secrets/value/{}", secret.id),
            format!("value {number}").as_bytes(),
        );
        commit!(world, tx => secret::insert(tx, &secret));
        stored.push(secret);
    }
    let mut key = world.new_signing_key(SigningPurpose::AccessToken);
    let context = keys::signing_key_context(key.id);
    key.private = seal(&context, b"private");
    commit!(world, tx => keys::insert_if_none(tx, &key));

    let reseal = |context: &str, sealed: &SealedText| {
        if both.is_current(sealed) {
            return None;
        }
        let plain = both.open(keys::purpose_of(context), context, sealed).unwrap();
        Some(both.seal(entropy, keys::purpose_of(context), context, &plain))
    };
    // Two slots, the secrets, the signing key and the proof of the keyring.
    assert_eq!(
        keys::reseal_all(&world.store, &reseal).await.unwrap(),
        2 + 120 + 1 + 1
    );
    assert_eq!(keys::reseal_all(&world.store, &reseal).await.unwrap(), 0);

    world.store.check_keyring(&new, entropy).await.unwrap();
    let refused = world.store.check_keyring(&old, entropy).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))));
    let open =
        |context: &str, sealed: &SealedText| new.open(keys::purpose_of(context), context, sealed).unwrap();
    let found = look!(world, tx => user_source::find(tx, project, source.id)).unwrap();
    assert_eq!(open(&slot, &found.client_secret.current), b"current");
    assert_eq!(open(&slot, &found.client_secret.previous.unwrap()), b"previous");
    assert_eq!(found.updated_at, source.updated_at, "no one edited it");
    // An edit begun before the rotation would restore a value of the old key.
    assert!(!commit!(world, tx => user_source::update(tx, &source, &source)));
    for (number, secret) in stored.iter().enumerate() {
        let found = look!(world, tx => secret::find(tx, project, secret.id)).unwrap();
        let context = format!("secrets/value/{}", secret.id);
        assert_eq!(found.updated_at, secret.updated_at, "no one edited it");
        assert!(
            !commit!(world, tx => secret::update(tx, secret, secret)),
            "nor would an edit undo it"
        );
        assert_eq!(open(&context, &found.value), format!("value {number}").as_bytes());
    }
    let found = look!(world, tx => keys::list(tx)).remove(0);
    assert_eq!(open(&context, &found.private), b"private");
}

async fn rotation_leaves_concurrent_changes(world: World) {
    let project = world.project().await.id;
    let stored = world.new_secret(project);
    commit!(world, tx => secret::insert(tx, &stored));
    // A value that does not open is left alone.
    assert_eq!(keys::reseal_all(&world.store, &|_, _| None).await.unwrap(), 0);
    assert_eq!(
        look!(world, tx => secret::find(tx, project, stored.id)),
        Some(stored.clone())
    );
    let seen = std::sync::Mutex::new(Vec::new());
    let reseal = |context: &str, sealed: &SealedText| {
        seen.lock().unwrap().push(context.to_owned());
        Some(SealedText(format!("{}.resealed", sealed.0)))
    };
    assert_eq!(keys::reseal_all(&world.store, &reseal).await.unwrap(), 1);
    assert_eq!(
        seen.into_inner().unwrap(),
        [format!("secrets/value/{}", stored.id)]
    );
}
