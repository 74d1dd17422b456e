//! Client ID Metadata Documents: the first line is the client id, the rest the document fetched from there.

#![no_main]

use gatewright_fuzz::first_line;
use gatewright_oauth::metadata_document::{MAX_URL_BYTES, MetadataDocument, check_url, is_url};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((client_id, body)) = first_line(data) else {
        return;
    };
    let Ok(url) = check_url(client_id) else {
        return;
    };
    assert!(is_url(client_id));
    assert_eq!(url.as_str(), client_id, "one client has one spelling");
    assert!(client_id.len() <= MAX_URL_BYTES);
    assert_eq!(url.scheme(), "https");
    assert!(url.host_str().is_some_and(|host| !host.is_empty()));
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    assert_ne!(url.path(), "/");

    let Ok(document) = MetadataDocument::parse(&url, body) else {
        return;
    };
    assert_eq!(document.client_id, client_id);
    assert!(!document.client_name.is_empty());
    assert!((1..=50).contains(&document.redirect_uris.len()));
    let read: serde_json::Value = serde_json::from_slice(body).expect("an accepted document is JSON");
    assert!(read["client_secret"].is_null(), "a secret in public is refused");
});
