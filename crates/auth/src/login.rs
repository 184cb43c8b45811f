use std::time::Duration;

use aws_lc_rs::hmac;
use gabion_clock::Instant;
use gabion_errors::{Problem, ToProblem, types};

use self::{
    policy::{Pace, Policy},
    table::Table,
};
use crate::{KeyRing, LoginConfig};

mod address;
mod attempt;
mod policy;
mod store;
mod table;

pub use self::{
    attempt::LoginAttempt,
    store::{FailureKey, FailureRecord, FailureScope, FailureStore, Moment},
};

/// Too many logins of this name or from this address failed; this one is not evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failed logins")]
pub struct TooManyAttempts {
    /// When the next one is evaluated.
    pub retry_after: Duration,
    /// Whose failures they were; the client is not told.
    pub scope: FailureScope,
}

impl ToProblem for TooManyAttempts {
    fn to_problem(&self) -> Problem {
        Problem::new(&types::TOO_MANY_ATTEMPTS).retry_after(self.retry_after)
    }
}

/// Makes guessing passwords slow: of one account from however many addresses, and of however many
/// accounts from one address.
///
/// Differs from a rate limit in that only failures count.
///
/// - **By account.** `failures` of them within `window` are free. Each further one doubles the wait,
///   from a second to 15 minutes. A leaky bucket beside it lets at most 100 failures be evaluated in
///   any 24 hours (NIST SP 800-63B-4 §3.2.2); once it is full, one in 58 minutes. The
///   right password works as soon as the wait is over, and forgets the failures, but not their share
///   of the day: an owner who logs in often must not give an attacker new tries. With `hard_limit`,
///   so many failures in a row lock the account until an administrator [resets](Self::reset) it.
///   Names without an account are treated exactly alike.
/// - **By address.** `address_failures` of them within `window` are free, then the wait doubles
///   alike, without a bound of the day and without a lock. A success changes nothing. IPv6 is counted
///   by /64; what is no address is not counted.
///
/// In memory and bounded: 100 000 names and 50 000 addresses under keyed hashes, each of the same
/// size. Beyond that those with the fewest failures are forgotten first, so that a flood of names
/// does not free the one that is guessed at, and one that is locked is forgotten last. While names
/// with failures of the day have to be forgotten, one without a record is taken for one of them: its
/// first login is evaluated at once, and a failure then costs as much as theirs.
///
/// What changed goes to a [`FailureStore`] by [`unsaved`](Self::unsaved) and [`saved`](Self::saved),
/// and comes back by [`restore`](Self::restore).
pub struct LoginThrottle {
    key: hmac::Key,
    accounts: Table,
    addresses: Table,
}

const MAX_NAMES: usize = 100_000;
const MAX_ADDRESSES: usize = 50_000;

impl LoginThrottle {
    /// The most records that there are, and that are worth keeping in a store.
    pub const MAX_RECORDS: usize = MAX_NAMES + MAX_ADDRESSES;

    /// Nobody has failed yet. Names are hashed with a key that lasts as long as the key ring's key
    /// of refresh tokens.
    #[must_use]
    pub fn new(config: &LoginConfig, keys: &KeyRing) -> Self {
        let refresh = hmac::Key::new(hmac::HMAC_SHA256, keys.refresh_key());
        let derived = hmac::sign(&refresh, b"gabion failed logins 1");
        let accounts = Policy {
            free: config.failures,
            window: config.window,
            hard_limit: config.hard_limit,
            pace: Some(Pace::with_free(config.failures)),
        };
        let addresses = Policy {
            free: config.address_failures,
            window: config.window,
            hard_limit: 0,
            pace: None,
        };
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
            accounts: Table::new(accounts, MAX_NAMES),
            addresses: Table::new(addresses, MAX_ADDRESSES),
        }
    }

    /// Whether a login of `name` from `address` may be evaluated now: first by its address, then by
    /// its name. Whoever may tells what became of it by the [`LoginAttempt`]; how many may be under
    /// way together is limited, to one where there are waits.
    ///
    /// # Errors
    ///
    /// When it must wait.
    pub fn begin(
        &self,
        name: &str,
        address: &str,
        now: Instant,
    ) -> Result<LoginAttempt<'_>, TooManyAttempts> {
        let too_many = |scope| move |retry_after| TooManyAttempts { retry_after, scope };
        let account = self.account(name);
        let address =
            address::network(address).map(|network| self.key(FailureScope::Address, &network));
        if let Some(address) = address {
            self.addresses.begin(address, now).map_err(too_many(FailureScope::Address))?;
        }
        if let Err(retry_after) = self.accounts.begin(account, now) {
            if let Some(address) = address {
                self.addresses.abandoned(address);
            }
            return Err(too_many(FailureScope::Account)(retry_after));
        }
        Ok(LoginAttempt { throttle: self, account, address })
    }

    /// An administrator forgives `name` its failures, also those that only the store knows.
    pub fn reset(&self, name: &str, now: Instant) {
        self.accounts.reset(self.account(name), now);
    }

    /// How many names and addresses are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.len() + self.addresses.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What has changed since it was last [saved](Self::saved), as it is at `moment`.
    #[must_use]
    pub fn unsaved(&self, moment: Moment) -> Unsaved {
        let (accounts, addresses) = (self.accounts.changed(), self.addresses.changed());
        let mut records = Vec::with_capacity(accounts.len() + addresses.len());
        for (scope, table, changes) in [
            (FailureScope::Account, &self.accounts, &accounts),
            (FailureScope::Address, &self.addresses, &addresses),
        ] {
            records.extend(changes.iter().map(|(key, change)| {
                let kept_until = table.policy().kept_until(&change.record);
                moment.write(*key, scope, &change.record, kept_until)
            }));
        }
        Unsaved { records, accounts, addresses }
    }

    /// The store has taken it.
    pub fn saved(&self, saved: &Unsaved) {
        self.accounts.saved(&saved.accounts);
        self.addresses.saved(&saved.addresses);
    }

    /// Takes what a store kept. Of a record that is known here already the later one holds, and of
    /// the share of the day the larger one. No wait becomes longer than the longest that can be
    /// imposed, however wrong the wall clock was; a lock knows no time.
    pub fn restore(&self, records: &[FailureRecord], moment: Moment) {
        for stored in records {
            let table = match stored.scope {
                FailureScope::Account => &self.accounts,
                FailureScope::Address => &self.addresses,
            };
            table.restore(stored.key, moment.read(stored), moment.now);
        }
    }

    fn account(&self, name: &str) -> FailureKey {
        self.key(FailureScope::Account, name.as_bytes())
    }

    fn key(&self, scope: FailureScope, text: &[u8]) -> FailureKey {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(match scope {
            FailureScope::Account => b"account ",
            FailureScope::Address => b"address ",
        });
        context.update(text);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&context.sign().as_ref()[..16]);
        FailureKey::from_bytes(bytes)
    }
}

/// Records that a store does not have yet.
pub struct Unsaved {
    records: Vec<FailureRecord>,
    accounts: Vec<(FailureKey, table::Change)>,
    addresses: Vec<(FailureKey, table::Change)>,
}

impl Unsaved {
    /// The records.
    #[must_use]
    pub fn records(&self) -> &[FailureRecord] {
        &self.records
    }
}

#[cfg(test)]
mod tests;
