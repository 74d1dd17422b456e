//! How a client secret is sent to the provider (OpenID Connect Core section 9).

use serde::{Deserialize, Serialize};

use crate::words::worded;

worded! {
    /// A method to send the client secret.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum SecretMethod {
        /// In the `Authorization` header.
        Basic = "basic", "In the Authorization header (client_secret_basic)";
        /// In the body.
        Post = "post", "In the body (client_secret_post)";
    }
}

impl SecretMethod {
    /// Its name in metadata.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Basic => Self::Post,
            Self::Post => Self::Basic,
        }
    }
}

worded! {
    /// What an administrator chose.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub enum AuthenticationChoice {
        /// What worked last, or else what the provider lists; if that is refused, the other one once.
        #[default]
        Automatic = "automatic", "Automatic";
        /// Always in the `Authorization` header.
        Basic = "basic", "In the Authorization header (client_secret_basic)";
        /// Always in the body.
        Post = "post", "In the body (client_secret_post)";
    }
}

impl AuthenticationChoice {
    /// The only method, if one was chosen.
    pub const fn fixed(self) -> Option<SecretMethod> {
        match self {
            Self::Automatic => None,
            Self::Basic => Some(SecretMethod::Basic),
            Self::Post => Some(SecretMethod::Post),
        }
    }
}

/// How a client authenticates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientAuthentication {
    /// What was chosen.
    pub choice: AuthenticationChoice,
    /// What the provider last accepted while the choice was automatic.
    pub worked: Option<SecretMethod>,
}

impl ClientAuthentication {
    /// The methods to try, in this order. If a provider lists both, or none, `client_secret_basic` is tried first:
    /// it is the default (OpenID Connect Discovery section 3). A list is only a hint, because some providers list a method
    /// that they refuse.
    pub fn order(self, listed: Option<&[String]>) -> Vec<SecretMethod> {
        if let Some(method) = self.choice.fixed() {
            return vec![method];
        }
        let lists =
            |method: SecretMethod| listed.is_some_and(|list| list.iter().any(|item| item == method.name()));
        let is_post = lists(SecretMethod::Post) && !lists(SecretMethod::Basic);
        let first = self.worked.unwrap_or(if is_post {
            SecretMethod::Post
        } else {
            SecretMethod::Basic
        });
        vec![first, first.other()]
    }
}

#[cfg(test)]
mod tests {
    use super::{
        AuthenticationChoice as Choice, ClientAuthentication,
        SecretMethod::{self, Basic, Post},
    };

    fn order(choice: Choice, worked: Option<SecretMethod>, listed: Option<&[&str]>) -> Vec<SecretMethod> {
        let listed: Option<Vec<String>> =
            listed.map(|list| list.iter().map(|item| (*item).to_owned()).collect());
        ClientAuthentication { choice, worked }.order(listed.as_deref())
    }

    #[test]
    fn what_worked_comes_first_then_what_is_listed_then_the_default() {
        let (basic, post) = ("client_secret_basic", "client_secret_post");
        for (listed, first) in [
            (None, Basic),
            (Some(&[post][..]), Post),
            (Some(&[post, basic][..]), Basic),
            (Some(&[post, "private_key_jwt"][..]), Post),
            (Some(&["private_key_jwt"][..]), Basic),
            (Some(&[][..]), Basic),
        ] {
            assert_eq!(order(Choice::Automatic, None, listed), [first, first.other()]);
            for worked in [Basic, Post] {
                assert_eq!(
                    order(Choice::Automatic, Some(worked), listed),
                    [worked, worked.other()]
                );
                assert_eq!(order(Choice::Basic, Some(worked), listed), [Basic]);
                assert_eq!(order(Choice::Post, Some(worked), listed), [Post]);
            }
        }
    }
}
