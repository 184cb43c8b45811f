use gabion_errors::Rejection;
use gabion_limits::{Framing, check_framing};

use crate::{Exchange, Guard};

/// One request where another reader would see one too (RFC 9112 §6, §11.2).
///
/// The parser is hyper's, and there is no second one in front of it: two that read the same bytes are
/// what smuggling is made of. hyper takes any list of codings that ends in `chunked`, and drops a
/// `Content-Length` beside it, so that nobody behind it can tell. Here other lists are refused, and a
/// connection on which anything was sent in chunks, or refused, ends with its answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct FramingGuard;

impl Guard for FramingGuard {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let head = &exchange.head;
        match check_framing(&head.method, &head.uri, head.version, &head.headers) {
            Ok(Framing::Sized) => Ok(()),
            Ok(Framing::Chunked) => {
                exchange.closes = true;
                Ok(())
            }
            Err(error) => {
                exchange.closes = true;
                Err(error.into())
            }
        }
    }
}
