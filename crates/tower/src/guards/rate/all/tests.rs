use std::pin::pin;

use proptest::prelude::*;

use super::{
    super::{
        By,
        tests::{Store, World, passes, slow},
    },
    *,
};
use crate::RateRule;

/// One limit per address and a tighter one of logins, as one guard.
fn joined(
    world: &World,
    address: u32,
    login: u32,
) -> (AllRates<Store, 2>, [Arc<RateGuard<Store>>; 2]) {
    let store = || Arc::clone(&world.store);
    let address = Arc::new(RateGuard::by_address("address", slow(address), store()));
    let login = Arc::new(RateGuard::only("login", RateRule::Login, slow(login), store()));
    let both = [address, login];
    (RateGuard::all(both.clone()), both)
}

#[tokio::test]
async fn limits_that_are_joined_take_from_all_or_from_none() {
    let world = World::new();
    let (all, _) = joined(&world, 6, 2);
    let login = || world.exchange("/login", "192.0.2.1");
    let mut exchange = login();
    all.check(&mut exchange).await.unwrap();
    let left = |exchange: &Exchange, limit| exchange.noted(limit).map(|it| it.standing.remaining);
    assert_eq!((left(&exchange, "address"), left(&exchange, "login")), (Some(5), Some(1)));
    assert_eq!(passes(&all, login, 9).await, 1);
    let mut refused = login();
    let rejection = all.check(&mut refused).await.unwrap_err();
    assert!(rejection.problem().detail_text().contains("logins"), "{rejection:?}");
    assert_eq!((left(&refused, "address"), left(&refused, "login")), (Some(4), Some(0)));
    // Eight refused logins have used up nothing of the rest.
    assert_eq!(passes(&all, || world.exchange("/reports", "192.0.2.1"), 9).await, 4);
    assert_eq!(passes(&all, || world.exchange("/probe", "192.0.2.1"), 9).await, 9);
    let mut other = world.exchange("/reports", "192.0.2.2");
    all.check(&mut other).await.unwrap();
    assert_eq!((left(&other, "address"), left(&other, "login")), (Some(5), None));
}

#[tokio::test]
async fn each_of_many_limits_is_told_and_takes_late_costs() {
    let world = World::new();
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let limit = |name| {
        let guard = RateGuard::by_address(name, slow(100), Arc::clone(&world.store));
        Arc::new(guard.late_costs())
    };
    let single = RateGuard::by_address("i", slow(100), Arc::clone(&world.store)).late_costs();
    let guards = (RateGuard::all(names.map(limit)), single);
    let mut exchange = world.exchange("/reports", "192.0.2.1");
    guards.check(&mut exchange).await.unwrap();
    exchange.charge(9);
    guards.settle(&mut exchange).await;
    let told: Vec<_> =
        exchange.standings.iter().map(|it| (it.limit, it.standing.remaining)).collect();
    let wanted: Vec<_> = names.into_iter().chain(["i"]).map(|name| (name, 90)).collect();
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn of_joined_limits_one_in_shadow_holds_back_nobody() {
    let world = World::new();
    let (all, [address, login]) = joined(&world, 6, 2);
    login.set_mode(LimitMode::Shadow);
    let request = || world.exchange("/login", "192.0.2.1");
    let mut exchange = request();
    all.check(&mut exchange).await.unwrap();
    assert!(exchange.noted("address").is_some() && exchange.noted("login").is_none());
    assert_eq!(passes(&all, request, 9).await, 5);
    address.set_mode(LimitMode::Off);
    assert_eq!(passes(&all, request, 9).await, 9);
    // What the others refused was not taken, and what was taken stays so.
    login.set_mode(LimitMode::Enforce);
    assert_eq!(passes(&all, request, 9).await, 0);
    address.set_mode(LimitMode::Enforce);
    assert_eq!(passes(&all, || world.exchange("/reports", "192.0.2.1"), 9).await, 0);
}

proptest! {
    /// Logins and other requests of three clients, against counters of one's own.
    #[test]
    fn joined_limits_decide_as_counters_do_that_are_looked_at_first(
        requests in prop::collection::vec((0..3_usize, any::<bool>()), 1..60),
        most in (1..12_u32, 1..6_u32),
    ) {
        let world = World::new();
        let (all, _) = joined(&world, most.0, most.1);
        let mut used = [(0, 0); 3];
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        for (client, login) in requests {
            let path = if login { "/login" } else { "/reports" };
            let mut exchange = world.exchange(path, &format!("192.0.2.{client}"));
            let std::task::Poll::Ready(checked) = pin!(all.check(&mut exchange)).poll(&mut cx) else {
                panic!("the store in memory waits");
            };
            let (address, logins) = &mut used[client];
            let fits = *address < most.0 && (!login || *logins < most.1);
            prop_assert_eq!(checked.is_ok(), fits);
            if fits {
                *address += 1;
                *logins += u32::from(login);
            }
            let left = |limit| exchange.noted(limit).map(|it| it.standing.remaining);
            prop_assert_eq!(left("address"), Some(most.0 - *address));
            prop_assert_eq!(left("login"), login.then_some(most.1 - *logins));
        }
    }
}

#[test]
#[should_panic(expected = "share one store")]
fn limits_of_different_stores_are_not_joined() {
    let (one, other) = (World::new(), World::new());
    let _ = RateGuard::all([one, other].map(|world| Arc::new(world.guard(By::ADDRESS, 1))));
}
