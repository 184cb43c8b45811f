//! A rate limit in a plain loop: no framework, no runtime, no socket.
//!
//! `cargo run -p gabion-examples --example no_framework`

use std::{
    io::{self, Write},
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use gabion_clock::{Clock, SystemClock};
use gabion_config::Rate;
use gabion_errors::ToProblem;
use gabion_limits::{
    ClientAddr,
    quota::Quota,
    rate::{Charge, Decision, Exceeded, MemoryRateStore, RateStore, policy_field, standing_field},
};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let clients = ["192.0.2.7", "192.0.2.7", "192.0.2.7", "2001:db8::1", "192.0.2.7"];
    writeln!(out, "Three at once, then five per second, for each client:")?;
    serve(&clients, &SystemClock::new(), thread::sleep, &mut out)
}

/// Answers a request of each client in turn; who comes too soon is told to wait, waits and is served.
fn serve(
    clients: &[&str],
    clock: &impl Clock,
    wait: impl Fn(Duration),
    out: &mut impl Write,
) -> io::Result<()> {
    const LIMIT: &str = "address";
    let store = MemoryRateStore::with_capacity(10_000);
    let quota = Quota::new(Rate::per_second(5), 3);
    for client in clients {
        let address = ClientAddr::new(client.parse().map_err(io::Error::other)?);
        // Of an IPv6 client the /64 counts: whoever has one address of it has them all.
        let key = address.rate_key();
        let charge = Charge { limit: LIMIT, key: key.as_bytes(), quota, cost: 1 };
        loop {
            // The one reading of the time that this request's decisions use.
            let (standing, refused) = match now(store.decide(&[charge], clock.now())) {
                Decision::Allow { standing, .. } => (standing, None),
                Decision::Deny { standing, retry_after, .. } => {
                    (standing, Some(Exceeded { limit: LIMIT, retry_after }))
                }
            };
            let (mut field, mut policy) = (String::new(), String::new());
            standing_field(&mut field, LIMIT, quota, standing);
            policy_field(&mut policy, LIMIT, quota);
            let Some(exceeded) = refused else {
                writeln!(out, "\n{client}: 200\nRateLimit: {field}\nRateLimit-Policy: {policy}")?;
                break;
            };
            let problem = exceeded.to_problem();
            writeln!(out, "\n{client}: {}\nRateLimit: {field}", problem.status().as_u16())?;
            for (name, value) in problem.headers() {
                writeln!(out, "{name}: {}", value.to_str().unwrap_or_default())?;
            }
            writeln!(out, "{}", String::from_utf8_lossy(&problem.to_json("request-7")))?;
            wait(exceeded.retry_after);
        }
    }
    Ok(())
}

/// The result of a future that has no need to wait, as every one of the store in memory.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use gabion_clock::ManualClock;

    use super::*;

    fn told(clients: &[&str]) -> String {
        let (clock, mut out) = (ManualClock::new(), Vec::new());
        serve(clients, &clock, |pause| clock.advance(pause), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn who_comes_too_soon_is_told_to_wait_and_is_served_then() {
        let told = told(&["192.0.2.7"; 4]);
        assert_eq!((told.matches(": 200\n").count(), told.matches(": 429\n").count()), (4, 1));
        assert!(told.contains("RateLimit: \"address\";r=2;t=1\n"), "{told}");
        assert!(told.contains("retry-after: 1\n") && told.contains("\"rate-limited\""), "{told}");
    }

    #[test]
    fn only_addresses_of_one_subscriber_share_a_quota() {
        let several = ["192.0.2.7", "2001:db8::1", "2001:db8::2", "192.0.2.8"];
        assert!(!told(&several).contains("429"));
        let one = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"];
        assert!(told(&one).contains("2001:db8::4: 429"));
    }
}
