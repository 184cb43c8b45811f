//! The `RateLimit` fields of draft-ietf-httpapi-ratelimit-headers-11, as structured fields (RFC 9651).
//!
//! The draft still moves; everything that depends on it is in this file. `pk` is left out: whose quota
//! it is the client knows, and an address or a name has no place in an answer. `qu` is left out too: its
//! default is requests, and the draft has no unit for the costs of one's own choice.

use std::fmt::Write;

use crate::{gcra::Standing, quota::Quota};

/// Appends one item of `RateLimit-Policy`: `"address";q=200;w=2`, the burst and the seconds it takes
/// to come back whole, at least one.
///
/// `limit` must be made of letters, digits, hyphens and underscores.
pub fn policy_field(out: &mut impl Write, limit: &str, quota: Quota) {
    item(out, limit, [(";q=", quota.burst().into()), (";w=", quota.window_secs())]);
}

/// Appends one item of `RateLimit`: `"address";r=199;t=1`, what is left and the seconds in which no
/// more than that can be used.
///
/// So `t` is the time until another unit comes back, rounded up, or 0 for a quota that is whole.
/// `Retry-After` of a refusal is never less: the cost that did not fit needs at least one unit more
/// than are left, and it is rounded up alike.
pub fn standing_field(out: &mut impl Write, limit: &str, quota: Quota, standing: Standing) {
    standing_field_until(u64::MAX, out, limit, quota, standing);
}

/// The same in a response whose `Retry-After` is `retry_after` seconds for whatever reason: `t` is no
/// more than that, since clients shall not be called back before a window ends (§6). A shorter window
/// says less and stays true.
pub fn standing_field_until(
    retry_after: u64,
    out: &mut impl Write,
    limit: &str,
    quota: Quota,
    standing: Standing,
) {
    let next = next_unit(quota, standing).div_ceil(1_000_000_000).min(retry_after);
    item(out, limit, [(";r=", standing.remaining.into()), (";t=", next)]);
}

/// The nanoseconds until more is left than now.
fn next_unit(quota: Quota, standing: Standing) -> u64 {
    let missing = u64::try_from(standing.reset.as_nanos()).unwrap_or(u64::MAX);
    let missing_then = quota.burst().saturating_sub(standing.remaining.saturating_add(1));
    missing.saturating_sub(quota.nanos(missing_then))
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
mod tests;
