//! Rate limits, admission, deadlines, sizes and client addresses: pure decisions and bounded stores.
