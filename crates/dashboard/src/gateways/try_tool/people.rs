//! As whom a tool is called: oneself, or a user of the gateway who is searched for, chosen, and named in the audit log.

use gatewright_domain::{
    gateway::Authentication,
    id::{AccountId, UserId},
    user::{User, UserStatus},
};
use gatewright_store::PageRequest;

use crate::{
    Admin,
    error::PageError,
    form::Posted,
    service::{
        ServiceError, members,
        users::{self, UserFilter},
    },
    session::InProject,
};

/// The number of people shown; to find others, narrow the search.
const FOUND_MAX: usize = 8;
/// Members that are looked through.
const MEMBERS_MAX: u32 = 200;

/// The value for oneself in the form.
const ONESELF: &str = "";
/// The value for a user whose ID is entered.
const TYPED: &str = "typed";

/// Someone to choose.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) detail: String,
}

/// The people to choose from, and who is chosen.
#[derive(Debug, Default)]
pub(super) struct People {
    /// The person at the page.
    pub(super) oneself: String,
    /// Whether users have no rows here, and their ID is entered.
    pub(super) is_typed: bool,
    /// The ID that was entered.
    pub(super) typed: String,
    /// Who was found or is chosen.
    pub(super) found: Vec<Person>,
    /// What was searched for, once someone searched.
    pub(super) search: Option<String>,
    chosen: String,
    /// What is wrong with the choice.
    pub(super) error: Option<String>,
}

impl People {
    /// Whether this is who is chosen.
    pub(super) fn is_chosen(&self, id: &str) -> bool {
        self.chosen == id
    }

    /// Whether it is oneself.
    pub(super) fn is_oneself(&self) -> bool {
        self.chosen == ONESELF
    }

    /// Whether it is a user whose ID is entered.
    pub(super) fn is_typed_chosen(&self) -> bool {
        self.chosen == TYPED
    }

    /// What was searched for.
    pub(super) fn searched(&self) -> &str {
        self.search.as_deref().unwrap_or_default()
    }

    /// The user to call for, in the service's form.
    pub(super) fn user(&self) -> Option<String> {
        match self.chosen.as_str() {
            ONESELF => None,
            TYPED => Some(self.typed.clone()),
            id => Some(id.to_owned()),
        }
    }
}

/// Reads the choice of a form, searches where that was asked for, and keeps who was chosen among those to choose from.
pub(super) async fn read(
    app: &Admin,
    place: &InProject,
    authentication: Authentication,
    posted: Option<&Posted>,
    asked: Option<&str>,
) -> Result<People, PageError> {
    let account = &place.visit.session.account;
    let text = |name| posted.map_or("", |posted| posted.text(name)).to_owned();
    let mut people = People {
        oneself: format!("{} ({})", account.name, account.email.as_str()),
        is_typed: authentication == Authentication::Headers,
        typed: posted.map_or_else(|| asked.unwrap_or_default().to_owned(), |_| text("user")),
        chosen: posted.map_or_else(|| asked.unwrap_or_default().to_owned(), |_| text("as")),
        ..People::default()
    };
    if people.is_typed {
        if !people.is_oneself() {
            TYPED.clone_into(&mut people.chosen);
        }
        return Ok(people);
    }
    let chosen = people.chosen.clone();
    if !people.is_oneself() {
        match find(app, place, authentication, &chosen).await? {
            Some(person) => people.found.push(person),
            // A call for a deleted person must not be made, least of all by mistake as oneself.
            None => people.error = Some("This person no longer exists. Choose someone else.".to_owned()),
        }
    }
    let searches = posted.is_some_and(|posted| posted.text("do") == "find");
    if searches {
        let search = text("who");
        let mut found = search_for(app, place, authentication, &search).await?;
        found.retain(|person| person.id != chosen);
        people.found.append(&mut found);
        people.search = Some(search);
    }
    Ok(people)
}

async fn find(
    app: &Admin,
    place: &InProject,
    authentication: Authentication,
    id: &str,
) -> Result<Option<Person>, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let found = match authentication {
        Authentication::UserSource(_) => match id.parse::<UserId>() {
            Ok(id) => users::find(app, authority, project, id).await.map(of_user),
            Err(_) => return Ok(None),
        },
        Authentication::ProjectMembers => match id.parse::<AccountId>() {
            Ok(id) => members::find(app, authority, project, id)
                .await
                .map(|(_, account)| of_account(id, &account.name, account.email.as_str())),
            Err(_) => return Ok(None),
        },
        Authentication::Headers => return Ok(None),
    };
    match found {
        Ok(person) => Ok(Some(person)),
        Err(ServiceError::NotFound { .. }) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

async fn search_for(
    app: &Admin,
    place: &InProject,
    authentication: Authentication,
    search: &str,
) -> Result<Vec<Person>, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    Ok(match authentication {
        Authentication::UserSource(source) => {
            let filter = UserFilter {
                user_source_id: Some(source),
                search: Some(search.to_owned()),
                // As a former identity nothing can be called.
                former: Some(false),
                ..UserFilter::default()
            };
            let page = PageRequest {
                after: None,
                limit: u32::try_from(FOUND_MAX).unwrap_or(u32::MAX),
            };
            let read = users::list(app, authority, project, &filter, &page).await?;
            read.items.into_iter().map(of_user).collect()
        }
        Authentication::ProjectMembers => {
            let page = PageRequest {
                after: None,
                limit: MEMBERS_MAX,
            };
            let read = members::list(app, authority, project, &page).await?;
            let wanted = search.to_lowercase();
            let others = read.items.into_iter().map(|(_, account)| account);
            others
                .filter(|account| account.id != place.visit.session.account.id)
                .map(|account| of_account(account.id, &account.name, account.email.as_str()))
                .filter(|person| {
                    person.name.to_lowercase().contains(&wanted)
                        || person.detail.to_lowercase().contains(&wanted)
                })
                .take(FOUND_MAX)
                .collect()
        }
        Authentication::Headers => Vec::new(),
    })
}

fn of_user(user: User) -> Person {
    let subject = user.key.subject;
    let mut detail: Vec<String> = Vec::new();
    let name = user
        .display_name
        .or_else(|| user.email.clone())
        .unwrap_or_else(|| subject.clone());
    detail.extend(user.email.filter(|email| *email != name));
    if subject != name {
        detail.push(subject);
    }
    if user.status == UserStatus::Blocked {
        detail.push("blocked".to_owned());
    }
    Person {
        id: user.id.to_string(),
        name,
        detail: detail.join(" · "),
    }
}

fn of_account(id: AccountId, name: &str, email: &str) -> Person {
    Person {
        id: id.to_string(),
        name: name.to_owned(),
        detail: email.to_owned(),
    }
}
