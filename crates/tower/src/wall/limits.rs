use bytes::BytesMut;
use gabion_limits::rate::{policy_field, standing_field_until};
use http::{HeaderName, HeaderValue, header::RETRY_AFTER, response::Parts};

use crate::Standings;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Tells what the limits allow and what is left of them: one field each, a list of all limits that
/// were asked, in one piece of memory.
pub(super) fn stamp(standings: &Standings, response: &mut Parts) {
    let mut noted = standings.iter();
    let Some(first) = noted.next() else { return };
    let wait = retry_after(response).unwrap_or(u64::MAX);
    let mut text = BytesMut::with_capacity(160);
    policy_field(&mut text, first.limit, first.quota);
    for next in noted.clone() {
        text.extend_from_slice(b", ");
        policy_field(&mut text, next.limit, next.quota);
    }
    let policy = text.split().freeze();
    standing_field_until(wait, &mut text, first.limit, first.quota, first.standing);
    for next in noted {
        text.extend_from_slice(b", ");
        standing_field_until(wait, &mut text, next.limit, next.quota, next.standing);
    }
    for (name, field) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, text.freeze())] {
        // Names of limits are letters and hyphens, the rest digits: always a valid value.
        if let Ok(value) = HeaderValue::from_maybe_shared(field) {
            response.headers.insert(name, value);
        }
    }
}

/// The seconds that the response tells its client to wait.
fn retry_after(response: &Parts) -> Option<u64> {
    if response.status.is_success() {
        return None;
    }
    response.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()
}
