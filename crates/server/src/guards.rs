//! Guards that are the server's own.

mod refusals;

use std::sync::Arc;

use gabion_auth::{Principal, Roles, SessionId, Username, Via};
use gabion_clock::UnixTime;
use gabion_errors::{Problem, Rejection, types};
use gabion_lifecycle::Readiness;
use gabion_tower::{Exchange, Guard, RateRule};
use http::{HeaderValue, Version, header::CONNECTION, response};

pub(crate) use self::refusals::RefusalsAudited;

/// Marks a request whose connection took one of the last places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reserved;

/// Serves probes alone on the last places for connections, so that a supervisor gets through when
/// everybody else has taken the rest.
pub(crate) struct ReservedGuard;

impl Guard for ReservedGuard {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let reserved = exchange.head.extensions.get::<Reserved>().is_some();
        if !reserved || exchange.contract().rate == RateRule::Exempt {
            return Ok(());
        }
        let wait = std::time::Duration::from_secs(1);
        let problem = Problem::new(&types::OVERLOADED).retry_after(wait);
        Err(problem.header(CONNECTION, CLOSE).into())
    }
}

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// While draining, lets each answer end its HTTP/1 connection; HTTP/2 ones are told by GOAWAY.
pub(crate) struct DrainGuard(Readiness);

impl DrainGuard {
    pub(crate) fn new(readiness: Readiness) -> Self {
        Self(readiness)
    }
}

impl Guard for DrainGuard {
    async fn check(&self, _exchange: &mut Exchange) -> Result<(), Rejection> {
        Ok(())
    }

    fn stamp(&self, exchange: &Exchange, response: &mut response::Parts) {
        if exchange.head.version <= Version::HTTP_11 && self.0.is_draining() {
            response.headers.insert(CONNECTION, CLOSE);
        }
    }
}

/// Knows every caller as a local administrator: whoever can open the control socket owns the data.
pub(crate) struct LocalGuard(Arc<Principal>);

impl LocalGuard {
    pub(crate) fn new(username: Username) -> Self {
        let never = UnixTime::from_secs(u64::MAX);
        Self(Arc::new(Principal {
            username,
            session: SessionId::from_bits(0),
            roles: Roles::new(["admin"]),
            via: Via::Login,
            issued_at: UnixTime::default(),
            not_before: UnixTime::default(),
            expires_at: never,
        }))
    }
}

impl Guard for LocalGuard {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        exchange.principal = Some(Arc::clone(&self.0));
        Ok(())
    }
}
