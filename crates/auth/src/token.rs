//! Access tokens: signed JSON Web Tokens (RFC 7519, profile of RFC 9068), strictly read.

mod cache;
mod claims;
mod header;
mod issuer;
mod key;
mod strict;
mod verifier;

pub use self::{
    cache::{Expires, VerifiedTokens},
    claims::Claims,
    issuer::Issuer,
    key::{Algorithm, InvalidKeyId, KeyId, KeyResolver, SigningKey, VerifyingKey, WeakKey},
    verifier::{TokenError, Verifier},
};

#[cfg(test)]
mod tests;
