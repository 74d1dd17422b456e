//! The messages of a prompt and the contents of a resource, as a person reads them. Texts are shown as texts, whatever they say
//! they are: nothing of a page, script or style in them takes effect. What is binary is a picture that holds only pixels, or
//! can be saved.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::result::{Block, block, cut, picture};

/// Base64 characters of a file that the page carries to be saved; a larger one is named only.
const FILE_MAX: usize = 2 * 1024 * 1024;
/// Characters of the name a file is saved under.
const NAME_MAX: usize = 60;
/// Ends of names that files keep. Others could be run or opened as a page, so they end in `.bin`.
const HARMLESS: [&str; 19] = [
    "csv", "docx", "gif", "gz", "jpeg", "jpg", "json", "mp3", "mp4", "parquet", "pdf", "png", "pptx", "tar",
    "txt", "wav", "webp", "xlsx", "zip",
];

/// A resource as it is read (2026-07-28, `TextResourceContents` and `BlobResourceContents`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resource {
    uri: String,
    text: Option<String>,
    blob: Option<String>,
    #[serde(rename = "mimeType")]
    mime_type: String,
}

#[derive(Default, Deserialize)]
struct Contents<'a> {
    #[serde(default, borrow)]
    contents: Vec<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Messages<'a> {
    #[serde(default)]
    description: Option<String>,
    #[serde(default, borrow)]
    messages: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    role: String,
    #[serde(borrow)]
    content: &'a RawValue,
}

fn odd() -> Block {
    Block::Other("A part that does not follow MCP.".to_owned())
}

/// What a prompt became (2026-07-28, `GetPromptResult`).
pub(super) fn messages(raw: &RawValue) -> Vec<Block> {
    let result: Messages<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let described = result.description.filter(|text| !text.is_empty());
    let described = described.map(|text| Block::Other(cut(&text)));
    let messages = result.messages.into_iter().flat_map(|message| {
        match serde_json::from_str::<Message<'_>>(message.get()) {
            Ok(message) => vec![Block::Heading(cut(&message.role)), block(message.content)],
            Err(_) => vec![odd()],
        }
    });
    described.into_iter().chain(messages).collect()
}

/// What was read (2026-07-28, `ReadResourceResult`).
pub(super) fn resources(raw: &RawValue) -> Vec<Block> {
    let result: Contents<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let read =
        result
            .contents
            .into_iter()
            .flat_map(|part| match serde_json::from_str::<Resource>(part.get()) {
                Ok(part) if part.mime_type.is_empty() => {
                    vec![Block::Heading(cut(&part.uri)), resource(&part)]
                }
                Ok(part) => {
                    let heading = format!("{} ({})", cut(&part.uri), cut(&part.mime_type));
                    vec![Block::Heading(heading), resource(&part)]
                }
                Err(_) => vec![odd()],
            });
    read.collect()
}

/// The content of one.
pub(super) fn resource(resource: &Resource) -> Block {
    if let Some(text) = &resource.text {
        return Block::Text(cut(text));
    }
    let Some(data) = &resource.blob else {
        return Block::Other(format!(
            "A file: {} ({})",
            cut(&resource.uri),
            cut(&resource.mime_type)
        ));
    };
    if let Some(picture) = picture(&resource.mime_type, data) {
        return picture;
    }
    let Ok(bytes) = STANDARD.decode(data) else {
        return Block::Other("A file that is not Base64.".to_owned());
    };
    let kind = if resource.mime_type.is_empty() {
        "of unknown kind".to_owned()
    } else {
        cut(&resource.mime_type)
    };
    let what = format!("Binary, {kind}, {}", size(bytes.len()));
    if data.len() > FILE_MAX {
        return Block::Other(format!("{what}: too large to be saved from here."));
    }
    Block::File {
        what,
        name: file_name(&resource.uri),
        // Written again, so that the address cannot contain anything else.
        source: format!("data:application/octet-stream;base64,{}", STANDARD.encode(bytes)),
    }
}

/// A size as people read it.
fn size(bytes: usize) -> String {
    let thousands = bytes / 1_000;
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{thousands}.{} kB", bytes % 1_000 / 100),
        _ => format!("{}.{} MB", thousands / 1_000, thousands % 1_000 / 100),
    }
}

