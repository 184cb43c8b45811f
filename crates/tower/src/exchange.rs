use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use gabion_auth::Principal;
use gabion_clock::{Instant, UnixTime};
use gabion_limits::{
    ClientAddr, Deadline, admission::Permit, bulkhead::BulkheadPermit, gcra::Standing, quota::Quota,
};
use gabion_monitor::{RequestId, TraceContext};
use http::request::Parts;

use crate::{Route, RouteContract, params::Params};

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
    /// Those of path and query as the contract declares them, once they [are read](crate::params::read).
    pub values: Params,
    /// When the answer must be there; what is called on the way is told how much of it is left
    /// ([`Deadline::header_value`]).
    pub deadline: Option<Deadline>,
    /// Who calls, once a guard knows.
    pub principal: Option<Arc<Principal>>,
    /// The place among the requests in flight; kept until the answer is complete.
    pub permit: Option<Permit>,
    /// The place among those who do expensive work; kept as long.
    pub place: Option<BulkheadPermit>,
    /// Whether an HTTP/1 connection ends with the answer: nothing else on it is to be trusted.
    pub closes: bool,
    /// What rate limits have left, for the response's fields.
    pub standings: Standings,
    /// What the request costs beyond what was taken at the door.
    pub late_cost: LateCost,
}

/// What rate limits have left: as many of them as there are.
#[derive(Debug, Clone, Default)]
pub struct Standings {
    /// More are seldom asked on one route, and these cost no memory of their own.
    first: [Option<Noted>; 3],
    more: Vec<Noted>,
}

impl Standings {
    /// Those that were noted, in the order in which they were first.
    pub fn iter(&self) -> impl Iterator<Item = &Noted> + Clone {
        self.first.iter().flatten().chain(&self.more)
    }

    fn note(&mut self, noted: Noted) {
        let mut slots = self.first.iter_mut();
        if let Some(own) = slots.find(|own| own.is_none_or(|own| own.limit == noted.limit)) {
            *own = Some(noted);
            return;
        }
        match self.more.iter_mut().find(|own| own.limit == noted.limit) {
            Some(own) => *own = noted,
            None => self.more.push(noted),
        }
    }
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

/// Units that a request costs beyond, or less than, what limits took at the door.
///
/// Limits with [late costs](crate::guards::RateGuard::late_costs) take it when the request is
/// answered. Behind a [`WallLayer`](crate::WallLayer) it stands in the extensions of the service's
/// response; a [`Handler`](crate::Handler) has [`Exchange::charge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LateCost(i64);

impl LateCost {
    /// So many units more.
    #[must_use]
    pub const fn charge(units: u32) -> Self {
        Self(units as i64)
    }

    /// So many units less.
    #[must_use]
    pub const fn refund(units: u32) -> Self {
        Self(-(units as i64))
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// More, or where negative less.
    pub(crate) const fn units(self) -> i64 {
        self.0
    }
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
        self.standings.note(Noted { limit, quota, standing });
    }

    /// What was noted of a limit.
    #[must_use]
    pub fn noted(&self, limit: &str) -> Option<&Noted> {
        self.standings.iter().find(|noted| noted.limit == limit)
    }

    /// Takes `units` more from the limits with [late costs](crate::guards::RateGuard::late_costs),
    /// when the request is answered. They are never refused: what goes beyond a quota is owed, up to one
    /// more burst.
    ///
    /// Nothing is taken when the client leaves before the answer. Where that could be made use of, let
    /// the door take the most that a request may cost, and [give back](Self::refund) the rest.
    pub fn charge(&mut self, units: u32) {
        self.late_cost = self.late_cost.and(LateCost::charge(units));
    }

    /// Gives `units` of what was taken at the door back, when the request is answered.
    pub fn refund(&mut self, units: u32) {
        self.late_cost = self.late_cost.and(LateCost::refund(units));
    }
}
