//! The wall as tower services: one fused guard sequence, route contracts, problem responses.
