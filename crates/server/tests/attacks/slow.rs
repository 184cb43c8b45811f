//! Slow clients, 500 at a time (SECURITY.md, slow attacks; ASVS 13.1.3, 15.2.2): each is gone within
//! its limit and two seconds, and nobody else notices.

use std::{future::Future, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::timeout,
};

use crate::{
    client::{PATIENCE, Request},
    probe::Probes,
    process::alone,
    server::{Home, Server, Stopwatch},
};

const MANY: usize = 500;
/// Beyond the limit.
const SLACK: Duration = Duration::from_secs(2);

/// How one slow connection ended.
struct Ended {
    after: Duration,
    answer: String,
}

/// 500 clients do `slowly` at the same time; how it went for each.
fn all<F: Future<Output = Ended> + 'static>(
    address: SocketAddr,
    slowly: impl Fn(SocketAddr, usize) -> F,
) -> Vec<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let tasks = tokio::task::LocalSet::new();
    runtime.expect("a runtime").block_on(tasks.run_until(async {
        let mut clients = JoinSet::new();
        (0..MANY).for_each(|number| drop(clients.spawn_local(slowly(address, number))));
        timeout(PATIENCE * 2, clients.join_all()).await.expect("some are still there")
    }))
}

async fn connect(address: SocketAddr) -> (TcpStream, Stopwatch) {
    let stream = TcpStream::connect(address).await.expect("the server takes a connection");
    (stream, Stopwatch::start())
}

/// Sends a byte now and then until the server has closed.
async fn dribble(
    mut stream: TcpStream,
    since: Stopwatch,
    first: Vec<u8>,
    every: Duration,
) -> Ended {
    let mut answer = Vec::new();
    let _ = stream.write_all(&first).await;
    loop {
        match timeout(every, stream.read_buf(&mut answer)).await {
            Ok(Ok(1..)) => {}
            // Closed in order or cut.
            Ok(_) => break,
            Err(_) => {
                let _ = stream.write_all(b"x").await;
            }
        }
    }
    Ended { after: since.elapsed(), answer: String::from_utf8_lossy(&answer).into_owned() }
}

/// Runs an attack and checks what holds for each of them: how long it took, who noticed, and that it
/// was counted as `reason` and as nothing else.
#[expect(clippy::print_stdout, reason = "the figures are worth as much as the verdict")]
fn withstand(
    server: &Server,
    reason: &str,
    limit: Duration,
    attack: impl FnOnce() -> Vec<Ended>,
) -> Vec<Ended> {
    let token = server.admin();
    let before = server.sockets();
    let probes = Probes::begin(server.address());
    let ended = attack();
    probes.end(reason);
    let longest = ended.iter().map(|ended| ended.after).max().unwrap_or_default();
    let shortest = ended.iter().map(|ended| ended.after).min().unwrap_or_default();
    println!("{reason}: {} connections lived from {shortest:?} to {longest:?}", ended.len());
    assert!(longest < limit + SLACK, "{reason}: one was there for {longest:?}");
    // A tick of the sweeper may have passed before it counts.
    assert!(
        shortest + Duration::from_millis(200) > limit,
        "{reason}: one was there for only {shortest:?}"
    );
    server.closes_to(&before);
    assert_eq!(server.undelivered(), 0, "{reason}: the kernel still tries to deliver");
    let counts = ["handshake", "head", "body", "write", "idle"].map(|own| {
        let line = format!("gabion_connections_closed_total{{reason=\"{own}\"}}");
        (own, server.counted(&token, &line))
    });
    for (own, count) in counts {
        let wanted = if own == reason { MANY as u64 } else { 0 };
        assert_eq!(count, wanted, "{own}");
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
    ended
}

#[test]
fn slow_heads_are_gone_in_time_and_nobody_notices() {
    let _alone = alone();
    let home = Home::new();
    let server = home.start(&["limits.time.head=2s"]);
    let ended = withstand(&server, "head", Duration::from_secs(2), || {
        all(server.address(), |address, number| async move {
            let (stream, since) = connect(address).await;
            let request = Request::get("/livez");
            let head = request.header("X-Slow", "").bytes();
            let half = &head[..head.len() - 4];
            let (first, every) = match number % 3 {
                // Nothing at all, a field that does not end, and half a head behind a good request.
                0 => (vec![], PATIENCE),
                1 => (half.to_vec(), Duration::from_millis(300)),
                _ => ([&head, half].concat(), PATIENCE),
            };
            dribble(stream, since, first, every).await
        })
    });
    for (begin, count) in
        [("", MANY.div_ceil(3)), ("HTTP/1.1 408 ", MANY.div_ceil(3)), ("HTTP/1.1 200 ", MANY / 3)]
    {
        let alike = ended.iter().filter(|ended| match begin {
            "" => ended.answer.is_empty(),
            begin => ended.answer.starts_with(begin) && ended.answer.contains("HTTP/1.1 408 "),
        });
        assert_eq!(alike.count(), count, "{begin}");
    }
}

#[test]
fn slow_bodies_are_answered_with_408_in_time_and_nobody_notices() {
    let _alone = alone();
    let home = Home::new();
    let server = home.start(&[
        "demo.enabled=true",
        "limits.time.body_grace=1s",
        "limits.time.body_min_rate=1KiB/s",
    ]);
    let token = server.admin();
    let ended = withstand(&server, "body", Duration::from_secs(1), || {
        let upload = Request::post("/api/demo/upload").bearer(&token);
        let head = upload.header("Content-Length", "100000").head();
        all(server.address(), move |address, _| {
            let head = head.clone();
            async move {
                let (stream, since) = connect(address).await;
                dribble(stream, since, head, Duration::from_millis(300)).await
            }
        })
    });
    let answered = ended.iter().filter(|ended| ended.answer.starts_with("HTTP/1.1 408 "));
    assert_eq!(answered.count(), MANY, "{}", ended[0].answer);
}

#[test]
fn slow_readers_are_gone_in_time_and_nobody_notices() {
    let _alone = alone();
    let home = Home::new();
    let server = home.start(&["limits.time.write_stall=2s"]);
    withstand(&server, "write", Duration::from_secs(2), || {
        let asked: Vec<u8> = Request::get("/api/openapi.json").bytes().repeat(50);
        all(server.address(), move |address, _| {
            let asked = asked.clone();
            async move {
                let socket = TcpSocket::new_v4().expect("a socket");
                socket.set_recv_buffer_size(4096).expect("a small buffer");
                let mut stream = socket.connect(address).await.expect("a connection");
                stream.write_all(&asked).await.expect("questions are taken");
                let since = Stopwatch::start();
                let mut byte = [0];
                // A byte now and then makes no room for more. What came before the end is still to be
                // read then.
                while timeout(Duration::from_millis(200), stream.ready(Interest::ERROR))
                    .await
                    .is_err()
                {
                    let _ = stream.read(&mut byte).await;
                }
                Ended { after: since.elapsed(), answer: String::new() }
            }
        })
    });
}

#[test]
fn idle_connections_are_gone_in_time_and_nobody_notices() {
    let _alone = alone();
    let home = Home::new();
    let server = home.start(&["limits.time.idle=2s"]);
    let ended = withstand(&server, "idle", Duration::from_secs(2), || {
        all(server.address(), |address, _| async move {
            let (stream, since) = connect(address).await;
            dribble(stream, since, Request::get("/livez").bytes(), PATIENCE).await
        })
    });
    assert!(ended.iter().all(|ended| ended.answer.starts_with("HTTP/1.1 200 ")));
}
