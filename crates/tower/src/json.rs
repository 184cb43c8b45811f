//! Bodies of JSON: read within bounds, parsed strictly, checked field by field.
//!
//! `serde` stops at the first fault and takes the last of two equal names. Here a body is parsed into
//! a tree that refuses what is ambiguous, the tree is held against the route's JSON Schema with every
//! fault noted, and only then made into a type. A body may come compressed ([`Decompressed`]); its
//! bounds are those of what comes out. Where a framework has read the body already, [`from_slice`] is the
//! whole way from its bytes to a type.

mod body;
mod exact;
mod into;
mod media;
mod number;
mod place;
mod schema;
mod strict;
mod unreadable;

use gabion_errors::{BoxError, FieldError, Problem, Rejection};
use gabion_limits::{ContentCoding, SizeConfig};
use http::{HeaderMap, header::CONTENT_TYPE};
use http_body::Body;
use serde_json::{Number, Value};

pub use self::{
    body::{TooSlow, broken, collect},
    into::{Check, from_slice, from_slice_checked, into},
    place::pointer,
    schema::{Schema, SchemaError, validate},
    strict::parse,
};
pub(crate) use self::{
    place::Place,
    schema::{Kinds, unknown},
    unreadable::MAX_FAULTS,
};
use crate::{BodyRule, Decompressed, Exchange};

/// Reads the body that the request's route declares; `None` where there is none.
///
/// # Errors
///
/// As [`examine`], and 422 with every fault for what does not fit the schema.
pub async fn read<B>(
    exchange: &Exchange,
    body: B,
    sizes: &SizeConfig,
) -> Result<Option<Value>, Rejection>
where
    B: Body<Error: Into<BoxError>> + Send,
    B::Data: Send,
{
    match examine(exchange, body, sizes).await? {
        Some(Examined { value, faults }) if faults.is_empty() => Ok(Some(value)),
        Some(Examined { faults, .. }) => Err(Problem::faulty(faults).into()),
        None => Ok(None),
    }
}

/// A body of JSON, and what in it does not fit the schema of its route.
#[derive(Debug)]
pub struct Examined {
    /// The body.
    pub value: Value,
    /// Its faults; none in a good one.
    pub faults: Vec<FieldError>,
}

/// As [`read`], for who has more to say of a body that does not fit the schema.
///
/// # Errors
///
/// 415 for another media type or an encoding that is not read, 413 beyond the size, 408 when the client
/// is too slow, 400 for what is not JSON, or not of its encoding.
pub async fn examine<B>(
    exchange: &Exchange,
    body: B,
    sizes: &SizeConfig,
) -> Result<Option<Examined>, Rejection>
where
    B: Body<Error: Into<BoxError>> + Send,
    B::Data: Send,
{
    let optional = match exchange.contract().body {
        BodyRule::Empty => {
            check_unread(&exchange.head.headers, &body)?;
            return Ok(None);
        }
        BodyRule::Stream => return Ok(None),
        BodyRule::Json(_) => false,
        BodyRule::OptionalJson(_) => true,
    };
    if optional && body.is_end_stream() {
        // Nothing needs no type; a type that this route does not read is still a mistake.
        if exchange.head.headers.contains_key(CONTENT_TYPE) {
            media::check(&exchange.head.headers)?;
        }
        return Ok(None);
    }
    media::check(&exchange.head.headers)?;
    let coding = ContentCoding::of(&exchange.head.headers)?;
    let body = Decompressed::new(body, coding, sizes.inflation(sizes.json_body));
    let bytes = collect(body, sizes.json_body).await?;
    if optional && bytes.is_empty() {
        return Ok(None);
    }
    let mut value = parse(&bytes, sizes.json_depth)?;
    let faults = exchange.route.schema.as_ref().map(|schema| schema.fit(&mut value));
    Ok(Some(Examined { value, faults: faults.unwrap_or_default() }))
}

/// A number as JSON writes it, if one is kept as it is written.
pub(crate) fn read_number(text: &str) -> Option<Number> {
    exact::read(text).ok()
}

/// Checks the type of a body that nobody will read: without a byte of it, no type is a mistake.
///
/// # Errors
///
/// 415 for another media type or an encoding that is not read.
pub fn check_unread(headers: &HeaderMap, body: &impl Body) -> Result<(), Rejection> {
    if body.is_end_stream() {
        return Ok(());
    }
    ContentCoding::of(headers)?;
    media::check(headers)
}

#[cfg(test)]
pub(crate) use self::place::written;

#[cfg(test)]
mod tests;
