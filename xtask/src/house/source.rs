//! What one file of Rust names: every path, its place, and whether only tests see it.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::{
    Attribute, ImplItem, Item, ItemMod, ItemUse, Macro, Meta, TraitItem, UseTree, Visibility,
    visit::{self, Visit},
};

/// A path that a file names, such as `crate::keys::Keys` or `http::Method`.
pub(crate) struct Mention {
    /// The module it is in.
    pub module: Vec<String>,
    pub path: Vec<String>,
    pub line: usize,
    pub is_test: bool,
    pub import: Option<Import>,
}

/// What a `use` adds to the names of its module.
pub(crate) struct Import {
    /// The name it has here; `*` for all names of a module.
    pub name: String,
    /// Whether others may import it from here.
    pub is_public: bool,
}

/// A module in its own file: `mod name;`.
pub(crate) struct Child {
    pub module: Vec<String>,
    pub is_test: bool,
}

/// A file as the rules see it.
#[derive(Default)]
pub(crate) struct Source {
    pub mentions: Vec<Mention>,
    pub children: Vec<Child>,
    /// The askama templates that its types render.
    pub templates: Vec<Template>,
}

/// A template and the module of the type that renders it.
pub(crate) struct Template {
    pub module: Vec<String>,
    pub path: String,
    pub is_test: bool,
}

/// Reads the text of a file that is the module `module`.
pub(crate) fn read(text: &str, module: &[String], is_test: bool) -> syn::Result<Source> {
    let file = syn::parse_file(text)?;
    let mut reader = Reader {
        module: module.to_vec(),
        is_test,
        source: Source::default(),
    };
    reader.within(&file.attrs, |reader| visit::visit_file(reader, &file));
    Ok(reader.source)
}

struct Reader {
    module: Vec<String>,
    is_test: bool,
    source: Source,
}

impl Reader {
    /// Reads a part with its attributes, which may say that it is for tests.
    fn within(&mut self, attributes: &[Attribute], read: impl FnOnce(&mut Self)) {
        let before = self.is_test;
        self.is_test |= attributes.iter().any(is_for_tests);
        read(self);
        self.is_test = before;
    }

    fn mention(&mut self, path: Vec<String>, line: usize, import: Option<Import>) {
        self.source.mentions.push(Mention {
            module: self.module.clone(),
            path,
            line,
            is_test: self.is_test,
            import,
        });
    }

    fn read_use(&mut self, tree: &UseTree, before: &[String], is_public: bool) {
        let (last, name, span) = match tree {
            UseTree::Path(path) => {
                let path_so_far = before.iter().cloned().chain([path.ident.to_string()]);
                return self.read_use(&path.tree, &path_so_far.collect::<Vec<_>>(), is_public);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.read_use(tree, before, is_public);
                }
                return;
            }
            UseTree::Name(name) => (Some(&name.ident), name.ident.to_string(), name.ident.span()),
            UseTree::Rename(renamed) => (
                Some(&renamed.ident),
                renamed.rename.to_string(),
                renamed.ident.span(),
            ),
            UseTree::Glob(glob) => (None, "*".to_owned(), glob.star_token.span),
        };
        let mut path = before.to_vec();
        // `use crate::keys::{self}` imports `crate::keys`, under its own name.
        let is_self = last.is_some_and(|last| last == "self") && !before.is_empty();
        path.extend(last.filter(|_| !is_self).map(ToString::to_string));
        let name = if name == "self" {
            path.last().cloned().unwrap_or(name)
        } else {
            name
        };
        let import = Some(Import { name, is_public });
        self.mention(path, span.start().line, import);
    }

    /// Reads what no parser but the macro's own understands: every `a::b` in it, and every string that is such a path.
    fn read_tokens(&mut self, tokens: TokenStream, before: &[String]) {
        let mut tokens = tokens.into_iter().peekable();
        // What a path that continues has so far.
        let mut path = before.to_vec();
        let mut is_going_on = !before.is_empty();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(ident) => {
                    if !is_going_on {
                        path.clear();
                        path.extend_from_slice(before);
                    }
                    path.push(ident.to_string());
                    is_going_on = take_colons(&mut tokens);
                    if !is_going_on && path.len() > 1 {
                        self.mention(path.clone(), ident.span().start().line, None);
                    }
                }
                TokenTree::Group(group) => {
                    let is_list = is_going_on && group.delimiter() == Delimiter::Brace;
                    self.read_tokens(group.stream(), if is_list { &path } else { &[] });
                    is_going_on = false;
                }
                TokenTree::Literal(literal) => {
                    self.read_text(&literal.to_string(), literal.span().start().line);
                    is_going_on = false;
                }
                TokenTree::Punct(punct) => {
                    // `std::vec::Vec::<u8>` and `use crate::keys::*` both end here, after what is asked for.
                    if is_going_on && path.len() > 1 && path.as_slice() != before {
                        self.mention(path.clone(), punct.span().start().line, None);
                    }
                    // After `::` at the start of a path comes a crate, as at the start of any other.
                    is_going_on = false;
                }
            }
        }
    }

    /// A text that is only a path: `#[serde(with = "time::serde::rfc3339")]`.
    fn read_text(&mut self, literal: &str, line: usize) {
        let Some(text) = literal.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
            return;
        };
        let is_name = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if text.contains("::") && text.split("::").all(is_name) {
            self.mention(text.split("::").map(ToOwned::to_owned).collect(), line, None);
        }
    }
}

