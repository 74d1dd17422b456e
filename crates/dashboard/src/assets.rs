//! Styles, scripts and the icon of the dashboard. They are part of the program; the name of each contains the hash of its
//! content, so that a browser keeps it forever and still gets a new one immediately.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use sha2::{Digest as _, Sha256};

use super::compress;

/// Tokens first: everything after is built from them.
const STYLE: &str = concat!(
    include_str!("../../gateway/assets/tokens.css"),
    include_str!("../assets/dashboard/base.css"),
    include_str!("../assets/dashboard/shell.css"),
    include_str!("../assets/dashboard/components.css"),
    include_str!("../assets/dashboard/forms.css"),
    include_str!("../assets/dashboard/tables.css"),
    include_str!("../assets/dashboard/connect.css"),
    include_str!("../assets/dashboard/try.css"),
    include_str!("../assets/dashboard/help.css"),
    include_str!("../assets/dashboard/overview.css"),
    include_str!("../assets/dashboard/people.css"),
    include_str!("../assets/dashboard/servers.css"),
    include_str!("../assets/dashboard/user_sources.css"),
    include_str!("../assets/dashboard/gateways.css"),
    include_str!("../assets/dashboard/charts.css"),
);
const SCRIPT: &str = concat!(
    include_str!("../assets/dashboard/dashboard.js"),
    include_str!("../assets/dashboard/rows.js"),
    include_str!("../assets/dashboard/gateways.js"),
    include_str!("../assets/dashboard/try.js"),
    include_str!("../assets/dashboard/activity.js"),
);
/// htmx 2.0.11 (Zero-Clause BSD, see `assets/vendor/htmx-LICENSE.txt`), as its makers minified it.
const HTMX: &str = include_str!("../assets/vendor/htmx-2.0.11.min.js");
const ICON: &str = include_str!("../assets/dashboard/icon.svg");

/// One file.
#[derive(Debug)]
struct Asset {
    path: String,
    content_type: &'static str,
    content: &'static str,
    /// The same as gzip.
    packed: Bytes,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Assets {
    style: Asset,
    script: Asset,
    htmx: Asset,
    icon: Asset,
}

/// The files of this build.
pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: Asset::new("dashboard", "css", "text/css; charset=utf-8", STYLE),
    script: Asset::new("dashboard", "js", "text/javascript; charset=utf-8", SCRIPT),
    htmx: Asset::new("htmx", "js", "text/javascript; charset=utf-8", HTMX),
    icon: Asset::new("icon", "svg", "image/svg+xml", ICON),
});

impl Assets {
    /// The path of the stylesheet.
    pub(super) fn style(&self) -> &str {
        &self.style.path
    }

    /// The path of our own script.
    pub(super) fn script(&self) -> &str {
        &self.script.path
    }

    /// The path of htmx.
    pub(super) fn htmx(&self) -> &str {
        &self.htmx.path
    }

    /// The path of the icon.
    pub(super) fn icon(&self) -> &str {
        &self.icon.path
    }
}

#[cfg(test)]
impl Assets {
    /// How much of them a browser with an empty cache loads, in bytes.
    pub(super) fn weight(&self) -> usize {
        let all = [&self.style, &self.script, &self.htmx, &self.icon];
        all.map(|asset| asset.packed.len()).iter().sum()
    }
}

impl Asset {
    fn new(stem: &str, ending: &str, content_type: &'static str, content: &'static str) -> Self {
        let digest = Sha256::digest(content.as_bytes());
        let hash = digest[..6]
            .iter()
            .fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
        Self {
            path: format!("/assets/{stem}.{hash}.{ending}"),
            content_type,
            content,
            packed: compress::once(content.as_bytes()),
        }
    }
}

/// GET `/assets/{name}`.
pub(super) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let all = [&ASSETS.style, &ASSETS.script, &ASSETS.htmx, &ASSETS.icon];
    let wanted = all
        .into_iter()
        .find(|asset| asset.path.strip_prefix("/assets/") == Some(&name));
    let Some(asset) = wanted else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let is_packed = compress::is_taken(&headers);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(asset.content_type)),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    if !is_packed {
        return (headers, asset.content).into_response();
    }
    let mut packed = (headers, asset.packed.clone()).into_response();
    compress::mark(packed.headers_mut());
    packed
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};

    use super::*;

    #[tokio::test]
    async fn a_file_is_kept_for_ever_under_the_hash_of_its_content_and_nowhere_else() {
        let name = |path: &str| Path(path.trim_start_matches("/assets/").to_owned());
        let style = serve(name(ASSETS.style()), HeaderMap::new()).await;
        assert_eq!(style.status(), StatusCode::OK);
        assert_eq!(style.headers()[CONTENT_TYPE], "text/css; charset=utf-8");
        assert!(
            style.headers()[CACHE_CONTROL]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        for other in ["dashboard.css", "dashboard.000000000000.css", "../Cargo.toml", ""] {
            assert_eq!(
                serve(name(other), HeaderMap::new()).await.status(),
                StatusCode::NOT_FOUND,
                "{other}"
            );
        }
    }

    #[tokio::test]
    async fn a_browser_that_takes_gzip_gets_it() {
        let name = Path(ASSETS.htmx().trim_start_matches("/assets/").to_owned());
        let takes = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"))]);
        let packed = serve(name, takes).await;
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
        let content = axum::body::to_bytes(packed.into_body(), HTMX.len())
            .await
            .unwrap();
        assert!(content.len() < HTMX.len() / 2 && content.starts_with(&[0x1f, 0x8b]));
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere_and_everything_cold_is_light() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
        let cold = ASSETS.weight();
        assert!(
            cold < 45_000,
            "{cold} bytes of styles and scripts leave too little for the page"
        );
    }
}
