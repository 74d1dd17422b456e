//! Reads a form from a page, as far as the pages of a gateway and of the demo provider need it.

use std::collections::HashMap;

/// A form: its action, its hidden fields, its buttons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    /// The `action`, as written.
    pub(super) action: String,
    fields: Vec<(String, String)>,
    buttons: Vec<(String, String)>,
}

impl Form {
    /// The first form of a page with method POST.
    pub(super) fn find(html: &str) -> Option<Self> {
        let mut form: Option<Self> = None;
        for tag in html.split('<').skip(1) {
            let tag = tag.split_once('>').map_or(tag, |(inside, _)| inside);
            let (name, rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
            let attributes = attributes(rest);
            let attribute = |key: &str| attributes.get(key).cloned().unwrap_or_default();
            match (name, &mut form) {
                ("form", None) if attribute("method").eq_ignore_ascii_case("post") => {
                    form = Some(Self {
                        action: attribute("action"),
                        fields: Vec::new(),
                        buttons: Vec::new(),
                    });
                }
                ("input", Some(form)) if attribute("type") == "hidden" => {
                    form.fields.push((attribute("name"), attribute("value")));
                }
                ("button", Some(form)) => form.buttons.push((attribute("name"), attribute("value"))),
                ("/form", Some(_)) => break,
                _ => {}
            }
        }
        form
    }

    /// The body sent when the button with this value is pressed.
    pub(super) fn press(&self, value: &str) -> Option<String> {
        let button = self.buttons.iter().find(|(_, other)| other == value)?;
        serde_urlencoded::to_string(self.fields.iter().chain([button]).collect::<Vec<_>>()).ok()
    }
}

/// Attributes in double quotes, unescaped.
fn attributes(mut text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let Some((value, rest)) = rest.split_once('"') else {
            break;
        };
        let name = name.rsplit(char::is_whitespace).next().unwrap_or_default();
        found.insert(name.to_ascii_lowercase(), unescape(value));
        text = rest;
    }
    found
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<h1>Allow?</h1><form method="get" action="/search"><input type="hidden" name="no" value="1"></form>
        <form method="post" class="x" action="/a?b=1&amp;c=2"><input type="hidden" name="request" value="v1.&#38;&quot;x">
        <button class="primary" type="submit" name="decision" value="allow">Allow</button>
        <button name="decision" value="deny">Deny</button></form><button name="other" value="late">"#;

    #[test]
    fn a_form_is_read_and_sent_with_the_button_pressed() {
        let form = Form::find(PAGE).unwrap();
        assert_eq!(form.action, "/a?b=1&c=2");
        assert_eq!(form.press("deny").unwrap(), "request=v1.%26%22x&decision=deny");
        assert_eq!(form.press("late"), None);
    }

    #[test]
    fn a_page_without_a_form_has_none() {
        assert_eq!(Form::find("<h1>Sorry</h1><form>"), None);
    }
}
