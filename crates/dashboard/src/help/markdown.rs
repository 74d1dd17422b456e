//! Markdown of our own documents to HTML: headings that can be linked to, links to pages that are served here, and none of
//! the pictures, which would be most of the weight of a page.

use std::fmt::Write as _;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// A rendered document.
#[derive(Debug)]
pub(super) struct Document {
    /// Its first heading.
    pub(super) title: String,
    /// All of it.
    pub(super) html: String,
}

/// Renders a document. `place` says where a relative link leads; if it leads nowhere, its text stays, without a link.
pub(super) fn render(text: &str, place: impl Fn(&str) -> Option<String>) -> Document {
    let mut events = Vec::new();
    let mut is_linked = Vec::new();
    let mut in_picture = 0_u32;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Image { .. }) => in_picture += 1,
            Event::End(TagEnd::Image) => in_picture -= 1,
            _ if in_picture > 0 => {}
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }) => {
                let dest_url = if dest_url.contains("://") {
                    Some(dest_url)
                } else {
                    place(&dest_url).map(CowStr::from)
                };
                is_linked.push(dest_url.is_some());
                events.extend(dest_url.map(|dest_url| {
                    Event::Start(Tag::Link {
                        link_type,
                        dest_url,
                        title,
                        id,
                    })
                }));
            }
            Event::End(TagEnd::Link) => {
                if is_linked.pop() == Some(true) {
                    events.push(event);
                }
            }
            // A table can be wider than a phone, and then scrolls separately, with the keyboard too.
            Event::Start(Tag::Table(_)) => {
                events.push(Event::Html(CowStr::from(
                    "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Table\">",
                )));
                events.push(event);
            }
            Event::End(TagEnd::Table) => {
                events.push(event);
                events.push(Event::Html(CowStr::from("</div>")));
            }
            other => events.push(other),
        }
    }
    let title = name_headings(&mut events);
    let mut rendered = String::with_capacity(text.len() * 2);
    html::push_html(&mut rendered, events.into_iter());
    // A block that is wider than the page scrolls separately too.
    let html = rendered.replace("<pre>", "<pre tabindex=\"0\">");
    Document { title, html }
}

/// Gives each heading its name to link to; returns the text of the first.
fn name_headings(events: &mut [Event<'_>]) -> String {
    let mut title = None;
    for place in 0..events.len() {
        if !matches!(events[place], Event::Start(Tag::Heading { .. })) {
            continue;
        }
        let mut text = String::new();
        for event in &events[place + 1..] {
            match event {
                Event::Text(part) | Event::Code(part) => text.push_str(part),
                Event::End(TagEnd::Heading(_)) => break,
                _ => {}
            }
        }
        if let Event::Start(Tag::Heading { level, id, .. }) = &mut events[place] {
            *id = Some(CowStr::from(slug(&text)));
            if *level == HeadingLevel::H1 {
                title.get_or_insert(text);
            }
        }
    }
    title.unwrap_or_default()
}

/// The name of a heading, as on GitHub, so that links work there too.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        match c {
            ' ' | '-' => slug.push('-'),
            c if c.is_alphanumeric() || c == '_' => {
                // Writing to a string cannot fail.
                let _ = write!(slug, "{}", c.to_lowercase());
            }
            _ => {}
        }
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> Document {
        render(text, |target| {
            (target == "there.md").then(|| "/help/there".to_owned())
        })
    }

    #[test]
    fn headings_have_the_same_anchors_as_on_github() {
        let document = rendered("# Running *behind* `nginx`\n\n## What's next?\n");
        assert_eq!(document.title, "Running behind nginx");
        assert!(
            document.html.contains("<h1 id=\"running-behind-nginx\">"),
            "{}",
            document.html
        );
        assert!(
            document.html.contains("<h2 id=\"whats-next\">"),
            "{}",
            document.html
        );
    }

    #[test]
    fn links_lead_to_pages_here_or_are_none_and_pictures_are_left_out() {
        let html =
            rendered("[here](there.md) [away](https://example.com/) [lost](gone.md) ![a picture](x.png)")
                .html;
        assert!(html.contains("<a href=\"/help/there\">here</a>"), "{html}");
        assert!(
            html.contains("<a href=\"https://example.com/\">away</a>"),
            "{html}"
        );
        assert!(html.contains(" lost ") && !html.contains("gone.md"), "{html}");
        assert!(!html.contains("picture") && !html.contains("img"), "{html}");
    }

    #[test]
    fn what_is_wide_can_be_moved_with_the_keyboard() {
        let html = rendered("| a | b |\n| --- | --- |\n| 1 | 2 |\n\n```sh\nls\n```\n").html;
        assert!(html.contains("<div class=\"wide\" tabindex=\"0\""), "{html}");
        assert!(html.contains("<pre tabindex=\"0\">"), "{html}");
    }
}
