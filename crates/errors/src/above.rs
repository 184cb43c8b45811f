//! Whether somebody above reports what fails.

use std::cell::Cell;

/// What holds of whatever this thread runs at the moment.
#[derive(Clone, Copy, Default)]
struct State {
    /// Somebody above reports what fails.
    above: bool,
    /// They have not seen the last panic yet.
    panicked: bool,
}

thread_local! {
    static STATE: Cell<State> = const { Cell::new(State { above: false, panicked: false }) };
}

/// While it lives, whatever this thread runs has somebody above who reports.
pub(crate) struct Above {
    before: State,
}

impl Above {
    pub(crate) fn enter() -> Self {
        Self { before: STATE.replace(State { above: true, panicked: false }) }
    }
}

impl Drop for Above {
    fn drop(&mut self) {
        STATE.set(self.before);
    }
}

/// Whether what runs now has somebody above.
pub(crate) fn is_above() -> bool {
    STATE.get().above
}

/// Leaves a panic to whoever is above; false where nobody is, or where they have not come to see the one
/// before it, which means that this one may never get to them.
pub(crate) fn leave_panic() -> bool {
    let state = STATE.get();
    STATE.set(State { panicked: true, ..state });
    state.above && !state.panicked
}

/// Whether a panic was left to whoever is above now.
pub(crate) fn has_left_panic() -> bool {
    STATE.get().panicked
}
