use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use gabion_auth::{Principal, Roles, SessionId, Username, Via};
use gabion_clock::{Clock, ManualClock, UnixTime};
use gabion_config::Rate;
use gabion_limits::rate::MemoryRateStore;
use gabion_monitor::LatencyWindow;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::{Peer, RequestTime, RouteContract, RouteTable, Standings, Timing, Wall};

static ITEMS: RouteContract = RouteContract::open("/items/{id}", "items");
static REPORTS: RouteContract = RouteContract::open("/reports", "reports");
static LOGIN: RouteContract = {
    let mut contract = RouteContract::open("/login", "login");
    contract.rate = RateRule::Login;
    contract
};
static PROBE: RouteContract = {
    let mut contract = RouteContract::open("/probe", "probe");
    contract.rate = RateRule::Exempt;
    contract
};
static NOWHERE: RouteContract = RouteContract::open("_unmatched", "unmatched");

pub(super) type Store = MemoryRateStore;

/// Makes exchanges as a wall does.
pub(super) struct World {
    wall: Wall<RouteTable, Nobody, (), ManualClock>,
    clock: ManualClock,
    pub(super) store: Arc<Store>,
}

struct Nobody;

impl Guard for Nobody {
    async fn check(&self, _: &mut Exchange) -> Result<(), Rejection> {
        Ok(())
    }
}

impl World {
    pub(super) fn new() -> Self {
        let clock = ManualClock::new();
        let timing = Timing {
            clock: clock.clone(),
            request_time: RequestTime::new(Duration::from_secs(30)),
            window: Arc::new(LatencyWindow::new(Duration::from_secs(10))),
        };
        let routes = RouteTable::new([&ITEMS, &REPORTS, &LOGIN, &PROBE], &NOWHERE).unwrap();
        let wall = Wall::new(routes, Nobody, (), timing);
        Self { wall, clock, store: Arc::new(MemoryRateStore::with_capacity(20_000)) }
    }

    pub(super) fn exchange(&self, path: &str, from: &str) -> Exchange {
        let (head, ()) = http::Request::get(path).body(()).unwrap().into_parts();
        let peer = SocketAddr::new(from.parse().unwrap(), 4711);
        self.wall.exchange(head, Peer(peer))
    }

    fn called(&self, path: &str, principal: Principal) -> Exchange {
        let mut exchange = self.exchange(path, "192.0.2.1");
        exchange.principal = Some(Arc::new(principal));
        exchange
    }

    pub(super) fn guard(&self, by: By, burst: u32) -> RateGuard<Store> {
        RateGuard::new("limit", by, slow(burst), Arc::clone(&self.store))
    }
}

/// So slow that nothing comes back in a test that does not move its clock.
pub(super) fn slow(burst: u32) -> Quota {
    Quota::new(Rate::per_hour(1), burst)
}

fn account(name: &str, via: Via, session: u128) -> Principal {
    Principal {
        username: Username::parse(name).unwrap(),
        session: SessionId::from_bits(session),
        roles: Roles::new(["user"]),
        via,
        issued_at: UnixTime::default(),
        not_before: UnixTime::default(),
        expires_at: UnixTime::from_secs(u64::MAX),
    }
}

fn person(name: &str) -> Principal {
    account(name, Via::Login, 1)
}

fn key(name: &str, id: u128) -> Principal {
    account(name, Via::ApiKey { scopes: Roles::default() }, id)
}

/// How many of `most` requests like this one are let through.
pub(super) async fn passes(
    guard: &impl Guard,
    mut make: impl FnMut() -> Exchange,
    most: u32,
) -> u32 {
    let mut passed = 0;
    for _ in 0..most {
        passed += u32::from(guard.check(&mut make()).await.is_ok());
    }
    passed
}

#[tokio::test]
async fn a_limit_by_route_is_shared_by_all_clients_of_a_route() {
    let world = World::new();
    let guard = world.guard(By::ROUTE, 4);
    let mut last = 0;
    let mut items = || {
        last += 1;
        world.exchange(&format!("/items/{last}"), &format!("192.0.2.{last}"))
    };
    assert_eq!(passes(&guard, &mut items, 6).await, 4);
    assert_eq!(passes(&guard, || world.exchange("/reports", "192.0.2.1"), 6).await, 4);
    assert_eq!(passes(&guard, || world.exchange("/no", "192.0.2.1"), 3).await, 3);
    assert_eq!(passes(&guard, || world.exchange("/where", "192.0.2.1"), 3).await, 1);
}

#[tokio::test]
async fn a_limit_by_api_key_tells_the_keys_of_one_account_apart() {
    let world = World::new();
    let guard = world.guard(By::API_KEY, 2);
    assert_eq!(passes(&guard, || world.called("/reports", key("ann", 1)), 5).await, 2);
    assert_eq!(passes(&guard, || world.called("/reports", key("ann", 2)), 5).await, 2);
    // Who logged in, or nobody, is outside.
    assert_eq!(passes(&guard, || world.called("/reports", person("ann")), 5).await, 5);
    assert_eq!(passes(&guard, || world.exchange("/reports", "192.0.2.1"), 5).await, 5);
}

