//! The whole wall around one handler, without a socket.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use gabion_auth::{
    Access, AccountState, Accounts, MemoryStore, Revocations, RoleAuthorizer, Roles, Scope,
    StoreError, TokenAuthenticator, Username,
};
use gabion_cache::{Cache, CacheConfig, ENTRY_OVERHEAD};
use gabion_clock::{Clock, ManualClock, SystemClock};
use gabion_config::Rate;
use gabion_errors::Rejection;
use gabion_limits::{
    Class, HostRule, LimitMode, SizeConfig, TrustedProxies,
    admission::{Admission, Fixed},
    quota::Quota,
    rate::MemoryRateStore,
};
use gabion_monitor::LatencyWindow;
use gabion_tower::{
    Answer, BodyRule, CacheRule, DeadlineRule, Exchange, Guard, Handler, Peer, RateRule,
    RequestTime, RouteContract, RouteTable, Timing, Wall,
    guards::{
        AdmissionGuard, AuthenticateGuard, AuthorizeGuard, ClientGuard, HostGuard, RateGuard,
        SizeGuard,
    },
};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};

use super::{Order, once, recorder, token::Tokens};

static VERIFY: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/auth/verify",
    name: "verify",
    summary: "Tell who the caller is.",
    access: Access::Bearer,
    scope: Scope::Any,
    class: Class::User,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: Answer { status: StatusCode::OK, media: "application/json", schema: None },
    problems: &[],
};

static UNMATCHED: RouteContract = RouteContract::open("unmatched", "unmatched");

/// How many callers and addresses take turns.
const CALLERS: usize = 1000;

/// The answer of a real verify has about this many bytes.
const ANSWER: &[u8] = &[b'x'; 180];

/// A request as a client sends it, and where it comes from.
pub type Incoming = (Request<Full<Bytes>>, Peer);

/// Requests of many callers with good tokens.
pub struct Requests {
    tokens: Arc<Tokens>,
    order: Order,
}

impl Requests {
    /// The next one, made as hyper makes it: a head with the fields of a small client.
    ///
    /// # Panics
    ///
    /// Never: all fields are well formed.
    pub fn next_request(&mut self) -> Incoming {
        let index = self.order.next_index();
        let request = Request::builder()
            .uri("/api/auth/verify")
            .header(header::HOST, "localhost:8080")
            .header(header::USER_AGENT, "bench/1")
            .header(header::ACCEPT, "*/*")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.tokens.texts()[index]))
            .body(Full::default())
            .expect("fields of visible characters");
        let address = Ipv4Addr::from_bits(0x0A00_0000 + index as u32);
        (request, Peer(SocketAddr::new(IpAddr::V4(address), 40_000)))
    }
}

/// What stands behind the guards, and bare beside them.
struct Fixed180;

impl Fixed180 {
    fn answer(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
        let json = header::HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

impl Handler<Full<Bytes>> for Fixed180 {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        _exchange: &mut Exchange,
        _body: Full<Bytes>,
    ) -> Result<Response<Full<Bytes>>, Rejection> {
        Ok(self.answer())
    }
}

/// The reference server's guards, in its order, on stores in memory. Two are missing, since they are
/// the server's own and one flag each: the last places for probes, and draining.
pub struct Stack<G> {
    wall: Wall<RouteTable, G, Fixed180>,
}

/// Builds the stack and the requests for it.
///
/// # Panics
///
/// Never: the route and the lists are well formed.
#[must_use]
pub fn stack() -> (Stack<impl Guard>, Requests) {
    recorder();
    let tokens = Tokens::new(CALLERS);
    let quota = Quota::new(Rate::per_second(10_000_000), 10_000_000);
    // As many as the server has room for.
    let rates = Arc::new(MemoryRateStore::with_capacity(100_000));
    let rates = || Arc::clone(&rates);
    let accounts = Remembered::new(&tokens);
    let authenticator = TokenAuthenticator::new(
        tokens.verifier(),
        Arc::<Revocations>::default(),
        accounts,
        Arc::new(MemoryStore::new()),
    );
    let admission = Arc::new(Admission::new(Fixed(1024), LimitMode::Enforce));
    let proxies = TrustedProxies::new(&[]).expect("an empty list has no mistakes");
    let guards = (
        HostGuard::new(HostRule::default()),
        SizeGuard::new(SizeConfig::default()),
        ClientGuard::new(proxies),
        RateGuard::by_address("address", quota, rates()),
        RateGuard::only("login", RateRule::Login, quota, rates()),
        AuthenticateGuard::new(authenticator),
        AuthorizeGuard::new(RoleAuthorizer),
        AdmissionGuard::new(admission),
        RateGuard::by_caller("caller", quota, rates()),
    );
    let routes = RouteTable::new([&VERIFY], &UNMATCHED).expect("one route contradicts nothing");
    let timing = Timing {
        clock: SystemClock::new(),
        request_time: RequestTime::new(Duration::from_secs(30)),
        window: Arc::new(LatencyWindow::new(Duration::from_secs(10))),
    };
    let stack = Stack { wall: Wall::new(routes, guards, Fixed180, timing) };
    (stack, Requests { tokens, order: Order::uniform(CALLERS) })
}

impl<G: Guard> Stack<G> {
    /// Answers one request to the end of its body; tells whether it was answered by the handler.
    #[inline]
    pub fn serve(&self, (request, peer): Incoming) -> bool {
        once(async {
            let response = Wall::serve(&self.wall, request, peer).await;
            let ok = response.status() == StatusCode::OK;
            ok && response.into_body().collect().await.is_ok()
        })
    }
}

/// The handler alone; tells whether it answered.
#[inline]
pub fn bare((request, _peer): Incoming) -> bool {
    once(async {
        let response = Fixed180.answer();
        drop(request);
        response.into_body().collect().await.is_ok()
    })
}

/// Folds what histograms have gathered, as the server does once a second.
pub fn upkeep() {
    recorder().run_upkeep();
}

type Weigh = fn(&Username, &AccountState) -> u64;

/// Accounts that were looked up before, as in the server.
struct Remembered {
    cache: Cache<Username, AccountState, (), Weigh>,
    /// Reading it costs one load, as the server's coarse clock.
    clock: ManualClock,
}

impl Remembered {
    fn new(tokens: &Tokens) -> Self {
        let weigher: Weigh = |_, _| ENTRY_OVERHEAD;
        let config = CacheConfig { entries: CALLERS * 2, ..CacheConfig::default() };
        let cache = Cache::with_weigher("accounts", &config, weigher);
        let clock = ManualClock::new();
        for session in tokens.sessions() {
            let state = AccountState { roles: Roles::new(["user"]), enabled: true };
            cache.insert(session.username.clone(), state, clock.now());
        }
        Self { cache, clock }
    }
}

impl Accounts for Remembered {
    async fn account(&self, username: &Username) -> Result<Option<AccountState>, StoreError> {
        Ok(self.cache.get(username, self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measured_request_passes_the_whole_stack() {
        let (stack, mut requests) = stack();
        assert!((0..CALLERS * 2).all(|_| stack.serve(requests.next_request())));
        assert!(bare(requests.next_request()));
    }
}
