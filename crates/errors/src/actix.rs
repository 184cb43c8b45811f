//! A `Rejection` as an error of actix-web, so that `?` works in its handlers; and [`report`], the middleware
//! that tells of each once, under the id of its request.
//!
//! ```
//! use actix_web::{App, middleware::from_fn, web};
//! use gabion_errors::{Problem, Rejection, actix::report, types};
//!
//! async fn item() -> Result<String, Rejection> {
//!     Err(Problem::new(&types::NOT_FOUND))?
//! }
//!
//! let app = App::new().route("/item", web::get().to(item)).wrap(from_fn(report));
//! # drop(app);
//! ```

use std::{
    hash::{BuildHasher, RandomState},
    rc::Rc,
    sync::LazyLock,
};

use actix_web::{
    Error, HttpMessage, HttpResponse, ResponseError,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use gabion_clock::{Clock, Instant, SystemClock};

use crate::{AsIs, Origin, Problem, Rejection, Reporter, attended, types};

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        let status = StatusCode::from_u16(self.problem().status().as_u16());
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The problem document. A response knows nothing of its request here, so its request id is empty
    /// unless [`report`] renders it anew. actix keeps the rejection beside the response, where a middleware
    /// finds it: `response.error()?.as_error::<Rejection>()`.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status_code());
        for (name, value) in self.problem().headers() {
            // The same bytes, in the types of an older `http`.
            let name = HeaderName::from_bytes(name.as_str().as_bytes());
            let value = HeaderValue::from_bytes(value.as_bytes());
            if let (Ok(name), Ok(value)) = (name, value) {
                response.headers_mut().append(name, value);
            }
        }
        with_document(response, self.problem(), "")
    }
}

/// The id of a request, as [`report`] puts it into the request's extensions: a handler takes it as
/// `ReqData<RequestId>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Rc<str>);

impl RequestId {
    /// The id as text: 8 to 64 of `A-Z a-z 0-9 . _ -`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(request: &ServiceRequest) -> Self {
        let given = request.headers().get(X_REQUEST_ID).and_then(|id| id.to_str().ok());
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let given = given.filter(|id| (8..=64).contains(&id.len()) && id.bytes().all(is_allowed));
        Self(given.map_or_else(random, Rc::from))
    }
}

/// 128 bits that hardly ever come twice. More is not asked of an id, so the keys of hash maps will do.
fn random() -> Rc<str> {
    let half = || RandomState::new().hash_one(());
    format!("{:016x}{:016x}", half(), half()).into()
}

const X_REQUEST_ID: &str = "x-request-id";

/// The middleware above all others, for `wrap(from_fn(report))`.
///
/// Each request has an id: a valid `X-Request-Id` is kept, every answer has one. Each rejection is
/// [reported](Reporter) once under that id, with the pattern of its route; so is a panic, which becomes one.
/// Whatever else is answered with a status of IANA's list from 400 on becomes a problem document too, as the
/// empty 404 of actix and the texts of its extractors; its other fields stay. The rest, and what is
/// [`AsIs`], passes as it is.
///
/// # Errors
///
/// Those of the services behind, with their response as described.
pub async fn report<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    // As the log that it writes to, both are the process's.
    static CLOCK: LazyLock<SystemClock> = LazyLock::new(SystemClock::new);
    static REPORTER: Reporter = Reporter::new();

    let began = CLOCK.now();
    let id = RequestId::of(&request);
    request.extensions_mut().insert(id.clone());
    let tell = |rejection: &Rejection, route: &str, now: Instant| {
        let origin = Origin { request_id: id.as_str(), route };
        REPORTER.report(rejection, Some(origin), now);
    };
    let answered = attended("service", async { Ok(next.call(request).await) }).await;
    match answered {
        Ok(Ok(answer)) => {
            let (request, response) = answer.into_parts();
            let rejection = response.error().and_then(Error::as_error::<Rejection>);
            let problem = rejection.map(|rejection| {
                let route = request.match_pattern().unwrap_or_default();
                tell(rejection, &route, CLOCK.now());
                rejection.problem().clone()
            });
            let response = finish(response, problem.as_ref(), &id);
            Ok(ServiceResponse::new(request, response))
        }
        Ok(Err(error)) => {
            let rejection = error.as_error::<Rejection>();
            if let Some(rejection) = rejection {
                tell(rejection, "", CLOCK.now());
            }
            let problem = rejection.map(Rejection::problem);
            let response = finish(error.error_response(), problem, &id);
            Err(InternalError::from_response(error, response.map_into_boxed_body()).into())
        }
        Err(panicked) => {
            let now = CLOCK.now();
            let panicked = panicked.took(now.saturating_since(began));
            tell(&panicked, "", now);
            let response = finish(panicked.error_response(), Some(panicked.problem()), &id);
            Err(InternalError::from_response(panicked, response.map_into_boxed_body()).into())
        }
    }
}

/// The response with the id, and with the document of `problem` or of what its status says.
fn finish<B: MessageBody + 'static>(
    response: HttpResponse<B>,
    problem: Option<&Problem>,
    id: &RequestId,
) -> HttpResponse<EitherBody<B>> {
    let plain = if problem.is_none() { plain(&response) } else { None };
    let mut response = match problem.or(plain.as_ref()) {
        Some(problem) => with_document(response, problem, id.as_str()).map_into_right_body(),
        None => response.map_into_left_body(),
    };
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HeaderName::from_static(X_REQUEST_ID), value);
    }
    response
}

/// What a response says by its status alone.
fn plain<B>(response: &HttpResponse<B>) -> Option<Problem> {
    let status = http::StatusCode::from_u16(response.status().as_u16()).ok()?;
    let kind = types::for_status(status);
    let media = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_problem = media.is_some_and(|media| media.starts_with(b"application/problem+"));
    let is_meant = is_problem || response.extensions().contains::<AsIs>();
    (kind.status == status && !is_meant).then(|| Problem::new(kind))
}

/// The response with the document instead of its body, and without the fields that were about that.
fn with_document<B>(
    response: HttpResponse<B>,
    problem: &Problem,
    request_id: &str,
) -> HttpResponse<BoxBody> {
    let mut response = response.set_body(BoxBody::new(problem.to_json(request_id)));
    let headers = response.headers_mut();
    for name in OF_A_BODY {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Problem::CONTENT_TYPE));
    response
}

const OF_A_BODY: [HeaderName; 12] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    // RFC 9530, and what came before it.
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("content-md5"),
    header::CONTENT_DISPOSITION,
    header::TRANSFER_ENCODING,
    header::TRAILER,
    header::ETAG,
    header::LAST_MODIFIED,
];

#[cfg(test)]
mod tests;
