//! No answer, no export, no audit event and no line of the log shows a secret, not even sealed.

use axum::http::Method;
use serde_json::json;

use super::{
    bench::Bench,
    document::{document, operations},
    everything::{CANARY, Everything},
};
use crate::relying_party::testing::Log;

/// What sealed values look like: `v1.`, the id of a key in eight hexadecimal digits, and another dot.
fn holds_a_sealed_value(text: &str) -> bool {
    text.match_indices("v1.").any(|(at, _)| {
        let rest = &text.as_bytes()[at + 3..];
        rest.len() > 8 && rest[..8].iter().all(u8::is_ascii_hexdigit) && rest[8] == b'.'
    })
}

#[test]
fn a_sealed_value_is_recognised() {
    assert!(holds_a_sealed_value("x: v1.0a1b2c3d.AAAA"));
    assert!(!holds_a_sealed_value("/api/v1.html v1.0a1b2c3"));
}

#[tokio::test]
async fn nothing_that_is_read_shows_a_secret() {
    let log = Log::listen();
    let bench = Bench::new().await;
    let all = Everything::make(&bench).await;
    // What is refused may hold a secret in the wrong place.
    let misplaced = json!({"nmae": format!("{CANARY}-5"), "name": 1, "value": [format!("{CANARY}-6")]});
    for what in ["secrets", "user-sources", "servers", "gateways", "api-keys"] {
        let path = all.tenant.path(what);
        let refused = bench
            .post(&all.tenant.owner, &path, misplaced.clone())
            .await
            .expect(422);
        assert!(
            !refused.body.to_string().contains(&format!("{CANARY}-6")),
            "{what}"
        );
    }
    let mut read = Vec::new();
    for (method, path, _) in operations(&document(&bench).await) {
        if method != Method::GET {
            continue;
        }
        let Some(filled) = all.path(&path) else { continue };
        let (text, _) = bench.lines(all.master(&bench, &path), &filled).await;
        assert!(!text.contains(CANARY), "{path}: {text}");
        assert!(!holds_a_sealed_value(&text), "{path}: {text}");
        for key in &all.shown {
            assert!(!text.contains(key), "{path}: {text}");
        }
        read.push(path);
    }
    assert!(read.len() > 20, "{read:?}");
    for list in ["audit-events", "audit-events/export", "secrets/{secret}"] {
        assert!(
            read.iter().any(|path| path.ends_with(list)),
            "{list} was not read"
        );
    }
    let log = log.text();
    assert!(!log.is_empty());
    assert!(!log.contains(CANARY), "{log}");
    assert!(!holds_a_sealed_value(&log), "{log}");
    for key in &all.shown {
        assert!(!log.contains(key), "{log}");
    }
}
