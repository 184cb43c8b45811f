//! What this crate counts.

use metrics::{Counter, Unit, counter, describe_counter};

/// Decisions of this crate, by outcome: see [`Outcome`].
pub const OUTCOMES: &str = "gabion_auth_outcomes_total";

/// Tells the recorder what the names mean.
pub fn describe() {
    describe_counter!(
        OUTCOMES,
        Unit::Count,
        "tokens, logins, refreshes and logouts by what became of them"
    );
}

macro_rules! outcomes {
    ($( $(#[doc = $doc:literal])* $variant:ident = $label:literal, )*) => {
        /// What became of a token, a login, a refresh or a logout: the label `outcome`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Outcome {$(
            $(#[doc = $doc])*
            $variant,
        )*}

        impl Outcome {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The label's value.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }
        }
    };
}

outcomes! {
    /// A token was accepted.
    Accepted = "accepted",
    /// A token was not to be believed.
    Invalid = "invalid",
    /// A token had expired.
    Expired = "expired",
    /// A token's session had ended.
    Ended = "ended",
    /// A token's account is disabled or gone.
    Disabled = "disabled",
    /// A token found too many others waiting to be verified.
    Overloaded = "overloaded",
    /// The store failed to answer, or what it holds cannot be used.
    Failed = "failed",
    /// A login succeeded.
    Login = "login",
    /// A login had wrong credentials.
    LoginRefused = "login-refused",
    /// A login came too soon after failed ones.
    LoginThrottled = "login-throttled",
    /// A login found the queue of hashes full.
    LoginOverloaded = "login-overloaded",
    /// A session was refreshed.
    Refresh = "refresh",
    /// A refresh token was refused.
    RefreshRefused = "refresh-refused",
    /// A refresh token was used twice.
    RefreshReused = "refresh-reused",
    /// A session was ended by its owner.
    Logout = "logout",
    /// A password was changed.
    PasswordChanged = "password-changed",
}

/// One handle for each outcome.
pub(crate) struct Outcomes(Vec<Counter>);

impl Outcomes {
    pub(crate) fn new() -> Self {
        let handles =
            Outcome::ALL.iter().map(|outcome| counter!(OUTCOMES, "outcome" => outcome.label()));
        Self(handles.collect())
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        // `ALL` lists the variants in the order of their numbers.
        self.0[outcome as usize].increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_own_label_and_its_own_handle() {
        for (i, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, i);
            assert!(Outcome::ALL[..i].iter().all(|other| other.label() != outcome.label()));
        }
    }
}
