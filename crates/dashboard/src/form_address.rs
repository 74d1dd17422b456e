//! Addresses that only take forms. A form that is refused is shown there again, so a browser that loads such an address
//! again, from its history or after signing in, gets the page the form is on.

use axum::{
    extract::OriginalUri,
    response::{IntoResponse as _, Response},
};
use http::Method;

use super::{error::PageError, page};

/// The answer to a method that a path does not take: for reading, the page with the form; nothing otherwise.
pub(super) async fn wrong_method(method: Method, OriginalUri(uri): OriginalUri) -> Response {
    let page = page_with_form(uri.path()).filter(|_| method.is_safe());
    page.map_or_else(
        || PageError::NotFound("page").into_response(),
        |path| page::go(&path, []),
    )
}

/// The page whose form is sent to this path.
fn page_with_form(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let page = match parts.as_slice() {
        ["sign-out"] => String::new(),
        ["account", ..] => "account".to_owned(),
        ["instance", "accounts", account, _, ..] => format!("instance/accounts/{account}"),
        ["instance", "keys", ..] => "instance/keys".to_owned(),
        ["projects", _, "join"] => "projects".to_owned(),
        ["projects", project, "invitations", ..] => format!("projects/{project}/members"),
        [
            "projects",
            project,
            "gateways",
            gateway,
            "clients" | "blocked-clients" | "registered-clients",
            ..,
        ] => format!("projects/{project}/gateways/{gateway}/clients"),
        ["projects", project, list, thing, _, ..] if has_pages(list) => {
            format!("projects/{project}/{list}/{thing}")
        }
        ["projects", project, list, _, ..] => format!("projects/{project}/{list}"),
        _ => return None,
    };
    let page = format!("/{page}");
    (page != path).then_some(page)
}

/// Whether each thing of this list has its own page.
fn has_pages(list: &str) -> bool {
    ["gateways", "user-sources", "servers", "secrets", "users"].contains(&list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_on_the_page_of_its_thing_or_of_the_list() {
        for (path, page) in [
            ("/account/password", Some("/account")),
            ("/account/sessions/ses_1/end", Some("/account")),
            (
                "/projects/p/user-sources/s/status",
                Some("/projects/p/user-sources/s"),
            ),
            ("/projects/p/user-sources/check", Some("/projects/p/user-sources")),
            (
                "/projects/p/gateways/g/clients/block",
                Some("/projects/p/gateways/g/clients"),
            ),
            (
                "/projects/p/gateways/g/blocked-clients/b/unblock",
                Some("/projects/p/gateways/g/clients"),
            ),
            ("/projects/p/users/u/sessions/s/end", Some("/projects/p/users/u")),
            ("/projects/p/members/m/role", Some("/projects/p/members")),
            ("/projects/p/invitations/i/revoke", Some("/projects/p/members")),
            ("/projects/p/settings/delete", Some("/projects/p/settings")),
            ("/instance/keys/k/revoke", Some("/instance/keys")),
            ("/instance/accounts/a/status", Some("/instance/accounts/a")),
            ("/account", None),
            ("/elsewhere", None),
        ] {
            assert_eq!(page_with_form(path).as_deref(), page, "{path}");
        }
    }
}
