//! What the demo prints, as it happens. Colour only on a terminal, and never where `NO_COLOR` asks for none.

use std::{
    io::{self, IsTerminal as _, Write},
    time::Duration,
};

use gatewright_demo::walk::{Problem, Step, THE_SERVER_SAYS};

/// Where the time of a step ends, in columns.
const WIDTH: usize = 78;
/// Where labels and sentences begin.
const INDENT: usize = 4;
/// The width of the label column.
const LABEL: usize = 24;

/// Lines for a person.
pub(super) struct Screen<W> {
    out: W,
    colour: bool,
    detail: Detail,
    steps: usize,
}

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// What fits on one screen: a line for each step.
    Brief,
    /// What each step learned, and every client.
    Full,
}

impl Screen<io::Stdout> {
    /// Standard output.
    // `NO_COLOR` is a convention of terminals (no-color.org), not our configuration.
    #[allow(clippy::disallowed_methods)]
    pub(super) fn stdout(detail: Detail) -> Self {
        let asked_not_to = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::new(io::stdout(), io::stdout().is_terminal() && !asked_not_to, detail)
    }
}

/// How a text is emphasised.
#[derive(Debug, Clone, Copy)]
enum Style {
    Strong,
    Faint,
    Good,
    Bad,
}

impl<W: Write> Screen<W> {
    pub(super) fn new(out: W, colour: bool, detail: Detail) -> Self {
        Self {
            out,
            colour,
            detail,
            steps: 0,
        }
    }

    /// Whether only what fits on one screen is shown.
    pub(super) fn is_brief(&self) -> bool {
        self.detail == Detail::Brief
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match style {
            Style::Strong => "1",
            Style::Faint => "2",
            Style::Good => "32",
            Style::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    // A closed pipe is not a reason to end the demo: its reader only stopped reading.
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}", text.trim_end());
        let _ = self.out.flush();
    }

    /// A heading with an empty line before it.
    pub(super) fn heading(&mut self, text: &str) {
        let text = self.styled(Style::Strong, text);
        self.line("");
        self.line(&text);
    }

    /// A label and its value.
    pub(super) fn fact(&mut self, label: &str, value: &str) {
        let mut label = label;
        for line in wrapped(value, WIDTH - INDENT - LABEL) {
            let column = self.styled(Style::Faint, &format!("{label:<LABEL$}"));
            self.line(&format!("{:INDENT$}{column}{line}", ""));
            label = "";
        }
    }

    /// A sentence.
    pub(super) fn say(&mut self, text: &str) {
        self.line(&format!("{:INDENT$}{text}", ""));
    }

    /// Something to copy, under what it is for.
    pub(super) fn copy(&mut self, purpose: &str, lines: &[&str]) {
        self.line("");
        self.line(&format!("  {purpose}"));
        for line in lines {
            let line = self.styled(Style::Good, line);
            self.line(&format!("{:INDENT$}{line}", ""));
        }
    }

    /// Something to copy that needs no more words.
    pub(super) fn copy_alone(&mut self, line: &str) {
        let line = self.styled(Style::Good, line);
        self.line(&format!("{:INDENT$}{line}", ""));
    }

    /// A step of the walk.
    pub(super) fn step(&mut self, step: &Step) {
        self.steps += 1;
        let took = milliseconds(step.took);
        let title = format!("{:>2}  {}", self.steps, step.title);
        let gap = WIDTH.saturating_sub(title.chars().count());
        let (title, took) = (
            self.styled(Style::Strong, &title),
            self.styled(Style::Faint, &format!("{took:>gap$}")),
        );
        if !self.is_brief() || self.steps == 1 {
            self.line("");
        }
        self.line(&format!("{title}{took}"));
        for (label, value) in &step.learnt {
            if !self.is_brief() || *label == THE_SERVER_SAYS {
                self.fact(label, value);
            }
        }
    }

    /// How the walk ended well.
    pub(super) fn arrived(&mut self, took: Duration) {
        let (steps, took) = (self.steps, milliseconds(took));
        self.line("");
        for line in [
            format!("{steps} steps in {took}: from a URL to a tool that knows it was Ada,"),
            "with her own identity provider, and no one added her here beforehand.".to_owned(),
        ] {
            let line = self.styled(Style::Good, &line);
            self.line(&line);
        }
    }

    /// How the walk ended badly.
    pub(super) fn failed(&mut self, problem: &Problem) {
        let title = format!("{:>2}  {}  failed", self.steps + 1, problem.step);
        let title = self.styled(Style::Bad, &title);
        self.line("");
        self.line(&title);
        self.fact("expected", &problem.expected);
        self.fact("but", &problem.came);
        self.fact("what to do", &problem.remedy);
    }
}

/// Lines of at most `width` characters, broken between words; a longer word, such as a URL, stays whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is a line from the start");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(colour: bool, print: impl FnOnce(&mut Screen<&mut Vec<u8>>)) -> String {
        let mut out = Vec::new();
        print(&mut Screen::new(&mut out, colour, Detail::Full));
        String::from_utf8(out).unwrap()
    }

    fn step() -> Step {
        Step {
            title: "It lists the tools",
            learnt: vec![("tools", "add, echo".to_owned())],
            took: Duration::from_micros(1_234),
        }
    }

    #[test]
    fn a_step_is_one_line_and_what_was_learnt_below() {
        let text = printed(false, |screen| screen.step(&step()));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1].chars().count(), WIDTH);
        assert!(lines[1].starts_with(" 1  It lists the tools ") && lines[1].ends_with(" 1.2 ms"));
        assert_eq!(lines[2], format!("    {:<LABEL$}add, echo", "tools"));
    }

    #[test]
    fn in_brief_a_step_is_one_line_and_what_the_server_says_is_shown() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, false, Detail::Brief);
        screen.step(&step());
        screen.step(&step());
        let mut whoami = step();
        whoami.learnt.push((THE_SERVER_SAYS, "You are Ada".to_owned()));
        screen.step(&whoami);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(
            text.ends_with("You are Ada\n") && !text.contains("add, echo"),
            "{text}"
        );
    }

    #[test]
    fn long_sentences_are_broken_between_words_and_urls_stay_whole() {
        assert_eq!(wrapped("to be or not to be", 9), ["to be or", "not to be"]);
        assert_eq!(
            wrapped("see http://127.0.0.1:8930/mcp/demo", 9),
            ["see", "http://127.0.0.1:8930/mcp/demo"]
        );
        let text = printed(false, |screen| screen.fact("words", &"word ".repeat(30)));
        assert!(text.lines().count() > 2 && text.lines().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn colour_is_an_addition_and_never_needed() {
        let plain = printed(false, |screen| screen.step(&step()));
        let coloured = printed(true, |screen| screen.step(&step()));
        assert!(!plain.contains('\u{1b}') && coloured.contains('\u{1b}'));
        let mut stripped = coloured;
        for code in ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, plain);
    }
}
