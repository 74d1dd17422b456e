//! What the page after a form says was done. The cookie contains a code, never a text: others cannot make a page say
//! anything else.

use axum_extra::extract::CookieJar;
use gatewright_core::cookie::CookieStyle;
use http::{HeaderMap, HeaderValue};

/// Cookies are shared between the ports of a host, so the name is distinctive. It opens nothing, so it needs no prefix.
const NAME: &str = "gatewright-done";
/// The page that says it is requested immediately, or not at all.
const SECONDS: u64 = 60;

macro_rules! flashes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $text:literal;)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Flash {
            $($(#[$doc])* $name,)*
        }

        impl Flash {
            const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// In a sentence.
            pub(super) const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            fn of_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }
        }
    };
}

flashes! {
    /// Recorded arguments were deleted.
    ArgumentsDeleted = "arguments-deleted", "The recorded arguments are deleted.";
    /// The session was ended.
    SignedOut = "signed-out", "You have signed out.";
    /// The account was renamed.
    NameSaved = "name-saved", "Your name is saved.";
    /// The password was changed.
    PasswordChanged = "password-changed", "Your password is changed. Your other sessions have ended.";
    /// A session was ended.
    SessionEnded = "session-ended", "The session has ended.";
    /// All other sessions were ended.
    OthersEnded = "others-ended", "All your other sessions have ended.";
    /// An administrator of the instance added themselves to a project.
    AddedOneself = "added-oneself", "You are an owner of this project now. Its audit log says so.";
    /// An invitation was accepted.
    Joined = "joined", "Welcome. You are a member of this project now.";
    /// A project was created.
    ProjectCreated = "project-created", "The project is ready.";
    /// A project was renamed.
    ProjectRenamed = "project-renamed", "The name of the project is saved.";
    /// A project was deleted.
    ProjectDeleted = "project-deleted", "The project is deleted, with everything in it.";
    /// A member has another role.
    RoleChanged = "role-changed", "The role is changed. It applies from the next page.";
    /// A member was removed.
    MemberRemoved = "member-removed", "The member is removed from the project.";
    /// Someone left a project.
    Left = "left", "You have left the project.";
    /// An invitation was revoked.
    InvitationRevoked = "invitation-revoked", "The invitation is revoked. Its link no longer works.";
    /// A server was registered.
    ServerCreated = "server-created", "The server is added. Gateways can offer its tools.";
    /// A server was changed.
    ServerSaved = "server-saved", "The server is saved. Gateways use the changes from the next request.";
    /// A server was asked what it is.
    ServerChecked = "server-checked", "The server was checked just now.";
    /// A server was deleted.
    ServerDeleted = "server-deleted", "The server is deleted.";
    /// A secret was stored.
    SecretCreated = "secret-created", "The secret is stored. Headers of servers can name it.";
    /// A secret was changed.
    SecretSaved = "secret-saved", "The secret is saved. Requests carry it from now on.";
    /// A secret was deleted.
    SecretDeleted = "secret-deleted", "The secret is deleted.";
    /// A User Source was created.
    SourceCreated = "source-created", "The User Source is saved. Next: test the connection, try a sign-in, then create a gateway for it.";
    /// A User Source was created for a gateway whose form waits.
    SourceCreatedForGateway = "source-for-gateway", "The User Source is saved and chosen for the gateway below. You can test it on its own page.";
    /// A User Source was changed.
    SourceSaved = "source-saved", "Your changes are saved. They apply from the next request.";
    /// The identity of a User Source was changed.
    IdentityChanged = "identity-changed", "Your changes are saved. Everyone signs in again with their next request.";
    /// The connection of a User Source was tested.
    ConnectionTested = "connection-tested", "The connection is tested. See the result below.";
    /// A User Source has a new client secret.
    SecretRotated = "secret-rotated", "The new client secret is saved and tried first from now on.";
    /// The client secret that was typed is the stored one.
    SecretKept = "secret-kept", "This client secret is already stored. Nothing was changed.";
    /// A User Source was activated.
    SourceActivated = "source-activated", "The User Source is active. Gateways can use it.";
    /// A User Source was deactivated.
    SourceDeactivated = "source-deactivated", "The User Source is inactive. No gateway can use it until you activate it.";
    /// A User Source was deleted.
    SourceDeleted = "source-deleted", "The User Source is deleted, with its users and their sessions.";
    /// A gateway was created.
    GatewayCreated = "gateway-created", "The gateway is ready. Connect a client to it.";
    /// A gateway was changed.
    GatewaySaved = "gateway-saved", "Your changes are saved. They apply from the next request.";
    /// A gateway was activated.
    GatewayActivated = "gateway-activated", "The gateway is active. It answers from now on.";
    /// A gateway was deactivated.
    GatewayDeactivated = "gateway-deactivated", "The gateway is inactive. Clients get “not found” until you activate it.";
    /// A gateway was deleted.
    GatewayDeleted = "gateway-deleted", "The gateway is deleted, with its sessions.";
    /// A client was blocked at a gateway.
    ClientBlocked = "client-blocked", "The client is blocked. Its sessions have ended.";
    /// A client was unblocked.
    ClientUnblocked = "client-unblocked", "The client is unblocked. People have to sign in again.";
    /// A registered client was deleted.
    ClientDeleted = "client-deleted", "The client is deleted. Its sessions have ended.";
    /// A stream was created.
    StreamCreated = "stream-created", "The stream is created. It sends what happens from now on: send a test event to see whether it arrives.";
    /// A stream was changed.
    StreamSaved = "stream-saved", "The stream is saved. The next batch is sent with it.";
    /// A stream was activated.
    StreamStarted = "stream-started", "The stream is active. It continues where it stopped.";
    /// A stream was deactivated.
    StreamStopped = "stream-stopped", "The stream is inactive. It keeps its place.";
    /// A test event arrived.
    StreamTested = "stream-tested", "The test event arrived.";
    /// A stream was deleted.
    StreamDeleted = "stream-deleted", "The stream is deleted. It sends nothing any more.";
    /// An account was disabled.
    AccountDisabled = "account-disabled", "The account is disabled and signed out everywhere.";
    /// An account was enabled.
    AccountEnabled = "account-enabled", "The account is enabled. It can sign in again.";
    /// An account administers the instance now.
    AdministratorMade = "administrator-made", "The account administers the instance from its next sign-in.";
    /// An account no longer administers the instance.
    AdministratorUnmade = "administrator-unmade", "The account no longer administers the instance.";
    /// The address of an account was proven.
    AddressProven = "address-proven", "The address is marked as proven. The password from before no longer works: create a link for the owner.";
    /// The sessions of an account were ended.
    SessionsEnded = "sessions-ended", "The sessions have ended. Every browser has to sign in again.";
    /// A key was revoked.
    KeyRevoked = "key-revoked", "The key is revoked. It stopped working with the next request.";
    /// A user was blocked.
    UserBlocked = "user-blocked", "The user is blocked. Their apps are refused from the next request.";
    /// A user was unblocked.
    UserUnblocked = "user-unblocked", "The user can sign in again. Sessions that ended are not restored.";
    /// All sessions of a user were ended.
    UserSessionsEnded = "user-sessions-ended", "All sessions of this user have ended. They can sign in again.";
    /// One session of a user was ended.
    UserSessionEnded = "user-session-ended", "The session has ended. The app is refused from its next request.";
}

impl Flash {
    /// What the page before says was done, if anything.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let jar = CookieJar::from_headers(headers);
        jar.get(NAME).and_then(|cookie| Self::of_word(cookie.value()))
    }

    /// The cookie that makes the next page say so.
    pub(super) fn cookie(self) -> HeaderValue {
        CookieStyle::PLAIN.set(NAME, self.word(), SECONDS)
    }

    /// The cookie that says it once.
    pub(super) fn said() -> HeaderValue {
        CookieStyle::PLAIN.set(NAME, "", 0)
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    #[test]
    fn only_words_of_ours_are_said() {
        let said = |cookie: &'static str| {
            Flash::of(&HeaderMap::from_iter([(
                COOKIE,
                HeaderValue::from_static(cookie),
            )]))
        };
        assert_eq!(said("a=b; gatewright-done=left"), Some(Flash::Left));
        assert_eq!(said("gatewright-done=Call 0800 1234 now"), None);
        assert_eq!(said("done=left"), None);
        let cookie = Flash::Left.cookie();
        assert_eq!(
            cookie.to_str().unwrap(),
            "gatewright-done=left; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            Flash::said().to_str().unwrap(),
            "gatewright-done=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }
}
