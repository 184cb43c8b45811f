use std::sync::Arc;

use arc_swap::ArcSwap;
use gabion_errors::Rejection;
use gabion_limits::{SizeConfig, check_declared, check_head, content_length};

use crate::{BodyRule, Exchange, Guard};

/// Bounds the head, and the body that it declares, before anything is spent on the request.
#[derive(Debug)]
pub struct SizeGuard(ArcSwap<SizeConfig>);

impl SizeGuard {
    /// Checks by `sizes`.
    #[must_use]
    pub fn new(sizes: SizeConfig) -> Self {
        Self(ArcSwap::from_pointee(sizes))
    }

    /// From now on checks by `sizes`.
    pub fn set(&self, sizes: SizeConfig) {
        self.0.store(Arc::new(sizes));
    }
}

impl Guard for SizeGuard {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let (head, sizes) = (&exchange.head, self.0.load());
        check_head(&head.method, &head.uri, &head.headers, &sizes)?;
        let length = content_length(&head.headers).inspect_err(|_| exchange.closes = true)?;
        let limit = match exchange.contract().body {
            BodyRule::Stream => sizes.body,
            BodyRule::Empty | BodyRule::Json(_) | BodyRule::OptionalJson(_) => sizes.json_body,
        };
        Ok(check_declared(length, limit)?)
    }
}
