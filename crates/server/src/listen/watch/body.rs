use std::{sync::PoisonError, task::Waker};

use super::{BODY_TOO_SLOW, LEFT, UNREAD, Watch};
use crate::listen::{bodies::Bodies, leftover::Left};

/// What comes of bodies, and what is left of them.
impl Watch {
    /// Whether the client sends the body of its request over HTTP/1 too slowly.
    pub(in crate::listen) fn body_is_too_slow(&self) -> bool {
        self.has(BODY_TOO_SLOW)
    }

    /// A handler waits for the body of HTTP/1; `waker` is woken when that takes too long.
    pub(in crate::listen) fn body_waits(&self, waker: &Waker) {
        self.body.register(waker);
        self.progress.body_waiting(self.now());
    }

    /// A part of that body came.
    pub(in crate::listen) fn body_came(&self, bytes: usize) {
        self.progress.body_received(bytes, self.now());
    }

    /// Nobody waits for that body any more.
    pub(in crate::listen) fn body_ended(&self) {
        self.progress.body_done();
    }

    /// The bodies that are waited for over HTTP/2.
    pub(in crate::listen) fn bodies(&self) -> &Bodies {
        self.bodies.get_or_init(Box::default)
    }

    /// Whoever answers a request over HTTP/1 does not read the rest of its body.
    pub(in crate::listen) fn leave(&self, left: Left) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(left));
        self.mark(LEFT);
    }

    /// What was left of the request that is now answered.
    pub(in crate::listen) fn take_left(&self) -> Option<Left> {
        if !self.has(LEFT) {
            return None;
        }
        self.unmark(LEFT);
        self.left.lock().unwrap_or_else(PoisonError::into_inner).take().map(|left| *left)
    }

    /// A part of a request will not be read by anybody.
    pub(in crate::listen) fn left_unread(&self) {
        self.mark(UNREAD);
    }

    pub(in crate::listen) fn is_left_unread(&self) -> bool {
        self.has(UNREAD)
    }
}
