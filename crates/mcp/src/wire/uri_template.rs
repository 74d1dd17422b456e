//! Whether a URI is an expansion of a URI template (RFC 6570, all four levels), as far as choosing a server needs to know: the
//! server itself decides what the URI means. Expressions match by what their operator can expand to, and the names of
//! their variables do not count. Matching takes time in proportion to the URI and the template, whatever they are.

/// Longer templates match nothing, bytes.
const TEMPLATE_MAX: usize = 512;
/// Longer URIs match nothing, bytes.
pub const URI_MAX: usize = 2_048;

/// Characters that the value of a variable can contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Within one segment: `{var}`, `{.var}`, `{/var}`, `{;var}`. Servers leave characters unescaped that RFC 6570 would
    /// escape, so only what ends a segment is kept out.
    Segment,
    /// Several segments: `{/var*}`.
    Path,
    /// A query: `{?var}`, `{&var}`.
    Query,
    /// Anything: `{+var}`, `{#var}`.
    Any,
}

impl Class {
    const fn has(self, byte: u8) -> bool {
        match self {
            Self::Segment => !matches!(byte, b'/' | b'?' | b'#'),
            Self::Path => !matches!(byte, b'?' | b'#'),
            Self::Query => byte != b'#',
            Self::Any => true,
        }
    }
}

/// A piece of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// This byte.
    Byte(u8),
    /// One character of the class.
    One(Class),
    /// Any number of characters of the class.
    Many(Class),
    /// The next two parts can be left out.
    Optional,
}

/// A template that URIs can be matched with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriTemplate {
    parts: Box<[Part]>,
    /// What each match begins with.
    prefix: Box<[u8]>,
}

impl UriTemplate {
    /// Reads a template; `None` for one that is not well-formed (section 2) or too long.
    pub fn parse(template: &str) -> Option<Self> {
        if template.len() > TEMPLATE_MAX {
            return None;
        }
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((literal, after)) = rest.split_once('{') {
            parts.extend(literal.bytes().map(Part::Byte));
            let (expression, after) = after.split_once('}')?;
            push_expression(&mut parts, expression)?;
            rest = after;
        }
        if template.matches('}').count() != template.matches('{').count() {
            return None;
        }
        parts.extend(rest.bytes().map(Part::Byte));
        let prefix = parts.iter().map_while(|part| match part {
            Part::Byte(byte) => Some(*byte),
            _ => None,
        });
        Some(Self {
            prefix: prefix.collect(),
            parts: parts.into(),
        })
    }

    /// Whether a URI can be an expansion of the template; `None` if it would take more steps than are left of `budget`.
    pub fn matches_within(&self, uri: &str, budget: &mut usize) -> Option<bool> {
        let uri = uri.as_bytes();
        let Some(rest) = uri.strip_prefix(&*self.prefix).filter(|_| uri.len() <= URI_MAX) else {
            return Some(false);
        };
        let steps = (rest.len() + 1) * (self.parts.len() - self.prefix.len() + 1);
        *budget = budget.checked_sub(steps)?;
        Some(self.matches_after_prefix(rest))
    }

    fn matches_after_prefix(&self, rest: &[u8]) -> bool {
        // All places of the template that the URI can have reached, instead of one after the other: no template can make
        // it try again and again.
        let end = self.parts.len();
        let (mut at, mut next) = (vec![false; end + 1], vec![false; end + 1]);
        self.reach(&mut at, self.prefix.len());
        for &byte in rest {
            next.fill(false);
            let parts = self.parts.iter().enumerate().skip(self.prefix.len());
            for (place, part) in parts.filter(|(place, _)| at[*place]) {
                match *part {
                    Part::Byte(wanted) if wanted == byte => self.reach(&mut next, place + 1),
                    Part::One(class) if class.has(byte) => self.reach(&mut next, place + 1),
                    Part::Many(class) if class.has(byte) => self.reach(&mut next, place),
                    _ => {}
                }
            }
            std::mem::swap(&mut at, &mut next);
        }
        at[end]
    }

    /// Notes a place, and those that are reached from it without a character.
    fn reach(&self, at: &mut [bool], mut place: usize) {
        while !std::mem::replace(&mut at[place], true) {
            match self.parts.get(place) {
                Some(Part::Many(_)) => place += 1,
                Some(Part::Optional) => {
                    self.reach(at, place + 1);
                    place += 3;
                }
                Some(Part::Byte(_) | Part::One(_)) | None => return,
            }
        }
    }
}

