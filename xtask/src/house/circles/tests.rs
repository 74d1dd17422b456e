//! Planted circles, and what is not a circle.

use super::*;
use crate::house::{
    exceptions::between,
    modules,
    workspace::{Files, testing::files},
};

/// What the rule says about a package, which is passed as text.
fn check_in(folder: &str, files: &Files, exceptions: &[Between]) -> Vec<String> {
    let sources = modules::read(files, folder).expect("sources");
    broken(folder, &modules::arrows(files, folder, &sources), exceptions)
}

/// What it says about a crate of two folders with these sources; the second always needs the first.
fn check(root: &str, first: &str, exceptions: &[Between]) -> Vec<String> {
    let root = format!("pub mod first;\npub mod second;\n{root}");
    let files = files(&[
        ("crates/a/src/lib.rs", &root),
        ("crates/a/src/first/mod.rs", first),
        ("crates/a/src/second.rs", "mod deep;\npub struct Thing;\n"),
        (
            "crates/a/src/second/deep.rs",
            "use std::fmt;\n\nuse crate::first::Other;\n",
        ),
    ]);
    check_in("crates/a", &files, exceptions)
}

#[test]
fn a_planted_circle_is_reported_with_the_lines_that_close_it() {
    let found = check("", "pub struct Other;\n\nuse crate::second::Thing;\n", &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    let text = &found[0];
    assert!(
        text.starts_with("crates/a: 2 folders need each other in a circle"),
        "{text}"
    );
    // One of the two arrows is to be turned, and the other says why.
    let ways = [
        "\n    first → second, because second → first (crates/a/src/second/deep.rs:3):\n        \
         crates/a/src/first/mod.rs:3",
        "\n    second → first, because first → second (crates/a/src/first/mod.rs:3):\n        \
         crates/a/src/second/deep.rs:3",
    ];
    assert_eq!(ways.iter().filter(|way| text.contains(*way)).count(), 1, "{text}");
}

#[test]
fn a_circle_closes_however_the_other_folder_is_named() {
    for (root, first) in [
        ("", "use crate::{second::Thing, first as same};"),
        ("", "use super::second;"),
        ("", "mod inner { use super::super::second::Thing; }"),
        ("", "fn f() -> crate::second::Thing { todo() }"),
        (
            "",
            "fn f() { let things: Vec<Box<dyn Fn(crate::second::Thing)>> = Vec::new(); }",
        ),
        ("", "fn f() { say!(\"{}\", crate::second::Thing); }"),
        ("", "macro_rules! m { () => { $crate::second::Thing } }"),
        ("", "say! { use crate::{first::x, second::{Thing}}; }"),
        ("", "#[serde(with = \"crate::second::text\")] pub struct Other;"),
        ("", "pub use crate::second::*;"),
        ("", "#[cfg(not(test))] use crate::second::Thing;"),
        // The root hands it on under a shorter name.
        ("pub use second::Thing;", "use crate::Thing;"),
        ("pub use crate::second::Thing as Short;", "use super::Short;"),
        ("pub(crate) use second::deep;", "fn f() { crate::deep::f() }"),
    ] {
        let found = check(root, first, &[]);
        assert_eq!(found.len(), 1, "{root} {first}: {found:?}");
    }
}

#[test]
fn what_is_not_an_arrow_closes_no_circle() {
    for (root, first) in [
        (
            "",
            "use crate::first::Other as Same; use self::inner::x; mod inner {}",
        ),
        ("", "#[cfg(test)] mod tests { use crate::second::Thing; }"),
        (
            "",
            "#[cfg(any(test, feature = \"testing\"))] fn f() -> crate::second::Thing {}",
        ),
        ("", "struct S { #[cfg(test)] thing: crate::second::Thing }"),
        ("", "#[tokio::test] async fn f() { crate::second::Thing; }"),
        (
            "",
            "/// See [`crate::second::Thing`].\npub struct Other; // crate::second::Thing",
        ),
        ("", "const TEXT: &str = \"see crate::second::Thing\";"),
        ("", "pub(in crate::second) fn f() {}"),
        // Another crate's folder of the same name, and one that the root re-exports from there.
        ("", "use other::second::Thing;"),
        ("pub use other::Thing;", "use crate::Thing;"),
        // The root may name its folders and hand them on.
        ("pub use {first::Other, second::Thing};", ""),
    ] {
        let found = check(root, first, &[]);
        assert!(found.is_empty(), "{root} {first}: {found:?}");
    }
}

#[test]
fn files_of_tests_may_name_what_they_like() {
    let files = files(&[
        ("crates/a/src/lib.rs", "mod first; mod second;"),
        (
            "crates/a/src/first.rs",
            "#[cfg(test)]\nmod tests;\n#[cfg(any(test, feature = \"testing\"))]\npub mod testing;\n",
        ),
        (
            "crates/a/src/first/tests.rs",
            "mod more;\nuse crate::second::Thing;",
        ),
        ("crates/a/src/first/tests/more.rs", "use crate::second::Thing;"),
        ("crates/a/src/first/testing.rs", "use crate::second::Thing;"),
        ("crates/a/src/second.rs", "use crate::first::Other;"),
    ]);
    let found = check_in("crates/a", &files, &[]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_circle_over_the_root_or_a_template_is_reported() {
    let root = "mod first;\nuse first::Other;\npub struct Whole(Other);\n";
    let over_root = files(&[
        ("crates/a/src/lib.rs", root),
        ("crates/a/src/first.rs", "use crate::Whole;"),
    ]);
    let found = check_in("crates/a", &over_root, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("lib.rs"), "{found:?}");

    let page = "#[derive(Template)]\n#[template(path = \"page.html\")]\nstruct Page;";
    let over_template = files(&[
        ("crates/a/src/lib.rs", "mod first; mod second;"),
        ("crates/a/src/first.rs", page),
        ("crates/a/src/second.rs", "use crate::first::Page;"),
        ("crates/a/templates/page.html", "{% extends \"base.html\" %}"),
        (
            "crates/a/templates/base.html",
            "<p>\n{{ crate::second::Icon::Good }}",
        ),
    ]);
    let found = check_in("crates/a", &over_template, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    let is_named = found[0].contains("crates/a/templates/base.html:2");
    assert!(
        is_named || found[0].contains("crates/a/src/second.rs:1"),
        "{found:?}"
    );
}

/// Three folders, each of which needs the next.
fn ring() -> Files {
    files(&[
        ("crates/a/src/lib.rs", "mod x; mod y; mod z; mod apart;"),
        ("crates/a/src/x.rs", "use crate::y;"),
        ("crates/a/src/y.rs", "use crate::z;"),
        ("crates/a/src/z.rs", "use crate::x;"),
        ("crates/a/src/apart.rs", "use crate::{x, y, z};"),
    ])
}

#[test]
fn a_circle_through_others_is_one_and_who_only_looks_at_it_is_outside() {
    let found = check_in("crates/a", &ring(), &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("crates/a: 3 folders need each other"),
        "{found:?}"
    );
    assert!(!found[0].contains("apart"), "{found:?}");
    // One arrow is enough to open it.
    assert_eq!(found[0].matches(", because ").count(), 1, "{found:?}");
}

#[test]
fn an_exception_opens_a_circle_in_its_own_package_only() {
    let reason = "until it is turned";
    let found = check_in("crates/a", &ring(), &[between("crates/a", "z", "x", reason)]);
    assert!(found.is_empty(), "{found:?}");
    let found = check_in("crates/a", &ring(), &[between("crates/b", "z", "x", reason)]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn an_exception_that_is_no_longer_needed_is_reported() {
    let reason = "until it is turned";
    // Either arrow opens the circle, so one of the two is enough.
    let both = [
        between("crates/a", "z", "x", reason),
        between("crates/a", "x", "y", reason),
    ];
    let found = check_in("crates/a", &ring(), &both);
    assert_eq!(found.len(), 1, "{found:?}");
    let gone = [
        between("crates/a", "z", "x", reason),
        between("crates/a", "z", "y", reason),
        between("crates/a", "apart", "x", reason),
    ];
    let found = check_in("crates/a", &ring(), &gone);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].contains("z → y no longer exists: remove it from CIRCLES"),
        "{found:?}"
    );
    assert!(
        found[1].contains("apart → x no longer closes a circle: remove it from CIRCLES"),
        "{found:?}"
    );
    let found = homeless(&["crates/b"], &gone[..1]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("a package that does not exist"), "{found:?}");
    assert!(homeless(&["crates/a"], &gone).is_empty());
}

#[test]
fn layers_name_those_below_them_and_never_those_above() {
    let with = |wire: &str, exceptions: &[Between]| {
        let files = files(&[
            (
                "crates/mcp/src/lib.rs",
                "mod wire; mod peer; mod federation; mod endpoint;",
            ),
            ("crates/mcp/src/wire/mod.rs", wire),
            ("crates/mcp/src/peer.rs", "use crate::wire::Envelope;"),
            ("crates/mcp/src/federation.rs", "use crate::{peer, wire};"),
            (
                "crates/mcp/src/endpoint.rs",
                "use crate::{federation, peer, wire};",
            ),
        ]);
        check_in("crates/mcp", &files, exceptions)
    };
    assert!(with("", &[]).is_empty());
    let found = with("use crate::endpoint::Endpoint;", &[]);
    // It also closes a circle.
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[1].starts_with("crates/mcp: wire is a layer below endpoint and must not name it"),
        "{found:?}"
    );
    assert!(found[1].contains("crates/mcp/src/wire/mod.rs:1"), "{found:?}");
    let exception = [between("crates/mcp", "wire", "endpoint", "until it is turned")];
    assert!(with("use crate::endpoint::Endpoint;", &exception).is_empty());
}

#[test]
fn an_arrow_to_a_higher_layer_is_reported_where_it_closes_no_circle() {
    let files = files(&[
        ("crates/mcp/src/lib.rs", "mod wire; mod peer;"),
        ("crates/mcp/src/wire.rs", "use crate::peer::Peer;"),
        ("crates/mcp/src/peer.rs", "pub struct Peer;"),
    ]);
    let found = check_in("crates/mcp", &files, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("wire is a layer below peer"), "{found:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_reported_and_not_skipped() {
    let broken = files(&[("crates/a/src/lib.rs", "mod first;\nfn (")]);
    let found = modules::read(&broken, "crates/a")
        .err()
        .map(|fault| fault.to_string());
    assert!(found.is_some_and(|found| found.starts_with("crates/a/src/lib.rs:2: ")));
    let missing = files(&[("crates/a/src/lib.rs", "mod first;")]);
    let found = modules::read(&missing, "crates/a")
        .err()
        .map(|fault| fault.to_string());
    assert_eq!(
        found.as_deref(),
        Some("crates/a/src/lib.rs: there is no crates/a/src/first.rs or crates/a/src/first/mod.rs")
    );
}
