//! `Rejection` as an axum response. A response knows nothing of its request here, so the document has an
//! empty request id unless a layer of `gabion-tower` above renders it anew.

use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header::CONTENT_TYPE};

use crate::{Problem, Rejection};

impl IntoResponse for Rejection {
    /// The problem document. The rejection itself goes into the response's extensions, where a layer
    /// above can log its cause.
    fn into_response(self) -> Response {
        let problem = self.problem();
        let mut response = Response::new(Body::from(problem.to_json("")));
        *response.status_mut() = problem.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(Problem::CONTENT_TYPE));
        for (name, value) in problem.headers() {
            // Some fields come several times, as challenges of `WWW-Authenticate`.
            headers.append(name, value);
        }
        response.extensions_mut().insert(std::sync::Arc::new(self));
        response
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};

    use super::*;
    use crate::{ToProblem, types};

    #[derive(Debug, thiserror::Error)]
    #[error("the pool is empty at /var/lib/pool")]
    struct Empty;

    impl ToProblem for Empty {
        fn to_problem(&self) -> Problem {
            Problem::new(&types::OVERLOADED).retry_after(Duration::from_secs(3))
        }
    }

    fn handler() -> Result<&'static str, Rejection> {
        Err(Empty)?
    }

    #[test]
    fn an_error_becomes_a_response_by_the_question_mark() {
        let response = handler().into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[CONTENT_TYPE], Problem::CONTENT_TYPE);
        assert_eq!(response.headers()[RETRY_AFTER], "3");
    }

    #[test]
    fn the_cause_goes_along_for_a_layer_above() {
        let response = handler().into_response();
        let rejection = response.extensions().get::<Arc<Rejection>>().unwrap();
        assert_eq!(rejection.cause().unwrap().to_string(), Empty.to_string());
    }

    #[test]
    fn every_challenge_is_sent() {
        let challenge = |scheme| (WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        let problem = ["Bearer", "DPoP"]
            .map(challenge)
            .into_iter()
            .fold(Problem::new(&types::UNAUTHENTICATED), |problem, (name, value)| {
                problem.header(name, value)
            });
        let response = Rejection::new(problem).into_response();
        let sent: Vec<_> = response.headers().get_all(WWW_AUTHENTICATE).iter().collect();
        assert_eq!(sent, ["Bearer", "DPoP"]);
    }
}
