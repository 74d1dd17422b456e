//! Accounts and what belongs to them: all valid, all different.

use std::time::Duration;

use gatewright_domain::{
    account::{Account, Email},
    account_session::{AccountSession, MAX_LIFE},
    id::{AccountId, AccountSessionId, InvitationId, ProjectId},
    invitation::{self, Invitation},
    member::{Member, Role},
    password::PasswordHash,
    token_hash::TokenHash,
};
use gatewright_store::{account, account_session, member};

use crate::world::{World, commit};

impl World {
    pub(crate) fn new_account(&self) -> Account {
        self.clock.advance(Duration::from_millis(1));
        let number = self.number();
        let id = AccountId::generate(&*self.clock, &*self.entropy);
        let email = Email::check("", &format!("Ada{number}@example.com")).unwrap();
        Account {
            has_password: true,
            ..Account::new(id, email, format!("Ada {number}"), self.now())
        }
    }

    pub(crate) async fn account(&self) -> Account {
        let made = self.new_account();
        let hash = PasswordHash::new("$argon2id$first".to_owned());
        commit!(self, tx => account::insert(tx, &made, Some(&hash)));
        made
    }

    pub(crate) async fn instance_admin(&self) -> Account {
        let mut made = self.new_account();
        made.is_instance_admin = true;
        commit!(self, tx => account::insert(tx, &made, None));
        made
    }

    pub(crate) fn new_session(&self, account: &Account) -> AccountSession {
        AccountSession {
            id: AccountSessionId::generate(&*self.clock, &*self.entropy),
            account_id: account.id,
            hash: TokenHash::of(&format!("session {}", self.number())),
            epoch: account.session_epoch,
            created_at: self.now(),
            last_seen_at: self.now(),
            expires_at: self.now().plus(MAX_LIFE),
            address: "192.0.2.1".to_owned(),
            user_agent: "Browser".to_owned(),
        }
    }

    pub(crate) async fn session(&self, account: &Account) -> AccountSession {
        let session = self.new_session(account);
        assert!(commit!(self, tx => account_session::begin(tx, &session)));
        session
    }

    pub(crate) async fn member(&self, project: ProjectId, role: Role) -> Account {
        let account = self.account().await;
        let member = self.new_member(project, account.id, role);
        assert!(commit!(self, tx => member::insert(tx, &member)));
        account
    }

    pub(crate) fn new_member(&self, project: ProjectId, account: AccountId, role: Role) -> Member {
        Member::new(project, account, role, self.now())
    }

    pub(crate) fn new_invitation(&self, project: ProjectId, email: &Email) -> Invitation {
        self.clock.advance(Duration::from_millis(1));
        Invitation {
            id: InvitationId::generate(&*self.clock, &*self.entropy),
            project_id: project,
            email: email.clone(),
            role: Role::Admin,
            hash: TokenHash::of(&format!("invitation {}", self.number())),
            created_at: self.now(),
            expires_at: self.now().plus(invitation::LIFE),
            accepted: None,
            revoked_at: None,
        }
    }
}
