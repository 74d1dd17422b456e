//! What came of a call, as a person reads it. Everything in it is a stranger's: texts are shown as texts, pictures only of
//! kinds that hold only a picture, and nothing is loaded or run.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{contents, json::indented, what::What};
use crate::resource_server::{Outcome, Report, TRIAL_PATIENCE, Tried};

/// Characters of one text that are shown.
const TEXT_MAX: usize = 50_000;
/// Blocks of content that are shown.
const BLOCKS_MAX: usize = 50;
/// Base64 characters of a picture that is shown; a larger one is named only.
const PICTURE_MAX: usize = 2 * 1024 * 1024;
/// Pictures that hold pixels and nothing else.
const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// The order in which claims are shown: who first, when last.
const ORDER: [&str; 12] = [
    "sub",
    "act",
    "subject",
    "name",
    "email",
    "mode",
    "user_source",
    "gateway",
    "aud",
    "iss",
    "iat",
    "exp",
];

/// A part of the content.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Whose words follow, or of which URI.
    Heading(String),
    /// A text.
    Text(String),
    /// A picture, whole, as the source of an image.
    Picture(String),
    /// A file that can be saved.
    File {
        /// Its kind and size.
        what: String,
        /// The name it is saved under.
        name: String,
        /// Its bytes, as an address that loads nothing.
        source: String,
    },
    /// Something that is named only.
    Other(String),
}

/// A claim that a server received.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) value: String,
    /// What it means, where we know.
    pub(super) means: &'static str,
}

/// What came of a call.
#[derive(Debug)]
pub(super) struct ResultView {
    /// The badge: its look and its word.
    pub(super) look: &'static str,
    pub(super) word: &'static str,
    /// What happened and what to do, if there is more to say than the content does.
    pub(super) said: Option<String>,
    pub(super) took: String,
    pub(super) blocks: Vec<Block>,
    pub(super) structured: Option<String>,
    pub(super) raw: Option<String>,
    /// Name and id of the server it went to.
    pub(super) server: Option<(String, String)>,
    pub(super) claims: Vec<Claim>,
    pub(super) headers: Vec<String>,
    /// What the server reported before it answered.
    pub(super) reports: Vec<String>,
}

#[derive(Default, Deserialize)]
struct CallResult<'a> {
    #[serde(default, rename = "isError")]
    is_error: bool,
    #[serde(default, borrow)]
    content: Vec<&'a RawValue>,
    #[serde(default, borrow, rename = "structuredContent")]
    structured: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Content {
    #[serde(rename = "type")]
    kind: String,
    text: String,
    data: String,
    #[serde(rename = "mimeType")]
    mime_type: String,
    uri: String,
    name: String,
    resource: contents::Resource,
}

impl ResultView {
    /// What came of a call.
    pub(super) fn of(tried: Tried, what: What) -> Self {
        let mut claims: Vec<Claim> = tried
            .told
            .claims
            .unwrap_or_default()
            .into_iter()
            .map(claim)
            .collect();
        claims.sort_by_key(|claim| {
            ORDER
                .iter()
                .position(|name| *name == claim.name)
                .unwrap_or(ORDER.len())
        });
        let mut view = Self {
            look: "bad",
            word: "No answer",
            said: None,
            took: milliseconds(tried.duration),
            blocks: Vec::new(),
            structured: None,
            raw: None,
            server: tried
                .server
                .map(|entry| (entry.server.name.clone(), entry.server.slug.clone())),
            claims,
            headers: tried.told.headers,
            reports: tried.reports.iter().map(reported).collect(),
        };
        match tried.outcome {
            Outcome::Result(raw) => view.read(&raw, what),
            Outcome::Error { code, message } => {
                view.word = "Refused";
                view.said = Some(format!("{} (error {code})", cut(&message)));
            }
            Outcome::Late => {
                let seconds = TRIAL_PATIENCE.as_secs();
                view.said = Some(format!(
                    "The server did not answer, and reported nothing for {seconds} seconds. Gatewright asked it to stop, but it may have \
                     done part of its work."
                ));
            }
            Outcome::TooLarge => {
                view.word = "Too large";
                view.said =
                    Some("The answer is too large to be shown here. A client gets it whole.".to_owned());
            }
            Outcome::Broken => {
                view.word = "Broken off";
                view.said = Some(
                    "The answer broke off or is not MCP. The log of this instance says more.".to_owned(),
                );
            }
        }
        view
    }

    fn read(&mut self, raw: &RawValue, what: What) {
        (self.look, self.word) = ("good", "Done");
        match what {
            What::Tool => self.read_call(raw),
            What::Prompt => self.blocks = contents::messages(raw),
            What::Resource => self.blocks = contents::resources(raw),
        }
        let left_out = self.blocks.len().saturating_sub(BLOCKS_MAX);
        if left_out > 0 {
            self.blocks.truncate(BLOCKS_MAX);
            self.blocks
                .push(Block::Other(format!("{left_out} more parts are not shown.")));
        }
        self.raw = Some(cut(&indented(raw.get())));
    }

    fn read_call(&mut self, raw: &RawValue) {
        let result: CallResult<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
        if result.is_error {
            (self.look, self.word) = ("warn", "The tool failed");
        }
        self.blocks = result.content.iter().map(|content| block(content)).collect();
        self.structured = result.structured.map(|raw| cut(&indented(raw.get())));
    }
}

