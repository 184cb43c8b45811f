use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt;
use gabion_clock::{Clock, Instant, SystemClock};
use gabion_errors::{BoxError, Origin, Problem, Rejection, attended};
use gabion_monitor::RequestId;
use http::{
    HeaderMap, HeaderName, Method, Request, Response, header::CONTENT_TYPE, response::Parts,
};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use tower_service::Service;

use super::{OF_A_BODY, ProblemLayer, plain};
use crate::{
    WallBody,
    problem::{grpc_response, problem_response_under},
    wall::{X_REQUEST_ID, grpc::is_grpc},
};

/// The service of a [`ProblemLayer`].
pub struct ProblemService<S, C = SystemClock> {
    service: S,
    layer: ProblemLayer<C>,
    /// Why the service is not ready and never will be: told by the next answer.
    broken: Option<BoxError>,
}

impl<S, C> ProblemService<S, C> {
    pub(super) fn new(service: S, layer: ProblemLayer<C>) -> Self {
        Self { service, layer, broken: None }
    }
}

impl<S: Clone, C: Clone> Clone for ProblemService<S, C> {
    fn clone(&self) -> Self {
        Self::new(self.service.clone(), self.layer.clone())
    }
}

impl<S, C, B, ResBody> Service<Request<B>> for ProblemService<S, C>
where
    C: Clock + Clone,
    S: Service<Request<B>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    ResBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<WallBody<ResBody>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.broken.is_some() {
            return Poll::Ready(Ok(()));
        }
        self.service.poll_ready(cx).map(|ready| {
            self.broken = ready.err().map(Into::into);
            Ok(())
        })
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let asked = Asked::of(&mut request, &self.layer);
        let called = match self.broken.take() {
            Some(error) => Err(Rejection::internal(error)),
            // Only to catch a panic: it waits for nothing, so it is ready when it is asked.
            None => attended("service", async { Ok(self.service.call(request)) })
                .now_or_never()
                .unwrap_or_else(|| Err(Rejection::internal("the call of the service waits"))),
        };
        let layer = self.layer.clone();
        Box::pin(async move {
            let answered = match called {
                Ok(answering) => {
                    let answering = async { answering.await.map_err(Rejection::internal) };
                    attended("service", answering).await
                }
                Err(rejection) => Err(rejection),
            };
            Ok(match answered {
                Ok(response) => layer.look_at(asked, response).await,
                Err(rejection) => layer.refuse(&asked, rejection),
            })
        })
    }
}

/// What is known of a request once it is passed on.
struct Asked {
    id: RequestId,
    route: Option<String>,
    began: Instant,
    /// Whether it wants to be answered in the words of gRPC.
    grpc: bool,
    /// Whether no body may be sent.
    head: bool,
}

impl Asked {
    fn of<B, C: Clock>(request: &mut Request<B>, layer: &ProblemLayer<C>) -> Self {
        let given = |header: &HeaderMap| RequestId::accept(header.get(X_REQUEST_ID)?.as_bytes());
        let id = request.extensions().get().copied().or_else(|| given(request.headers()));
        let id = id.unwrap_or_else(RequestId::random);
        let asked = Self {
            id,
            route: (layer.options.route_of)(request.extensions()),
            began: layer.clock.now(),
            grpc: is_grpc(request.headers()),
            head: request.method() == Method::HEAD,
        };
        request.extensions_mut().insert(id);
        // So that whatever stands behind takes the same.
        request.headers_mut().insert(X_REQUEST_ID, id.to_header_value());
        asked
    }
}

impl<C: Clock> ProblemLayer<C> {
    async fn look_at<B>(&self, asked: Asked, response: Response<B>) -> Response<WallBody<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let (mut head, body) = response.into_parts();
        let found = head.extensions.remove().or_else(|| {
            let find = self.options.rejections_by;
            find(&mut head.extensions)
        });
        if let Some(rejection) = found {
            let rejection = self.aged(&asked, Rejection::from_shared(rejection));
            self.tell(&asked, &rejection);
            if is_grpc(&head.headers) {
                return stamped(&asked, Response::from_parts(head, WallBody::handler(body)));
            }
            return self.render(&asked, rejection.problem(), Some(head));
        }
        let problem = plain(head.status, &head.headers, &head.extensions);
        let problem = problem.filter(|_| !asked.grpc && !(self.options.leave)(&head));
        let Some(mut problem) = problem else {
            return stamped(&asked, Response::from_parts(head, WallBody::handler(body)));
        };
        if self.options.texts
            && let Some(text) = text_of(&head, body).await
        {
            problem = problem.detail(text);
        }
        self.desk.count(problem.kind());
        self.render(&asked, &problem, Some(head))
    }

    fn refuse<B>(&self, asked: &Asked, rejection: Rejection) -> Response<WallBody<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let rejection = self.aged(asked, rejection);
        self.tell(asked, &rejection);
        self.render(asked, rejection.problem(), None)
    }

    /// The rejection with how long it took.
    fn aged(&self, asked: &Asked, rejection: Rejection) -> Rejection {
        rejection.took(self.clock.now().saturating_since(asked.began))
    }

    fn tell(&self, asked: &Asked, rejection: &Rejection) {
        let route = asked.route.as_deref().unwrap_or_default();
        let origin = Origin { request_id: asked.id.as_str(), route };
        self.desk.tell(rejection, origin, self.clock.now());
    }

    /// The answer that tells `problem`; it keeps what does not depend on the body of the one it stands
    /// for.
    fn render<B>(
        &self,
        asked: &Asked,
        problem: &Problem,
        instead_of: Option<Parts>,
    ) -> Response<WallBody<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let response = if asked.grpc {
            grpc_response(problem)
        } else {
            problem_response_under(self.options.types_at, problem, asked.id.as_str())
        };
        let (mut head, body) = response.into_parts();
        let mut body = WallBody::whole(body);
        if let Some(other) = instead_of {
            let own: Vec<HeaderName> = head.headers.keys().cloned().collect();
            let kept = |name: &HeaderName| !own.contains(name) && !OF_A_BODY.contains(name);
            for (name, value) in other.headers.iter().filter(|(name, _)| kept(name)) {
                head.headers.append(name.clone(), value.clone());
            }
            head.extensions = other.extensions;
            head.version = other.version;
        }
        if asked.head {
            body = body.left_out(&mut head.headers);
        }
        stamped(asked, Response::from_parts(head, body))
    }
}

fn stamped<B>(asked: &Asked, mut response: Response<B>) -> Response<B> {
    response.headers_mut().insert(X_REQUEST_ID, asked.id.to_header_value());
    response
}

/// What the refusal of a request says in few words.
async fn text_of<B: Body<Data = Bytes, Error: Into<BoxError>>>(
    head: &Parts,
    body: B,
) -> Option<String> {
    const MOST: usize = 512;
    let media = head.headers.get(CONTENT_TYPE)?.as_bytes();
    let is_short = body.size_hint().upper().is_some_and(|length| length <= MOST as u64);
    if !head.status.is_client_error() || !media.starts_with(b"text/plain") || !is_short {
        return None;
    }
    // A hint is only a hint.
    let text = Limited::new(body, MOST).collect().await.ok()?.to_bytes();
    String::from_utf8(text.into()).ok().filter(|text| !text.is_empty())
}
