//! Rate limits: how often, for any key, with a quota chosen per request.
//!
//! A [`RateStore`] keeps one state per key and decides several limits at once, all or none. It differs
//! from a keyed limiter with one quota: the quota travels in the [`Charge`], so it can follow the
//! caller, the route or a new configuration, and a changed quota never resets what was used.
//!
//! [`MemoryRateStore`] is a table of fixed size: a key costs 12.8 bytes, nothing is swept, and a full
//! table evicts the key that is nearest to being whole again.

mod charge;
mod config;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod fields;
mod heavy;
mod memory;
mod sync;
mod table;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod table_under_loom;

pub use self::{
    charge::{Charge, Decision, Exceeded, MAX_CHARGES, RateStore},
    config::QuotaConfig,
    fields::{policy_field, standing_field, standing_field_until},
    heavy::{HeavyHitter, HeavyHitters},
    memory::MemoryRateStore,
};
