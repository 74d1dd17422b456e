//! What servers ask of clients: elicitation, sampling and roots (2025-11-25 and 2026-07-28, client/elicitation,
//! client/sampling, client/roots), and what clients declare of it.

use super::{
    envelope::Request,
    extensions::{Extensions, TASKS},
    jsonrpc::{ErrorCode, Refusal},
    scan::{self, Kind, Span},
};

/// What a server asks of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// `elicitation/create` that shows a form.
    Form,
    /// `elicitation/create` that leads to a page.
    Url,
    /// `sampling/createMessage`; whether the model may use tools.
    Sampling {
        /// Whether it has `tools` or `toolChoice`.
        with_tools: bool,
    },
    /// `roots/list`
    Roots,
}

impl Question {
    /// What a request of a server asks; `None` if clients do not know such a request. `params` is an object in `body`.
    pub(crate) fn read(method: &str, body: &[u8], params: Option<Span>) -> Option<Self> {
        let member = |name: &str| {
            let [member] = scan::pick(body, params?, [name]).ok()?;
            member
        };
        match method {
            "elicitation/create" => {
                let is_url = member("mode").is_some_and(|mode| mode.value.of(body) == b"\"url\"");
                Some(if is_url { Self::Url } else { Self::Form })
            }
            "sampling/createMessage" => Some(Self::Sampling {
                with_tools: member("tools").or_else(|| member("toolChoice")).is_some(),
            }),
            "roots/list" => Some(Self::Roots),
            _ => None,
        }
    }

    /// The same of a request.
    pub(crate) fn of(request: &Request<'_>) -> Option<Self> {
        let params = request.params.as_ref().map(|params| params.span);
        Self::read(&request.method.value, request.body, params)
    }

    /// The capability a client declares that can be asked this, as people write it.
    const fn capability(self) -> &'static str {
        match self {
            Self::Form => "elicitation.form",
            Self::Url => "elicitation.url",
            Self::Sampling { with_tools: false } => "sampling",
            Self::Sampling { with_tools: true } => "sampling.tools",
            Self::Roots => "roots",
        }
    }

    /// Why a client that does not declare it is not asked. A mode or a tool it does not know is a wrong parameter (2025-11-25
    /// client/elicitation, "Error Handling"), the rest a method it lacks.
    pub(crate) fn not_declared(self) -> Refusal {
        let code = match self {
            Self::Url | Self::Sampling { with_tools: true } => ErrorCode::INVALID_PARAMS,
            Self::Form | Self::Sampling { with_tools: false } | Self::Roots => ErrorCode::METHOD_NOT_FOUND,
        };
        Refusal::new(
            code,
            format!(
                "The client behind this gateway does not declare the capability `{}`, so it is not asked.",
                self.capability()
            ),
        )
    }
}

/// What a client declares that servers can ask of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ClientCapabilities(u8);

const FORM: u8 = 1;
const URL: u8 = 2;
const SAMPLING: u8 = 4;
const TOOLS: u8 = 8;
const ROOTS: u8 = 16;
/// Bytes of extensions of a client that are passed on; they travel in the id of its session.
const EXTENSIONS_MAX: usize = 512;
/// The members of a client's capabilities that are passed on to servers.
const PASSED_ON: [&str; 3] = ["elicitation", "sampling", "roots"];

impl ClientCapabilities {
    /// Read from a `capabilities` object in a body.
    pub(crate) fn read(body: &[u8], object: Span) -> Self {
        let objects = |object: Span, names: [&str; 3]| {
            let found = scan::pick(body, object, names).unwrap_or_default();
            found.map(|member| {
                member
                    .filter(|member| member.kind == Kind::Object)
                    .map(|member| member.value)
            })
        };
        let [elicitation, sampling, roots] = objects(object, PASSED_ON);
        let mut bits = 0;
        if let Some(elicitation) = elicitation {
            let [form, url, _] = objects(elicitation, ["form", "url", ""]);
            // One that names no mode can show forms.
            if form.is_some() || url.is_none() {
                bits |= FORM;
            }
            if url.is_some() {
                bits |= URL;
            }
        }
        if let Some(sampling) = sampling {
            bits |= SAMPLING;
            if let [Some(_), ..] = objects(sampling, ["tools", "", ""]) {
                bits |= TOOLS;
            }
        }
        if roots.is_some() {
            bits |= ROOTS;
        }
        Self(bits)
    }

