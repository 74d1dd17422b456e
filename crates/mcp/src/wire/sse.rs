//! Server-Sent Events (WHATWG HTML, section 9.2): an incremental decoder and an encoder.

use std::{collections::VecDeque, time::Duration};

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2};

use super::batch;

/// Messages in the data of one event, at most. An event with more of them holds none.
const BATCH_MAX: usize = 1_024;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// `event`; `None` means `message`.
    pub event: Option<Bytes>,
    /// The data, lines joined by LF. May be empty. Not checked to be UTF-8.
    pub data: Bytes,
    /// The last event id of the stream as of this event; it stays until another is sent.
    pub id: Option<Bytes>,
    /// `retry`, if this event set it.
    pub retry: Option<Duration>,
}

/// Why a stream cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// One event is larger than allowed, in bytes.
    #[error("an event is larger than {0} bytes")]
    TooLarge(usize),
}

/// Why an event cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// `event` or `id` holds CR, LF or NUL.
    #[error("the {0} of an event holds a line break or NUL")]
    Unsafe(&'static str),
}

/// Reads events out of chunks, however they are cut. A line within one chunk is not copied. Messages that a server
/// sends together in an array, as 2025-03-26 allows, come out as an event each.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    /// What is left of the last chunk.
    chunk: Bytes,
    /// The beginning of a line that ends in a later chunk.
    line: BytesMut,
    /// The last line ended with CR: an LF that comes next belongs to it.
    skip_lf: bool,
    /// No line was read yet: a byte order mark is dropped.
    at_start: bool,
    event: Option<Bytes>,
    data: Data,
    retry: Option<Duration>,
    /// The last `retry` of all.
    reconnection_time: Option<Duration>,
    id: Option<Bytes>,
    /// The same as of the last whole event: what broke off was not received.
    last_event_id: Option<Bytes>,
    /// The rest of the messages that came together.
    batch: VecDeque<Event>,
    failed: bool,
}

/// The data lines of an event so far.
#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(line) => line.len(),
            Self::Many(lines) => lines.len(),
        }
    }

    fn push(&mut self, line: Bytes) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(line),
            Self::One(first) => Self::Many(join(BytesMut::from(first), &line)),
            Self::Many(lines) => Self::Many(join(lines, &line)),
        };
    }

    fn take(&mut self) -> Option<Bytes> {
        match std::mem::take(self) {
            Self::None => None,
            Self::One(line) => Some(line),
            Self::Many(lines) => Some(lines.freeze()),
        }
    }
}

fn join(mut lines: BytesMut, line: &[u8]) -> BytesMut {
    lines.extend_from_slice(b"\n");
    lines.extend_from_slice(line);
    lines
}