/// A part of the content of a tool or prompt.
pub(super) fn block(raw: &RawValue) -> Block {
    let Ok(content) = serde_json::from_str::<Content>(raw.get()) else {
        return Block::Other("A part that does not follow MCP.".to_owned());
    };
    match content.kind.as_str() {
        "text" => Block::Text(cut(&content.text)),
        "image" => picture(&content.mime_type, &content.data).unwrap_or_else(|| {
            Block::Other(format!(
                "A picture ({}) that is not shown here",
                cut(&content.mime_type)
            ))
        }),
        "audio" => Block::Other(format!("Audio ({})", cut(&content.mime_type))),
        "resource_link" => Block::Other(format!(
            "A link to {} ({})",
            cut(&content.uri),
            cut(&content.name)
        )),
        "resource" => contents::resource(&content.resource),
        other => Block::Other(format!("A part of kind “{}”", cut(other))),
    }
}

/// A picture as the page can hold it; `None` for what may hold more than pixels, or is too large.
pub(super) fn picture(mime_type: &str, data: &str) -> Option<Block> {
    let kind = PICTURES.into_iter().find(|kind| *kind == mime_type)?;
    let is_whole = data.len() <= PICTURE_MAX && STANDARD.decode(data).is_ok_and(|bytes| !bytes.is_empty());
    is_whole.then(|| Block::Picture(format!("data:{kind};base64,{data}")))
}

/// A report in one line.
pub(super) fn reported(report: &Report) -> String {
    match report {
        Report::Progress {
            progress,
            total,
            message,
        } => {
            let so_far = total.map_or_else(|| progress.to_string(), |total| format!("{progress} of {total}"));
            message
                .as_ref()
                .map_or_else(|| so_far.clone(), |message| format!("{so_far}: {message}"))
        }
        Report::Log { level, text } => format!("[{level}] {text}"),
    }
}

/// A text, cut to a readable length.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((at, _)) => format!("{}…\n(cut here)", &text[..at]),
        None => text.to_owned(),
    }
}

fn milliseconds(took: std::time::Duration) -> String {
    let micros = took.as_micros();
    if micros >= 1_000_000 {
        format!("{:.1} s", took.as_secs_f64())
    } else if micros >= 10_000 {
        format!("{} ms", micros / 1_000)
    } else {
        format!("{:.1} ms", took.as_secs_f64() * 1_000.0)
    }
}

fn claim((name, value): (String, Value)) -> Claim {
    let means = match name.as_str() {
        "sub" => "who calls, to servers",
        "subject" => "the value that names them where they sign in",
        "act" => "who acts for them: you",
        "mode" => "how they are known",
        "user_source" => "where they sign in",
        "gateway" => "through which gateway",
        "aud" => "the one server this is for",
        "iss" => "this instance, which signed it",
        "iat" => "signed at",
        "exp" => "good until",
        "email" | "name" => "for display",
        _ => "",
    };
    Claim {
        value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        name,
        means,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource_server::Told;

    fn view(result: &Value) -> ResultView {
        let tried = Tried {
            server: None,
            told: Told::default(),
            outcome: Outcome::Result(RawValue::from_string(result.to_string()).unwrap()),
            reports: vec![Report::Progress {
                progress: 1.0,
                total: Some(2.0),
                message: Some("Half".to_owned()),
            }],
            duration: std::time::Duration::from_millis(12),
        };
        ResultView::of(tried, What::Tool)
    }

    #[test]
    fn pictures_are_shown_when_they_hold_nothing_else() {
        let result = json!({"content": [
            {"type": "image", "mimeType": "image/png", "data": "iVBORw0KGgo="},
            {"type": "image", "mimeType": "image/svg+xml", "data": "PHN2Zy8+"},
            {"type": "image", "mimeType": "image/png", "data": "x\" onerror=\"alert(1)"},
            {"type": "image", "mimeType": "image/png\"><script>", "data": "AAAA"},
            {"type": "text", "text": "<script>"}, 7,
        ]});
        let view = view(&result);
        assert_eq!(
            view.blocks[0],
            Block::Picture("data:image/png;base64,iVBORw0KGgo=".to_owned())
        );
        assert!(
            view.blocks[1..4]
                .iter()
                .all(|block| matches!(block, Block::Other(_))),
            "{:?}",
            view.blocks
        );
        assert_eq!(view.blocks[4], Block::Text("<script>".to_owned()));
        assert_eq!(view.blocks.len(), 6);
        assert_eq!((view.look, view.took.as_str()), ("good", "12 ms"));
        assert_eq!(view.reports, ["1 of 2: Half"]);
    }

    #[test]
    fn failures_are_distinguished() {
        assert_eq!(
            view(&json!({"isError": true, "content": []})).word,
            "The tool failed"
        );
        // Something that is not as MCP has it is shown as it came.
        assert_eq!(view(&json!([1])).raw.as_deref(), Some("[\n  1\n]"));
        let long = view(&json!({"content": [{"type": "text", "text": "x".repeat(TEXT_MAX + 1)}]}));
        assert!(matches!(&long.blocks[0], Block::Text(text) if text.ends_with("(cut here)")));
        let many = view(&json!({"content": vec![json!({"type": "text", "text": ""}); BLOCKS_MAX + 2]}));
        assert_eq!(
            many.blocks.last(),
            Some(&Block::Other("2 more parts are not shown.".to_owned()))
        );
    }
}
