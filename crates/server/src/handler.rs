//! From a route to its handler.

use std::sync::Arc;

use gabion_errors::Rejection;
use gabion_tower::{BodyRule, Exchange, Handler, json};
use http::Response;

use crate::{
    app::App,
    body::{ReplyBody, RequestBody},
    routes::{Call, Endpoint, Input},
};

/// The handlers in the order of their routes.
pub(crate) struct Endpoints {
    app: Arc<App>,
    calls: Vec<Call>,
}

impl Endpoints {
    pub(crate) fn new(app: Arc<App>, endpoints: &[&'static Endpoint]) -> Self {
        Self { app, calls: endpoints.iter().map(|endpoint| endpoint.call).collect() }
    }
}

impl Handler<RequestBody> for Endpoints {
    type Body = ReplyBody;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        body: RequestBody,
    ) -> Result<Response<ReplyBody>, Rejection> {
        let call = exchange.route.index.and_then(|index| self.calls.get(index));
        let missing = || Rejection::internal("a route without a handler");
        match call.ok_or_else(missing)? {
            Call::Now(call) => call(&self.app, exchange),
            Call::Later(call) => {
                let input = match exchange.contract().body {
                    BodyRule::Stream => Input { json: None, stream: Some(body) },
                    _ => {
                        let settings = self.app.settings.load_full();
                        let sizes = &settings.limits.size;
                        let json = Box::pin(json::read(exchange, body, sizes)).await?;
                        Input { json, stream: None }
                    }
                };
                call(&self.app, exchange, input).await
            }
        }
    }
}
