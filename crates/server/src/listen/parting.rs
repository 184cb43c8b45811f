use std::{
    future::{Pending, pending},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use futures_util::future::Either;
use hyper::service::Service;

use super::{Watch, streams::STREAMS};

/// Requests that a client in good faith can have sent before it reads a GOAWAY: those of all its
/// streams, and one more in the place of each that was answered meanwhile.
const CROSSING: u32 = 2 * STREAMS;

/// The service of an HTTP/2 connection, which ends for those who do not hear that it ends.
///
/// hyper's first GOAWAY lets any stream begin; the one that names the last stream comes when the client
/// acknowledges a PING. Who never does that would be served for ever, so what comes too late gets no
/// answer, and goes with the connection.
pub(super) struct Parting<S> {
    service: S,
    watch: Arc<Watch>,
    /// Served since the client was told.
    crossed: AtomicU32,
}

impl<S> Parting<S> {
    pub(super) fn new(service: S, watch: Arc<Watch>) -> Self {
        Self { service, watch, crossed: AtomicU32::new(0) }
    }

    fn is_too_late(&self) -> bool {
        self.watch.has_gone_away()
            && (self.watch.is_parting() || self.crossed.fetch_add(1, Relaxed) >= CROSSING)
    }
}

impl<R, S: Service<R>> Service<R> for Parting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Pending<Result<S::Response, S::Error>>>;

    fn call(&self, request: R) -> Self::Future {
        if self.is_too_late() {
            self.watch.asked_too_late();
            return Either::Right(pending());
        }
        Either::Left(self.service.call(request))
    }
}
