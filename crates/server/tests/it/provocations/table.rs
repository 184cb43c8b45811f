//! The provocations.

mod bodies;
mod callers;
mod heads;
mod states;

use super::{Over, Place, Way, World};
use crate::client::Request;

/// One provocation.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// What refuses it.
    pub(super) layer: &'static str,
    pub(super) code: &'static str,
    pub(super) place: Place,
    pub(super) sent: Sent,
    /// Whether the answer has to name what was sent.
    pub(super) named: bool,
}

/// What is sent.
#[derive(Clone, Copy)]
pub(super) enum Sent {
    /// Over both protocols.
    Request(Way, fn(&World) -> Request),
    /// What no client of HTTP/2 can say.
    Bytes(fn(&World) -> Vec<u8>),
}

impl Row {
    pub(super) const fn overs(&self) -> &'static [Over] {
        match self.sent {
            Sent::Request(..) => &[Over::Http1, Over::Http2],
            Sent::Bytes(_) => &[Over::Http1],
        }
    }

    /// What can be done to a usual server can be done to one with TLS.
    pub(super) fn is_for_tls(&self, place: Place) -> bool {
        place == Place::Tls && self.place == Place::Usual
    }
}

const fn usual(
    name: &'static str,
    layer: &'static str,
    code: &'static str,
    request: fn(&World) -> Request,
) -> Row {
    at(Place::Usual, name, layer, code, request)
}

const fn at(
    place: Place,
    name: &'static str,
    layer: &'static str,
    code: &'static str,
    request: fn(&World) -> Request,
) -> Row {
    let sent = Sent::Request(Way::Whole, request);
    Row { name, layer, code, place, sent, named: false }
}

const fn bytes(
    name: &'static str,
    layer: &'static str,
    code: &'static str,
    bytes: fn(&World) -> Vec<u8>,
) -> Row {
    Row { name, layer, code, place: Place::Usual, sent: Sent::Bytes(bytes), named: false }
}

/// All of them.
pub(super) static ROWS: std::sync::LazyLock<Vec<Row>> = std::sync::LazyLock::new(|| {
    [heads::rows(), callers::rows(), bodies::rows(), states::rows()].into_iter().flatten().collect()
});
