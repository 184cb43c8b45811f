//! The line that the log has of each request.

use std::{borrow::Cow, net::IpAddr, sync::Arc, time::Duration};

use gabion_auth::Principal;
use gabion_errors::{Rejection, redact};
use gabion_limits::{admission::Shed, bulkhead::BulkheadFull, rate::Exceeded};
use gabion_monitor::{RequestId, TraceContext};
use http::{Method, Version};
use tracing::{Level, debug, enabled, info};

use crate::Exchange;

/// What one line tells. It is put into words only when it is told.
pub(super) struct Line {
    request_id: RequestId,
    trace: Option<TraceContext>,
    method: Method,
    path: String,
    version: Version,
    /// The peer of a request whose client left before its answer: a proxy then, where there is one.
    client: IpAddr,
    caller: Option<Arc<Principal>>,
    reason: Option<Reason>,
    /// Refusals of the same reason that had no line, since the last that had one; `None`: this one has
    /// none either, but at the level debug.
    held_back: Option<u64>,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reason {
    /// The problem's code.
    pub(super) code: &'static str,
    /// Which limit it was, where one refused.
    pub(super) limit: Option<&'static str>,
}

/// How it ended.
pub(super) struct Ending {
    pub(super) route: &'static str,
    pub(super) status: u16,
    pub(super) duration: Duration,
    /// The length of the body, where it was known beforehand.
    pub(super) bytes: Option<u64>,
}

/// Of path and method; who sends more wants to fill a disk.
const LONGEST: usize = 512;

impl Line {
    /// Nothing while nobody listens.
    pub(super) fn begin(exchange: &Exchange) -> Option<Box<Self>> {
        enabled!(target: "gabion::access", Level::INFO).then(|| {
            Box::new(Self {
                request_id: exchange.request_id,
                trace: exchange.trace,
                method: exchange.head.method.clone(),
                // The text itself keeps the whole head in memory.
                path: exchange.head.uri.path().to_owned(),
                version: exchange.head.version,
                client: exchange.client.ip(),
                caller: None,
                reason: None,
                held_back: Some(0),
            })
        })
    }

    pub(super) fn answered(&mut self, exchange: &Exchange) {
        self.client = exchange.client.ip();
        self.caller.clone_from(&exchange.principal);
    }

    /// `held_back` is what [`Refusals::pass`](super::refusals::Refusals::pass) says. Whether the line is
    /// of any use still.
    pub(super) fn refused(&mut self, reason: Reason, held_back: Option<u64>) -> bool {
        self.reason = Some(reason);
        self.held_back = held_back;
        held_back.is_some() || enabled!(target: "gabion::access", Level::DEBUG)
    }

    pub(super) fn tell(&self, ending: &Ending) {
        let Ending { route, status, duration, bytes } = *ending;
        let suppressed = self.held_back.filter(|held_back| *held_back > 0);
        macro_rules! tell {
            ($level:ident) => {
                $level!(
                    target: "gabion::access",
                    request_id = self.request_id.as_str(),
                    trace_id = self.trace.map(|trace| format!("{:032x}", trace.trace_id)),
                    // Anybody may write anything in these two, also a token that belongs into a header.
                    method = &*shown(self.method.as_str()),
                    path = &*shown(&self.path),
                    route,
                    protocol = protocol(self.version),
                    status,
                    duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
                    bytes,
                    client = %self.client,
                    subject = self.caller.as_ref().map(|caller| caller.username.as_str()),
                    code = self.reason.map(|reason| reason.code),
                    limit = self.reason.and_then(|reason| reason.limit),
                    suppressed,
                    "request"
                )
            };
        }
        if self.held_back.is_some() {
            tell!(info);
        } else {
            tell!(debug);
        }
    }
}

impl Reason {
    pub(super) fn of(rejection: &Rejection) -> Self {
        Self { code: rejection.problem().code(), limit: limit(rejection) }
    }
}

fn limit(rejection: &Rejection) -> Option<&'static str> {
    let cause = rejection.cause()?;
    if let Some(exceeded) = cause.downcast_ref::<Exceeded>() {
        return Some(exceeded.limit);
    }
    if let Some(full) = cause.downcast_ref::<BulkheadFull>() {
        return Some(full.bulkhead);
    }
    cause.downcast_ref::<Shed>().map(|shed| shed.reason.as_str())
}

/// Without credentials, and not longer than anybody reads. Shortened last: half a secret is not known
/// for one.
fn shown(text: &str) -> Cow<'_, str> {
    let clean = redact(text);
    if clean.len() <= LONGEST {
        return clean;
    }
    let end = clean.floor_char_boundary(LONGEST);
    Cow::Owned(format!("{}[{} bytes more]", &clean[..end], clean.len() - end))
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP",
    }
}

#[cfg(test)]
mod tests {
    use gabion_errors::{Problem, types};

    use super::*;

    #[test]
    fn what_is_too_long_is_cut_between_characters_and_says_so() {
        let path = format!("/{}", "\u{e9}".repeat(400));
        let cut = shown(&path);
        assert!(cut.len() < LONGEST + 32 && cut.ends_with("\u{e9}[290 bytes more]"), "{cut}");
        assert_eq!(shown("/short"), "/short");
    }

    #[test]
    fn a_secret_across_the_cut_is_no_secret_told() {
        let path = format!("/{}/http://user:canary-canary@host/", "x".repeat(LONGEST - 20));
        assert!(!shown(&path).contains("can"), "{}", shown(&path));
    }

    #[test]
    fn the_limit_that_refused_is_named() {
        let exceeded = Exceeded { limit: "caller", retry_after: Duration::from_secs(1) };
        let reason = Reason::of(&exceeded.into());
        assert_eq!(reason, Reason { code: "rate-limited", limit: Some("caller") });
        let reason = Reason::of(&Problem::new(&types::FORBIDDEN).into());
        assert_eq!(reason, Reason { code: "forbidden", limit: None });
    }
}
