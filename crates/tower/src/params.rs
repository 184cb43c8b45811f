//! Query and path parameters, read as their contract declares them.
//!
//! A framework reads one parameter after the other where a handler asks for it, so that a client learns
//! of one fault at a time, and of a misspelt name never. Here all of them are held against the
//! [`Parameter`](crate::Parameter)s of the route's contract at once, before the handler runs, and become
//! the values that their schemas speak of. A text in a path is not held against its schema: what does
//! not fit is the name of nothing, and for that a route has its own answer, 404.
//!
//! ```
//! use gabion_tower::{Parameter, RouteContract, params::Declared};
//! use serde_json::json;
//!
//! static ITEMS: RouteContract = {
//!     let mut contract = RouteContract::open("/items/{id}", "items");
//!     contract.parameters = &[
//!         Parameter {
//!             name: "limit",
//!             required: false,
//!             schema: || json!({"type": "integer", "minimum": 1, "maximum": 500}),
//!             summary: "Items of one page.",
//!         },
//!         Parameter {
//!             name: "id",
//!             required: true,
//!             schema: || json!({"type": "integer", "minimum": 1}),
//!             summary: "The first of them.",
//!         },
//!     ];
//!     contract
//! };
//!
//! let declared = Declared::compile(&ITEMS)?;
//! let values = declared.read("limit=20", &[("id", "7".to_owned())]).unwrap();
//! assert_eq!((values.unsigned("limit"), values.unsigned("id")), (Some(20), Some(7)));
//!
//! let refused = declared.read("limt=20&limit=501", &[("id", "x".to_owned())]).unwrap_err();
//! let faults = refused.problem().field_errors().iter();
//! let told: Vec<_> = faults.map(|fault| (fault.pointer.as_str(), &*fault.detail)).collect();
//! assert_eq!(told, [
//!     ("/path/id", "must be integer"),
//!     ("/query/limt", "is not known, did you mean limit?"),
//!     ("/query/limit", "must be 1 to 500"),
//! ]);
//! # Ok::<_, gabion_tower::params::ParameterError>(())
//! ```

mod declared;
mod decode;

use gabion_errors::Rejection;
use serde_json::Value;

pub use self::declared::{Declared, ParameterError};
pub(crate) use self::decode::decode;
pub use self::decode::decode_form;
use crate::Exchange;

/// The parameters of one request by their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params(Vec<(&'static str, Value)>);

impl Params {
    /// The value of `name`, of the type that its schema wants; `None` when it was left out.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The text `name`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The integer `name`.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_i64()
    }

    /// The integer `name`, which is not negative.
    #[must_use]
    pub fn unsigned(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_u64()
    }

    /// The number `name`.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.as_f64()
    }

    /// Whether `name` is true.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }
}

/// Reads what the contract of the exchange's route declares. A request without a query to a route
/// without parameters costs nothing.
///
/// # Errors
///
/// 400 with every fault, each at `/query/NAME` or `/path/NAME`.
pub fn read(exchange: &Exchange) -> Result<Params, Rejection> {
    let (declared, query) = (&exchange.route.parameters, exchange.head.uri.query());
    if query.is_none() && declared.is_empty() {
        return Ok(Params::default());
    }
    declared.read(query.unwrap_or_default(), &exchange.params)
}

#[cfg(test)]
mod tests;
