//! The two people of the demo.

use serde_json::{Map, Value, json};

/// Someone who can sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// Their name for the button and `login_hint`.
    pub key: &'static str,
    /// The subject of their ID tokens.
    pub subject: &'static str,
    /// Given name.
    pub given_name: &'static str,
    /// Family name.
    pub family_name: &'static str,
    /// E-mail address.
    pub email: &'static str,
    /// What the sign-in page says about them.
    pub role: &'static str,
}

/// All of them.
pub(super) const PEOPLE: [Person; 2] = [
    Person {
        key: "ada",
        subject: "ada-1815",
        given_name: "Ada",
        family_name: "Lovelace",
        email: "ada@example.com",
        role: "Analytical engines",
    },
    Person {
        key: "grace",
        subject: "grace-1906",
        given_name: "Grace",
        family_name: "Hopper",
        email: "grace@example.com",
        role: "Compilers",
    },
];

impl Person {
    /// Finds a person by `login_hint`: the key or the e-mail address.
    pub fn find(hint: &str) -> Option<&'static Self> {
        PEOPLE
            .iter()
            .find(|person| person.key == hint || person.email == hint)
    }

    /// Given and family name.
    pub fn name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }

    /// The claims of the granted scopes (OpenID Connect Core 1.0, section 5.4).
    pub(super) fn claims(&self, scope: &str) -> Map<String, Value> {
        let mut claims = Map::new();
        claims.insert("sub".into(), json!(self.subject));
        for granted in scope.split(' ') {
            match granted {
                "profile" => {
                    claims.insert("name".into(), json!(self.name()));
                    claims.insert("given_name".into(), json!(self.given_name));
                    claims.insert("family_name".into(), json!(self.family_name));
                    claims.insert("preferred_username".into(), json!(self.key));
                }
                "email" => {
                    claims.insert("email".into(), json!(self.email));
                    claims.insert("email_verified".into(), json!(true));
                }
                _ => {}
            }
        }
        claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_opens_its_claims_and_no_others() {
        let ada = Person::find("ada@example.com").unwrap();
        let keys = |scope| ada.claims(scope).keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys("openid"), ["sub"]);
        assert_eq!(keys("openid email"), ["email", "email_verified", "sub"]);
        assert_eq!(ada.claims("openid profile")["name"], "Ada Lovelace");
        assert_eq!(Person::find("Ada"), None);
    }
}