#[tokio::test]
async fn a_limit_by_caller_is_one_for_all_tokens_of_an_account() {
    let world = World::new();
    let guard = world.guard(By::CALLER, 2);
    assert_eq!(passes(&guard, || world.called("/reports", person("ann")), 1).await, 1);
    assert_eq!(passes(&guard, || world.called("/reports", key("ann", 7)), 5).await, 1);
    assert_eq!(passes(&guard, || world.called("/reports", person("bob")), 5).await, 2);
}

#[tokio::test]
async fn a_composite_limit_counts_each_combination_by_itself() {
    let world = World::new();
    let guard = world.guard(By::CALLER.and(By::ROUTE), 2);
    assert_eq!(passes(&guard, || world.called("/reports", person("ann")), 5).await, 2);
    assert_eq!(passes(&guard, || world.called("/items/1", person("ann")), 5).await, 2);
    assert_eq!(passes(&guard, || world.called("/reports", person("bob")), 5).await, 2);
    assert_eq!(passes(&guard, || world.exchange("/reports", "192.0.2.1"), 5).await, 5);
    // No two keys run together.
    let wide = By::ADDRESS.and(By::CALLER).and(By::API_KEY).and(By::ROUTE);
    let bytes = |by: By, exchange: &Exchange| by.key(exchange, 64).unwrap().as_bytes().to_vec();
    let (short, long) =
        (world.called("/reports", key("a", 1)), world.called("/reports", key("ar", 1)));
    assert_ne!(bytes(wide, &short), bytes(wide, &long));
    assert_ne!(bytes(By::CALLER.and(By::ROUTE), &short), bytes(By::CALLER.and(By::ROUTE), &long));
}

#[tokio::test]
async fn ipv6_counts_by_as_many_bits_as_are_set() {
    let world = World::new();
    let guard = world.guard(By::ADDRESS, 2);
    let mut last = 0;
    let mut sweep = |network: &str| {
        last += 1;
        world.exchange("/reports", &format!("{network}::{last:x}"))
    };
    assert_eq!(passes(&guard, || sweep("2001:db8:0:1"), 9).await, 2);
    assert_eq!(passes(&guard, || sweep("2001:db8:0:2"), 9).await, 2);
    guard.set_ipv6_prefix(48);
    assert_eq!(passes(&guard, || sweep("2001:db8:0:1"), 9).await, 2);
    assert_eq!(passes(&guard, || sweep("2001:db8:0:3"), 9).await, 0);
    let key = &guard.often_refused(1, world.clock.now())[0].key;
    assert_eq!(key, "2001:db8::/48");
}

#[tokio::test]
async fn the_quota_of_a_request_may_be_chosen() {
    let world = World::new();
    let guard = world.guard(By::CALLER, 2).quota_by(|exchange| {
        let caller = exchange.principal.as_ref()?;
        caller.username.as_str().starts_with("big").then_some(slow(5))
    });
    assert_eq!(passes(&guard, || world.called("/reports", person("ann")), 9).await, 2);
    assert_eq!(passes(&guard, || world.called("/reports", person("big")), 9).await, 5);
    // The guard's own can change; what was used stays used, and what was chosen stays chosen.
    guard.set_quota(slow(3));
    assert_eq!(passes(&guard, || world.called("/reports", person("ann")), 9).await, 1);
    assert_eq!(passes(&guard, || world.called("/reports", person("big")), 9).await, 0);
}

#[tokio::test]
async fn the_cost_of_a_request_may_be_chosen() {
    let world = World::new();
    let guard = world
        .guard(By::ADDRESS, 7)
        .cost_by(|exchange| exchange.param("id").and_then(|id| id.parse().ok()).unwrap_or(1));
    let items = |cost: u32| world.exchange(&format!("/items/{cost}"), "192.0.2.1");
    // More than there ever is.
    assert_eq!(passes(&guard, || items(8), 1).await, 0);
    assert_eq!(passes(&guard, || items(3), 9).await, 2);
    assert_eq!(passes(&guard, || items(1), 9).await, 1);
    assert_eq!(passes(&guard, || items(0), 9).await, 9);
}

#[tokio::test]
async fn a_late_cost_is_taken_and_told_when_the_request_is_answered() {
    let world = World::new();
    let guard = world.guard(By::ADDRESS, 10).late_costs();
    let other = RateGuard::by_address("other", slow(10), Arc::clone(&world.store));
    let guards = (guard, other);
    let new = || world.exchange("/reports", "192.0.2.1");
    let left = |exchange: &Exchange, limit| exchange.noted(limit).unwrap().standing.remaining;

    let mut exchange = new();
    guards.check(&mut exchange).await.unwrap();
    exchange.charge(5);
    guards.settle(&mut exchange).await;
    assert_eq!((left(&exchange, "limit"), left(&exchange, "other")), (4, 9));

    let mut exchange = new();
    guards.check(&mut exchange).await.unwrap();
    exchange.charge(2);
    exchange.refund(5);
    guards.settle(&mut exchange).await;
    assert_eq!((left(&exchange, "limit"), left(&exchange, "other")), (6, 8));

    // What is beyond the quota is owed.
    let mut exchange = new();
    guards.check(&mut exchange).await.unwrap();
    exchange.charge(1000);
    guards.settle(&mut exchange).await;
    assert_eq!(left(&exchange, "limit"), 0);
    world.clock.advance(Duration::from_secs(3600));
    assert!(guards.check(&mut new()).await.is_err());
}

