//! What the client may see, and what the log keeps.
//!
//! A [`Problem`] is the public half of a failure: an RFC 9457 document with a stable code, nothing
//! internal in it. A [`Rejection`] joins it to its private cause. Every error enum of a crate says
//! beside its variants what a client may know of them ([`ToProblem`]); `?` then turns the error into
//! a `Rejection` in any handler, and one layer above renders the problem and logs the cause once.
//!
//! This is not an error type to match on: libraries keep their own enums, and a `Rejection` is where
//! they end.
//!
//! ```
//! use gabion_errors::{Problem, Rejection, ToProblem, types};
//!
//! #[derive(Debug, thiserror::Error)]
//! #[error("row {0} is locked by another writer")]
//! struct Locked(u64);
//!
//! impl ToProblem for Locked {
//!     fn to_problem(&self) -> Problem {
//!         Problem::new(&types::CONFLICT).detail("the item is being changed, try again")
//!     }
//! }
//!
//! fn handler() -> Result<(), Rejection> {
//!     Err(Locked(7))?
//! }
//! let rejection = handler().unwrap_err();
//! assert_eq!(rejection.problem().status(), 409);
//! assert_eq!(rejection.cause().unwrap().to_string(), "row 7 is locked by another writer");
//! ```
//!
//! A problem of your own:
//!
//! ```
//! use gabion_errors::{Problem, ProblemType, Retry};
//! use std::time::Duration;
//!
//! static OUT_OF_STOCK: ProblemType = ProblemType {
//!     code: "out-of-stock",
//!     status: http::StatusCode::CONFLICT,
//!     title: "Out of stock",
//!     meaning: "The item is sold out.",
//!     remedy: "Wait for the next delivery.",
//!     retry: Retry::After,
//! };
//! let problem = Problem::new(&OUT_OF_STOCK).retry_after(Duration::from_millis(1500));
//! assert_eq!(
//!     String::from_utf8(problem.to_json("id-1").to_vec()).unwrap(),
//!     r#"{"type":"/api/problems/out-of-stock","title":"Out of stock","status":409,"#.to_owned()
//!         + r#""detail":"The item is sold out.","code":"out-of-stock","request_id":"id-1","retry_after":2}"#,
//! );
//! ```
//!
//! Features: `axum` lets a `Rejection` be returned from axum handlers, `actix` from those of actix-web, with a
//! middleware that reports it; `tonic` makes it a `Status`; `grpc` says a problem as gRPC does, to anything.

#[cfg(feature = "report")]
mod above;
#[cfg(feature = "actix")]
pub mod actix;
mod as_is;
#[cfg(feature = "axum")]
mod axum;
mod field;
#[cfg(feature = "grpc")]
mod grpc;
#[cfg(feature = "report")]
mod guarded;
#[cfg(feature = "report")]
mod panics;
mod problem;
mod redact;
mod rejection;
#[cfg(feature = "report")]
mod report;
#[cfg(feature = "report")]
mod sample;
#[cfg(feature = "tonic")]
pub mod tonic;
pub mod types;

pub use self::{
    as_is::AsIs,
    field::FieldError,
    problem::Problem,
    redact::{is_dangerous, redact},
    rejection::{BoxError, Rejection, ToProblem, error_chain},
    types::{ProblemType, Retry},
};
#[cfg(feature = "report")]
pub use self::{
    guarded::{attended, guarded},
    panics::{Panicked, log_panics},
    report::{Origin, Reporter},
};
