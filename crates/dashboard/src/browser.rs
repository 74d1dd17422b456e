//! How a browser describes itself, in words for a list.

/// Tokens of a `User-Agent` header and what they mean. More specific ones first: nearly all browsers also claim to be others.
const BROWSERS: [(&str, &str); 7] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// Browser and system as far as they can be recognised. The browser says so itself, which proves nothing.
pub(super) fn name(user_agent: &str) -> String {
    let found = |names: &[(&str, &'static str)]| {
        let hit = names.iter().find(|(token, _)| user_agent.contains(token));
        hit.map(|(_, name)| *name)
    };
    match (found(&BROWSERS), found(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "Unknown browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_distinguished() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";
        assert_eq!(name(chrome), "Chrome on Linux");
        assert_eq!(name(&format!("{chrome} Edg/141.0.0.0")), "Edge on Linux");
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Mobile/15E148 Safari/604.1";
        assert_eq!(name(safari), "Safari on iPhone");
        assert_eq!(name("<script>"), "Unknown browser");
        assert_eq!(name(""), "Unknown browser");
    }
}
