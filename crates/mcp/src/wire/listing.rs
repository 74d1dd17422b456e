//! Lists of tools, prompts, resources and templates, as an upstream sends them: read page by page without losing a byte,
//! within caps.

use std::{borrow::Cow, collections::HashSet, sync::OnceLock};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{
    param_headers::{AnnotationError, ParamHeaders},
    scan::{Kind, MAX_DEPTH, Member, ScanError, Scanner, Span, decode_string, each_element, pick},
};

/// Entries taken from one server, at most; what comes after is left out and reported. Clients do not show a model more.
pub const MAX_ENTRIES_PER_SERVER: usize = 5_000;
/// Bytes of entries taken from one server, at most: about 3 kB for each of [`MAX_ENTRIES_PER_SERVER`].
pub const MAX_BYTES_PER_SERVER: usize = 16 * 1024 * 1024;
/// Pages fetched from one server, at most: 25 entries each of [`MAX_ENTRIES_PER_SERVER`].
pub const MAX_PAGES_PER_SERVER: usize = 200;
/// What was left out is kept for one server up to this many entries, for reports.
const MAX_INVALID_KEPT: usize = 100;
/// This much of the name of an entry that was left out is kept, in characters.
const MAX_INVALID_NAME: usize = 128;
/// A cursor is not longer, bytes: it is sent back, and does not count as memory of the list.
const MAX_CURSOR: usize = 8 * 1024;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    ResourceTemplates,
}

impl ListKind {
    /// The kind a method lists.
    pub fn of_method(method: &str) -> Option<Self> {
        [
            Self::Tools,
            Self::Prompts,
            Self::Resources,
            Self::ResourceTemplates,
        ]
        .into_iter()
        .find(|kind| kind.method() == method)
    }

    /// The method.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::ResourceTemplates => "resources/templates/list",
        }
    }

    /// What people call what is listed.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resource templates",
        }
    }

    /// The word for one of them.
    pub const fn singular(self) -> &'static str {
        match self {
            Self::Tools => "tool",
            Self::Prompts => "prompt",
            Self::Resources => "resource",
            Self::ResourceTemplates => "resource template",
        }
    }

    /// The member of the result that holds the list.
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
        }
    }

    /// The member of an entry that identifies it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::ResourceTemplates => "uriTemplate",
        }
    }

    /// Whether we name the entries if several servers are chosen; URIs stay unchanged.
    pub const fn is_named(self) -> bool {
        matches!(self, Self::Tools | Self::Prompts)
    }
}

/// A value for each kind of list, made when it is first needed: unused kinds cost nothing.
#[derive(Debug)]
pub(crate) struct ByKind<V>([OnceLock<V>; 4]);

impl<V> Default for ByKind<V> {
    fn default() -> Self {
        Self([const { OnceLock::new() }; 4])
    }
}

impl<V: Default> ByKind<V> {
    /// That of this kind.
    pub(crate) fn of(&self, kind: ListKind) -> &V {
        self.0[kind as usize].get_or_init(V::default)
    }
}

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The entry as the server wrote it.
    pub raw: Bytes,
    /// Its name, URI or template.
    pub key: Box<str>,
    /// Where that is in `raw`, quotes included.
    pub key_span: Span,
    /// `inputSchema` of a tool in `raw`.
    pub input_schema: Option<Span>,
    /// The mirrored parameters of a tool.
    pub param_headers: ParamHeaders,
    /// Whether it is a tool that works only as a task (2025-11-25 basic/utilities/tasks, "Tool-Level Negotiation").
    pub is_only_task: bool,
    /// The page that a tool brings with it (MCP Apps), if its URI is that of a page.
    pub ui: Option<Box<str>>,
}

impl Entry {
    /// The memory it takes, roughly, bytes.
    pub(crate) fn bytes(&self) -> usize {
        let ui = self.ui.as_ref().map_or(0, |ui| ui.len());
        self.raw.len() + self.key.len() + ui + self.param_headers.bytes() + 128
    }
}

/// An entry that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidEntry {
    /// The beginning of its name, if it has one.
    pub key: Option<Box<str>>,
    /// Why.
    pub reason: InvalidReason,
}

