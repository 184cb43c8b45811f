//! The `RateLimit` fields of draft-ietf-httpapi-ratelimit-headers, as structured fields (RFC 9651).
//!
//! The draft still moves; everything that depends on it is in this file.

use std::fmt::Write;

use crate::{gcra::Standing, quota::Quota};

/// One item of `RateLimit-Policy`: `"address";q=200;w=2`, the burst and the seconds it takes to come
/// back whole.
///
/// `limit` must be made of letters, digits and hyphens.
#[must_use]
pub fn policy_field(limit: &str, quota: Quota) -> String {
    format!("\"{limit}\";q={};w={}", quota.burst(), quota.window_secs())
}

/// Appends one item of `RateLimit`: `"address";r=199;t=1`, what is left and the seconds until the
/// quota is whole.
pub fn standing_field(out: &mut impl Write, limit: &str, standing: Standing) {
    let secs = standing.reset.as_nanos().div_ceil(1_000_000_000);
    // Writing to memory does not fail.
    let _ = write!(out, "\"{limit}\";r={};t={secs}", standing.remaining);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gabion_config::Rate;

    use super::*;

    #[test]
    fn fields_have_the_drafts_form() {
        let quota = Quota::new(Rate::per_minute(20), 20);
        assert_eq!(policy_field("login", quota), "\"login\";q=20;w=60");
        let mut out = String::new();
        let standing = Standing { remaining: 7, reset: Duration::from_millis(1) };
        standing_field(&mut out, "login", standing);
        assert_eq!(out, "\"login\";r=7;t=1");
    }
}
