//! Listeners, readiness, drain and a hand-over restart that serves every connection.
