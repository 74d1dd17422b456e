//! The expansion of a URI template with some values (RFC 6570, all four levels; every value is a text, never a list).

/// Longer templates are not expanded, bytes.
const TEMPLATE_MAX: usize = 2_000;

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<'t> {
    Literal(&'t str),
    Expression {
        operator: Operator,
        variables: Vec<Variable<'t>>,
    },
}

/// A variable in an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Variable<'t> {
    name: &'t str,
    /// Characters of its value that count (section 2.4.1).
    most: Option<usize>,
}

/// How an expression is written out (appendix A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Operator {
    first: &'static str,
    separator: &'static str,
    /// Whether each value follows its name.
    is_named: bool,
    /// What follows a name whose value is empty.
    if_empty: &'static str,
    /// Whether reserved characters stay.
    keeps_reserved: bool,
}

impl Operator {
    const fn new(first: &'static str, separator: &'static str) -> Self {
        Self {
            first,
            separator,
            is_named: false,
            if_empty: "",
            keeps_reserved: false,
        }
    }

    const fn named(first: &'static str, separator: &'static str, if_empty: &'static str) -> Self {
        Self {
            is_named: true,
            if_empty,
            ..Self::new(first, separator)
        }
    }

    const fn reserved(first: &'static str) -> Self {
        Self {
            keeps_reserved: true,
            ..Self::new(first, ",")
        }
    }

    /// The operator of an expression, and whether it is written there; `None` for those that are reserved (section 2.2).
    fn of(expression: &str) -> Option<(Self, bool)> {
        Some(match expression.bytes().next()? {
            b'+' => (Self::reserved(""), true),
            b'#' => (Self::reserved("#"), true),
            b'.' => (Self::new(".", "."), true),
            b'/' => (Self::new("/", "/"), true),
            b';' => (Self::named(";", ";", ""), true),
            b'?' => (Self::named("?", "&", "="), true),
            b'&' => (Self::named("&", "&", "="), true),
            b'=' | b',' | b'!' | b'@' | b'|' => return None,
            _ => (Self::new("", ","), false),
        })
    }
}

/// The names of the variables of a template, each once, in order; `None` for one that is not well-formed or too long.
pub fn variables(template: &str) -> Option<Vec<&str>> {
    let mut names: Vec<&str> = Vec::new();
    for piece in pieces(template)? {
        if let Piece::Expression { variables, .. } = piece {
            for variable in variables {
                if !names.contains(&variable.name) {
                    names.push(variable.name);
                }
            }
        }
    }
    Some(names)
}

/// The expansion with the values that `value_of` returns; a variable without one is left out (section 3.2.1). `None` for a
/// template that is not well-formed or too long.
pub fn expand<'v>(template: &str, value_of: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
    let mut uri = String::new();
    for piece in pieces(template)? {
        match piece {
            Piece::Literal(text) => push_encoded(&mut uri, text, true),
            Piece::Expression { operator, variables } => {
                let mut is_first = true;
                for variable in variables {
                    let Some(value) = value_of(variable.name) else {
                        continue;
                    };
                    uri.push_str(if is_first {
                        operator.first
                    } else {
                        operator.separator
                    });
                    is_first = false;
                    if operator.is_named {
                        uri.push_str(variable.name);
                        uri.push_str(if value.is_empty() { operator.if_empty } else { "=" });
                    }
                    let end = variable.most.and_then(|most| value.char_indices().nth(most));
                    let value = end.map_or(value, |(at, _)| &value[..at]);
                    push_encoded(&mut uri, value, operator.keeps_reserved);
                }
            }
        }
    }
    Some(uri)
}

fn pieces(template: &str) -> Option<Vec<Piece<'_>>> {
    if template.len() > TEMPLATE_MAX {
        return None;
    }
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once('{') {
        if literal.contains('}') {
            return None;
        }
        pieces.push(Piece::Literal(literal));
        let (expression, after) = after.split_once('}')?;
        let (operator, is_written) = Operator::of(expression)?;
        let names = if is_written { &expression[1..] } else { expression };
        let variables: Option<Vec<_>> = names.split(',').map(variable).collect();
        pieces.push(Piece::Expression {
            operator,
            variables: variables?,
        });
        rest = after;
    }
    if rest.contains('}') {
        return None;
    }
    pieces.push(Piece::Literal(rest));
    Some(pieces)
}

