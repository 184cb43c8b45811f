//! Shared limits, sessions, revocation and cache on Redis or Valkey.
