//! Bodies of JSON: read within bounds, parsed strictly, checked field by field.
//!
//! `serde` stops at the first fault and takes the last of two equal names. Here a body is parsed into
//! a tree that refuses what is ambiguous, the tree is held against the route's JSON Schema with every
//! fault noted, and only then made into a type.

mod body;
mod media;
mod schema;
mod strict;

use gabion_errors::{BoxError, Problem, Rejection, types};
use gabion_limits::SizeConfig;
use http::header::CONTENT_TYPE;
use http_body::Body;
use serde_json::Value;

pub use self::{
    body::{TooSlow, broken, collect},
    schema::validate,
    strict::parse,
};
use crate::{BodyRule, Exchange};

/// Reads the body that the request's route declares; `None` where there is none.
///
/// # Errors
///
/// 415 for another media type or an encoding, 413 beyond the size, 408 when the client is too slow, 400
/// for what is not JSON, 422 with every fault for what does not fit the schema.
pub async fn read<B>(
    exchange: &Exchange,
    body: B,
    sizes: &SizeConfig,
) -> Result<Option<Value>, Rejection>
where
    B: Body<Error: Into<BoxError>> + Send,
    B::Data: Send,
{
    let (schema, optional) = match exchange.contract().body {
        BodyRule::Empty | BodyRule::Stream => return Ok(None),
        BodyRule::Json(schema) => (schema, false),
        BodyRule::OptionalJson(schema) => (schema, true),
    };
    if optional && body.is_end_stream() {
        // Nothing needs no type; a type that this route does not read is still a mistake.
        if exchange.head.headers.contains_key(CONTENT_TYPE) {
            media::check(&exchange.head.headers)?;
        }
        return Ok(None);
    }
    media::check(&exchange.head.headers)?;
    let bytes = collect(body, sizes.json_body).await?;
    if optional && bytes.is_empty() {
        return Ok(None);
    }
    let value = parse(&bytes, sizes.json_depth)?;
    let errors = validate(&schema(), &value);
    if errors.is_empty() {
        Ok(Some(value))
    } else {
        let detail = match errors.len() {
            1 => "the body has a fault".to_owned(),
            count => format!("the body has {count} faults"),
        };
        Err(Problem::new(&types::INVALID_BODY).detail(detail).errors(errors).into())
    }
}
