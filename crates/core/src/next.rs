//! Where a browser goes after signing in: only a path of this instance.

/// Where it goes when it did not say.
const HOME: &str = "/";
/// We do not create longer paths. The longest is an authorization request of a client with a sealed id, a long
/// redirect URI and a long state, each percent-encoded.
const MAX_LENGTH: usize = 8_000;

/// The path that a `next` parameter names, or [`HOME`] when it names no path of this origin. Browsers read `//host`, `/\host`
/// and addresses with tabs or line breaks in them as other hosts (WHATWG URL), so a path is taken only when nothing of
/// that is in it.
pub fn safe_path(next: Option<&str>) -> &str {
    next.filter(|next| is_own_path(next)).unwrap_or(HOME)
}

fn is_own_path(next: &str) -> bool {
    let mut bytes = next.bytes();
    let begins_as_path = bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'));
    begins_as_path
        && next.len() <= MAX_LENGTH
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && resolves_here(next)
}

/// What a browser would make of it, by the same rules.
fn resolves_here(next: &str) -> bool {
    let Ok(here) = url::Url::parse("https://gateway.invalid/") else {
        return false;
    };
    here.join(next)
        .is_ok_and(|url| url.origin() == here.origin() && !url.path().starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_ours_are_taken() {
        for path in [
            "/",
            "/projects/prj_1/gateways?status=active#top",
            "/account/invitations/abc-_",
        ] {
            assert_eq!(safe_path(Some(path)), path);
        }
    }

    #[test]
    fn whatever_leads_elsewhere_leads_home() {
        for next in [
            "",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/ /evil.example",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "evil.example",
            "?next=/",
            "/a/../..//evil.example",
            "/.//evil.example",
            "/%0d%0aSet-Cookie:x\r\n",
            "/caf\u{e9}",
            &format!("/{}", "a".repeat(MAX_LENGTH)),
        ] {
            assert_eq!(safe_path(Some(next)), HOME, "{next:?}");
        }
        assert_eq!(safe_path(None), HOME);
    }
}
