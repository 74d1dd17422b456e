//! Lists of several servers as one: filtered, named, in a stable order, and written out page by page for each era.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;

use super::{
    choice::OfServer,
    naming::Naming,
    selection::{NameReport, Named, Selection},
};
use crate::wire::{
    json::json_string,
    listing::{CacheScope, Entry, ListKind, ServerList},
    meta_keys::SERVER_INFO,
    splice::Splice,
    version::Era,
};

/// A page of our own lists holds about this many bytes, so that clients do not have to take everything at once. An entry larger
/// than that is its own page.
pub const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// What our cursors contain before the page number; anything else was never issued.
const CURSOR_PREFIX: &str = "page:";

/// One server's part in a merged list.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The prefix of its names, if they have one.
    pub prefix: &'a str,
    /// Its list; `None` while it is down.
    pub list: Option<&'a ServerList>,
    /// The list that it had before it was down, if it is remembered: other servers cannot take its names in the meantime.
    pub before: Option<&'a ServerList>,
    /// Which of them are offered.
    pub chosen: &'a OfServer,
}

/// A merged list.
#[derive(Debug, Clone, Default)]
pub struct Merged {
    /// Exposed names and where they lead. Servers are indexed as passed, entries as in [`ServerList::entries`].
    pub selection: Selection,
    /// What was left out, or is offered with a warning.
    pub reports: Vec<NameReport>,
    /// The entries offered.
    items: Vec<Item>,
    /// Where each page begins among the items; never empty.
    pages: Vec<usize>,
}

/// An entry that is offered.
#[derive(Debug, Clone)]
struct Item {
    /// It as it is written.
    text: Bytes,
    /// Whether only clients of the era with sessions can make use of it.
    is_legacy: bool,
}

/// Caching hints of a result (modern era).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheHint {
    /// How long it is fresh, milliseconds.
    pub ttl_ms: u64,
    /// Who may share it.
    pub scope: CacheScope,
}

impl Merged {
    /// Merges in stable order: servers as passed, entries as listed. Tools and prompts are named by `naming`; URIs stay
    /// as they are whatever it says.
    pub fn new(kind: ListKind, naming: Naming, sources: &[Source<'_>]) -> Self {
        Self::with_page_bytes(kind, naming, sources, PAGE_BYTES)
    }

    fn with_page_bytes(kind: ListKind, naming: Naming, sources: &[Source<'_>], page_bytes: usize) -> Self {
        let mut named: Vec<(Named<'_>, Option<&Entry>)> = Vec::new();
        for (server, source) in sources.iter().enumerate() {
            let of = |entry: usize, key| Named {
                server,
                entry,
                upstream_name: key,
                exposed: naming.expose_entry(kind, source.prefix, key),
            };
            named.extend(offered(source).map(|(index, entry)| (of(index, &entry.key), Some(entry))));
            named.extend(reserved(source).map(|key| (of(usize::MAX, key), None)));
        }
        let (selection, reports) = Selection::build(named.iter().map(|(named, _)| named));
        let mut items = Vec::new();
        let mut pages = vec![0];
        let mut filled = 0;
        for (named, entry) in &named {
            let Some(entry) = entry else { continue };
            let leads_here = selection
                .resolve(&named.exposed)
                .is_some_and(|target| target.server == named.server && target.entry == named.entry);
            if !leads_here {
                continue;
            }
            let text = renamed(entry, &named.exposed);
            if filled > 0 && filled + text.len() > page_bytes {
                pages.push(items.len());
                filled = 0;
            }
            filled += text.len() + 1;
            // Stateless clients have no way to ask for a task, so models that are offered such a tool could only fail.
            let is_legacy = entry.is_only_task;
            items.push(Item { text, is_legacy });
        }
        Self {
            selection,
            reports,
            items,
            pages,
        }
    }

    /// How many entries it offers.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it offers nothing.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many pages it has, at least one.
    pub fn pages(&self) -> usize {
        self.pages.len().max(1)
    }

    /// The result object of one page, counted from 0, for one era: in the modern one with `resultType`, caching hints
    /// and `server_info`, JSON text of who answers. `None` past the last page.
    pub fn result(
        &self,
        kind: ListKind,
        era: Era,
        cache: CacheHint,
        server_info: &str,
        page: usize,
    ) -> Option<Bytes> {
        if page >= self.pages() {
            return None;
        }
        let start = self.pages.get(page).copied().unwrap_or(0);
        let end = self.pages.get(page + 1).copied().unwrap_or(self.items.len());
        let items = self.items[start..end].iter();
        let items = items.filter(|item| era == Era::Legacy || !item.is_legacy);
        let size: usize = items.clone().map(|item| item.text.len() + 1).sum();
        let mut out = Vec::with_capacity(size + server_info.len() + 224);
        out.push(b'{');
        if era == Era::Modern {
            let hint = format!(
                r#""resultType":"complete","ttlMs":{},"cacheScope":"{}","_meta":{{"{SERVER_INFO}":{server_info}}},"#,
                cache.ttl_ms,
                cache.scope.as_str()
            );
            out.extend_from_slice(hint.as_bytes());
        }
        out.extend_from_slice(json_string(kind.member()).as_bytes());
        out.extend_from_slice(b":[");
        for (index, item) in items.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&item.text);
        }
        out.push(b']');
        if page + 1 < self.pages() {
            out.extend_from_slice(b",\"nextCursor\":");
            out.extend_from_slice(json_string(&cursor_of_page(page + 1)).as_bytes());
        }
        out.push(b'}');
        Some(out.into())
    }
}

/// The entries of a source that are offered, with their index in its list.
fn offered<'a>(source: &Source<'a>) -> impl Iterator<Item = (usize, &'a Entry)> + use<'a> {
    let chosen = source.chosen;
    source
        .list
        .into_iter()
        .flat_map(|list| list.entries.iter().enumerate())
        .filter(move |(_, entry)| chosen.offers(&entry.key))
}

/// The names of a source without a list that do not lead to another one: those it had before, and those that the
/// administrator chose.
fn reserved<'a>(source: &Source<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    let chosen = source.chosen;
    let before = source.before.filter(|_| source.list.is_none());
    let had = before.into_iter().flat_map(|list| &list.entries);
    let had = had.map(|entry| &*entry.key).filter(|key| chosen.offers(key));
    let chosen = match chosen {
        OfServer::Items(items) if source.list.is_none() => Some(items),
        OfServer::Items(_) | OfServer::All => None,
    };
    had.chain(chosen.into_iter().flatten().map(String::as_str))
}