/// Why an entry was left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReason {
    /// It is not an object with a name.
    #[error("the entry is not an object with exactly one string member `{0}`")]
    Key(&'static str),
    /// Its header annotations break the rules.
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
}

/// Whether a result can be shared between users (Caching, "Cache Scope Field").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheScope {
    /// The same for all.
    Public,
    /// For one user.
    Private,
}

impl CacheScope {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

/// One page of a list from an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Entries in the server's order.
    pub entries: Vec<Entry>,
    /// Entries left out, at most the first hundred.
    pub invalid: Vec<InvalidEntry>,
    /// Whether it held more entries than are taken from one server.
    pub truncated: bool,
    /// Where the next page starts.
    pub next_cursor: Option<String>,
    /// `ttlMs`, if it is valid.
    pub ttl_ms: Option<u64>,
    /// `cacheScope`, if it is valid.
    pub cache_scope: Option<CacheScope>,
}

/// Why a page could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Not JSON.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The result lacks its list.
    #[error("the result has no list `{0}`")]
    NoList(&'static str),
}

/// Reads one page: `result` is the result object of the response, as JSON text.
pub fn parse_page(kind: ListKind, result: &Bytes) -> Result<Page, PageError> {
    let mut scanner = Scanner::new(result, MAX_DEPTH)?;
    let (whole, _) = scanner.skip()?;
    scanner.finish()?;
    let names = [kind.member(), "nextCursor", "ttlMs", "cacheScope"];
    let [list, cursor, ttl_ms, cache_scope] =
        pick(result, whole, names).map_err(|_| PageError::NoList(kind.member()))?;
    let list = list
        .filter(|member| member.kind == Kind::Array)
        .ok_or(PageError::NoList(kind.member()))?;
    let text = |member: Option<Member>| member.and_then(|member| decode_string(member.value.of(result)));
    let mut page = Page {
        entries: Vec::new(),
        invalid: Vec::new(),
        truncated: false,
        next_cursor: text(cursor).map(Cow::into_owned),
        ttl_ms: ttl_ms
            .and_then(|member| std::str::from_utf8(member.value.of(result)).ok())
            .and_then(|text| text.parse().ok()),
        cache_scope: match text(cache_scope).as_deref() {
            Some("public") => Some(CacheScope::Public),
            Some("private") => Some(CacheScope::Private),
            _ => None,
        },
    };
    for element in each_element(result, list.value) {
        if page.entries.len() > MAX_ENTRIES_PER_SERVER {
            page.truncated = true;
            break;
        }
        match entry(kind, result, element?.0) {
            Ok(entry) => page.entries.push(entry),
            Err(invalid) if page.invalid.len() < MAX_INVALID_KEPT => page.invalid.push(invalid),
            Err(_) => {}
        }
    }
    Ok(page)
}

fn entry(kind: ListKind, result: &Bytes, span: Span) -> Result<Entry, InvalidEntry> {
    let no_key = || InvalidEntry {
        key: None,
        reason: InvalidReason::Key(kind.key()),
    };
    let raw = result.slice(span.start..span.end);
    let names = [kind.key(), "inputSchema", "execution", "_meta"];
    let found = pick(&raw, Span::new(0, raw.len()), names).map_err(|_| no_key())?;
    let [key, input_schema, execution, meta] = found;
    let key_span = key
        .filter(|member| member.kind == Kind::String)
        .ok_or_else(no_key)?
        .value;
    let key: Box<str> = decode_string(key_span.of(&raw)).ok_or_else(no_key)?.into();
    let is_tool = kind == ListKind::Tools;
    let is_only_task = is_tool && execution.is_some_and(|execution| is_only_task(&raw, execution));
    let ui = meta.filter(|_| is_tool).and_then(|meta| page_of(&raw, meta));
    let input_schema = input_schema.filter(|_| is_tool).map(|member| member.value);
    let param_headers = match input_schema.map(|schema| ParamHeaders::read(schema.of(&raw))) {
        None => ParamHeaders::default(),
        Some(Ok(headers)) => headers,
        Some(Err(error)) => {
            return Err(InvalidEntry {
                key: Some(key.chars().take(MAX_INVALID_NAME).collect()),
                reason: error.into(),
            });
        }
    };
    Ok(Entry {
        raw,
        key,
        key_span,
        input_schema,
        param_headers,
        is_only_task,
        ui,
    })
}