fn variable(spec: &str) -> Option<Variable<'_>> {
    let (name, most) = match spec.split_once(':') {
        Some((name, most)) => (name, Some(most.parse().ok()?)),
        // A text explodes into itself (section 3.2.1).
        None => (spec.strip_suffix('*').unwrap_or(spec), None),
    };
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '%' | '-');
    (!name.is_empty() && name.chars().all(is_plain)).then_some(Variable { name, most })
}

/// Writes a text percent-encoded (section 3.2.1), except unreserved characters, and reserved ones where they stay.
fn push_encoded(uri: &mut String, text: &str, keeps_reserved: bool) {
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let is_unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let is_reserved = matches!(
            byte,
            b':' | b'/'
                | b'?'
                | b'#'
                | b'['
                | b']'
                | b'@'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        );
        let is_triplet = || {
            let digits = bytes.get(at + 1..at + 3);
            byte == b'%' && digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        if is_unreserved || keeps_reserved && (is_reserved || is_triplet()) {
            uri.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            uri.push('%');
            uri.push(char::from(DIGITS[usize::from(byte >> 4)]));
            uri.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::uri_template::UriTemplate;

    /// The examples of RFC 6570 section 3.2, those of texts.
    #[test]
    fn the_examples_of_the_standard_expand() {
        let value_of = |name: &str| match name {
            "var" => Some("value"),
            "hello" => Some("Hello World!"),
            "half" => Some("50%"),
            "base" => Some("http://example.com/home/"),
            "path" => Some("/foo/bar"),
            "empty" => Some(""),
            "x" => Some("1024"),
            "y" => Some("768"),
            "who" => Some("fred"),
            _ => None,
        };
        for (template, uri) in [
            ("{var}", "value"),
            ("{hello}", "Hello%20World%21"),
            ("{half}", "50%25"),
            ("O{empty}X", "OX"),
            ("O{undef}X", "OX"),
            ("{x,y}", "1024,768"),
            ("{x,hello,y}", "1024,Hello%20World%21,768"),
            ("?{x,undef}", "?1024"),
            ("{var:3}", "val"),
            ("{+hello}", "Hello%20World!"),
            ("{+half}", "50%25"),
            ("{base}index", "http%3A%2F%2Fexample.com%2Fhome%2Findex"),
            ("{+base}index", "http://example.com/home/index"),
            ("{+path,x}/here", "/foo/bar,1024/here"),
            ("{+path:6}/here", "/foo/b/here"),
            ("{#path,x}/here", "#/foo/bar,1024/here"),
            ("X{#var}", "X#value"),
            ("foo{#undef}", "foo"),
            ("{.who,who}", ".fred.fred"),
            ("X{.empty}", "X."),
            ("{/who}", "/fred"),
            ("{/var,x}/here", "/value/1024/here"),
            ("{;x,y,empty}", ";x=1024;y=768;empty"),
            ("{?x,y}", "?x=1024&y=768"),
            ("{?x,y,empty}", "?x=1024&y=768&empty="),
            ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
            ("{var*}", "value"),
            ("file:///a%20b/{var}?é", "file:///a%20b/value?%C3%A9"),
        ] {
            assert_eq!(expand(template, value_of).as_deref(), Some(uri), "{template}");
        }
    }

    #[test]
    fn variables_are_named_once_and_what_is_not_a_template_is_refused() {
        assert_eq!(
            variables("db://{table}/{row}{?table,limit:3}"),
            Some(vec!["table", "row", "limit"])
        );
        assert_eq!(variables("file:///a"), Some(Vec::new()));
        for bad in [
            "{", "}", "a{b", "a}b{c}", "{}", "{+}", "{=x}", "{{a}}", "{a}}", "{a b}", "{a:x}", "{a,}",
        ] {
            assert_eq!(variables(bad), None, "{bad}");
        }
        assert_eq!(variables(&"a".repeat(TEMPLATE_MAX + 1)), None);
    }

    proptest! {
        /// What is expanded leads to the template it was made of.
        #[test]
        fn an_expansion_matches_its_template(value in "[a-zA-Z0-9 /?é%-]{1,12}", template in prop_oneof![Just("x://{v}"), Just("x://{+v}/z"), Just("x://a{?v}"), Just("x://a{/v}"), Just("x://a{;v}"), Just("x://a{#v}")]) {
            let uri = expand(template, |_| Some(&value)).expect("a template");
            let matches = UriTemplate::parse(template).expect("a template").matches_within(&uri, &mut 100_000);
            prop_assert_eq!(matches, Some(true), "{}", uri);
        }

        #[test]
        fn nothing_panics(template in "[a-z{}+#./;?&*:,é%]{0,40}", value in any::<String>()) {
            let _ = expand(&template, |_| Some(&value));
        }
    }
}
