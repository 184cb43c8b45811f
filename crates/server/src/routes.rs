//! Every route: its contract and its handler, side by side.

mod admin;
mod api_keys;
mod audit;
mod auth;
mod backups;
mod batch;
mod config;
mod demo;
mod docs;
mod keys;
mod page;
mod probes;
mod sessions;
mod users;

use std::{future::Future, pin::Pin, sync::Weak};

use bytes::Bytes;
use gabion_errors::{FieldError, Problem, Rejection, types};
use gabion_limits::SizeConfig;
use gabion_tower::{Answer, Decompressed, Exchange, Peer, RouteContract};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::PartialSchema;

use crate::{
    app::App,
    body::{ReplyBody, RequestBody},
    settings::ServerSettings,
};

pub(crate) use self::api_keys::SCOPES;
pub use self::{
    batch::{ItemBody, ItemResponse},
    demo::AsAsked,
    page::{Page, Pages},
};

/// What a handler returns.
pub type Reply = Result<Response<ReplyBody>, Rejection>;

type Pending<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

/// A route with what serves it.
pub struct Endpoint {
    /// What it decides.
    pub contract: &'static RouteContract,
    /// What serves it.
    pub call: Call,
}

/// How a route is served.
#[derive(Clone, Copy)]
pub enum Call {
    /// At once, from what is in memory.
    Now(fn(&App, &mut Exchange) -> Reply),
    /// After waiting for something.
    Later(for<'a> fn(&'a App, &'a mut Exchange, Input) -> Pending<'a>),
    /// As later, knowing the stack that the request came through.
    Within(for<'a> fn(&'a App, &'a Mounted, &'a mut Exchange, Input) -> Pending<'a>),
}

/// A stack as its own handlers see it.
pub struct Mounted {
    /// Its name among those of the process.
    pub name: &'static str,
    /// Its routes.
    pub endpoints: Vec<&'static Endpoint>,
    /// Its own bounds, in place of those of the settings.
    pub sizes: Option<SizeConfig>,
    /// The stack itself. It owns its handlers, so they do not own it.
    pub stack: Weak<dyn Dispatch>,
}

/// Answers a request as if it had come from a connection.
pub trait Dispatch: Send + Sync {
    /// Answers `request` of `peer`.
    fn dispatch(
        &self,
        request: Request<RequestBody>,
        peer: Peer,
    ) -> Pin<Box<dyn Future<Output = ItemResponse> + Send + '_>>;
}

/// The body of a request, read as its contract says.
pub struct Input {
    /// JSON.
    pub json: Option<Value>,
    /// What in it does not fit the contract's schema.
    pub faults: Vec<FieldError>,
    /// The body itself, where the contract leaves it to the handler; as it was before it was compressed.
    pub stream: Option<Decompressed<RequestBody>>,
}

impl Input {
    /// No body that anybody reads.
    #[must_use]
    pub const fn none() -> Self {
        Self { json: None, faults: Vec::new(), stream: None }
    }

    /// A member that is a text and fits the schema.
    fn text(&self, name: &str) -> Option<&str> {
        let fits = self.faults.iter().all(|fault| fault.pointer.strip_prefix('/') != Some(name));
        self.json.as_ref()?.get(name)?.as_str().filter(|_| fits)
    }

    /// The body as a type; without a body, as an empty object.
    fn parse<T: DeserializeOwned>(self) -> Result<T, Rejection> {
        if !self.faults.is_empty() {
            return Err(Problem::faulty(self.faults).into());
        }
        let value = self.json.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        gabion_tower::json::into(value)
    }
}

/// The routes that `settings` mount, in the order of the API document.
#[must_use]
pub fn endpoints(settings: &ServerSettings) -> Vec<&'static Endpoint> {
    let groups: [&'static [Endpoint]; 13] = [
        &auth::ENDPOINTS,
        &sessions::ENDPOINTS,
        &batch::ENDPOINTS,
        &probes::ENDPOINTS,
        &admin::ENDPOINTS,
        &users::ENDPOINTS,
        &keys::ENDPOINTS,
        &api_keys::ENDPOINTS,
        &audit::ENDPOINTS,
        &config::ENDPOINTS,
        &backups::ENDPOINTS,
        &docs::ENDPOINTS,
        &page::ENDPOINTS,
    ];
    let demo: &'static [Endpoint] = if settings.demo.enabled { &demo::ENDPOINTS } else { &[] };
    groups.into_iter().chain([demo]).flatten().collect()
}

/// Those of the control socket: `all`, and what no address has.
#[must_use]
pub fn local(all: &[&'static Endpoint]) -> Vec<&'static Endpoint> {
    all.iter().copied().chain(&config::LOCAL).collect()
}

/// Those of `all` that stay at `server.listen` when `server.admin_listen` is set.
#[must_use]
pub fn public(all: &[&'static Endpoint]) -> Vec<&'static Endpoint> {
    all.iter().filter(|endpoint| !is_administrative(endpoint.contract)).copied().collect()
}

/// Whether a route moves to `server.admin_listen` when that is set.
#[must_use]
pub fn is_administrative(contract: &RouteContract) -> bool {
    contract.path == "/"
        || contract.path == "/api/metrics"
        || contract.path == "/api/restart"
        || contract.path.starts_with("/api/admin/")
}

const FIELDS: usize = 12;
const ADMIN: &[&str] = &["admin"];
const MONITOR: &[&str] = &["monitor", "admin"];
const JSON: &str = "application/json";

/// The JSON Schema of a type.
fn schema<T: PartialSchema>() -> Value {
    // A schema is data without maps of other keys than text.
    serde_json::to_value(T::schema()).unwrap_or_default()
}

const fn answers<T: PartialSchema>(status: StatusCode) -> Answer {
    Answer { status, media: JSON, schema: Some(schema::<T>) }
}

const NO_CONTENT: Answer = Answer { status: StatusCode::NO_CONTENT, media: "", schema: None };

const fn media(media: &'static str) -> Answer {
    Answer { status: StatusCode::OK, media, schema: None }
}

fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    let bytes = serde_json::to_vec(value).map_err(Rejection::internal)?;
    Ok(reply(status, JSON, bytes.into()))
}

fn reply(status: StatusCode, media: &'static str, bytes: Bytes) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::from(bytes));
    *response.status_mut() = status;
    // Room for the fields of every response, so that the map does not grow twice.
    *response.headers_mut() = HeaderMap::with_capacity(FIELDS);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

fn no_content() -> Reply {
    let mut response = Response::new(ReplyBody::from(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// The caller, on a route that lets nobody in without one.
pub(crate) fn caller(exchange: &Exchange) -> Result<&gabion_auth::Principal, Rejection> {
    let missing = || Rejection::new(Problem::new(&types::UNAUTHENTICATED));
    exchange.principal.as_deref().ok_or_else(missing)
}
