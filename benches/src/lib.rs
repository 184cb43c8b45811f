//! What the benches share: the work they time, how they time it, and how they judge.
//!
//! There are three kinds of figures, and each is measured in the only way in which it is worth
//! something.
//!
//! - **A piece of work** ([`subject`]) takes nanoseconds. Criterion times it (`limits`, `auth`,
//!   `cache`, `guards`) and shows how it changed since the last time on the same machine.
//! - **A ratio to a library** that does the same ([`rounds`]) is what can be compared between
//!   machines: both take turns of a few milliseconds, so that a slow minute is slow for both. The
//!   bench `ratios` judges it.
//! - **A promise** about the whole server (`promises`) holds or is broken. The bench `budgets` builds
//!   and starts the real binary, drives it by an open loop (`load`) from another core, and reads
//!   from the system what it used (`process`). The same is done to what people use instead
//!   (`peers`), where that is at hand.
//!
//! It differs from a load tester: those report what a server did, this says whether it was enough,
//! and ends with an exit code.
//!
//! Two pieces of work, in turns:
//!
//! ```
//! use std::time::Duration;
//! use gabion_benches::rounds::Rounds;
//!
//! let rounds = Rounds { count: 5, turn: Duration::from_micros(200) };
//! let compared = rounds.compare(|| "text".to_owned(), || "text".repeat(100));
//! assert!(compared.ratio > 0.0);
//! ```
//!
//! A promise, with the exit code that follows from it:
//!
//! ```
//! use gabion_benches::verdict::Verdicts;
//!
//! let mut verdicts = Verdicts::new();
//! verdicts.judge("answers", "3 ms".into(), "< 100 ms".into(), true);
//! assert!(!verdicts.is_broken());
//! println!("{verdicts}");
//! ```

#[cfg(target_os = "linux")]
pub mod beside;
pub mod compile;
#[cfg(target_os = "linux")]
pub mod cores;
pub mod figure;
#[cfg(target_os = "linux")]
pub mod gabion;
#[cfg(target_os = "linux")]
pub mod highest;
#[cfg(target_os = "linux")]
pub mod load;
pub mod options;
#[cfg(target_os = "linux")]
pub mod peers;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(target_os = "linux")]
pub mod promises;
pub mod rounds;
#[cfg(target_os = "linux")]
pub mod server;
pub mod subject;
pub mod table;
pub mod verdict;
