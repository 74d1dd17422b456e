//! Numbers in words, singular and plural.

/// What a number counts: "1 session", "2 sessions".
pub(super) fn counted(count: i64, one: &str) -> String {
    format!("{count} {}", noun(count, one))
}

/// The word alone: "session", "sessions".
pub(super) fn noun(count: i64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{one}{plural}")
}

/// Sessions, and how many of them are paused because something is inactive: "3 sessions (1 paused)".
pub(super) fn sessions(live: i64, asleep: i64) -> String {
    let all = counted(live + asleep, "session");
    match (live, asleep) {
        (_, 0) => all,
        (0, 1) => format!("{all} (paused)"),
        (0, _) => format!("{all} (all paused)"),
        (_, asleep) => format!("{all} ({asleep} paused)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_everything_else_is_plural() {
        assert_eq!(counted(0, "gateway"), "0 gateways");
        assert_eq!(counted(1, "gateway"), "1 gateway");
        assert_eq!(counted(2, "gateway"), "2 gateways");
        assert_eq!(noun(1, "API key"), "API key");
    }

    #[test]
    fn paused_sessions_are_counted_separately() {
        assert_eq!(sessions(2, 0), "2 sessions");
        assert_eq!(sessions(1, 1), "2 sessions (1 paused)");
        assert_eq!(sessions(0, 1), "1 session (paused)");
        assert_eq!(sessions(0, 3), "3 sessions (all paused)");
        assert_eq!(sessions(0, 0), "0 sessions");
    }
}
