use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use gabion_auth::Principal;
use gabion_clock::{Instant, UnixTime};
use gabion_limits::{ClientAddr, Deadline, admission::Permit, gcra::Standing, quota::Quota};
use gabion_monitor::{RequestId, TraceContext};
use http::request::Parts;

use crate::{Route, RouteContract};

/// Who is at the other end of the connection; put into the extensions of each request by whatever
/// accepts connections. Without it all requests count as one peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

impl Peer {
    /// Nobody in particular.
    pub const UNKNOWN: Self = Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
}

/// One request on its way through the guards: its head, and what they found out about it.
pub struct Exchange {
    /// The request without its body.
    pub head: Parts,
    /// The one reading of monotonic time that every decision about this request uses.
    pub now: Instant,
    /// The one reading of wall time.
    pub unix: UnixTime,
    /// The other end of the connection.
    pub peer: Peer,
    /// The client, behind trusted proxies; the peer until a guard knows better.
    pub client: ClientAddr,
    /// The name of this request in logs and problems.
    pub request_id: RequestId,
    /// The caller's trace, continued by a span of ours; only where a valid one came in.
    pub trace: Option<TraceContext>,
    /// What the route declared.
    pub route: &'static Route,
    /// The path's parameters, in the template's order.
    pub params: Vec<(&'static str, String)>,
    /// When the answer must be there.
    pub deadline: Option<Deadline>,
    /// Who calls, once a guard knows.
    pub principal: Option<Arc<Principal>>,
    /// The place among the requests in flight; kept until the answer is complete.
    pub permit: Option<Permit>,
    /// What rate limits have left, for the response's fields.
    pub standings: [Option<Noted>; 3],
}

/// What one limit allows, and what is left of it.
#[derive(Debug, Clone, Copy)]
pub struct Noted {
    /// The limit's name: letters and hyphens.
    pub limit: &'static str,
    /// What it allows.
    pub quota: Quota,
    /// What is left.
    pub standing: Standing,
}

impl Exchange {
    /// What the route declared.
    #[must_use]
    pub fn contract(&self) -> &'static RouteContract {
        self.route.contract
    }

    /// The path parameter `name`, percent-decoded.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    /// The head, for a handler that needs it whole; method, target and version stay.
    #[must_use]
    pub fn take_head(&mut self) -> Parts {
        let (mut kept, ()) = http::Request::new(()).into_parts();
        kept.method = self.head.method.clone();
        kept.uri = self.head.uri.clone();
        kept.version = self.head.version;
        std::mem::replace(&mut self.head, kept)
    }

    /// Keeps what a limit has left, to be told with the response.
    pub fn note_standing(&mut self, limit: &'static str, quota: Quota, standing: Standing) {
        if let Some(free) = self.standings.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(Noted { limit, quota, standing });
        }
    }
}
