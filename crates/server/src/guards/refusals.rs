use gabion_auth::AuthError;
use gabion_errors::Rejection;
use gabion_monitor::AuditEvent;
use gabion_tower::{Exchange, Guard};
use http::{StatusCode, header::AUTHORIZATION, response};

use crate::audit::{AuditTrail, Pace};

/// Keeps a record of callers whom `guards` turn away: of tokens that are not accepted, and of those
/// who may not do what they ask for. Who brings no token at all is not worth one.
///
/// At a bounded pace, since whoever sends bad tokens sends many.
pub(crate) struct RefusalsAudited<G> {
    guards: G,
    audit: AuditTrail,
    /// Of each outcome its own: whoever sends bad tokens hides nobody who is known.
    unauthenticated: Pace,
    forbidden: Pace,
}

impl<G> RefusalsAudited<G> {
    pub(crate) fn new(guards: G, audit: AuditTrail) -> Self {
        Self { guards, audit, unauthenticated: Pace::default(), forbidden: Pace::default() }
    }

    fn note(&self, exchange: &Exchange, rejection: &Rejection) {
        let Some(outcome) = outcome(exchange, rejection) else { return };
        let mut event = AuditEvent::new(exchange.unix, "access", outcome);
        event.request_id = Some(exchange.request_id);
        event.address = Some(exchange.client.ip()).filter(|address| !address.is_unspecified());
        if let Some(principal) = &exchange.principal {
            event = event.subject(principal.username.as_str());
            event = event.session(principal.session.to_string());
        }
        let contract = exchange.contract();
        let mut detail = format!("{} {}", contract.method, contract.path);
        if let Some(cause) = rejection.cause() {
            detail = format!("{detail}: {cause}");
        }
        let pace = if outcome == FORBIDDEN { &self.forbidden } else { &self.unauthenticated };
        if let Some(event) = pace.limit(event.detail(detail)) {
            self.audit.note(event);
        }
    }
}

const FORBIDDEN: &str = "forbidden";

/// What became of a caller who was turned away.
fn outcome(exchange: &Exchange, rejection: &Rejection) -> Option<&'static str> {
    let status = rejection.problem().status();
    let tried = exchange.head.headers.contains_key(AUTHORIZATION);
    let missing = rejection
        .cause()
        .and_then(|cause| cause.downcast_ref())
        .is_some_and(|cause| matches!(cause, AuthError::Missing));
    match status {
        StatusCode::UNAUTHORIZED if tried && !missing => Some("unauthenticated"),
        StatusCode::FORBIDDEN => Some(FORBIDDEN),
        _ => None,
    }
}

impl<G: Guard> Guard for RefusalsAudited<G> {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let checked = self.guards.check(exchange).await;
        if let Err(rejection) = &checked {
            self.note(exchange, rejection);
        }
        checked
    }

    async fn settle(&self, exchange: &mut Exchange) {
        self.guards.settle(exchange).await;
    }

    fn stamp(&self, exchange: &Exchange, response: &mut response::Parts) {
        self.guards.stamp(exchange, response);
    }
}
