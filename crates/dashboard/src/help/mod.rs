//! `/help`: the user guide, rendered from the Markdown of `docs/`, so that it matches the version that runs and needs no
//! network. It is open to everyone, because people who cannot sign in need it too. Of this instance it says the public URL,
//! which anyone who reads the page has just asked: addresses in the guide can be copied as they are.

mod markdown;

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
};

use super::{error::PageError, page};
use crate::{Admin, routing::get};

/// A page of the guide.
#[derive(Debug)]
struct Guide {
    /// The last part of its path; empty for the first page.
    name: &'static str,
    /// Its file below `docs/`.
    file: &'static str,
    /// Its Markdown.
    text: &'static str,
}

macro_rules! guide {
    ($($name:literal = $file:literal;)*) => {
        [$(Guide { name: $name, file: $file, text: include_str!(concat!("../../../../docs/", $file)) },)*]
    };
}

/// The pages, in the order of the navigation.
const GUIDE: [Guide; 23] = guide! {
    "" = "guide/README.md";
    "first-steps" = "guide/first-steps.md";
    "modes" = "guide/modes.md";
    "sources" = "guide/sources.md";
    "servers" = "guide/servers.md";
    "gateways" = "guide/gateways.md";
    "connect" = "guide/connect.md";
    "users" = "guide/users.md";
    "sign-ins" = "guide/sign-ins.md";
    "activity" = "guide/activity.md";
    "streams" = "guide/streams.md";
    "exports" = "guide/exports.md";
    "members" = "guide/members.md";
    "install" = "install.md";
    "tls" = "guide/tls.md";
    "replicas" = "guide/replicas.md";
    "configuration-as-code" = "guide/configuration-as-code.md";
    "backup" = "guide/backup.md";
    "operating" = "guide/operating.md";
    "telemetry" = "guide/telemetry.md";
    "providers" = "providers.md";
    "clients" = "clients.md";
    "api" = "api.md";
};

/// A page as it is shown.
#[derive(Debug)]
struct Rendered {
    path: String,
    title: String,
    html: String,
}

/// All of them, rendered when the first is asked for.
static RENDERED: LazyLock<Vec<Rendered>> = LazyLock::new(|| {
    let render = |guide: &Guide| {
        let document = markdown::render(guide.text, |target| place_of(guide.file, target));
        Rendered {
            path: path_of(guide.name),
            title: document.title,
            html: document.html,
        }
    };
    GUIDE.iter().map(render).collect()
});

#[derive(Template)]
#[template(path = "dashboard/help.html")]
struct HelpPage<'a> {
    pages: &'a [Rendered],
    shown: &'a Rendered,
    /// Its text, with the public URL of this instance.
    html: String,
}

/// The placeholders for the public URL in the documents.
const PUBLIC_URLS: [&str; 2] = ["https://mcp.example.com", "{public_url}"];

/// Routes.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/help", get(async |State(app): State<Arc<Admin>>| show(&app, "")))
        .route(
            "/help/{page}",
            get(async |State(app): State<Arc<Admin>>, Path(name): Path<String>| show(&app, &name)),
        )
}

fn show(app: &Admin, name: &str) -> Result<Response, PageError> {
    let path = path_of(name);
    let shown = RENDERED.iter().find(|page| page.path == path);
    let shown = shown.ok_or(PageError::NotFound("page of the guide"))?;
    Ok(page::show(&HelpPage {
        pages: &RENDERED,
        shown,
        html: with_public_url(&shown.html, app.config.public_url()),
    }))
}

/// The same text for this instance.
fn with_public_url(html: &str, public_url: &str) -> String {
    let mut escaped = String::with_capacity(public_url.len());
    // The public URL is our own; characters that are special in HTML are escaped nevertheless.
    for letter in public_url.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    PUBLIC_URLS.iter().fold(html.to_owned(), |html, placeholder| {
        html.replace(placeholder, &escaped)
    })
}

fn path_of(name: &str) -> String {
    if name.is_empty() {
        "/help".to_owned()
    } else {
        format!("/help/{name}")
    }
}

/// Where a relative link of a file leads here; `None` when what it names is not served.
fn place_of(from: &str, target: &str) -> Option<String> {
    let (target, fragment) = match target.split_once('#') {
        Some((target, fragment)) => (target, format!("#{fragment}")),
        None => (target, String::new()),
    };
    if target.is_empty() {
        return Some(fragment);
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let file = match target.strip_prefix("../") {
        Some(above) => above.to_owned(),
        None if folder.is_empty() => target.to_owned(),
        None => format!("{folder}/{target}"),
    };
    let found = GUIDE.iter().find(|guide| guide.file == file)?;
    Some(format!("{}{fragment}", path_of(found.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `href` of a page.
    fn links(html: &str) -> impl Iterator<Item = &str> {
        html.split(" href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
    }

    #[test]
    fn every_page_has_a_title_and_every_link_leads_somewhere() {
        for page in RENDERED.iter() {
            assert!(!page.title.is_empty(), "{}", page.path);
            for link in links(&page.html) {
                if link.starts_with("https://") {
                    continue;
                }
                let (path, fragment) = link.split_once('#').map_or((link, None), |(p, f)| (p, Some(f)));
                let path = if path.is_empty() { &page.path } else { path };
                let target = RENDERED.iter().find(|other| other.path == path);
                let target = target.unwrap_or_else(|| panic!("{}: {link} leads nowhere", page.path));
                if let Some(fragment) = fragment {
                    let anchor = format!("id=\"{fragment}\"");
                    assert!(
                        target.html.contains(&anchor),
                        "{}: {link} has no such heading",
                        page.path
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_in_a_page_is_against_its_policy() {
        for page in RENDERED.iter() {
            for forbidden in ["style=", "<script", "<img", "onclick", "javascript:"] {
                assert!(!page.html.contains(forbidden), "{}: {forbidden}", page.path);
            }
        }
    }

    #[test]
    fn addresses_are_those_of_this_instance() {
        let find = |path: &str| RENDERED.iter().find(|page| page.path == path).unwrap();
        for path in ["/help/sources", "/help/first-steps", "/help/providers"] {
            let html = with_public_url(&find(path).html, "https://gw.acme.test");
            assert!(
                html.contains("https://gw.acme.test/oauth2/intermediate_callback"),
                "{path}"
            );
        }
        for page in RENDERED.iter() {
            let html = with_public_url(&page.html, "https://gw.acme.test");
            assert!(
                PUBLIC_URLS.iter().all(|example| !html.contains(example)),
                "{}",
                page.path
            );
        }
        assert_eq!(
            with_public_url("{public_url}/x", "https://a/\"<&"),
            "https://a/&quot;&lt;&amp;/x"
        );
    }

    #[test]
    fn what_is_not_served_is_not_a_link() {
        assert_eq!(
            place_of("guide/README.md", "modes.md"),
            Some("/help/modes".to_owned())
        );
        assert_eq!(
            place_of("guide/sources.md", "../providers.md#okta"),
            Some("/help/providers#okta".to_owned())
        );
        assert_eq!(
            place_of("providers.md", "guide/README.md"),
            Some("/help".to_owned())
        );
        assert_eq!(
            place_of("api.md", "#keys-and-their-roles"),
            Some("#keys-and-their-roles".to_owned())
        );
        assert_eq!(place_of("guide/README.md", "../../CONTRIBUTING.md"), None);
    }
}
