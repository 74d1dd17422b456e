//! What clients receive about using a gateway: its own instructions, and those of its servers if an administrator passes them
//! on. A server's words reach models of all users, so they are bounded, and each of their lines is marked as
//! a quotation: a server cannot write as the gateway, or as another server.

use super::{naming::Naming, plan::Plan};

/// Characters that the instructions of all servers take, headings included.
const SERVERS_MAX: usize = 16_000;

impl Plan {
    /// The `instructions` for clients; empty for none. Servers that have not answered yet are left out.
    pub(crate) fn instructions(&self) -> String {
        let mut all = self.instructions.clone();
        if !self.server_instructions {
            return all;
        }
        let mut left = SERVERS_MAX;
        for offered in &self.servers {
            let upstream = &offered.server.upstream;
            let Some(about) = upstream
                .about_for_all()
                .filter(|about| !about.instructions.is_empty())
            else {
                continue;
            };
            let mut part = match self.naming {
                Naming::Plain => format!("From the server `{}`:", upstream.slug()),
                Naming::Prefixed => format!(
                    "From the server `{}`, whose tools and prompts here have names that begin with `{}_`:",
                    upstream.slug(),
                    offered.prefix()
                ),
            };
            for line in about.instructions.split(is_line_break) {
                part.push_str("\n> ");
                part.push_str(line.trim_end());
            }
            let Some(rest) = left.checked_sub(part.chars().count()) else {
                continue;
            };
            left = rest;
            if !all.is_empty() {
                all.push_str("\n\n");
            }
            all.push_str(&part);
        }
        all
    }
}

/// Whether a character begins another line, for a model or a person.
const fn is_line_break(character: char) -> bool {
    matches!(
        character,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}
