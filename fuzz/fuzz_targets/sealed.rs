//! Sealed values: nothing opens but what was sealed here, for this purpose and context; and a client id that does open
//! is read whole or not at all, whatever was sealed into it.

#![no_main]

use std::sync::LazyLock;

use gatewright_domain::{
    client::{RegisteredClient, secret_matches, short_id},
    entropy::SeededEntropy,
    sealed::{Keyring, Purpose, open_under, seal_under},
    secret::Secret,
    stored_secret::SealedText,
};
use gatewright_fuzz::keyring;
use libfuzzer_sys::fuzz_target;

static KEYRING: LazyLock<Keyring> = LazyLock::new(keyring);

fuzz_target!(|data: &[u8]| {
    let entropy = SeededEntropy::new(7);

    // As it came from a stranger. No one can make one: anything that opens would be a forgery.
    if let Ok(text) = std::str::from_utf8(data) {
        let sealed = SealedText(text.to_owned());
        assert!(KEYRING.open(Purpose::Consent, "", &sealed).is_err());
        assert!(
            KEYRING
                .open_secret(Purpose::StoredSecret, "secrets/value/x", &sealed)
                .is_err()
        );
        assert!(open_under(&Secret::new("token"), "grt_1", &sealed).is_err());
        assert!(RegisteredClient::open(&KEYRING, text).is_none());
        assert!(!secret_matches(&KEYRING, text, text));
        let _ = (KEYRING.is_current(&sealed), short_id(text));
    }

    // As plain text: it comes back, and only for what it was sealed for.
    let sealed = KEYRING.seal(&entropy, Purpose::SignIn, "row-1", data);
    assert_eq!(
        KEYRING.open(Purpose::SignIn, "row-1", &sealed).as_deref(),
        Ok(data)
    );
    assert!(KEYRING.open(Purpose::SignIn, "row-2", &sealed).is_err());
    assert!(KEYRING.open(Purpose::Consent, "row-1", &sealed).is_err());
    let under = seal_under(&Secret::new("token"), &entropy, "grt_1", data);
    assert_eq!(
        open_under(&Secret::new("token"), "grt_1", &under).as_deref(),
        Ok(data)
    );

    // With one byte changed, or with what the input says in place of its end: closed.
    let mut changed = sealed.0.clone().into_bytes();
    let at = data.first().map_or(0, |byte| usize::from(*byte)) % changed.len();
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let changed = SealedText(String::from_utf8(changed).expect("one letter for another"));
    assert!(KEYRING.open(Purpose::SignIn, "row-1", &changed).is_err());

    // As the inside of a client id, as an older or newer version could have sealed it.
    let id = KEYRING.seal(&entropy, Purpose::ClientId, "client", data).0;
    if let Some(client) = RegisteredClient::open(&KEYRING, &id) {
        let again = client.seal(&KEYRING, &entropy).expect("it fitted before");
        assert_eq!(RegisteredClient::open(&KEYRING, &again), Some(client));
    }
});