/// The name a file is saved under: the end of its URI, made harmless.
fn file_name(uri: &str) -> String {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let last = path
        .rsplit(['/', ':', '\\'])
        .find(|part| !part.is_empty())
        .unwrap_or_default();
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let named: String = last.chars().filter(|character| allowed(*character)).collect();
    let named = named.trim_start_matches('.');
    let (stem, end) = named.rsplit_once('.').unwrap_or((named, ""));
    let end = end.to_lowercase();
    let is_harmless = HARMLESS.contains(&end.as_str());
    let (stem, end) = if is_harmless {
        (stem, end.as_str())
    } else {
        (named, "bin")
    };
    let stem: String = stem.chars().take(NAME_MAX).collect();
    let stem = if stem.is_empty() { "resource" } else { &stem };
    format!("{stem}.{end}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    fn read(contents: &Value) -> Vec<Block> {
        resources(&raw(&json!({"contents": contents})))
    }

    #[test]
    fn a_resource_is_text_whatever_it_says_it_is() {
        let page = "<script>alert(1)</script>";
        for kind in [
            "text/html;profile=mcp-app",
            "text/html",
            "image/svg+xml",
            "application/javascript",
            "",
        ] {
            let blocks = read(&json!([{"uri": "ui://app", "mimeType": kind, "text": page}]));
            assert_eq!(blocks[1], Block::Text(page.to_owned()), "{kind}");
        }
    }

    #[test]
    fn binary_is_a_picture_or_a_file_to_be_saved() {
        let blocks = read(&json!([
            {"uri": "file:///a/report.pdf", "mimeType": "application/pdf", "blob": "AAEC"},
            {"uri": "file:///a.png", "mimeType": "image/png", "blob": "iVBORw0KGgo="},
            {"uri": "file:///a.svg", "mimeType": "image/svg+xml", "blob": "PHN2Zy8+"},
            {"uri": "file:///b", "blob": "x\" download=\"evil"}, 7, {"uri": "file:///c"},
        ]));
        assert_eq!(
            blocks[0],
            Block::Heading("file:///a/report.pdf (application/pdf)".to_owned())
        );
        let file = |what: &str, name: &str, data: &str| Block::File {
            what: what.to_owned(),
            name: name.to_owned(),
            source: format!("data:application/octet-stream;base64,{data}"),
        };
        assert_eq!(
            blocks[1],
            file("Binary, application/pdf, 3 bytes", "report.pdf", "AAEC")
        );
        assert!(
            matches!(&blocks[3], Block::Picture(source) if source.starts_with("data:image/png;base64,iVBO"))
        );
        assert_eq!(
            blocks[5],
            file("Binary, image/svg+xml, 6 bytes", "a.svg.bin", "PHN2Zy8+")
        );
        assert_eq!(blocks[7], Block::Other("A file that is not Base64.".to_owned()));
        assert_eq!(blocks[8], odd());
        assert!(matches!(&blocks[10], Block::Other(what) if what.starts_with("A file: file:///c")));
        let large = "A".repeat(FILE_MAX + 4);
        let blocks = read(&json!([{"uri": "file:///d.zip", "blob": large}]));
        assert!(
            matches!(&blocks[1], Block::Other(what) if what.contains("1.5 MB: too large")),
            "{:?}",
            blocks[1]
        );
    }

    #[test]
    fn the_name_of_a_file_does_nothing() {
        for (uri, name) in [
            ("file:///a/Report.PDF?x=1#y", "Report.pdf"),
            ("file:///run.exe", "run.exe.bin"),
            ("file:///page.html", "page.html.bin"),
            ("file:///../.bashrc", "bashrc.bin"),
            ("note:today", "today.bin"),
            ("file:///\u{202e}fdp.\"><script>", "fdp.script.bin"),
            ("db://", "db.bin"),
            ("", "resource.bin"),
        ] {
            assert_eq!(file_name(uri), name, "{uri}");
        }
        assert_eq!(
            file_name(&format!("x:/{}.zip", "a".repeat(200))).len(),
            NAME_MAX + 4
        );
    }

    #[test]
    fn the_messages_of_a_prompt_are_shown_in_order_with_who_speaks() {
        let result = json!({"description": "Asks for a review.", "messages": [
            {"role": "user", "content": {"type": "text", "text": "<b>Review</b>"}},
            {"role": "assistant", "content": {"type": "resource", "resource": {"uri": "a:b", "text": "code"}}}, {}]});
        let text = |text: &str| Block::Text(text.to_owned());
        let heading = |text: &str| Block::Heading(text.to_owned());
        assert_eq!(
            messages(&raw(&result)),
            [
                Block::Other("Asks for a review.".to_owned()),
                heading("user"),
                text("<b>Review</b>"),
                heading("assistant"),
                text("code"),
                odd(),
            ]
        );
    }
}