#[test]
#[should_panic(expected = "no name has")]
fn a_name_that_no_field_can_carry_is_refused() {
    let _ = RateGuard::by_address("two words", slow(1), World::new().store);
}

#[tokio::test]
async fn the_mode_shadow_decides_and_counts_and_refuses_nobody() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let world = World::new();
    let guard = world.guard(By::ADDRESS, 3);
    guard.set_mode(LimitMode::Shadow);
    let new = || world.exchange("/reports", "192.0.2.1");
    assert_eq!(passes(&guard, new, 8).await, 8);
    let mut exchange = new();
    guard.check(&mut exchange).await.unwrap();
    assert_eq!(exchange.standings.iter().count(), 0);
    let counts = |decision: &str| {
        let line =
            format!("gabion_limit_decisions_total{{limit=\"limit\",decision=\"{decision}\"}} ");
        let shown = shown.render();
        shown.lines().find_map(|it| it.strip_prefix(&line)?.parse::<u64>().ok())
    };
    assert_eq!(
        [counts("allow"), counts("deny"), counts("shadow_deny")],
        [Some(3), Some(0), Some(6)]
    );
    // Who would have been refused is told.
    let told = guard.often_refused(10, world.clock.now());
    let wanted = OftenRefused { limit: "limit", key: "192.0.2.1".into(), refusals: 6 };
    assert_eq!(told, [wanted]);
    // What was used in shadow is used.
    guard.set_mode(LimitMode::Enforce);
    assert_eq!(passes(&guard, new, 2).await, 0);
    guard.set_mode(LimitMode::Off);
    assert_eq!(passes(&guard, new, 2).await, 2);
    assert_eq!(
        [counts("allow"), counts("deny"), counts("shadow_deny")],
        [Some(3), Some(2), Some(6)]
    );
}

#[tokio::test]
async fn keys_that_are_often_refused_can_be_read() {
    let world = World::new();
    for (by, path, wanted) in [
        (By::ADDRESS, "/reports", "192.0.2.1"),
        (By::CALLER, "/reports", "ann"),
        (By::API_KEY, "/reports", "000000000000000000000000000000ff"),
        (By::ROUTE, "/reports", "reports"),
        (By::ADDRESS.and(By::ROUTE), "/items/4", "192.0.2.1 items"),
        (By::CALLER.and(By::API_KEY), "/items/4", "ann 000000000000000000000000000000ff"),
    ] {
        let guard = world.guard(by, 1);
        passes(&guard, || world.called(path, key("ann", 255)), 4).await;
        let told = guard.often_refused(10, world.clock.now());
        assert_eq!(told.iter().map(|it| &*it.key).collect::<Vec<_>>(), [wanted]);
    }
    // A name that looks like a token stays unsaid.
    assert!(
        !By::CALLER.text(b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl", 64).contains("eyJ")
    );
}

/// Xorshift (Marsaglia 2003): the same in each run.
struct Noise(u64);

impl Noise {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

#[tokio::test]
async fn nobody_at_half_of_the_quota_is_refused_once_in_a_million() {
    const CLIENTS: u32 = 10_000;
    const ROUNDS: u64 = 100;
    let world = World::new();
    let quota = Quota::new(Rate::per_second(100), 2);
    let guard = RateGuard::by_address("address", quota, Arc::clone(&world.store));
    // Each client comes once in the time of two units, at any moment of it.
    let round = quota.refill(2).as_nanos() as u64;
    let (mut noise, mut exchange) = (Noise(7), world.exchange("/reports", "192.0.2.1"));
    let begun = world.clock.now();
    let (mut refused, mut asked) = (0, 0);
    for number in 0..ROUNDS {
        let mut arrivals: Vec<(u64, u32)> =
            (0..CLIENTS).map(|client| (noise.below(round), client)).collect();
        arrivals.sort_unstable();
        for (at, client) in arrivals {
            exchange.now = begun + Duration::from_nanos(number * round + at);
            exchange.client = ClientAddr::new(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + client)));
            exchange.standings = Standings::default();
            asked += 1;
            refused += u32::from(guard.check(&mut exchange).await.is_err());
        }
    }
    assert_eq!((asked, refused), (1_000_000, 0));
    // It does refuse: three at once is one too many.
    let at_once = || {
        let mut exchange = world.exchange("/reports", "198.51.100.1");
        exchange.now = begun;
        exchange
    };
    assert_eq!(passes(&guard, at_once, 3).await, 2);
}
