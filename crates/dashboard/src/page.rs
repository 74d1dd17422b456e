//! What every page of the dashboard has: its headers, and the frame around what it shows.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use gatewright_domain::id::ProjectId;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

use super::{flash::Flash, icon::Icon};

/// Everything comes from here and goes here, the page contains no inline code, and other sites cannot frame it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Which part of the dashboard a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// The list of projects.
    Projects,
    /// What runs here, for administrators of the instance.
    InstanceAbout,
    /// Accounts of the instance.
    InstanceAccounts,
    /// Keys of the instance.
    InstanceKeys,
    /// Streams of audit events and requests.
    InstanceStreams,
    /// The audit log of the instance.
    InstanceAudit,
    /// The account that is signed in.
    Account,
    /// The first page of a project.
    Overview,
    /// What gateways are asked.
    Activity,
    /// Gateways.
    Gateways,
    /// User Sources.
    UserSources,
    /// Servers.
    Servers,
    /// Secrets.
    Secrets,
    /// End users.
    Users,
    /// The sign-in trace.
    SignIns,
    /// What went wrong, and when.
    Incidents,
    /// Members and invitations.
    Members,
    /// API keys.
    ApiKeys,
    /// The audit log.
    Audit,
    /// Name and end of the project.
    Settings,
}

/// The sections of a project, in the order of the navigation.
const SECTIONS: [(Section, &str, &str, Icon); 13] = [
    (Section::Overview, "", "Overview", Icon::Home),
    (Section::Activity, "/activity", "Activity", Icon::Activity),
    (Section::Gateways, "/gateways", "Gateways", Icon::Gateway),
    (
        Section::UserSources,
        "/user-sources",
        "User Sources",
        Icon::Source,
    ),
    (Section::Servers, "/servers", "Servers", Icon::Server),
    (Section::Secrets, "/secrets", "Secrets", Icon::Lock),
    (Section::Users, "/users", "Users", Icon::Person),
    (Section::SignIns, "/sign-ins", "Sign-ins", Icon::SignIn),
    (Section::Incidents, "/incidents", "Incidents", Icon::Warning),
    (Section::Members, "/members", "Members", Icon::Members),
    (Section::ApiKeys, "/api-keys", "API keys", Icon::Key),
    (Section::Audit, "/audit", "Audit log", Icon::Log),
    (Section::Settings, "/settings", "Settings", Icon::Settings),
];

/// The sections of the instance, in the order of the navigation.
const INSTANCE: [(Section, &str, &str, Icon); 6] = [
    (Section::InstanceAbout, "/instance", "About", Icon::Info),
    (
        Section::InstanceAccounts,
        "/instance/accounts",
        "Accounts",
        Icon::Person,
    ),
    (Section::Projects, "/projects", "Projects", Icon::Projects),
    (
        Section::InstanceKeys,
        "/instance/keys",
        "Instance keys",
        Icon::Key,
    ),
    (
        Section::InstanceStreams,
        "/instance/streams",
        "Streams",
        Icon::Activity,
    ),
    (
        Section::InstanceAudit,
        "/instance/audit",
        "Instance log",
        Icon::Log,
    ),
];

/// A project to go to.
#[derive(Debug, Clone)]
pub(super) struct ProjectLink {
    /// Its id.
    pub(super) id: ProjectId,
    /// What people call it.
    pub(super) name: String,
}

impl ProjectLink {
    /// The first letter of its name, for its tile.
    pub(super) fn initial(&self) -> String {
        initial(&self.name)
    }
}

/// An entry of the navigation.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) href: String,
    pub(super) label: &'static str,
    pub(super) icon: Icon,
    pub(super) is_current: bool,
}

/// What surrounds the content of a page.
#[derive(Debug)]
pub(super) struct Frame {
    /// Who is signed in.
    pub(super) name: String,
    /// The address they sign in with.
    pub(super) email: String,
    /// The project that is open.
    pub(super) project: Option<ProjectLink>,
    /// Some of the others the account is a member of.
    pub(super) others: Vec<ProjectLink>,
    /// Whether the account administers the instance.
    pub(super) manages_instance: bool,
    /// The part of the dashboard.
    pub(super) section: Section,
    /// What was just done.
    pub(super) done: Option<Flash>,
}