    /// Whether it can be asked nothing.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The same as a number.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// What declares just this, JSON text of an object.
    pub(crate) fn declared(self) -> String {
        let has = |bit: u8| self.0 & bit != 0;
        let elicitation = match (has(FORM), has(URL)) {
            (true, true) => Some(r#""elicitation":{"form":{},"url":{}}"#),
            (true, false) => Some(r#""elicitation":{}"#),
            (false, true) => Some(r#""elicitation":{"url":{}}"#),
            (false, false) => None,
        };
        let sampling = match (has(SAMPLING), has(TOOLS)) {
            (true, true) => Some(r#""sampling":{"tools":{}}"#),
            (true, false) => Some(r#""sampling":{}"#),
            (false, _) => None,
        };
        let roots = has(ROOTS).then_some(r#""roots":{}"#);
        let members: Vec<_> = [elicitation, sampling, roots].into_iter().flatten().collect();
        format!("{{{}}}", members.join(","))
    }

    /// Whether it declares that it can answer this.
    pub(crate) const fn has(self, question: Question) -> bool {
        let needed = match question {
            Question::Form => FORM,
            Question::Url => URL,
            Question::Sampling { with_tools: false } => SAMPLING,
            Question::Sampling { with_tools: true } => SAMPLING | TOOLS,
            Question::Roots => ROOTS,
        };
        self.0 & needed == needed
    }
}

/// Of a client's capabilities, JSON text of an object, what is passed on to servers, as the client wrote it: with extensions
/// unless they say much, and without tasks, whose form is that of stateless clients.
pub(crate) fn passed_on(capabilities: &[u8]) -> String {
    let object = Span::new(0, capabilities.len());
    let found = scan::pick(capabilities, object, PASSED_ON).unwrap_or_default();
    let extensions = Extensions::of_capabilities(capabilities, object).without(TASKS);
    let extensions = (!extensions.is_empty()).then(|| format!("\"extensions\":{}", extensions.to_json()));
    let extensions = extensions.filter(|member| member.len() <= EXTENSIONS_MAX);
    let members: Vec<String> = PASSED_ON
        .iter()
        .zip(found)
        .filter_map(|(name, member)| {
            let member = member.filter(|member| member.kind == Kind::Object)?;
            let text = std::str::from_utf8(member.value.of(capabilities)).ok()?;
            Some(format!("\"{name}\":{text}"))
        })
        .chain(extensions)
        .collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(text: &str) -> ClientCapabilities {
        ClientCapabilities::read(text.as_bytes(), Span::new(0, text.len()))
    }

    fn asked(method: &str, params: &str) -> Option<Question> {
        Question::read(method, params.as_bytes(), Some(Span::new(0, params.len())))
    }

    #[test]
    fn a_client_is_asked_only_what_it_declares() {
        const ALL: [Question; 5] = [
            Question::Form,
            Question::Url,
            Question::Sampling { with_tools: false },
            Question::Sampling { with_tools: true },
            Question::Roots,
        ];
        for (capabilities, asked) in [
            ("{}", [false; 5]),
            (r#"{"elicitation":{}}"#, [true, false, false, false, false]),
            (
                r#"{"elicitation":{"url":{}}}"#,
                [false, true, false, false, false],
            ),
            (
                r#"{"elicitation":{"form":{},"url":{}}}"#,
                [true, true, false, false, false],
            ),
            (
                r#"{"sampling":{"context":{}}}"#,
                [false, false, true, false, false],
            ),
            (r#"{"sampling":{"tools":{}}}"#, [false, false, true, true, false]),
            (
                r#"{"roots":{"listChanged":true}}"#,
                [false, false, false, false, true],
            ),
            (r#"{"elicitation":true,"sampling":null,"roots":[]}"#, [false; 5]),
        ] {
            let can = declared(capabilities);
            assert_eq!(ALL.map(|question| can.has(question)), asked, "{capabilities}");
            assert_eq!(can.is_empty(), asked == [false; 5], "{capabilities}");
            assert_eq!(declared(&can.declared()), can, "{capabilities}");
        }
    }

    #[test]
    fn what_a_request_asks_is_read_from_its_method_and_mode() {
        for (method, params, question) in [
            ("elicitation/create", r#"{"message":"?"}"#, Some(Question::Form)),
            ("elicitation/create", r#"{"mode":"form"}"#, Some(Question::Form)),
            ("elicitation/create", r#"{"mode":"url"}"#, Some(Question::Url)),
            (
                "sampling/createMessage",
                r#"{"messages":[]}"#,
                Some(Question::Sampling { with_tools: false }),
            ),
            (
                "sampling/createMessage",
                r#"{"toolChoice":{}}"#,
                Some(Question::Sampling { with_tools: true }),
            ),
            ("roots/list", "{}", Some(Question::Roots)),
            ("tools/call", "{}", None),
        ] {
            assert_eq!(asked(method, params), question, "{method} {params}");
        }
        assert_eq!(Question::read("roots/list", b"", None), Some(Question::Roots));
    }

    #[test]
    fn capabilities_are_passed_on_as_the_client_wrote_them() {
        for (capabilities, passed) in [
            (
                r#"{ "roots" : { "listChanged" : true }, "experimental":{"x":{}}, "sampling":{"tools":{ }} }"#,
                r#"{"sampling":{"tools":{ }},"roots":{ "listChanged" : true }}"#,
            ),
            (
                r#"{"elicitation":{"form":{},"url":{}}}"#,
                r#"{"elicitation":{"form":{},"url":{}}}"#,
            ),
            (r#"{"elicitation":1,"extensions":{}}"#, "{}"),
            (
                r#"{"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":["a"]},"io.modelcontextprotocol/tasks":{}},"roots":{}}"#,
                r#"{"roots":{},"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":["a"]}}}"#,
            ),
            ("{}", "{}"),
        ] {
            assert_eq!(passed_on(capabilities.as_bytes()), passed);
            assert_eq!(passed_on(passed.as_bytes()), passed);
        }
    }
}
