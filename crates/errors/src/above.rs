//! Whether somebody above reports what fails.

use std::cell::Cell;

thread_local! {
    static ABOVE: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, whatever this thread runs has somebody above who reports.
pub(crate) struct Above {
    before: bool,
}

impl Above {
    pub(crate) fn enter() -> Self {
        Self { before: ABOVE.replace(true) }
    }
}

impl Drop for Above {
    fn drop(&mut self) {
        ABOVE.set(self.before);
    }
}

/// Whether what runs now has somebody above.
pub(crate) fn is_above() -> bool {
    ABOVE.get()
}
