//! Registrations: what is accepted is small, harmless to show, and comes back whole out of the client id that carries it.

#![no_main]

use std::sync::LazyLock;

use gatewright_domain::{Timestamp, client::RegisteredClient, entropy::SeededEntropy, sealed::Keyring};
use gatewright_fuzz::keyring;
use gatewright_oauth::client_metadata::{
    MAX_NAME_CHARACTERS, MAX_REDIRECT_URIS, Registration, RegistrationResponse, display_name,
};
use libfuzzer_sys::fuzz_target;

static KEYRING: LazyLock<Keyring> = LazyLock::new(keyring);

fuzz_target!(|body: &[u8]| {
    let Ok(registration) = Registration::parse(body) else {
        return;
    };
    let uris = &registration.redirect_uris;
    assert!((1..=MAX_REDIRECT_URIS).contains(&uris.len()));

    let name = &registration.client_name;
    assert!(name.chars().count() <= MAX_NAME_CHARACTERS);
    assert!(
        !name
            .chars()
            .any(|char| char.is_control() || "\u{202e}\u{2066}\u{200b}".contains(char))
    );
    assert_eq!(&display_name(name), name, "what is harmless stays as it is");

    let client = RegisteredClient {
        redirect_uris: uris.clone(),
        name: name.clone(),
        method: registration.method,
        issued_at: Timestamp::from_seconds(1_800_000_000),
        gateway_id: None,
    };
    if let Ok(id) = client.seal(&KEYRING, &SeededEntropy::new(2)) {
        assert_eq!(RegisteredClient::open(&KEYRING, &id).as_ref(), Some(&client));
    }

    let answer = RegistrationResponse::new(&registration, "id".to_owned(), 0, None);
    let answer = serde_json::to_value(answer).expect("an answer is plain data");
    let told: Vec<_> = uris.iter().map(|uri| uri.as_str()).collect();
    assert_eq!(answer["redirect_uris"], serde_json::json!(told));
});
