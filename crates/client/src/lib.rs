//! Outbound HTTP with bounds: key sets of outside issuers and the webhook sink.
