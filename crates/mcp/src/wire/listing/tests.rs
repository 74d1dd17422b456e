//! Pages read without losing a byte, and caps.

use proptest::prelude::*;

use super::*;

fn page(result: &str) -> Page {
    parse_page(ListKind::Tools, &Bytes::copy_from_slice(result.as_bytes())).expect("a page")
}

#[test]
fn reads_a_page_and_keeps_every_byte_of_its_entries() {
    let first =
        r#"{ "description":"a \u00e9", "name" : "a\u005fb", "x":1.00, "inputSchema":{"type" :"object"} }"#;
    let result = format!(
        r#"{{"tools":[ {first} , {{"name":"c"}}],"nextCursor":"n","ttlMs":300000,"cacheScope":"public","zz":[]}}"#
    );
    let page = page(&result);
    assert_eq!(page.entries[0].raw, first);
    assert_eq!(&*page.entries[0].key, "a_b");
    assert_eq!(
        page.entries[0].key_span.of(&page.entries[0].raw),
        br#""a\u005fb""#
    );
    assert_eq!(
        page.entries[0]
            .input_schema
            .map(|span| span.of(&page.entries[0].raw)),
        Some(&br#"{"type" :"object"}"#[..])
    );
    assert_eq!(page.entries[1].input_schema, None);
    assert_eq!(page.next_cursor.as_deref(), Some("n"));
    assert_eq!(
        (page.ttl_ms, page.cache_scope),
        (Some(300_000), Some(CacheScope::Public))
    );
}

#[test]
fn one_bad_entry_takes_only_itself_away() {
    let page = page(concat!(
        r#"{"tools":[1,{},{"name":1},{"name":"a","name":"b"},{"name":"\ud800"},"#,
        r#"{"name":"bad","inputSchema":{"type":"string","x-mcp-header":"A"}},{"name":"good"}],"ttlMs":-1,"cacheScope":"both"}"#
    ));
    assert_eq!(
        page.entries.iter().map(|entry| &*entry.key).collect::<Vec<_>>(),
        ["good"]
    );
    assert_eq!(page.invalid.len(), 6);
    assert_eq!(page.invalid[5].key.as_deref(), Some("bad"));
    assert_eq!((page.ttl_ms, page.cache_scope), (None, None));
}

#[test]
fn what_is_not_a_page_is_refused() {
    for bad in [
        "{}",
        "[]",
        r#"{"tools":{}}"#,
        r#"{"tools":[],"tools":[]}"#,
        r#"{"prompts":[]}"#,
        "",
        "{\"tools\":[",
        "null",
    ] {
        let result = parse_page(ListKind::Tools, &Bytes::copy_from_slice(bad.as_bytes()));
        assert!(result.is_err(), "{bad}");
    }
}

fn with(names: std::ops::Range<usize>, cursor: Option<&str>) -> Page {
    let entries: Vec<_> = names.map(|index| format!(r#"{{"name":"t{index}"}}"#)).collect();
    let cursor = cursor
        .map(|cursor| format!(r#","nextCursor":"{cursor}""#))
        .unwrap_or_default();
    page(&format!(r#"{{"tools":[{}]{cursor}}}"#, entries.join(",")))
}

#[test]
fn pages_add_up_within_the_caps() {
    let mut list = ServerList::default();
    assert_eq!(list.push(with(0..3, Some("1"))).as_deref(), Some("1"));
    assert_eq!(list.push(with(3..4, None)), None);
    assert_eq!((list.entries.len(), list.truncated), (4, false));

    let mut list = ServerList::default();
    assert!(list.push(with(0..MAX_ENTRIES_PER_SERVER, Some("1"))).is_some());
    assert_eq!(list.push(with(0..1, Some("2"))), None);
    assert_eq!(
        (list.entries.len(), list.truncated),
        (MAX_ENTRIES_PER_SERVER, true)
    );

    let mut list = ServerList::default();
    assert!(list.push(with(0..1, Some("1"))).is_some());
    assert_eq!(list.push(with(1..2, Some("1"))), None);
    assert_eq!((list.entries.len(), list.truncated), (2, true));

    let mut list = ServerList::default();
    let mut pages = 1;
    while list.push(with(0..0, Some(&pages.to_string()))).is_some() {
        pages += 1;
    }
    assert_eq!((pages, list.truncated), (MAX_PAGES_PER_SERVER, true));

    let large = format!(
        r#"{{"tools":[{{"name":"a","d":"{0}"}},{{"name":"b","d":"{0}"}}]}}"#,
        "x".repeat(MAX_BYTES_PER_SERVER / 2)
    );
    let mut list = ServerList::default();
    assert_eq!(list.push(page(&large)), None);
    assert_eq!((list.entries.len(), list.truncated), (1, true));
}

#[test]
fn a_page_without_end_costs_no_more_than_the_caps() {
    let junk = format!(r#"{{"tools":[{}{{"name":"a"}}]}}"#, "0,".repeat(100_000));
    let junk = page(&junk);
    assert_eq!(
        (junk.entries.len(), junk.invalid.len(), junk.truncated),
        (1, MAX_INVALID_KEPT, false)
    );
    let mut list = ServerList::default();
    assert_eq!(list.push(with(0..MAX_ENTRIES_PER_SERVER * 3, Some("1"))), None);
    assert_eq!(
        (list.entries.len(), list.truncated),
        (MAX_ENTRIES_PER_SERVER, true)
    );
}

#[test]
fn what_is_kept_of_long_names_and_cursors_is_short() {
    let cursor = "c".repeat(MAX_CURSOR + 1);
    let mut list = ServerList::default();
    assert_eq!(list.push(with(0..2, Some(&cursor))), None);
    assert_eq!((list.entries.len(), list.truncated), (2, true));
    assert_eq!(
        ServerList::default()
            .push(with(0..2, Some(&cursor[1..])))
            .as_deref(),
        Some(&cursor[1..])
    );
    let long = "é".repeat(1_000);
    let annotated = |name: &str, kind: &str| {
        format!(
            r#"{{"name":"{long}","inputSchema":{{"properties":{{"{name}":{{"type":"{kind}","x-mcp-header":"A"}}}}}}}}"#
        )
    };
    let page = page(&format!(
        r#"{{"tools":[{},{}]}}"#,
        annotated(&long, "array"),
        annotated("short", "string")
    ));
    let [invalid] = &page.invalid[..] else {
        panic!("one: {:?}", page.invalid.len());
    };
    assert_eq!(invalid.key.as_deref(), Some(&*"é".repeat(MAX_INVALID_NAME)));
    assert!(invalid.reason.to_string().len() < 400, "{}", invalid.reason);
    let entry = &page.entries[0];
    assert!(entry.bytes() >= entry.raw.len() + entry.key.len() + "short".len());
}

#[test]
fn hints_of_pages_combine_to_the_stricter() {
    let hinted = |ttl: u64, scope| page(&format!(r#"{{"tools":[],"ttlMs":{ttl},"cacheScope":"{scope}"}}"#));
    let mut list = ServerList::default();
    list.push(hinted(5, "public"));
    assert!(list.is_public);
    list.push(hinted(3, "private"));
    assert_eq!((list.ttl_ms, list.is_public), (Some(3), false));
    list.push(with(0..0, None));
    assert_eq!(list.ttl_ms, None);
}

#[test]
fn methods_and_kinds_belong_together() {
    for kind in [
        ListKind::Tools,
        ListKind::Prompts,
        ListKind::Resources,
        ListKind::ResourceTemplates,
    ] {
        assert_eq!(ListKind::of_method(kind.method()), Some(kind));
    }
    assert_eq!(ListKind::of_method("tools/call"), None);
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100), json in "[\\[\\]{}:,\"a-z0-9]{0,40}") {
        let _ = parse_page(ListKind::Tools, &Bytes::from(bytes));
        let _ = parse_page(ListKind::Tools, &Bytes::from(format!("{{\"tools\":[{json}]}}")));
    }
}
