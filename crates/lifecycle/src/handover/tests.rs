//! Over real sockets and processes. The successor is this test program again: a test that finds
//! itself started by a hand-over plays the successor's part.

use std::{
    env,
    future::pending,
    io::{self, Read, pipe},
    net::{Ipv4Addr, SocketAddr},
    os::{fd::AsFd, unix::process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{self, Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    task::{spawn_blocking, yield_now},
};

use super::{
    wire::{Channel, Header},
    *,
};
use crate::{Acceptor, Drain, Outcome, Readiness, bind};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const QUIT: u8 = b'q';

/// The predecessor of a test: a port and a place to meet.
struct Parent {
    folder: TempDir,
    acceptor: Arc<Acceptor>,
    handover: Handover,
}

impl Parent {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let handover = Handover::new(folder.path().join("handover.sock"));
        let acceptor = Arc::new(Acceptor::new(bind(LOOPBACK).unwrap()).unwrap());
        Self { folder, acceptor, handover }
    }

    fn address(&self) -> SocketAddr {
        self.acceptor.local_addr().unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("handover.sock")
    }

    async fn start(&self, command: Command, within: Duration) -> Result<Successor, HandoverError> {
        self.handover.start(command, &[("main", self.acceptor.as_fd())], within).await
    }

    async fn undone(&self, command: Command, within: Duration) -> (Failure, ExitStatus) {
        match self.start(command, within).await {
            Err(HandoverError::Undone { reason, status }) => (reason, status.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    /// Serves one connection, to show that it still does.
    async fn serves(&self) -> bool {
        let client = TcpStream::connect(self.address()).await.unwrap();
        let (_, peer) = self.acceptor.accept().await;
        peer == client.local_addr().unwrap()
    }

    async fn waits_for_a_successor(&self) {
        while !self.socket().exists() {
            yield_now().await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tells the successor from the test")]
fn place_to_meet() -> Option<PathBuf> {
    env::var_os(ENVIRONMENT).map(Into::into)
}

fn this_program_as(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &format!("handover::tests::{test}"), "--nocapture"]);
    command.stdout(Stdio::null());
    command
}

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("600").stdout(Stdio::null());
    command
}

/// Answers each byte with the generation; at [`QUIT`] the process ends.
async fn answer(mut stream: TcpStream, generation: u8) -> io::Result<()> {
    let question = stream.read_u8().await?;
    stream.write_u8(generation).await?;
    if question == QUIT {
        process::exit(0);
    }
    Ok(())
}

async fn ask(address: SocketAddr, question: u8) -> io::Result<u8> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_u8(question).await?;
    stream.read_u8().await
}

async fn serve(acceptor: Arc<Acceptor>, drain: Drain, generation: u8) {
    loop {
        tokio::select! {
            biased;
            () = drain.accepting_ended() => return,
            (stream, _) = acceptor.accept() => {
                let busy = drain.busy();
                tokio::spawn(async move {
                    // What fails here fails the client that asked.
                    let _ = answer(stream, generation).await;
                    drop(busy);
                });
            }
        }
    }
}

async fn succeed(path: &Path) {
    let mut inherited = Inherited::connect(path).await.unwrap();
    let listener = inherited.take("main", LOOPBACK).unwrap();
    let acceptor = Arc::new(Acceptor::new(listener).unwrap());
    inherited.ready().await.unwrap();
    let generation = u8::try_from(inherited.generation).unwrap();
    serve(acceptor, Drain::new(Readiness::new()), generation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_during_a_hand_over_all_succeed() {
    if let Some(path) = place_to_meet() {
        return succeed(&path).await;
    }
    let parent = Parent::new();
    let address = parent.address();
    let drain = Drain::new(Readiness::new());
    let server = tokio::spawn(serve(Arc::clone(&parent.acceptor), drain.clone(), 1));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            tokio::spawn(async move {
                let mut counts = [0_u32; 3];
                while counts[2] < 200 {
                    counts[usize::from(ask(address, b'?').await?)] += 1;
                }
                io::Result::Ok(counts[1])
            })
        })
        .collect();

    let command = this_program_as("requests_during_a_hand_over_all_succeed");
    let mut successor = parent.start(command, READY_WITHIN).await.unwrap();
    drain.begin();
    server.await.unwrap();
    drop(parent);
    assert_eq!(drain.finished(READY_WITHIN).await, Outcome::Clean);

    for client in clients {
        let by_the_first = client.await.unwrap().unwrap();
        assert!(by_the_first > 0, "the first process served while the second started");
    }
    assert_eq!(ask(address, QUIT).await.unwrap(), 2);
    assert!(successor.exited().await.unwrap().success());
}

#[tokio::test]
async fn the_successor_learns_that_its_predecessor_is_gone() {
    if let Some(path) = place_to_meet() {
        let mut inherited = Inherited::connect(&path).await.unwrap();
        let acceptor = Acceptor::new(inherited.take("main", LOOPBACK).unwrap()).unwrap();
        inherited.ready().await.unwrap();
        let (mut stream, _) = acceptor.accept().await;
        stream.write_u8(b'1').await.unwrap();
        inherited.predecessor_gone().await;
        return stream.write_u8(b'2').await.unwrap();
    }
    let parent = Parent::new();
    let command = this_program_as("the_successor_learns_that_its_predecessor_is_gone");
    let successor = parent.start(command, READY_WITHIN).await.unwrap();
    let mut client = TcpStream::connect(parent.address()).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'1');
    drop(successor);
    assert_eq!(client.read_u8().await.unwrap(), b'2');
}

#[tokio::test]
async fn after_success_no_further_restart_begins_here() {
    if let Some(path) = place_to_meet() {
        return succeed(&path).await;
    }
    let parent = Parent::new();
    let command = this_program_as("after_success_no_further_restart_begins_here");
    let mut successor = parent.start(command, READY_WITHIN).await.unwrap();
    let refused = parent.handover.reserve().unwrap_err();
    assert!(matches!(refused, HandoverError::AlreadyUnderWay), "{refused:?}");
    assert_eq!(ask(parent.address(), QUIT).await.unwrap(), 2);
    assert!(successor.exited().await.unwrap().success());
}

#[tokio::test]
async fn a_process_that_exits_leaves_the_old_one_serving_and_tells_its_status() {
    if let Some(path) = place_to_meet() {
        let _inherited = Inherited::connect(&path).await.unwrap();
        process::exit(3);
    }
    let parent = Parent::new();
    let command =
        this_program_as("a_process_that_exits_leaves_the_old_one_serving_and_tells_its_status");
    let error = parent.start(command, READY_WITHIN).await.unwrap_err();
    assert_eq!(error.status().and_then(|status| status.code()), Some(3));
    assert!(error.to_string().contains("exit status: 3"), "{error}");
    assert!(parent.serves().await);
}

#[tokio::test]
async fn a_process_that_exits_before_it_connects_is_told_apart_from_a_late_one() {
    let parent = Parent::new();
    let (reason, status) = parent.undone(Command::new("false"), READY_WITHIN).await;
    assert!(matches!(reason, Failure::Exited), "{reason:?}");
    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn a_process_that_never_becomes_ready_is_killed() {
    if let Some(path) = place_to_meet() {
        let _inherited = Inherited::connect(&path).await.unwrap();
        return pending().await;
    }
    let parent = Parent::new();
    let command = this_program_as("a_process_that_never_becomes_ready_is_killed");
    let (reason, status) = parent.undone(command, Duration::from_millis(300)).await;
    assert!(matches!(reason, Failure::TimedOut(_)), "{reason:?}");
    assert_eq!(status.signal(), Some(9));
    assert!(parent.serves().await);
}

#[tokio::test]
async fn a_process_that_hangs_up_is_killed() {
    if let Some(path) = place_to_meet() {
        drop(Inherited::connect(&path).await.unwrap());
        return pending().await;
    }
    let parent = Parent::new();
    let command = this_program_as("a_process_that_hangs_up_is_killed");
    let (reason, status) = parent.undone(command, READY_WITHIN).await;
    assert!(matches!(reason, Failure::Closed), "{reason:?}");
    assert_eq!(status.signal(), Some(9));
}

#[tokio::test]
async fn a_process_that_refuses_is_quoted() {
    if let Some(path) = place_to_meet() {
        let inherited = Inherited::connect(&path).await.unwrap();
        inherited.refuse("the schema is newer than this release").await;
        process::exit(1);
    }
    let parent = Parent::new();
    let command = this_program_as("a_process_that_refuses_is_quoted");
    let (reason, status) = parent.undone(command, READY_WITHIN).await;
    assert_eq!(reason.to_string(), "it says: the schema is newer than this release");
    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn after_a_failure_the_next_restart_may_begin() {
    let parent = Parent::new();
    parent.undone(Command::new("false"), READY_WITHIN).await;
    assert!(!parent.socket().exists());
    assert_eq!(parent.handover.reserve().unwrap().generation(), 2);
    assert!(!parent.handover.is_under_way());
}

#[tokio::test]
async fn a_second_restart_is_refused_while_one_is_under_way() {
    let parent = Parent::new();
    let first = parent.handover.reserve().unwrap();
    let refused = parent.start(sleeper(), READY_WITHIN).await.unwrap_err();
    assert!(matches!(refused, HandoverError::AlreadyUnderWay), "{refused:?}");
    drop(first);
}

#[tokio::test]
async fn a_stranger_gets_no_sockets() {
    let parent = Parent::new();
    let stranger = async {
        parent.waits_for_a_successor().await;
        let stream = UnixStream::connect(parent.socket()).await.unwrap();
        let mut sockets = Vec::new();
        let header: Option<Header> = Channel::new(stream).receive_with(&mut sockets).await.unwrap();
        (header.is_some(), sockets.len())
    };
    tokio::select! {
        started = parent.start(sleeper(), READY_WITHIN) => panic!("{started:?}"),
        got = stranger => assert_eq!(got, (false, 0)),
    }
}

#[tokio::test]
async fn only_its_owner_may_use_the_socket() {
    use std::os::unix::fs::PermissionsExt;

    let parent = Parent::new();
    let looked = async {
        parent.waits_for_a_successor().await;
        parent.socket().metadata().unwrap().permissions().mode() & 0o777
    };
    tokio::select! {
        started = parent.start(sleeper(), READY_WITHIN) => panic!("{started:?}"),
        mode = looked => assert_eq!(mode, 0o600),
    }
}

#[tokio::test]
async fn a_hand_over_that_is_given_up_kills_the_new_process() {
    let parent = Parent::new();
    let (mut lives, held) = pipe().unwrap();
    let mut command = sleeper();
    command.stdout(held);
    tokio::select! {
        started = parent.start(command, READY_WITHIN) => panic!("{started:?}"),
        () = parent.waits_for_a_successor() => {}
    }
    // The pipe ends with the last process that holds it.
    let read = spawn_blocking(move || lives.read(&mut [0])).await.unwrap();
    assert_eq!(read.unwrap(), 0);
    assert!(!parent.handover.is_under_way());
}

#[tokio::test]
async fn a_socket_left_behind_does_not_prevent_a_restart() {
    let parent = Parent::new();
    drop(std::os::unix::net::UnixListener::bind(parent.socket()).unwrap());
    let (reason, _) = parent.undone(Command::new("false"), READY_WITHIN).await;
    assert!(matches!(reason, Failure::Exited), "{reason:?}");
}

#[tokio::test]
async fn a_file_at_the_place_to_meet_is_not_removed() {
    let parent = Parent::new();
    std::fs::write(parent.socket(), "precious").unwrap();
    let error = parent.start(sleeper(), READY_WITHIN).await.unwrap_err();
    assert!(matches!(error, HandoverError::Socket { .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(parent.socket()).unwrap(), "precious");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let parent = Parent::new();
    let error = parent.start(Command::new("/no/such/program"), READY_WITHIN).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot start /no/such/program");
    assert!(!parent.socket().exists());
}

#[tokio::test]
async fn a_successor_believes_nobody_but_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let _impostor = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let error = Inherited::connect(&path).await.unwrap_err();
    assert!(matches!(error, InheritError::NotParent { .. }), "{error:?}");
}

#[tokio::test]
async fn a_listener_is_taken_only_at_the_address_that_is_wanted() {
    let parent = Parent::new();
    let mut inherited = Inherited::of(vec![("main".into(), bind(LOOPBACK).unwrap())]);
    assert!(inherited.take("main", parent.address()).is_none());
    assert!(inherited.take("admin", LOOPBACK).is_none());
    let address = inherited.listeners[0].1.local_addr().unwrap();
    assert_eq!(inherited.take("main", address).unwrap().local_addr().unwrap(), address);
    assert!(inherited.listeners.is_empty());
}

impl Inherited {
    fn of(listeners: Vec<(String, std::net::TcpListener)>) -> Self {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        Self { listeners, generation: 2, channel: Channel::new(ours) }
    }
}
