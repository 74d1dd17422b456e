//! Icons: drawn here, so that nothing is loaded and the policy allows nothing more.

use std::fmt;

use askama::filters::HtmlSafe;

/// The mark of the product: an arch within an arch.
pub(crate) const MARK: &str = r#"<svg viewBox="0 0 36 36" fill="none" stroke="currentColor" stroke-width="2.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M5 31V15a13 13 0 0 1 26 0v16"/><path d="M13 31V17a5 5 0 0 1 10 0v14"/><path d="M3 31h30"/></svg>"#;

/// An icon. It adds nothing to the text next to it, and is hidden from screen readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Icon {
    /// A house: the overview.
    Home,
    /// A line with a peak: activity.
    Activity,
    /// An arch: gateways.
    Gateway,
    /// A badge with a face: User Sources.
    Source,
    /// Two boxes: servers.
    Server,
    /// People: members.
    Members,
    /// One person: users.
    Person,
    /// A key.
    Key,
    /// A padlock: secrets.
    Lock,
    /// Lines on a sheet: the audit log.
    Log,
    /// Sliders: settings.
    Settings,
    /// Four squares: projects.
    Projects,
    /// A door and an arrow: signing out.
    SignOut,
    /// An arrow into a door: signing in.
    SignIn,
    /// Two chevrons: more to choose from.
    Choose,
    /// Three lines: a menu.
    Menu,
    /// A tick.
    Check,
    /// A triangle with a stroke.
    Warning,
    /// A circle with a stroke.
    Problem,
    /// A circle with an i.
    Info,
    /// Two sheets.
    Copy,
    /// A circle with a question mark: the guide.
    Help,
}

impl Icon {
    const fn paths(self) -> &'static str {
        match self {
            Self::Home => {
                r#"<path d="M3.5 9 10 3.5 16.5 9v6.5a1 1 0 0 1-1 1h-3.25v-4.5h-4.5v4.5H4.5a1 1 0 0 1-1-1z"/>"#
            }
            Self::Activity => r#"<path d="M2.5 10.5h3l2.5-6 4 11 2.5-5h3"/>"#,
            Self::Gateway => {
                r#"<path d="M3.5 16.5v-6a6.5 6.5 0 0 1 13 0v6"/><path d="M7.5 16.5v-5a2.5 2.5 0 0 1 5 0v5M2.5 16.5h15"/>"#
            }
            Self::Source => {
                r#"<rect x="3" y="4.5" width="14" height="11" rx="2"/><circle cx="7.5" cy="9" r="1.5"/><path d="M5.25 12.75c.4-1 1.2-1.5 2.25-1.5s1.85.5 2.25 1.5M12 8.5h2.5M12 11.5h2.5"/>"#
            }
            Self::Server => {
                r#"<rect x="3" y="3.5" width="14" height="5.5" rx="1.5"/><rect x="3" y="11" width="14" height="5.5" rx="1.5"/><path d="M6 6.25h.01M6 13.75h.01"/>"#
            }
            Self::Members => {
                r#"<circle cx="7.5" cy="7" r="2.75"/><path d="M2.5 16c.4-2.6 2.3-4.25 5-4.25s4.6 1.65 5 4.25M13 4.6a2.75 2.75 0 0 1 0 4.8M14.6 12.1c1.6.6 2.6 2 2.9 3.9"/>"#
            }
            Self::Person => {
                r#"<circle cx="10" cy="7" r="3"/><path d="M4.5 16.5c.5-3 2.6-4.75 5.5-4.75s5 1.75 5.5 4.75"/>"#
            }
            Self::Key => {
                r#"<circle cx="6.75" cy="13.25" r="3.25"/><path d="m9.2 10.8 6.3-6.3M12.75 7.25l2.25 2.25M15 5l1.5 1.5"/>"#
            }
            Self::Lock => {
                r#"<rect x="4" y="9" width="12" height="8" rx="1.75"/><path d="M6.5 9V6.5a3.5 3.5 0 0 1 7 0V9M10 12.25v1.75"/>"#
            }
            Self::Log => {
                r#"<path d="M5.5 3h9a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1h-9a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1z"/><path d="M7.5 7h5M7.5 10h5M7.5 13h3"/>"#
            }
            Self::Settings => {
                r#"<path d="M3 6h8M15 6h2M3 14h2M9 14h8"/><circle cx="13" cy="6" r="2"/><circle cx="7" cy="14" r="2"/>"#
            }
            Self::Projects => {
                r#"<rect x="3.5" y="3.5" width="5.25" height="5.25" rx="1.25"/><rect x="11.25" y="3.5" width="5.25" height="5.25" rx="1.25"/><rect x="3.5" y="11.25" width="5.25" height="5.25" rx="1.25"/><rect x="11.25" y="11.25" width="5.25" height="5.25" rx="1.25"/>"#
            }
            Self::SignOut => {
                r#"<path d="M8 3.5H5a1.5 1.5 0 0 0-1.5 1.5v10A1.5 1.5 0 0 0 5 16.5h3M12.5 6.5 16 10l-3.5 3.5M16 10H8"/>"#
            }
            Self::SignIn => {
                r#"<path d="M12 3.5h3a1.5 1.5 0 0 1 1.5 1.5v10a1.5 1.5 0 0 1-1.5 1.5h-3M8.5 6.5 12 10l-3.5 3.5M12 10H3.5"/>"#
            }
            Self::Choose => r#"<path d="m7 8 3-3 3 3M7 12l3 3 3-3"/>"#,
            Self::Menu => r#"<path d="M3.5 6h13M3.5 10h13M3.5 14h13"/>"#,
            Self::Check => r#"<path d="m4.5 10.5 3.5 3.5 7.5-8"/>"#,
            Self::Warning => r#"<path d="M10 3.5 2.5 16.5h15z"/><path d="M10 8.5v3.5M10 14.25h.01"/>"#,
            Self::Problem => r#"<circle cx="10" cy="10" r="7"/><path d="M10 6.5v4M10 13.25h.01"/>"#,
            Self::Help => {
                r#"<circle cx="10" cy="10" r="7"/><path d="M7.75 8a2.25 2.25 0 1 1 3.1 2.1c-.55.22-.85.6-.85 1.15v.25"/><path d="M10 13.75v.01"/>"#
            }
            Self::Info => r#"<circle cx="10" cy="10" r="7"/><path d="M10 9.5v4M10 6.75h.01"/>"#,
            Self::Copy => {
                r#"<rect x="7" y="7" width="9.5" height="9.5" rx="1.75"/><path d="M13 7V5.25A1.75 1.75 0 0 0 11.25 3.5h-6A1.75 1.75 0 0 0 3.5 5.25v6A1.75 1.75 0 0 0 5.25 13H7"/>"#
            }
        }
    }
}

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#"<svg class="icon" viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{}</svg>"#,
            self.paths()
        )
    }
}

impl HtmlSafe for Icon {}
