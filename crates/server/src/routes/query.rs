//! What a request asks for in its query.

use gabion_errors::{FieldError, Problem, Rejection, types};
use gabion_tower::Exchange;
use http::request::Parts;

/// A query parameter that is a number up to `most`; zero when it is left out.
pub(super) fn number(exchange: &Exchange, name: &str, most: u64) -> Result<u64, Rejection> {
    let Some(value) = parameter(&exchange.head, name)? else { return Ok(0) };
    let number = value.parse().ok().filter(|number| *number <= most);
    number.ok_or_else(|| fault(name, "range", format!("must be a whole number from 0 to {most}")))
}

/// A query parameter as it is written; `None` when it is left out.
pub(super) fn parameter<'a>(head: &'a Parts, name: &str) -> Result<Option<&'a str>, Rejection> {
    let query = head.uri.query().unwrap_or_default();
    let mut given = query.split('&').filter_map(|pair| {
        let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
        (own == name).then_some(value)
    });
    let first = given.next();
    if given.next().is_some() {
        return Err(fault(name, "duplicate", "must be there once".to_owned()));
    }
    Ok(first)
}

pub(super) fn fault(name: &str, code: &'static str, detail: String) -> Rejection {
    let fault = FieldError::new(format!("/query/{name}"), code, detail);
    let problem = Problem::new(&types::INVALID_REQUEST).detail("a parameter has a fault");
    problem.errors(vec![fault]).into()
}
