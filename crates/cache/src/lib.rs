//! Caching policy on quick_cache: lifetimes, single flight, negative answers, coalesced batches.
