use gabion_clock::Instant;

use super::{FailureKey, LoginThrottle};

/// A login that may be evaluated now. Dropped undecided, as when the client leaves or the store
/// fails, it counts as never made.
#[must_use = "an attempt that is dropped counts as never made"]
pub struct LoginAttempt<'a> {
    pub(super) throttle: &'a LoginThrottle,
    pub(super) account: FailureKey,
    pub(super) address: Option<FailureKey>,
}

impl LoginAttempt<'_> {
    /// The password was wrong, the account is disabled, or there is no such account.
    pub fn failed(self, now: Instant) {
        self.throttle.accounts.failed(self.account, now);
        if let Some(address) = self.address {
            self.throttle.addresses.failed(address, now);
        }
        std::mem::forget(self);
    }

    /// The password was right: the account's failures are forgotten, all but its bound of the day.
    /// The address keeps its own: an attacker may well own one account.
    pub fn succeeded(self, now: Instant) {
        self.throttle.accounts.succeeded(self.account, now);
        if let Some(address) = self.address {
            self.throttle.addresses.abandoned(address);
        }
        std::mem::forget(self);
    }
}

impl Drop for LoginAttempt<'_> {
    fn drop(&mut self) {
        self.throttle.accounts.abandoned(self.account);
        if let Some(address) = self.address {
            self.throttle.addresses.abandoned(address);
        }
    }
}
