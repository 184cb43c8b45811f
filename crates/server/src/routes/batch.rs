//! Several requests in one.

mod responses;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gabion_auth::{Access, Scope};
use gabion_errors::{FieldError, Problem, Rejection, types};
use gabion_limits::Class;
use gabion_monitor::RequestId;
use gabion_tower::{BodyRule, CacheRule, DeadlineRule, Exchange, RateRule, RouteContract};
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, FORWARDED, HOST},
};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use self::responses::Responses;
use super::{Call, Endpoint, Input, JSON, Mounted, Reply, answers, reply, schema};
use crate::{app::App, body::RequestBody};

static BATCH: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/batch",
    name: "batch",
    summary: "Send several requests at once; each is checked, limited and counted as its own.",
    access: Access::Bearer,
    scope: Scope::Any,
    class: Class::Batch,
    body: BodyRule::Json(schema::<BatchRequest>),
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<BatchResponse>(StatusCode::OK),
    problems: &[],
};

pub(super) static ENDPOINTS: [Endpoint; 1] =
    [Endpoint { contract: &BATCH, call: Call::Within(|a, m, e, i| Box::pin(batch(a, m, e, i))) }];

/// Items that are worked on at the same time.
const AT_ONCE: usize = 8;

/// Headers of the batch that its items carry too: who calls, from where, and to which host.
const INHERITED: [http::HeaderName; 4] =
    [AUTHORIZATION, HOST, FORWARDED, http::HeaderName::from_static("x-forwarded-for")];

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({
    "requests": [{"id": "me", "method": "GET", "path": "/api/auth/verify"}],
})))]
struct BatchRequest {
    /// At most `limits.size.batch_items`, 100 by default.
    #[schema(inline, min_items = 1, max_items = 10_000)]
    requests: Vec<BatchItem>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BatchItem {
    /// Comes back with the answer.
    #[schema(max_length = 64)]
    id: String,
    #[schema(max_length = 16)]
    method: String,
    /// Path and query on this server.
    #[schema(min_length = 1, max_length = 8192)]
    path: String,
    /// JSON; left out or `null`: no body. The body `null` itself cannot be sent here.
    #[schema(value_type = Option<serde_json::Value>)]
    body: Option<Value>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the answer is written by hand")]
struct BatchResponse {
    #[schema(inline)]
    responses: Vec<BatchAnswer>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the answer is written by hand")]
struct BatchAnswer {
    id: String,
    status: u16,
    /// JSON as it is, other text as a string, nothing as null. All bodies together have at most
    /// 4 MiB; one that does not fit is the problem `overloaded`.
    #[schema(value_type = serde_json::Value, required = true)]
    body: Value,
}

async fn batch(app: &App, mounted: &Mounted, exchange: &mut Exchange, input: Input) -> Reply {
    let BatchRequest { requests } = input.parse()?;
    let most = app.settings.load().limits.size.batch_items;
    if requests.len() > most {
        let detail = format!("must have at most {most} items");
        return Err(Problem::faulty(vec![FieldError::new("/requests", "length", detail)]).into());
    }
    refuse_item(exchange)?;
    let gone = || Rejection::internal("the stack of a request that it serves is gone");
    let stack = mounted.stack.upgrade().ok_or_else(gone)?;
    let (peer, head) = (exchange.peer, &exchange.head);
    let (headers, authority) = (inherited(&head.headers), head.uri.authority().cloned());
    // Where the host has to be depends on it.
    let version = head.version;
    let items = requests.into_iter().map(|item| {
        let headers = headers.clone();
        let (authority, stack) = (authority.clone(), &stack);
        async move {
            let id = item.id.clone();
            let answer = match request(item, headers, authority) {
                Ok(mut request) => {
                    *request.version_mut() = version;
                    stack.dispatch(request, peer).await
                }
                Err(problem) => refusal(&problem),
            };
            (id, answer)
        }
    });
    let mut answers = stream::iter(items).buffered(AT_ONCE);
    let mut responses = Responses::new();
    while let Some((id, answer)) = answers.next().await {
        responses.add(&id, answer).await;
    }
    Ok(reply(StatusCode::OK, JSON, responses.end()))
}

fn inherited(headers: &HeaderMap) -> HeaderMap {
    let mut own = HeaderMap::new();
    for name in INHERITED {
        for value in headers.get_all(&name) {
            own.append(name.clone(), value.clone());
        }
    }
    own
}

fn request(
    item: BatchItem,
    headers: HeaderMap,
    authority: Option<http::uri::Authority>,
) -> Result<Request<RequestBody>, Problem> {
    let invalid = |detail| Problem::new(&types::INVALID_REQUEST).detail(detail);
    let method = Method::from_bytes(item.method.as_bytes());
    let method = method.map_err(|_| invalid("the method of the item is not a method"))?;
    let path: Uri = item.path.parse().map_err(|_| invalid("the path of the item is malformed"))?;
    if path.authority().is_some() || !item.path.starts_with('/') {
        return Err(invalid("the path of the item must begin with a slash"));
    }
    let body = item.body.filter(|body| !body.is_null());
    let (has_body, body) = match body {
        Some(body) => (true, Full::new(Bytes::from(body.to_string()))),
        None => (false, Full::default()),
    };
    let mut request = Request::new(RequestBody::Whole(body));
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    *request.uri_mut() = with_authority(path, authority);
    request.extensions_mut().insert(Batched);
    if has_body {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    }
    Ok(request)
}

/// An HTTP/2 request has its host in the target.
fn with_authority(path: Uri, authority: Option<http::uri::Authority>) -> Uri {
    let Some(authority) = authority else { return path };
    let mut parts = path.clone().into_parts();
    parts.scheme = Some(http::uri::Scheme::HTTP);
    parts.authority = Some(authority);
    Uri::from_parts(parts).unwrap_or(path)
}

/// Marks a request that came as an item of a batch.
#[derive(Debug, Clone, Copy)]
struct Batched;

/// Refuses what an item cannot be: another batch, or an answer without end.
///
/// # Errors
///
/// 400 inside a batch.
pub(super) fn refuse_item(exchange: &Exchange) -> Result<(), Rejection> {
    if exchange.head.extensions.get::<Batched>().is_none() {
        return Ok(());
    }
    let detail = "this route cannot be an item of a batch";
    Err(Problem::new(&types::INVALID_REQUEST).detail(detail).into())
}

/// What the items answer with.
pub type ItemResponse = http::Response<ItemBody>;

/// The body of an item's answer.
pub type ItemBody = http_body_util::combinators::UnsyncBoxBody<Bytes, gabion_errors::BoxError>;

/// The answer to an item that was not even tried.
fn refusal(problem: &Problem) -> ItemResponse {
    let body = |bytes| Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
    let request_id = RequestId::random();
    gabion_tower::problem_response(problem, request_id.as_str()).map(body)
}
