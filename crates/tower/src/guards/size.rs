use std::sync::Arc;

use gabion_errors::Rejection;
use gabion_limits::{SizeConfig, check_declared, check_head};
use http::header::CONTENT_LENGTH;

use crate::{BodyRule, Exchange, Guard};

/// Bounds the head, and the body that it declares, before anything is spent on the request.
pub struct SizeGuard<S>(S);

impl<S: Fn() -> Arc<SizeConfig> + Send + Sync + 'static> SizeGuard<S> {
    /// Checks by what `sizes` gives at the time of the request.
    pub fn new(sizes: S) -> Self {
        Self(sizes)
    }
}

impl<S: Fn() -> Arc<SizeConfig> + Send + Sync + 'static> Guard for SizeGuard<S> {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let (head, sizes) = (&exchange.head, (self.0)());
        check_head(&head.method, &head.uri, &head.headers, &sizes)?;
        let Some(length) = head.headers.get(CONTENT_LENGTH) else { return Ok(()) };
        let length = length.to_str().ok().and_then(|text| text.parse().ok());
        let limit = match exchange.contract().body {
            BodyRule::Stream => sizes.body,
            BodyRule::Empty | BodyRule::Json(_) | BodyRule::OptionalJson(_) => sizes.json_body,
        };
        Ok(check_declared(length, limit)?)
    }
}
