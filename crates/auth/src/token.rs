//! Access tokens: signed JSON Web Tokens (RFC 7519, profile of RFC 9068), strictly read.

mod algorithm;
mod cache;
mod claims;
mod header;
mod issuer;
mod jwk;
mod key;
mod key_id;
mod keys;
mod outside;
mod strict;
mod verifier;
mod verifying;

pub use self::{
    algorithm::{Algorithm, UnknownAlgorithm},
    cache::{Expires, VerifiedTokens},
    claims::Claims,
    issuer::Issuer,
    jwk::InvalidJwk,
    key::{InvalidKey, SigningKey, WeakKey},
    key_id::{InvalidKeyId, KeyId},
    keys::{KeyResolver, SigningKeys},
    outside::{OutsideClaims, OutsideVerifier},
    verifier::{TokenError, Verifier},
    verifying::VerifyingKey,
};

#[cfg(test)]
mod tests;
