//! `/help`: the user guide, rendered from the Markdown of `docs/`, so that it matches the version that runs and needs no
//! network. It is open to everybody, because it says nothing about this instance, and who cannot sign in needs it too.

mod markdown;

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::{Router, extract::Path, response::Response, routing::get};

use super::{error::PageError, page};
use crate::app::App;

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
        [$(Guide { name: $name, file: $file, text: include_str!(concat!("../../../../../docs/", $file)) },)*]
    };
}

/// The pages, in the order of the navigation.
const GUIDE: [Guide; 17] = guide! {
    "" = "guide/README.md";
    "first-steps" = "guide/first-steps.md";
    "modes" = "guide/modes.md";
    "sources" = "guide/sources.md";
    "servers" = "guide/servers.md";
    "gateways" = "guide/gateways.md";
    "connect" = "guide/connect.md";
    "users" = "guide/users.md";
    "sign-ins" = "guide/sign-ins.md";
    "members" = "guide/members.md";
    "tls" = "guide/tls.md";
    "replicas" = "guide/replicas.md";
    "backup" = "guide/backup.md";
    "operating" = "guide/operating.md";
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
}

/// Routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/help", get(async || show("")))
        .route("/help/{page}", get(async |Path(name): Path<String>| show(&name)))
}

fn show(name: &str) -> Result<Response, PageError> {
    let path = path_of(name);
    let shown = RENDERED.iter().find(|page| page.path == path);
    let shown = shown.ok_or(PageError::NotFound("page of the guide"))?;
    Ok(page::show(&HelpPage {
        pages: &RENDERED,
        shown,
    }))
}

fn path_of(name: &str) -> String {
    if name.is_empty() {
        "/help".to_owned()
    } else {
        format!("/help/{name}")
    }
}

/// Where a relative link of a file leads here; nothing when what it names is not served.
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
    fn what_is_not_served_is_no_link() {
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
