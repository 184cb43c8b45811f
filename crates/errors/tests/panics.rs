//! The hook is the process's, so it has a process of its own.

use std::{
    io,
    panic::{catch_unwind, resume_unwind},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    thread,
};

use gabion_errors::{Rejection, guarded, log_panics};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic while it is held").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn take(&self) -> String {
        let mut lines = self.0.lock().expect("no panic while it is held");
        String::from_utf8(std::mem::take(&mut *lines)).expect("UTF-8")
    }
}

#[test]
fn a_panic_is_a_line_of_the_log_and_only_one() {
    let lines = Lines::default();
    let own = lines.clone();
    tracing_subscriber::fmt().json().with_writer(move || own.clone()).init();
    log_panics();

    let panics = async { panic!("cannot reach postgres://app:hunter2@db") };
    assert_is_place(&run(guarded::<()>("save", panics)));
    let told = lines.take();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains(r#""operation":"save""#) && told.contains("panics.rs:"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");

    // Caught in between, it is for whoever caught it; what comes then has no place of another's.
    let raised = async {
        let caught = catch_unwind(|| panic!("for whoever catches it")).unwrap_err();
        Err::<(), _>(Rejection::internal(format!("caught: {}", caught.is::<&str>())))
    };
    assert_eq!(run(guarded("between", raised)).cause_chain().expect("a cause"), "caught: true");
    let raised = async { resume_unwind(Box::new("later")) };
    let chain = run(guarded::<()>("between", raised)).cause_chain().expect("a cause");
    assert_eq!(chain, "panicked: later");
    assert_eq!(lines.take().lines().count(), 2);

    // One while another unwinds may reach nobody.
    let both = async {
        let _swallows = Swallows;
        panic!("the first")
    };
    run(guarded::<()>("both", both));
    let told = lines.take();
    assert!(told.contains("the first") && told.contains("the second"), "{told}");

    let alone = thread::Builder::new().name("alone".to_owned());
    assert!(alone.spawn(|| panic!("bearer hunter3")).unwrap().join().is_err());
    let told = lines.take();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains(r#""thread":"alone""#) && told.contains("panics.rs:"), "{told}");
    assert!(!told.contains("hunter3"), "{told}");
}

/// Panics while it is dropped, and lets nobody know.
struct Swallows;

impl Drop for Swallows {
    fn drop(&mut self) {
        let _ = catch_unwind(|| panic!("the second"));
    }
}

fn run(guarded: impl Future<Output = Result<(), Rejection>>) -> Rejection {
    let mut guarded = pin!(guarded);
    match guarded.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(rejection)) => rejection,
        _ => panic!("it ends with a rejection"),
    }
}

fn assert_is_place(rejection: &Rejection) {
    let chain = rejection.cause_chain().expect("a cause");
    assert!(chain.starts_with("panicked at ") && chain.contains("panics.rs:"), "{chain}");
}
