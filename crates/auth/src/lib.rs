//! Tokens, passwords, sessions and revocation that stand up to an attacker.
//!
//! It protects against tokens that are forged, stretched or taken for something else, against
//! logouts that nobody checks, against guessed passwords and against logins that eat the machine:
//!
//! - [`Verifier`] takes one algorithm per key, every claim present and of its type, and canonical
//!   base64url alone; [`VerifiedTokens`] remembers only what was verified and still asks for expiry.
//! - [`Revocations`] ends sessions, not strings, and a logout holds from its answer on, across
//!   restarts.
//! - Refresh tokens are good once; the second use of one ends its session ([`Rotation::Reuse`]).
//! - [`HashPool`] hashes with argon2id on its own threads, in memory that it keeps, behind a bounded
//!   queue; unknown accounts cost the same as known ones.
//! - [`LoginThrottle`] slows guessing: of one account from however many addresses, and of however
//!   many accounts from one address; a restart forgets neither.
//! - [`PasswordPolicy`] asks for length and strength, never for composition.
//!
//! It does not speak HTTP and is no OAuth server: [`bearer`] reads a header, [`Identity`] goes from
//! login to logout over a store of your choice, and adapters do the rest. How often an *address* may
//! ask, failures or not, is the business of a rate limit, not of this crate.
//!
//! ```
//! use std::sync::Arc;
//!
//! use gabion_auth::{
//!     AuthConfig, Authenticator, Credentials, Identity, KeyRing, MemoryStore, Roles,
//!     StoredAccounts,
//! };
//! use gabion_clock::{Clock, SystemClock};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = Arc::new(SystemClock::new());
//! let (store, keys) = (Arc::new(MemoryStore::new()), Arc::new(KeyRing::ephemeral()));
//! let identity = Identity::new(store.clone(), keys, &AuthConfig::default(), 4, clock.clone())?;
//! identity.restore().await?;
//! identity.create_user("ann", "velvet kayak outruns mildew", Roles::new(["user"]), "admin").await?;
//!
//! let tokens = identity.login("ann", "velvet kayak outruns mildew", "192.0.2.1").await?;
//! let authenticator = identity.authenticator(StoredAccounts(store));
//! let credentials = Credentials::Bearer(&tokens.access_token);
//! let principal = authenticator.authenticate(credentials, clock.unix()).await?;
//! assert!(principal.roles.contains("user"));
//!
//! identity.logout(&principal, false).await?;
//! assert!(authenticator.authenticate(credentials, clock.unix()).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! The parts work alone. Tokens of another issuer whose key you share, with no accounts of your own:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use gabion_auth::{KeyResolver, SigningKey, TokenError, Verifier, VerifyingKey};
//! use gabion_clock::UnixTime;
//!
//! /// Takes one key, also for tokens that name none.
//! struct Partner(Arc<VerifyingKey>);
//!
//! impl KeyResolver for Partner {
//!     fn resolve(&self, _kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
//!         Some(Arc::clone(&self.0))
//!     }
//! }
//!
//! let key = SigningKey::hs256(&[7; 32]).unwrap();
//! let verifier =
//!     Verifier::new(Partner(key.verifying_key()), "partner", "reports", Duration::from_secs(5))
//!         .longest(Duration::from_secs(600));
//! let refused = verifier.verify("not.a.token", UnixTime::from_secs(1_800_000_000));
//! assert_eq!(refused, Err(TokenError::Malformed));
//! ```
//!
//! Feature `conformance` adds the suite that every store has to pass.

mod account;
mod api_key;
mod audit;
mod authenticate;
mod authorize;
mod config;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod credentials;
mod key_ring;
mod login;
mod memory;
pub mod metrics;
pub mod password;
mod principal;
mod refresh;
mod revocation;
mod service;
mod session;
pub mod store;
pub mod token;

pub use self::{
    account::{Account, InvalidUsername, Roles, Username},
    api_key::{ApiKey, ApiKeyId, InvalidApiKeyId, PREFIX as API_KEY_PREFIX},
    audit::{AccountWatch, AuditEvent, AuditSink},
    authenticate::{
        AccountState, Accounts, AuthError, Authenticator, StoredAccounts, TokenAuthenticator,
    },
    authorize::{Access, Authorizer, Demand, RoleAuthorizer, Scope},
    config::{AuthConfig, BootstrapConfig, LoginConfig, PasswordConfig},
    credentials::{Credentials, CredentialsError, MAX_TOKEN, bearer},
    key_ring::{KeyInfo, KeyRing, KeyRingError},
    login::{
        FailureKey, FailureRecord, FailureScope, FailureStore, LoginAttempt, LoginThrottle, Moment,
        TooManyAttempts, Unsaved,
    },
    memory::MemoryStore,
    password::{
        Blocklist, BlocklistError, HashError, HashPool, HashPoolError, InvalidPolicy,
        NormalPassword, PasswordPolicy, PasswordTooLong, PolicyError, PolicyFault, Verdict,
    },
    principal::{Principal, Via},
    refresh::{InvalidRefreshToken, RefreshTokens},
    revocation::Revocations,
    service::{
        ChangePasswordError, CreateApiKeyError, CreateUserError, Identity, IdentityError,
        IdentityStore, LoginError, NewApiKey, RefreshError, Tokens, UpdateUserError, UserChange,
    },
    session::{InvalidSessionId, Session, SessionId, SessionLife},
    store::{
        AccountChange, ApiKeyStore, InsertError, RevocationStore, Rotation, SessionStore,
        StoreError, UpdateError, UserStore,
    },
    token::{
        Algorithm, Claims, Expires, InvalidJwk, InvalidKey, InvalidKeyId, Issuer, KeyId,
        KeyResolver, OutsideClaims, OutsideVerifier, SigningKey, SigningKeys, TokenError,
        UnknownAlgorithm, VerifiedTokens, Verifier, VerifyingKey, WeakKey,
    },
};