/// One expression, without its braces.
fn push_expression(parts: &mut Vec<Part>, expression: &str) -> Option<()> {
    let operator = expression.bytes().next()?;
    let is_list = expression.contains(['*', ',']);
    let (first, class) = match operator {
        b'+' => (None, Class::Any),
        b'#' => (Some(b'#'), Class::Any),
        b'.' => (Some(b'.'), Class::Segment),
        b'/' if is_list => (Some(b'/'), Class::Path),
        b'/' => (Some(b'/'), Class::Segment),
        b';' => (Some(b';'), Class::Segment),
        b'?' => (Some(b'?'), Class::Query),
        b'&' => (Some(b'&'), Class::Query),
        // Reserved for extensions (section 2.2).
        b'=' | b',' | b'!' | b'@' | b'|' => return None,
        _ => (None, Class::Segment),
    };
    let is_operator = first.is_some() || operator == b'+';
    let names = if is_operator { &expression[1..] } else { expression };
    if names.is_empty() || names.contains(['{', ' ', '"']) {
        return None;
    }
    match first {
        // A variable without a value takes its operator with it (section 3.2.1).
        Some(first) => parts.extend([Part::Optional, Part::Byte(first), Part::Many(class)]),
        None => parts.extend([Part::One(class), Part::Many(class)]),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(template: &str, uri: &str) -> bool {
        let template = UriTemplate::parse(template).expect("a template");
        let mut budget = usize::MAX;
        template.matches_within(uri, &mut budget).expect("steps enough")
    }

    #[test]
    fn expansions_of_each_operator_match_and_other_uris_do_not() {
        for (template, yes, no) in [
            (
                "file:///{path}",
                &["file:///a.txt", "file:///a%20b"][..],
                &["file:///", "file:///a/b", "file:///a?x", "http:///a"][..],
            ),
            (
                "file:///{+path}",
                &["file:///a/b", "file:///a?x#y"],
                &["file:///", "file:/a"],
            ),
            (
                "db://{table}/{id}",
                &["db://users/7"],
                &["db://users", "db://users/", "db://users/7/8", "db:///7"],
            ),
            ("x://a{.ext}", &["x://a", "x://a.txt"], &["x://a/b", "x://atxt"]),
            (
                "x://a{/rest*}",
                &["x://a", "x://a/b", "x://a/b/c"],
                &["x://ab", "x://a?b"],
            ),
            ("x://a{/one}", &["x://a", "x://a/b"], &["x://a/b/c"]),
            ("x://a{;p}", &["x://a;p=1", "x://a"], &["x://a/b"]),
            ("x://a{?q,r}", &["x://a", "x://a?q=1&r=2"], &["x://a#q", "x://aq"]),
            ("x://a?z=1{&q}", &["x://a?z=1&q=2", "x://a?z=1"], &["x://a?z=2"]),
            ("x://a{#part}", &["x://a#b", "x://a"], &["x://ab"]),
            ("x://{a,b}", &["x://1,2"], &["x://1/2"]),
            ("x://{a:3}.{b}", &["x://abc.d", "x://a.b.c"], &["x://abc"]),
            ("ui://fixed", &["ui://fixed"], &["ui://fixed/", "ui://fixe"]),
            ("{+any}", &["x", "http://x/y"], &[""]),
            ("caf\u{e9}://{x}", &["caf\u{e9}://1"], &["cafe://1"]),
        ] {
            for uri in yes {
                assert!(matches(template, uri), "{template} {uri}");
            }
            for uri in no {
                assert!(!matches(template, uri), "{template} {uri}");
            }
        }
    }

    #[test]
    fn what_is_not_a_template_is_refused() {
        for bad in [
            "{", "}", "a{b", "a}b", "{}", "{+}", "{=x}", "{{a}}", "{a}}", "{a b}",
        ] {
            assert_eq!(UriTemplate::parse(bad), None, "{bad}");
        }
        assert_eq!(UriTemplate::parse(&"a".repeat(TEMPLATE_MAX + 1)), None);
        assert!(!matches("{+any}", &"a".repeat(URI_MAX + 1)));
    }

    #[test]
    fn no_template_takes_long() {
        let template = "{+a}x".repeat(TEMPLATE_MAX / 5);
        let uri = format!("{}y", "x".repeat(URI_MAX - 1));
        let began = std::time::Instant::now();
        assert!(!matches(&template, &uri));
        assert!(began.elapsed().as_secs() < 5);
    }

    #[test]
    fn no_more_steps_are_taken_than_are_left() {
        let template = UriTemplate::parse("x://{a}/{b}").unwrap();
        let mut budget = 60;
        assert_eq!(template.matches_within("y://1/2", &mut budget), Some(false));
        assert_eq!(budget, 60);
        assert_eq!(template.matches_within("x://1/2", &mut budget), Some(true));
        assert!(budget < 60);
        assert_eq!(template.matches_within(&"x://1/2".repeat(10), &mut budget), None);
    }

    proptest! {
        /// What simple and reserved variables expand to matches, whatever is between them.
        #[test]
        fn expansions_match(values in proptest::collection::vec("[a-zA-Z0-9._~-]{1,8}", 1..6), literal in "[a-z:/.]{0,6}", reserved in any::<bool>()) {
            let open = if reserved { "{+" } else { "{" };
            let template: String = vec![format!("{literal}{open}v}}"); values.len()].concat();
            let uri: String = values.iter().flat_map(|value| [literal.as_str(), value]).collect();
            prop_assert!(matches(&template, &uri), "{template} {uri}");
        }

        #[test]
        fn nothing_panics(template in "[a-z{}+#./;?&*,:é]{0,40}", uri in any::<String>()) {
            if let Some(template) = UriTemplate::parse(&template) {
                let _ = template.matches_within(&uri, &mut 10_000);
            }
        }
    }
}
