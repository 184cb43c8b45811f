//! Passwords: which are good enough, and how they are hashed without hurting the service.
//!
//! Three questions, each with a part of its own, all asked on the threads of [`HashPool`]:
//!
//! - **May it be set?** [`PasswordPolicy`] asks for length, strength and that it is on no list, and tells
//!   every reason at once. No rules of composition and no expiry (NIST SP 800-63B-4 §3.1.1.2, ASVS
//!   6.2.5, 6.2.10).
//! - **Is it known to attackers?** [`Blocklist`] compares the whole password with a list that ships and
//!   with an operator's own, of any size: [`FilterBuilder`] makes a file that is looked into and never
//!   loaded.
//! - **Is it the right one?** [`HashPool`] hashes with argon2id (RFC 9106) in NFC, uncut, with a pepper if
//!   there is one, and takes the same work whether there is such an account or not.
//!
//! | what | default | range | source |
//! |---|---|---|---|
//! | length, code points after NFC | 15 to 256 | 1 to 1024 | SP 800-63B-4 §3.1.1.2, ASVS 6.2.1, 6.2.9 |
//! | length, bytes as typed | at most 1024 | fixed | ASVS 6.2.9 |
//! | strength, zxcvbn's score | 3 | 0 to 4 | |
//! | blocklist | 110 000 entries and what plain rules make of them | with a file of one's own | ASVS 6.2.4, 6.2.12 |
//! | memory of a hash | 19 MiB | 64 KiB to 1 GiB | ASVS 11.4.2, OWASP |
//! | passes | 2 | 1 to 16 | the same |
//! | lanes | 1 | 1 to 8 | the same |
//! | threads | one for each core, to 256 MiB together | 1 to 1024 | |
//! | jobs that wait | at most 64, then [`HashError::Busy`] | fixed | |
//! | pepper | none | a file of 1 to 8 lines of 32 to 1024 bytes | RFC 9106 §3.1, SP 800-63B-4 §3.1.1.2 |
//!
//! The memory is threads × memory of a hash, kept from the first hash of each thread on; a stored hash of
//! a dearer cost takes up to four times a thread's share while it is verified.
//!
//! ```
//! use gabion_auth::{Blocklist, PasswordConfig, PasswordPolicy};
//!
//! let policy = PasswordPolicy::new(&PasswordConfig::default(), Blocklist::shipped())?;
//! assert!(policy.check("velvet kayak outruns mildew", &["ann.miller", "shop"]).is_ok());
//! assert!(policy.check("Summer2024!Summer2024!", &["ann.miller", "shop"]).is_err());
//! # Ok::<(), gabion_auth::InvalidPolicy>(())
//! ```

mod blocklist;
mod hash;
mod normal;
mod pepper;
mod phc;
mod policy;
mod pool;

pub use self::{
    blocklist::{Blocklist, BlocklistError, FilterBuilder, FilterKind, FilterSummary},
    hash::{HashError, Verdict},
    normal::{NormalPassword, PasswordTooLong},
    pepper::PepperError,
    policy::{InvalidPolicy, PasswordPolicy, PolicyError, PolicyFault},
    pool::{HashPool, HashPoolError},
};
