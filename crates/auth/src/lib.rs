//! Tokens, passwords, sessions and revocation that stand up to an attacker.

mod account;
mod session;
pub mod store;

pub use self::{
    account::{Account, InvalidUsername, Roles, Username},
    session::{InvalidSessionId, Session, SessionId},
    store::{AccountChange, InsertError, RevocationStore, Rotation, SessionStore, StoreError, UserStore},
};
