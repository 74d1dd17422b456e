//! Fields for passwords and secrets, in every template: a browser must not fill the administrator's own password into a field
//! for the secret of something else, where it would be stored and sent to a stranger.

use std::{fs, path::Path};

/// Templates with a field for the password by which the person signs in now.
const CURRENT: [(&str, &str); 2] = [("sign_in.html", "password"), ("account.html", "current_password")];

/// A template that asks for a new password or for the person's own, whichever the invited address has.
const EITHER: (&str, &str) = ("invitation.html", "password");

/// Fields of other types that secrets are typed into.
const OTHER_SECRETS: [&str; 1] = ["header_value"];

/// A field for a password or secret.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Field {
    template: String,
    name: String,
    autocomplete: String,
}

fn collect(folder: &Path, found: &mut Vec<Field>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
            continue;
        }
        let template = path.file_name().unwrap().to_str().unwrap();
        // An input or a call of the macro for one ends before the next `>` or `%}` that ends its line.
        for line in fs::read_to_string(&path).unwrap().lines() {
            for element in line
                .split("<input ")
                .flat_map(|part| part.split("{% call ui::field("))
            {
                found.extend(field(template, element));
            }
        }
    }
}

/// The field of an element, if it is one for a password or secret.
fn field(template: &str, element: &str) -> Option<Field> {
    let is_password = element.contains("type=\"password\"") || element.contains("kind = \"password\"");
    let quoted = |rest: &str| {
        rest.split('"')
            .next()
            .unwrap_or_default()
            .trim_end_matches('\\')
            .to_owned()
    };
    let name = match element.split_once("name=\"") {
        Some((_, rest)) => quoted(rest),
        None => quoted(element.split_once(", \"")?.1),
    };
    if !is_password && !OTHER_SECRETS.contains(&name.as_str()) {
        return None;
    }
    let autocomplete = element
        .split_once("autocomplete=")
        .map(|(_, rest)| quoted(rest.trim_start_matches('\\').trim_start_matches('"')))
        .unwrap_or_default();
    Some(Field {
        template: template.to_owned(),
        name,
        autocomplete,
    })
}

#[test]
fn a_browser_fills_the_persons_own_password_into_no_other_field() {
    let mut found = Vec::new();
    collect(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/templates")),
        &mut found,
    );
    found.sort();
    for field in &found {
        if (field.template.as_str(), field.name.as_str()) == EITHER {
            let either = ["current-password", "new-password"];
            assert!(either.contains(&field.autocomplete.as_str()), "{field:?}");
            continue;
        }
        let is_own = CURRENT.contains(&(field.template.as_str(), field.name.as_str()));
        let expected = if is_own {
            "current-password"
        } else {
            "new-password"
        };
        assert_eq!(field.autocomplete, expected, "{field:?}");
    }
    let is_there = |template: &str, name: &str| {
        let mut fields = found.iter();
        fields.any(|field| field.template == template && field.name == name)
    };
    for (template, name) in CURRENT {
        assert!(is_there(template, name), "{template} {name}: {found:#?}");
    }
    for (template, name) in [
        ("new.html", "client_secret"),
        ("edit.html", "client_secret"),
        ("confirm.html", "client_secret"),
        ("rotate.html", "client_secret"),
        ("new.html", "value"),
        ("detail.html", "value"),
        ("fields.html", "header_value"),
        ("setup.html", "password"),
        ("invitation.html", "password"),
        ("reset_password.html", "password"),
        ("account.html", "new_password"),
    ] {
        assert!(is_there(template, name), "{template} {name}: {found:#?}");
    }
}
