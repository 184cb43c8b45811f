//! What every store has to keep of its promises, as functions that panic when it does not.
//!
//! Each wants a store without the accounts and sessions named in it; a fresh one is best.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use gabion_auth::{MemoryStore, conformance};
//!
//! conformance::users(&MemoryStore::new()).await;
//! conformance::sessions(&MemoryStore::new()).await;
//! conformance::revocations(&MemoryStore::new()).await;
//! conformance::api_keys(&MemoryStore::new()).await;
//! conformance::failures(&MemoryStore::new()).await;
//! # }
//! ```

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use gabion_clock::UnixTime;

use crate::{Session, SessionId, SessionLife, Username};

/// As many calls at the same time as a race is tried with.
const RACERS: usize = 16;
const START: UnixTime = UnixTime::from_secs(1_800_000_000);

fn at(secs: u64) -> UnixTime {
    START + Duration::from_secs(secs)
}

/// The suite's own account names, so that they clash with no other's.
fn name(text: &str) -> Username {
    Username::parse(&format!("conformance.{text}")).unwrap_or_else(|_| unreachable!("{text}"))
}

/// A session that lasts from `created` to `expires`, in seconds after the start.
fn session(owner: &str, created: u64, expires: u64) -> Session {
    Session {
        id: SessionId::random(),
        username: name(owner),
        generation: 0,
        created_at: at(created),
        refreshed_at: at(created),
        expires_at: at(expires),
        address: "2001:db8::1".into(),
    }
}

/// A refresh makes a session last for `idle` seconds, and none lasts longer than [`WHOLE_LIFE`].
fn life(idle: u64) -> SessionLife {
    SessionLife { idle: Duration::from_secs(idle), absolute: Duration::from_secs(WHOLE_LIFE) }
}

const WHOLE_LIFE: u64 = 1000;

/// Polls all of them in turn until each is done.
async fn join<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut done = Vec::new();
    poll_fn(move |cx| {
        running.retain_mut(|future| match future.as_mut().poll(cx) {
            Poll::Ready(output) => {
                done.push(output);
                false
            }
            Poll::Pending => true,
        });
        if running.is_empty() { Poll::Ready(std::mem::take(&mut done)) } else { Poll::Pending }
    })
    .await
}

macro_rules! ok {
    ($call:expr) => {
        match $call.await {
            Ok(value) => value,
            Err(error) => panic!("{}: {error}", stringify!($call)),
        }
    };
}

mod api_keys;
mod failures;
mod revocations;
mod sessions;
mod users;
pub use self::{
    api_keys::api_keys, failures::failures, revocations::revocations, sessions::sessions,
    users::users,
};
