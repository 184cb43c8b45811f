//! Panics as failures among others.

use std::{
    any::Any,
    cell::Cell,
    fmt,
    panic::{self, PanicHookInfo},
    thread,
};

use tracing::{Level, enabled, error};

use crate::{
    above::{has_left_panic, leave_panic},
    redact,
    report::TARGET,
};

/// A panic, as a cause.
#[derive(Debug)]
pub struct Panicked {
    /// Its message.
    pub message: String,
    /// File, line and column; known once [`log_panics`] was called.
    pub place: Option<String>,
}

impl Panicked {
    /// For whoever is above, as long as that is so.
    pub(crate) fn new(payload: &(dyn Any + Send)) -> Self {
        Self { message: message(payload), place: PLACE.take().filter(|_| has_left_panic()) }
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "panicked at {place}: {}", self.message),
            None => write!(f, "panicked: {}", self.message),
        }
    }
}

impl std::error::Error for Panicked {}

thread_local! {
    /// Where the last panic was that was left to somebody above.
    static PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// Lets panics go to the log alone, once each, for the whole process; call it when the log has begun.
///
/// Without it the standard library writes each panic to standard error: beside the lines of the log, in
/// no form that a reader of logs knows, with whatever its message holds. Below something that reports
/// ([`guarded`](crate::guarded), a layer) a panic is then told by that, with its place, unless it is caught
/// in between, when it is for whoever caught it. Any other is a line at the level error, under the target
/// `gabion::error`, redacted; so is one that nobody can catch, where panics abort or while another one
/// unwinds. Where nobody listens to such lines, what was there before stays in charge.
pub fn log_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        if cfg!(panic = "unwind") && leave_panic() {
            PLACE.set(panicked.location().map(ToString::to_string));
        } else if enabled!(target: TARGET, Level::ERROR) {
            tell(panicked);
        } else {
            before(panicked);
        }
    }));
}

fn tell(panicked: &PanicHookInfo<'_>) {
    let thread = thread::current();
    error!(
        target: TARGET,
        thread = thread.name(),
        place = panicked.location().map(tracing::field::display),
        cause = &*redact(&message(panicked.payload())),
        "panicked"
    );
}

fn message(payload: &dyn Any) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a payload that is not text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_of_text_are_told() {
        assert_eq!(message(&"a"), "a");
        assert_eq!(message(&String::from("b")), "b");
        assert_eq!(message(&7), "a payload that is not text");
    }
}
