//! The client secret of a registration and its rotation.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Timestamp, stored_secret::SealedText, words::worded};

/// How long the newest secret is tried first without having been accepted. After a day it is more likely a typing
/// error than a slow provider, and the attempt would slow down every sign-in.
const TRIAL: Duration = Duration::from_hours(24);

worded! {
    /// One of the two secrets of a registration.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum SecretSlot {
        /// The newest.
        Current = "current", "The newest secret";
        /// The one that last worked, which the newest replaces.
        Previous = "previous", "The previous secret";
    }
}

/// The client secret of a registration during a rotation: the newest is tried first, the previous one stays as a fallback
/// until the newest has succeeded once. If that does not happen within a day, they swap places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSecretSlots {
    /// The newest secret.
    pub current: SealedText,
    /// The previous secret, while it is a fallback.
    pub previous: Option<SealedText>,
    /// When `current` was entered.
    pub changed_at: Timestamp,
    /// When the provider first accepted `current`.
    pub confirmed_at: Option<Timestamp>,
    /// When the provider first refused `current` since it was last accepted.
    pub refused_at: Option<Timestamp>,
}

impl ClientSecretSlots {
    /// The slots of a registration that is new, or whose issuer moved to another origin: what was stored for the old one is deleted.
    pub fn fresh(secret: SealedText, now: Timestamp) -> Self {
        Self {
            current: secret,
            previous: None,
            changed_at: now,
            confirmed_at: None,
            refused_at: None,
        }
    }

    /// The slots to try, in this order. The newest always stays the second choice, because it takes over when
    /// the provider stops accepting the previous one.
    pub fn order(&self, now: Timestamp) -> &'static [SecretSlot] {
        if self.previous.is_none() {
            &[SecretSlot::Current]
        } else if self.confirmed_at.is_none() && now.since(self.changed_at) >= TRIAL {
            &[SecretSlot::Previous, SecretSlot::Current]
        } else {
            &[SecretSlot::Current, SecretSlot::Previous]
        }
    }

    /// The slot that sign-ins depend on: the first that is tried, unless the provider has refused it.
    pub fn in_use(&self, now: Timestamp) -> SecretSlot {
        if self.previous.is_some() && self.refused_at.is_some() {
            SecretSlot::Previous
        } else {
            self.order(now)[0]
        }
    }

    /// Until when the newest secret is on trial: it has not been accepted yet, and the previous one is its fallback.
    pub fn on_trial_until(&self) -> Option<Timestamp> {
        let is_on_trial = self.previous.is_some() && self.confirmed_at.is_none();
        is_on_trial.then(|| self.changed_at.plus(TRIAL))
    }

    /// Whether it needs attention: the provider refuses the newest secret.
    pub const fn needs_attention(&self) -> bool {
        self.refused_at.is_some()
    }

    /// The slots after a new secret was entered. The fallback is the one that last worked, so correcting a secret that
    /// never worked does not push out the working one.
    #[must_use]
    pub fn rotated(self, secret: SealedText, now: Timestamp) -> Self {
        let previous = match (self.confirmed_at, self.previous) {
            (None, Some(worked)) => worked,
            (Some(_), _) | (None, None) => self.current,
        };
        Self {
            previous: Some(previous),
            ..Self::fresh(secret, now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fallback_is_the_secret_that_last_worked() {
        let sealed = |text: &str| SealedText(text.to_owned());
        let at = Timestamp::from_seconds;
        let mut slots = ClientSecretSlots::fresh(sealed("one"), at(1));
        slots.confirmed_at = Some(at(2));
        let slots = slots.rotated(sealed("typo"), at(3));
        assert_eq!(
            (&slots.current, slots.previous.as_ref()),
            (&sealed("typo"), Some(&sealed("one")))
        );
        assert_eq!(slots.confirmed_at, None);
        let mut slots = slots.rotated(sealed("two"), at(4));
        assert_eq!(
            (&slots.current, slots.previous.as_ref()),
            (&sealed("two"), Some(&sealed("one")))
        );
        slots.confirmed_at = Some(at(5));
        assert_eq!(
            slots.rotated(sealed("three"), at(6)).previous,
            Some(sealed("two"))
        );
    }

    #[test]
    fn a_secret_that_never_worked_is_tried_after_the_one_that_did_from_the_next_day_on() {
        use SecretSlot::{Current, Previous};
        let sealed = |text: &str| SealedText(text.to_owned());
        let at = Timestamp::from_seconds;
        let day = 24 * 60 * 60;
        let fresh = ClientSecretSlots::fresh(sealed("one"), at(0));
        assert_eq!(fresh.order(at(2 * day)), [Current]);
        let mut slots = fresh.rotated(sealed("two"), at(10));
        assert_eq!(slots.order(at(10 + day - 1)), [Current, Previous]);
        assert_eq!(slots.in_use(at(10 + day - 1)), Current);
        assert_eq!(slots.order(at(10 + day)), [Previous, Current]);
        assert_eq!(slots.in_use(at(10 + day)), Previous);
        assert_eq!(slots.on_trial_until(), Some(at(10 + day)));
        assert!(!slots.needs_attention());
        slots.refused_at = Some(at(20));
        assert_eq!(slots.in_use(at(20)), Previous);
        assert_eq!(slots.order(at(20)), [Current, Previous]);
        assert!(slots.needs_attention());
    }
}
