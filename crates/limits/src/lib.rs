//! Everything a client controls, bounded: how often, how many, how big, how slow.
//!
//! Each limit is a pure decision over values and a `now` that the caller passes in; none opens a
//! socket, starts a task or asks for the time. What must be remembered between decisions lives in
//! stores of fixed size. That makes a limit testable without sleeping, and the same in any framework.
//!
//! This is about work that is refused. What a caller may do is `gabion-auth`'s business, and the
//! tower layers that turn a refusal into a response are in `gabion-tower`.
//!
//! A rate limit with the defaults of the reference server:
//!
//! ```
//! use gabion_clock::{Clock, ManualClock};
//! use gabion_limits::rate::{Charge, MemoryRateStore, QuotaConfig, RateStore};
//!
//! # async fn example() {
//! let clock = ManualClock::new();
//! let store = MemoryRateStore::with_capacity(10_000);
//! let quota = QuotaConfig::default().build();
//! let charge = Charge { limit: "address", key: &[192, 0, 2, 7], quota, cost: 1 };
//! assert!(store.decide(&[charge], clock.now()).await.is_allowed());
//! # }
//! # use std::{future::Future, pin::pin, task::{Context, Waker}};
//! # assert!(pin!(example()).poll(&mut Context::from_waker(Waker::noop())).is_ready());
//! ```
//!
//! The pure function alone, for a state of your own:
//!
//! ```
//! use gabion_clock::Instant;
//! use gabion_config::Rate;
//! use gabion_limits::{gcra::{gcra, Verdict}, quota::Quota};
//!
//! let quota = Quota::new(Rate::per_second(10), 1);
//! let now = Instant::from_nanos(5_000_000_000);
//! let Verdict::Allow { tat, .. } = gcra(Instant::ORIGIN, quota, 1, now) else { panic!() };
//! let Verdict::Deny { retry_after, .. } = gcra(tat, quota, 1, now) else { panic!() };
//! assert_eq!(retry_after.as_millis(), 100);
//! ```

pub mod gcra;
#[cfg(feature = "governor")]
pub mod governed;
pub mod metrics;
pub mod proxy_protocol;
pub mod quota;
pub mod rate;

pub mod admission;
pub mod bulkhead;
mod class;
mod client_addr;
mod coding;
mod connections;
mod deadline;
mod frames;
mod framing;
mod host;
mod mode;
mod progress;
mod size;
mod time;

pub use self::{
    bulkhead::BulkheadConfig,
    class::Class,
    client_addr::{ClientAddr, Forwarding, InvalidCidr, RateKeyBytes, TrustedProxies},
    coding::{ContentCoding, UnsupportedCoding},
    connections::{ConnectionConfig, ConnectionPermit, ConnectionTable, ConnectionsFull},
    deadline::{Deadline, DeadlineExceeded, DeadlineTrust},
    frames::{FrameMeter, TooManyFrames},
    framing::{Framing, FramingError, check_framing, content_length},
    host::{HostError, HostRule, InvalidHost},
    mode::LimitMode,
    progress::{BodyProgress, Overdue, Progress},
    size::{Counted, Inflation, SizeConfig, SizeError, check_declared, check_head},
    time::{ByteRate, TimeConfig},
};
