//! Discovery documents: people and secrets are sent only to https addresses.

#![no_main]

use gatewright_identity::fuzzing::{ISSUER, endpoints};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| {
    let Some(endpoints) = endpoints(document) else {
        return;
    };
    for url in endpoints {
        assert_eq!(url.scheme(), "https", "{url}");
        assert!(url.host_str().is_some_and(|host| !host.is_empty()), "{url}");
        assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
        assert!(
            url.as_str().bytes().all(|byte| byte.is_ascii_graphic()),
            "it fits a header: {url}"
        );
    }
    let read: serde_json::Value = serde_json::from_slice(document).expect("an accepted document is JSON");
    assert_eq!(read["issuer"], ISSUER);
});
