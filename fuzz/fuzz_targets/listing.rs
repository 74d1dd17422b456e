//! Lists of tools from servers: what is kept are bytes of the answer, and names are distinguished.

#![no_main]

use bytes::Bytes;
use gatewright_mcp::{
    listing::{ListKind, ServerList, parse_page},
    merge::page_of_cursor,
    naming::{NAME_CHARS_MAX, Naming},
    param_headers::ParamHeaders,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let result = Bytes::copy_from_slice(data);
    for kind in [ListKind::Tools, ListKind::Prompts, ListKind::Resources] {
        let Ok(page) = parse_page(kind, &result) else {
            continue;
        };
        for entry in &page.entries {
            assert!(
                result
                    .windows(entry.raw.len().max(1))
                    .any(|window| window == entry.raw)
            );
            assert!(gatewright_fuzz::is_json(&entry.raw) != Some(false));
            let exposed = Naming::Prefixed.expose("server", &entry.key);
            let own = Naming::Prefixed.unchanged("server", &exposed);
            assert!(own.is_none_or(|own| *own == *entry.key));
            let accepted = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            assert!(exposed.starts_with("server_") && exposed.len() <= NAME_CHARS_MAX && exposed.bytes().all(accepted));
            let names: std::collections::HashSet<_> = entry.param_headers.names().collect();
            assert_eq!(
                names.len(),
                entry.param_headers.names().count(),
                "no header stands for two parameters"
            );
            let derived = entry.param_headers.derive(Some(&entry.raw)).unwrap_or_default();
            assert!(
                derived
                    .iter()
                    .all(|(name, _)| name.as_str().starts_with("mcp-param-"))
            );
            let headers = derived.into_iter().collect();
            assert_eq!(
                entry.param_headers.check(&headers, Some(&entry.raw)),
                entry.param_headers.derive(Some(&entry.raw)).map(drop)
            );
        }
        let mut list = ServerList::default();
        let cursor = page.next_cursor.clone();
        let next = list.push(page);
        assert!(next.is_none() || next == cursor);
    }
    let _ = ParamHeaders::read(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = page_of_cursor(text);
    }
});