impl Frame {
    /// The navigation inside the project, if one is open.
    pub(super) fn navigation(&self) -> Vec<Item> {
        let Some(project) = &self.project else {
            return self.instance();
        };
        SECTIONS
            .iter()
            .map(|(section, path, label, icon)| Item {
                href: format!("/projects/{}{path}", project.id),
                label,
                icon: *icon,
                is_current: *section == self.section,
            })
            .collect()
    }

    /// The navigation of the instance, on its pages and for its administrators.
    fn instance(&self) -> Vec<Item> {
        let is_here = INSTANCE.iter().any(|(section, ..)| *section == self.section);
        if !is_here || !self.manages_instance {
            return Vec::new();
        }
        let item = |(section, path, label, icon): &(Section, &str, &'static str, Icon)| Item {
            href: (*path).to_owned(),
            label,
            icon: *icon,
            is_current: *section == self.section,
        };
        INSTANCE.iter().map(item).collect()
    }

    /// What the navigation leads through.
    pub(super) const fn navigation_label(&self) -> &'static str {
        if self.project.is_some() {
            "Project"
        } else {
            "Instance"
        }
    }

    /// The page of the guide that fits.
    pub(super) fn help(&self) -> &'static str {
        match self.section {
            Section::Activity => "/help/activity",
            Section::Gateways => "/help/gateways",
            Section::UserSources => "/help/sources",
            Section::Servers => "/help/servers",
            Section::Users => "/help/users",
            Section::SignIns => "/help/sign-ins",
            Section::InstanceStreams => "/help/streams",
            Section::Incidents => "/help/operating",
            Section::Members | Section::ApiKeys => "/help/members",
            _ => "/help",
        }
    }

    /// Whether this is the page of the account.
    pub(super) fn is_account(&self) -> bool {
        self.section == Section::Account
    }

    /// The first letter of the name.
    pub(super) fn initial(&self) -> String {
        initial(&self.name)
    }
}

/// The first letter of a name, for a tile next to it.
pub(super) fn initial(name: &str) -> String {
    let letter = name.chars().find(|c| c.is_alphanumeric());
    letter.map_or_else(|| "·".to_owned(), |letter| letter.to_uppercase().to_string())
}

fn headers() -> HeaderMap {
    let fixed = HeaderValue::from_static;
    HeaderMap::from_iter([
        (CONTENT_TYPE, fixed("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, fixed(POLICY)),
        // Not `no-referrer`, which turns the `Origin` of forms into `null`.
        (REFERRER_POLICY, fixed("same-origin")),
        (CACHE_CONTROL, fixed("no-store")),
        (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (X_FRAME_OPTIONS, fixed("DENY")),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            fixed("same-origin"),
        ),
    ])
}

/// The same page, whose form may end at another origin. Browsers apply `form-action` along the whole chain of redirects
/// that follows a form (Chromium), and signing in for an app may end at that app.
pub(super) fn leading_elsewhere(mut page: Response) -> Response {
    let policy = POLICY.replace(" form-action 'self';", "");
    let policy = HeaderValue::try_from(policy).expect("a policy without one of its parts is still a header");
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    page
}

/// The same page, which holds pictures in itself. They show pixels, and nothing is loaded for them.
pub(super) fn with_pictures_inside(mut page: Response) -> Response {
    let policy = POLICY.replace("img-src 'self';", "img-src 'self' data:;");
    let policy = HeaderValue::try_from(policy).expect("a policy with one more source is still a header");
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    page
}

/// Shows a page.
pub(super) fn show(page: &impl Template) -> Response {
    show_with(StatusCode::OK, page)
}

/// Shows a page with a status.
pub(super) fn show_with(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, headers(), html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            let text = "The page could not be shown. Please try again.";
            (StatusCode::INTERNAL_SERVER_ERROR, headers(), text).into_response()
        }
    }
}

/// Sends the browser on after a form (303, so that it is never posted again), with cookies to keep.
pub(super) fn go(path: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    let location = HeaderValue::try_from(path).expect("paths of ours are printable ASCII");
    let mut headers = HeaderMap::from_iter([
        (LOCATION, location),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]);
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie);
    }
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Sends the browser on, and has the next page say what was done.
pub(super) fn done(path: &str, what: Flash) -> Response {
    go(path, [what.cookie()])
}
