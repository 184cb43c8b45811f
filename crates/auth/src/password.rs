//! Passwords: which are good enough, and how they are hashed without hurting the service.

mod blocklist;
mod hash;
mod normal;
mod phc;
mod policy;
mod pool;

pub use self::{
    blocklist::{Blocklist, BlocklistError},
    hash::{HashError, Verdict},
    normal::{NormalPassword, PasswordTooLong},
    policy::{InvalidPolicy, PasswordPolicy, PolicyFault},
    pool::{HashPool, HashPoolError},
};