/// The page that a tool says it brings with it: `_meta.ui.resourceUri`, or `_meta["ui/resourceUri"]` as it was written before
/// (MCP Apps, "Resource Discovery").
fn page_of(raw: &[u8], meta: Member) -> Option<Box<str>> {
    let object = |member: &Member| member.kind == Kind::Object;
    let [ui, flat] = pick(raw, Some(meta).filter(object)?.value, ["ui", "ui/resourceUri"]).ok()?;
    let nested = ui.filter(object).and_then(|ui| {
        let [uri] = pick(raw, ui.value, ["resourceUri"]).ok()?;
        uri
    });
    let uri = decode_string(nested.or(flat)?.value.of(raw))?;
    is_page(&uri).then(|| uri.into())
}

/// Whether a URI is that of a page that tools bring with them (MCP Apps). A scheme can be written in either case (RFC 3986
/// section 3.1).
pub(crate) fn is_page(uri: &str) -> bool {
    uri.get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("ui://"))
}

/// Whether `execution` says that the tool must be called as a task.
fn is_only_task(raw: &[u8], execution: Member) -> bool {
    if execution.kind != Kind::Object {
        return false;
    }
    let Ok([Some(support)]) = pick(raw, execution.value, ["taskSupport"]) else {
        return false;
    };
    decode_string(support.value.of(raw)).is_some_and(|support| support == "required")
}

/// The pages of one server put together, within the caps.
#[derive(Debug, Clone)]
pub struct ServerList {
    /// Entries in the server's order.
    pub entries: Vec<Entry>,
    /// Entries left out, at most the first hundred.
    pub invalid: Vec<InvalidEntry>,
    /// The smallest `ttlMs` of its pages; `None` if a page had none.
    pub ttl_ms: Option<u64>,
    /// `Public` only where every page said so.
    pub is_public: bool,
    /// Whether a cap cut the list short, or the server sent a cursor twice or one of more than 8 kB.
    pub truncated: bool,
    bytes: usize,
    max_bytes: usize,
    /// The digests of the cursors so far.
    cursors: HashSet<[u8; 32]>,
    pages: usize,
}

impl Default for ServerList {
    fn default() -> Self {
        Self::within(MAX_BYTES_PER_SERVER)
    }
}

impl ServerList {
    /// An empty list that takes at most this many bytes of entries.
    pub fn within(max_bytes: usize) -> Self {
        Self {
            entries: Vec::new(),
            invalid: Vec::new(),
            ttl_ms: None,
            is_public: false,
            truncated: false,
            bytes: 0,
            max_bytes,
            cursors: HashSet::new(),
            pages: 0,
        }
    }

    /// Adds a page; returns the cursor to continue with, or `None` if this was the last one, a cap is reached or the cursor
    /// repeats.
    pub fn push(&mut self, page: Page) -> Option<String> {
        let is_public = page.cache_scope == Some(CacheScope::Public);
        if self.pages == 0 {
            self.ttl_ms = page.ttl_ms;
            self.is_public = is_public;
        } else {
            self.ttl_ms = self.ttl_ms.zip(page.ttl_ms).map(|(one, other)| one.min(other));
            self.is_public &= is_public;
        }
        self.pages += 1;
        self.truncated |= page.truncated;
        let room = MAX_INVALID_KEPT.saturating_sub(self.invalid.len());
        self.invalid.extend(page.invalid.into_iter().take(room));
        // An entry keeps its page's bytes alive, so it is the page that must fit: entries are copied out of it.
        for mut entry in page.entries {
            self.bytes += entry.bytes();
            if self.entries.len() == MAX_ENTRIES_PER_SERVER || self.bytes > self.max_bytes {
                self.truncated = true;
                return None;
            }
            entry.raw = Bytes::copy_from_slice(&entry.raw);
            self.entries.push(entry);
        }
        let cursor = page.next_cursor?;
        let is_last = self.pages == MAX_PAGES_PER_SERVER || cursor.len() > MAX_CURSOR;
        if is_last || !self.cursors.insert(Sha256::digest(&cursor).into()) {
            self.truncated = true;
            return None;
        }
        Some(cursor)
    }
}

#[cfg(test)]
mod tests;