impl Decoder {
    /// A decoder that refuses events of more than `limit` bytes, field names and comments included.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            chunk: Bytes::new(),
            line: BytesMut::new(),
            skip_lf: false,
            at_start: true,
            event: None,
            data: Data::None,
            retry: None,
            reconnection_time: None,
            id: None,
            last_event_id: None,
            batch: VecDeque::new(),
            failed: false,
        }
    }

    /// Takes the next chunk. Call [`Self::next_event`] until it has none before the next one. After an error nothing is kept.
    pub fn push(&mut self, chunk: Bytes) {
        if self.failed {
            self.chunk = Bytes::new();
            return;
        }
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            let mut both = BytesMut::with_capacity(self.chunk.len() + chunk.len());
            both.extend_from_slice(&self.chunk);
            both.extend_from_slice(&chunk);
            self.chunk = both.freeze();
        }
    }

    /// The next complete event in what was pushed. After an error there are no more.
    pub fn next_event(&mut self) -> Result<Option<Event>, SseError> {
        if let Some(event) = self.batch.pop_front() {
            return Ok(Some(event));
        }
        while let Some(line) = self.next_line()? {
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    if !batch::is_batch(&event.data) {
                        return Ok(Some(event));
                    }
                    self.batch = messages(event);
                    if let Some(event) = self.batch.pop_front() {
                        return Ok(Some(event));
                    }
                }
            } else {
                self.field(&line);
                self.check_size(0)?;
            }
        }
        Ok(None)
    }

    /// Whether something incomplete is left, which the end of the stream discards.
    pub fn is_mid_event(&self) -> bool {
        !self.line.is_empty() || !self.chunk.is_empty() || !matches!(self.data, Data::None)
    }

    /// Bytes that are held: of an incomplete event, and of messages that came together and were not taken yet.
    pub fn buffered(&self) -> usize {
        let together: usize = self.batch.iter().map(|event| event.data.len()).sum();
        self.line.len() + self.chunk.len() + self.data.len() + together
    }

    /// The id of the last event that is complete, for a reconnection.
    pub const fn last_event_id(&self) -> Option<&Bytes> {
        self.last_event_id.as_ref()
    }

    /// How long to wait before a reconnection, if the stream has said so.
    pub const fn reconnection_time(&self) -> Option<Duration> {
        self.reconnection_time
    }

    /// A decoder for the rest of the stream, which a new connection brings: what is incomplete is discarded.
    #[must_use]
    pub fn reconnected(&self) -> Self {
        Self {
            reconnection_time: self.reconnection_time,
            id: self.last_event_id.clone(),
            last_event_id: self.last_event_id.clone(),
            ..Self::new(self.limit)
        }
    }

    fn next_line(&mut self) -> Result<Option<Bytes>, SseError> {
        if self.failed {
            return Err(SseError::TooLarge(self.limit));
        }
        if self.skip_lf && !self.chunk.is_empty() {
            self.skip_lf = false;
            if self.chunk[0] == b'\n' {
                let _lf = self.chunk.split_to(1);
            }
        }
        let Some(end) = memchr2(b'\r', b'\n', &self.chunk) else {
            self.check_size(self.line.len() + self.chunk.len())?;
            self.line.extend_from_slice(&self.chunk);
            self.chunk = Bytes::new();
            return Ok(None);
        };
        self.check_size(self.line.len() + end)?;
        let rest = self.chunk.split_to(end);
        let ending = self.chunk.split_to(1);
        self.skip_lf = ending[0] == b'\r';
        let mut line = if self.line.is_empty() {
            rest
        } else {
            self.line.extend_from_slice(&rest);
            self.line.split().freeze()
        };
        if std::mem::take(&mut self.at_start) && line.starts_with(b"\xef\xbb\xbf") {
            line = line.slice(3..);
        }
        Ok(Some(line))
    }

    fn check_size(&mut self, line: usize) -> Result<(), SseError> {
        let event = self.event.as_ref().map_or(0, Bytes::len);
        if line + self.data.len() + event > self.limit {
            self.failed = true;
            return Err(SseError::TooLarge(self.limit));
        }
        Ok(())
    }

    fn field(&mut self, line: &Bytes) {
        let (name, value) = match memchr(b':', line) {
            Some(colon) => {
                let skip = usize::from(line.get(colon + 1) == Some(&b' '));
                (&line[..colon], line.slice(colon + 1 + skip..))
            }
            None => (&line[..], Bytes::new()),
        };
        match name {
            b"data" => self.data.push(value),
            b"event" => self.event = Some(value).filter(|value| !value.is_empty()),
            b"id" if memchr(0, &value).is_none() => {
                // Copied, so that an id kept for long does not keep a whole chunk.
                self.id = Some(Bytes::copy_from_slice(&value)).filter(|value| !value.is_empty());
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.retry = std::str::from_utf8(&value)
                    .ok()
                    .and_then(|digits| digits.parse().ok())
                    .map(Duration::from_millis);
                self.reconnection_time = self.retry.or(self.reconnection_time);
            }
            // Comments (an empty name) and unknown fields are ignored.
            _ => {}
        }
    }

    /// The event that an empty line completes; one without data is none.
    fn dispatch(&mut self) -> Option<Event> {
        let event = self.event.take();
        self.last_event_id.clone_from(&self.id);
        let data = self.data.take()?;
        Some(Event {
            event,
            data,
            id: self.id.clone(),
            retry: self.retry.take(),
        })
    }
}

/// The messages of an event that holds several, each as an event. What is not a batch stays unchanged, and is not a
/// message either.
fn messages(event: Event) -> VecDeque<Event> {
    match batch::split(&event.data, BATCH_MAX) {
        Ok(messages) => messages
            .into_iter()
            .map(|data| Event {
                data,
                ..event.clone()
            })
            .collect(),
        Err(_) => VecDeque::from([event]),
    }
}

/// One event as bytes. Data with line breaks becomes several data lines, so that whatever it holds it can neither end the
/// event nor begin another; CR and CRLF in it are read back as LF, which JSON does not distinguish.
pub fn encode(event: Option<&str>, id: Option<&str>, data: &[u8]) -> Result<Bytes, EncodeError> {
    let mut out = Vec::with_capacity(data.len() + 32);
    for (name, value) in [("event", event), ("id", id)] {
        let Some(value) = value else { continue };
        if value.contains(['\r', '\n', '\0']) {
            return Err(EncodeError::Unsafe(name));
        }
        for part in [name, ": ", value, "\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    write_data(&mut out, data);
    Ok(out.into())
}

/// An event of data alone: a JSON-RPC message.
pub fn encode_message(data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(data.len() + 8);
    write_data(&mut out, data);
    out.into()
}

/// A comment that keeps a connection alive; it is not an event, and does not end one.
pub const KEEP_ALIVE: &[u8] = b":\n\n";

fn write_data(out: &mut Vec<u8>, mut data: &[u8]) {
    loop {
        out.extend_from_slice(b"data: ");
        let Some(end) = memchr2(b'\r', b'\n', data) else {
            out.extend_from_slice(data);
            break;
        };
        out.extend_from_slice(&data[..end]);
        out.push(b'\n');
        let is_crlf = data[end..].starts_with(b"\r\n");
        data = &data[end + 1 + usize::from(is_crlf)..];
    }
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests;
