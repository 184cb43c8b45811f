//! The `RateLimit` fields of draft-ietf-httpapi-ratelimit-headers, as structured fields (RFC 9651).
//!
//! The draft still moves; everything that depends on it is in this file.

use std::fmt::Write;

use crate::{gcra::Standing, quota::Quota};

/// Appends one item of `RateLimit-Policy`: `"address";q=200;w=2`, the burst and the seconds it takes
/// to come back whole.
///
/// `limit` must be made of letters, digits and hyphens.
pub fn policy_field(out: &mut impl Write, limit: &str, quota: Quota) {
    item(out, limit, [(";q=", quota.burst().into()), (";w=", quota.window_secs())]);
}

/// Appends one item of `RateLimit`: `"address";r=199;t=1`, what is left and the seconds until the
/// quota is whole.
pub fn standing_field(out: &mut impl Write, limit: &str, standing: Standing) {
    let nanos = u64::try_from(standing.reset.as_nanos()).unwrap_or(u64::MAX);
    let parameters = [(";r=", standing.remaining.into()), (";t=", nanos.div_ceil(1_000_000_000))];
    item(out, limit, parameters);
}

/// Every limited response has several of these: numbers go through `itoa`, which costs a fifth of
/// what `write!` does.
fn item(out: &mut impl Write, limit: &str, parameters: [(&str, u64); 2]) {
    let mut number = itoa::Buffer::new();
    // Writing to memory does not fail.
    let _ = out.write_str("\"");
    let _ = out.write_str(limit);
    let _ = out.write_str("\"");
    for (name, value) in parameters {
        let _ = out.write_str(name);
        let _ = out.write_str(number.format(value));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gabion_config::Rate;

    use super::*;

    #[test]
    fn fields_have_the_drafts_form() {
        let quota = Quota::new(Rate::per_minute(20), 20);
        let mut out = String::new();
        policy_field(&mut out, "login", quota);
        assert_eq!(out, "\"login\";q=20;w=60");
        out.clear();
        let standing = Standing { remaining: 7, reset: Duration::from_millis(1) };
        standing_field(&mut out, "login", standing);
        assert_eq!(out, "\"login\";r=7;t=1");
    }
}
