//! From a route to its handler.

use std::{sync::Arc, time::Duration};

use gabion_auth::bearer;
use gabion_clock::Clock;
use gabion_errors::Rejection;
use gabion_limits::ContentCoding;
use gabion_tower::{
    BodyRule, Decompressed, Exchange, Guard, Handler,
    guards::BulkheadGuard,
    json::{self, Examined},
    params,
};
use http::Response;

use crate::{
    app::App,
    body::{ReplyBody, RequestBody},
    once_more,
    routes::{Call, Input, Mounted},
};

/// The handlers in the order of their routes.
pub(crate) struct Endpoints {
    app: Arc<App>,
    calls: Vec<Call>,
    mounted: Mounted,
    bulkheads: BulkheadGuard,
}

impl Endpoints {
    pub(crate) fn new(app: Arc<App>, mounted: Mounted, bulkheads: BulkheadGuard) -> Self {
        let calls = mounted.endpoints.iter().map(|endpoint| endpoint.call).collect();
        Self { app, calls, mounted, bulkheads }
    }

    /// What of the body the handler is given.
    async fn input(&self, exchange: &Exchange, body: RequestBody) -> Result<Input, Rejection> {
        match exchange.contract().body {
            BodyRule::Empty => {
                json::check_unread(&exchange.head.headers, &body)?;
                Ok(Input::none())
            }
            BodyRule::Stream => {
                let coding = ContentCoding::of(&exchange.head.headers)?;
                let settings = self.app.settings.load();
                let sizes = self.mounted.sizes.as_ref().unwrap_or(&settings.limits.size);
                let body = Decompressed::new(body, coding, sizes.inflation(sizes.body));
                Ok(Input { stream: Some(body), ..Input::none() })
            }
            BodyRule::Json(_) | BodyRule::OptionalJson(_) => {
                let settings = self.app.settings.load_full();
                let sizes = self.mounted.sizes.as_ref().unwrap_or(&settings.limits.size);
                let examine = json::examine(exchange, body, sizes);
                let examined = Box::pin(examine).await?;
                self.admit_once_more(exchange).await?;
                Ok(match examined {
                    Some(Examined { value, faults }) => {
                        Input { json: Some(value), faults, stream: None }
                    }
                    None => Input::none(),
                })
            }
        }
    }
}

impl Endpoints {
    /// Takes a place for expensive work, or waits for one.
    async fn enter(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let entered = self.bulkheads.check(exchange).await;
        if entered.is_err() {
            // Nothing was begun: the budgets promise nothing about it.
            exchange.permit = None;
        }
        entered?;
        self.admit_once_more(exchange).await
    }

    /// Who sends a head and keeps the body back is asked again once that is there, so that no request
    /// waits in the door for what has ended meanwhile.
    async fn admit_once_more(&self, exchange: &Exchange) -> Result<(), Rejection> {
        let soon = self.app.clock.now().saturating_since(exchange.now) < AT_ONCE;
        if soon || !exchange.contract().needs_principal() {
            return Ok(());
        }
        // Commands on the machine send none.
        let Ok(Some(token)) = bearer(&exchange.head.headers) else { return Ok(()) };
        Box::pin(once_more::admit(&self.app, token, exchange.contract())).await
    }
}

/// Bodies that come within this time of their head came with it.
const AT_ONCE: Duration = Duration::from_millis(100);

impl Handler<RequestBody> for Endpoints {
    type Body = ReplyBody;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        body: RequestBody,
    ) -> Result<Response<ReplyBody>, Rejection> {
        let call = exchange.route.index.and_then(|index| self.calls.get(index));
        let missing = || Rejection::internal("a route without a handler");
        let (app, mounted) = (&*self.app, &self.mounted);
        // Before the body: it need not be read for what the head alone tells.
        exchange.values = params::read(exchange)?;
        match call.ok_or_else(missing)? {
            Call::Now(call) => {
                json::check_unread(&exchange.head.headers, &body)?;
                call(app, exchange)
            }
            Call::Later(call) => {
                let input = self.input(exchange, body).await?;
                if exchange.contract().bulkhead.is_some() {
                    Box::pin(self.enter(exchange)).await?;
                }
                call(app, exchange, input).await
            }
            Call::Within(call) => {
                let input = self.input(exchange, body).await?;
                call(app, mounted, exchange, input).await
            }
        }
    }
}
