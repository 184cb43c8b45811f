//! The wall as tower services.
//!
//! A [`Guard`] is one decision about a request: let it pass, or refuse it with a problem. Guards come
//! in a sequence, and a sequence is a guard. One service, the [`Wall`], runs them in one future around
//! a handler: it gives the request its id, finds its contract, renders refusals as problem documents,
//! turns panics into the same shape, keeps the deadline, and counts.
//!
//! Stacking one layer per concern is what `tower` does best, and what costs most when there are ten:
//! futures grow and are moved through each other. Here the sequence is fused and nothing is allocated
//! per guard. A guard alone is still a layer: [`WallLayer`] around any service. Who only wants the errors in
//! one shape, named, logged and counted, takes the [`ProblemLayer`].
//!
//! A rate limit in front of your own service, with the defaults of the reference server:
//!
//! ```
//! use std::{convert::Infallible, sync::Arc};
//! use gabion_limits::rate::{MemoryRateStore, QuotaConfig};
//! use gabion_tower::{RouteContract, WallLayer, guards::RateGuard};
//! use http_body_util::Full;
//! use tower_layer::Layer;
//! # async fn hello(_: http::Request<Full<bytes::Bytes>>)
//! #     -> Result<http::Response<Full<bytes::Bytes>>, Infallible> { unimplemented!() }
//! # #[derive(Clone)] struct App;
//! # impl tower_service::Service<http::Request<Full<bytes::Bytes>>> for App {
//! #     type Response = http::Response<Full<bytes::Bytes>>;
//! #     type Error = Infallible;
//! #     type Future = std::future::Ready<Result<Self::Response, Infallible>>;
//! #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> { std::task::Poll::Ready(Ok(())) }
//! #     fn call(&mut self, _: http::Request<Full<bytes::Bytes>>) -> Self::Future { unimplemented!() }
//! # }
//!
//! static API: RouteContract = RouteContract::open("/{*path}", "everything");
//!
//! let store = Arc::new(MemoryRateStore::with_capacity(100_000));
//! let limit = RateGuard::by_address("address", QuotaConfig::default().build(), store);
//! let service = WallLayer::new(&API, limit).layer(App);
//! ```
//!
//! Two guards, the cheaper first:
//!
//! ```
//! # use std::sync::Arc;
//! # use gabion_limits::{HostRule, rate::{MemoryRateStore, QuotaConfig}};
//! # use gabion_tower::guards::{HostGuard, RateGuard};
//! # let store = Arc::new(MemoryRateStore::with_capacity(100_000));
//! # let limit = RateGuard::by_address("address", QuotaConfig::default().build(), store);
//! let guards = (HostGuard::new(HostRule::new(&["api.example.org".into()]).unwrap()), limit);
//! ```

mod contract;
mod decompress;
mod exchange;
mod guard;
pub mod guards;
pub mod json;
pub mod metrics;
pub mod params;
mod problem;
mod problem_layer;
mod routes;
mod wall;

pub use self::{
    contract::{
        Answer, BodyRule, CacheRule, DeadlineRule, Parameter, RateRule, RouteContract, Schema,
    },
    decompress::{DecompressError, Decompressed},
    exchange::{Exchange, LateCost, Noted, Peer, Standings},
    guard::Guard,
    problem::{grpc_response, problem_response},
    problem_layer::{ProblemLayer, ProblemService},
    routes::{Match, Route, RouteError, RouteTable, Routes},
    wall::{
        HSTS, Handler, Refused, RequestTime, Timing, Wall, WallBody, WallLayer, WallService,
        refuse_unread,
    },
};