/// The entry under its exposed name, every other byte as it was.
fn renamed(entry: &Entry, exposed: &str) -> Bytes {
    if *entry.key == *exposed {
        return entry.raw.clone();
    }
    let mut splice = Splice::new(&entry.raw);
    splice.replace_string(entry.key_span, exposed);
    splice.finish().expect("the span of its name lies in the entry")
}

/// The cursor that asks for a page: opaque to clients, the same on every replica.
pub fn cursor_of_page(page: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("{CURSOR_PREFIX}{page}"))
}

/// The page that a cursor of ours asks for; `None` if the cursor is not ours.
pub fn page_of_cursor(cursor: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let page = text.strip_prefix(CURSOR_PREFIX)?.parse().ok()?;
    // One spelling for each page.
    (cursor_of_page(page) == cursor).then_some(page)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::{federation::selection::Finding, wire::listing::parse_page};

    const HINT: CacheHint = CacheHint {
        ttl_ms: 60_000,
        scope: CacheScope::Private,
    };

    const INFO: &str = r#"{"name":"n"}"#;

    fn list(kind: ListKind, result: &str) -> ServerList {
        let mut list = ServerList::default();
        let page = parse_page(kind, &Bytes::copy_from_slice(result.as_bytes())).expect("a page");
        assert_eq!(list.push(page), None);
        list
    }

    fn source<'a>(prefix: &'a str, list: Option<&'a ServerList>) -> Source<'a> {
        Source {
            prefix,
            list,
            before: None,
            chosen: &OfServer::All,
        }
    }

    fn result(merged: &Merged, era: Era) -> String {
        let bytes = merged
            .result(ListKind::Tools, era, HINT, INFO, 0)
            .expect("page 0 is always there");
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    }

    #[test]
    fn servers_merge_in_order_and_only_names_change() {
        let one = list(
            ListKind::Tools,
            r#"{"tools":[{ "x":1.0,"name" : "b" ,"name2":"b"},{"name":"a"}]}"#,
        );
        let two = list(ListKind::Tools, r#"{"tools":[{"name":"a","title":"\u00e9"}]}"#);
        let sources = [
            source("s1", Some(&one)),
            source("down", None),
            source("s2", Some(&two)),
        ];
        let merged = Merged::new(ListKind::Tools, Naming::Prefixed, &sources);
        let tools = r#""tools":[{ "x":1.0,"name" : "s1_b" ,"name2":"b"},{"name":"s1_a"},{"name":"s2_a","title":"\u00e9"}]}"#;
        assert_eq!(result(&merged, Era::Legacy), format!("{{{tools}"));
        assert_eq!(
            result(&merged, Era::Modern),
            format!(
                r#"{{"resultType":"complete","ttlMs":60000,"cacheScope":"private","_meta":{{"io.modelcontextprotocol/serverInfo":{INFO}}},{tools}"#
            )
        );
        let target = merged.selection.resolve("s2_a").expect("is offered");
        assert_eq!((target.server, target.entry), (2, 0));
        assert_eq!(merged.result(ListKind::Tools, Era::Modern, HINT, INFO, 1), None);
    }

    #[test]
    fn one_server_keeps_its_names_and_its_bytes() {
        let one = list(ListKind::Tools, r#"{"tools":[{"name":"\u0061"}]}"#);
        let merged = Merged::new(ListKind::Tools, Naming::Plain, &[source("s1", Some(&one))]);
        assert_eq!(result(&merged, Era::Legacy), r#"{"tools":[{"name":"\u0061"}]}"#);
    }

    #[test]
    fn only_allowed_tools_are_offered_under_their_own_index() {
        let one = list(
            ListKind::Tools,
            r#"{"tools":[{"name":"a"},{"name":"b"},{"name":"B"}]}"#,
        );
        let allowed = OfServer::Items(HashSet::from(["b".to_owned(), "gone".to_owned()]));
        let sources = [Source {
            chosen: &allowed,
            ..source("s", Some(&one))
        }];
        let merged = Merged::new(ListKind::Tools, Naming::Plain, &sources);
        assert_eq!(result(&merged, Era::Legacy), r#"{"tools":[{"name":"b"}]}"#);
        assert_eq!(merged.selection.resolve("b").map(|target| target.entry), Some(1));
        assert_eq!(merged.selection.resolve("a"), None);
        let none = OfServer::nothing();
        let sources = [Source {
            chosen: &none,
            ..source("s", Some(&one))
        }];
        assert!(Merged::new(ListKind::Tools, Naming::Plain, &sources).is_empty());
    }

    #[test]
    fn a_tool_listed_twice_is_offered_once_and_a_uri_of_two_servers_is_the_first_ones() {
        let one = list(
            ListKind::Tools,
            r#"{"tools":[{"name":"a","n":1},{"name":"a","n":2}]}"#,
        );
        let merged = Merged::new(ListKind::Tools, Naming::Plain, &[source("s", Some(&one))]);
        assert_eq!(result(&merged, Era::Legacy), r#"{"tools":[{"name":"a","n":1}]}"#);
        assert_eq!(merged.reports[0].finding, Finding::Duplicate);

        let two = list(
            ListKind::Tools,
            r#"{"tools":[{"name":"a","n":3},{"name":"b.c"}]}"#,
        );
        let sources = [source("s", Some(&one)), source("s2", Some(&two))];
        let merged = Merged::new(ListKind::Tools, Naming::Plain, &sources);
        let changed = Naming::Plain.expose("s2", "b.c");
        assert_eq!(
            result(&merged, Era::Legacy),
            format!(r#"{{"tools":[{{"name":"a","n":1}},{{"name":"{changed}"}}]}}"#)
        );

        let one = list(
            ListKind::Resources,
            r#"{"resources":[{"uri":"file:///a"},{"uri":"file:///b"}]}"#,
        );
        let two = list(ListKind::Resources, r#"{"resources":[{"uri":"file:///a"}]}"#);
        let sources = [source("s1", Some(&one)), source("s2", Some(&two))];
        let merged = Merged::new(ListKind::Resources, Naming::Prefixed, &sources);
        assert_eq!(
            merged
                .result(ListKind::Resources, Era::Legacy, HINT, INFO, 0)
                .as_deref(),
            Some(&br#"{"resources":[{"uri":"file:///a"},{"uri":"file:///b"}]}"#[..])
        );
        assert!(
            merged
                .reports
                .iter()
                .map(|report| (report.server, report.finding))
                .eq([(1, Finding::ServedByFirst)])
        );
    }

    #[test]
    fn an_empty_list_is_a_list() {
        for merged in [
            Merged::default(),
            Merged::new(ListKind::Tools, Naming::Prefixed, &[]),
        ] {
            assert_eq!(result(&merged, Era::Legacy), r#"{"tools":[]}"#);
        }
    }

    #[test]
    fn only_cursors_of_ours_lead_anywhere() {
        for page in [0, 1, 77] {
            assert_eq!(page_of_cursor(&cursor_of_page(page)), Some(page));
        }
        for bad in [
            "",
            "1",
            "cGFnZTo",
            "cGFnZTotMQ",
            "cGFnZTowMQ",
            "\u{e9}",
            "cGFnZTox=",
        ] {
            assert_eq!(page_of_cursor(bad), None, "{bad}");
        }
    }

    proptest! {
        /// Following the cursors returns every entry once, in order, whatever the size of a page.
        #[test]
        fn pages_cover_everything(sizes in proptest::collection::vec(0_usize..60, 0..12), page_bytes in 1_usize..200) {
            let tools: Vec<Value> = sizes.iter().enumerate().map(|(index, size)| json!({"name": format!("t{index}"), "d": "x".repeat(*size)})).collect();
            let one = list(ListKind::Tools, &json!({"tools": tools}).to_string());
            let merged = Merged::with_page_bytes(ListKind::Tools, Naming::Plain, &[source("s", Some(&one))], page_bytes);
            let mut seen = Vec::new();
            let mut page = Some(0);
            while let Some(at) = page {
                let result = merged.result(ListKind::Tools, Era::Modern, HINT, INFO, at).expect("a cursor of ours");
                let result: Value = serde_json::from_slice(&result).expect("JSON");
                seen.extend(result["tools"].as_array().expect("a list").iter().cloned());
                page = result.get("nextCursor").map(|cursor| page_of_cursor(cursor.as_str().expect("a string")).expect("ours"));
            }
            prop_assert_eq!(seen, tools);
        }

        #[test]
        fn cursors_never_panic(cursor in any::<String>()) {
            let _ = page_of_cursor(&cursor);
        }
    }
}
