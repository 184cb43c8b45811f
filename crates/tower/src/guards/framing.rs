use gabion_errors::Rejection;
use gabion_limits::{Framing, check_framing};

use crate::{Exchange, Guard};

/// One request where another reader would see one too (RFC 9112 §6, §11.2).
///
/// The parser is hyper's, and there is no second one in front of it: two that read the same bytes are
/// what smuggling is made of. hyper takes any list of codings that ends in `chunked`, and drops a
/// `Content-Length` beside it, so that nobody behind it can tell. Here other lists are refused, and a
/// connection on which anything was sent in chunks, or refused, or by a method that means something to
/// proxies, ends with its answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct FramingGuard;

impl Guard for FramingGuard {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let head = &exchange.head;
        match check_framing(&head.method, &head.uri, head.version, &head.headers) {
            Ok(Framing::Sized) => Ok(()),
            Ok(Framing::Chunked | Framing::Foreign) => {
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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use bytes::Bytes;
    use gabion_clock::ManualClock;
    use gabion_monitor::LatencyWindow;
    use http::{
        Method, Request, Response, Version,
        header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
    };
    use http_body_util::Full;

    use super::*;
    use crate::{Handler, Peer, RequestTime, Route, RouteContract, Timing, Wall};

    static API: RouteContract = RouteContract::open("/{*path}", "api");

    /// Answers, and takes the head away as services of others do.
    struct Takes;

    impl Handler<Full<Bytes>> for Takes {
        type Body = Full<Bytes>;

        async fn handle(
            &self,
            exchange: &mut Exchange,
            _: Full<Bytes>,
        ) -> Result<Response<Full<Bytes>>, Rejection> {
            let _ = exchange.take_head();
            Ok(Response::new(Full::default()))
        }
    }

    /// The status, and whether the connection ends.
    async fn ask(request: http::request::Builder) -> (u16, bool) {
        let timing = Timing {
            clock: ManualClock::new(),
            request_time: RequestTime::new(Duration::from_secs(30)),
            window: Arc::new(LatencyWindow::new(Duration::from_secs(10))),
        };
        let wall = Wall::new(Route::leak(&API, Some(0)).unwrap(), FramingGuard, Takes, timing);
        let request = request.body(Full::default()).unwrap();
        let response = Wall::serve(&wall, request, Peer::UNKNOWN).await;
        let closes = response.headers().get(CONNECTION).is_some_and(|value| value == "close");
        (response.status().as_u16(), closes)
    }

    #[tokio::test]
    async fn a_connection_ends_after_chunks_and_after_what_is_refused() {
        let post = || Request::post("/x");
        assert_eq!(ask(post().header(CONTENT_LENGTH, "5")).await, (200, false));
        assert_eq!(ask(post().header(TRANSFER_ENCODING, "chunked")).await, (200, true));
        assert_eq!(ask(post().header(TRANSFER_ENCODING, "gzip, chunked")).await, (501, true));
        assert_eq!(ask(post().method(Method::TRACE)).await, (200, true));
        assert_eq!(ask(post().method(Method::CONNECT)).await, (200, true));
        assert_eq!(ask(post().method(Method::CONNECT).uri("a:443")).await, (501, true));
        assert_eq!(ask(post().uri("*")).await, (400, true));
    }

    #[tokio::test]
    async fn no_field_of_a_connection_is_sent_over_http_2() {
        let trace = Request::post("/x").method(Method::TRACE).version(Version::HTTP_2);
        assert_eq!(ask(trace).await, (200, false));
    }
}