/// Consumes `::` if it comes next.
fn take_colons(tokens: &mut std::iter::Peekable<impl Iterator<Item = TokenTree> + Clone>) -> bool {
    let mut ahead = tokens.clone();
    let is_colon = |token: Option<TokenTree>, spacing: Option<Spacing>| {
        matches!(token, Some(TokenTree::Punct(punct))
            if punct.as_char() == ':' && spacing.is_none_or(|spacing| punct.spacing() == spacing))
    };
    let is_here = is_colon(ahead.next(), Some(Spacing::Joint)) && is_colon(ahead.next(), None);
    if is_here {
        *tokens = ahead;
    }
    is_here
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        self.within(attributes(item), |reader| visit::visit_item(reader, item));
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        if item.content.is_none() {
            self.source.children.push(Child {
                module: self.module.clone(),
                is_test: self.is_test,
            });
        }
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_public = !matches!(item.vis, Visibility::Inherited);
        self.read_use(&item.tree, &[], is_public);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.mention(vec![item.ident.to_string()], item.ident.span().start().line, None);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        self.within(attributes, |reader| visit::visit_impl_item(reader, item));
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let attributes: &[Attribute] = match item {
            TraitItem::Const(item) => &item.attrs,
            TraitItem::Fn(item) => &item.attrs,
            TraitItem::Type(item) => &item.attrs,
            TraitItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        self.within(attributes, |reader| visit::visit_trait_item(reader, item));
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        self.within(&field.attrs, |reader| visit::visit_field(reader, field));
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        self.within(&field.attrs, |reader| visit::visit_field_value(reader, field));
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.within(&variant.attrs, |reader| visit::visit_variant(reader, variant));
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        self.within(&arm.attrs, |reader| visit::visit_arm(reader, arm));
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        self.within(&local.attrs, |reader| visit::visit_local(reader, local));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(last) = path.segments.last().filter(|_| path.segments.len() > 1) {
            let names = path.segments.iter().map(|segment| segment.ident.to_string());
            self.mention(names.collect(), last.ident.span().start().line, None);
        }
        visit::visit_path(self, path);
    }

    /// `pub(in crate::a)` says who may see it, not what it needs.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.read_tokens(call.tokens.clone(), &[]);
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("doc") {
            return;
        }
        if let Meta::List(list) = &attribute.meta {
            self.read_tokens(list.tokens.clone(), &[]);
            if let Some(path) = template(attribute) {
                self.source.templates.push(Template {
                    module: self.module.clone(),
                    path,
                    is_test: self.is_test,
                });
            }
        }
        visit::visit_attribute(self, attribute);
    }
}

/// The path in `#[template(path = "…")]`.
fn template(attribute: &Attribute) -> Option<String> {
    if !attribute.path().is_ident("template") {
        return None;
    }
    let mut path = None;
    // What is left unread after the path is not a fault.
    let _ = attribute.parse_nested_meta(|meta| {
        let value: syn::Expr = meta.value()?.parse()?;
        if let syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        }) = value
            && meta.path.is_ident("path")
        {
            path = Some(text.value());
        }
        Ok(())
    });
    path
}

/// Whether what follows is compiled for tests only: `#[test]`, `#[tokio::test]`, `#[cfg(test)]`, and `#[cfg(any(test, …))]`,
/// which opens something to the tests of others.
fn is_for_tests(attribute: &Attribute) -> bool {
    if attribute.path().is_ident("cfg") {
        return matches!(&attribute.meta, Meta::List(list) if names_test(list.tokens.clone()));
    }
    let last = attribute.path().segments.last();
    last.is_some_and(|segment| segment.ident == "test" || segment.ident == "rstest")
}

/// Whether a condition names `test`, other than as `not(test)`, and not together with what is built for the fuzzer.
fn names_test(condition: TokenStream) -> bool {
    let mut is_negated = false;
    let mut is_named = false;
    for token in condition {
        match token {
            TokenTree::Ident(ident) if ident == "fuzzing" => return false,
            TokenTree::Ident(ident) => {
                is_negated = ident == "not";
                is_named |= ident == "test";
            }
            TokenTree::Group(group) => is_named |= !is_negated && names_test(group.stream()),
            _ => {}
        }
    }
    is_named
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
