//! `Rejection` as an axum response; the request id is the one that a layer put on the response's
//! request, which axum does not show here, so the document carries an empty one unless
//! `gabion-tower`'s layer renders it.

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
        headers.extend(problem.headers());
        response.extensions_mut().insert(std::sync::Arc::new(self));
        response
    }
}
