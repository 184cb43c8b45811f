//! The same by the library h2, which keeps to the protocol.

use std::{future::Future, net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::{Reason, client::SendRequest};
use http::Request;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

use super::{
    ENHANCE_YOUR_CALM,
    frames::{Goaway, Parting},
    under,
};
use crate::{
    client::{PATIENCE, Request as HttpRequest},
    process::alone,
    server::{Home, Stopwatch},
};

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let work = async { timeout(PATIENCE, work).await.expect("it takes too long") };
    runtime.expect("a runtime").block_on(work)
}

async fn connect(address: SocketAddr) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(address).await.expect("the server takes a connection");
    let (sender, connection) = h2::client::handshake(stream).await.expect("it speaks HTTP/2");
    (sender, tokio::spawn(connection))
}

fn request(target: &str, token: &str) -> Request<()> {
    let request = Request::get(format!("http://localhost{target}"));
    request.header("authorization", format!("Bearer {token}")).body(()).expect("a request")
}

/// Asks once, and reads the answer.
pub(super) fn ask(address: SocketAddr) {
    run(async {
        let (sender, _connection) = connect(address).await;
        let mut sender = sender.ready().await.expect("a stream");
        let (answer, _) =
            sender.send_request(request("/api/openapi.json", ""), true).expect("it is sent");
        let mut body = answer.await.expect("an answer").into_body();
        while let Some(piece) = body.data().await {
            let length = piece.expect("a piece").len();
            body.flow_control().release_capacity(length).expect("it was used");
        }
    });
}

#[test]
fn who_reads_slowly_and_steadily_gets_all_of_it() {
    let home = Home::new();
    let server = home.start(&["limits.time.write_stall=2s"]);
    let time = Stopwatch::start();
    let read = run(async {
        let stream = TcpStream::connect(server.address()).await.expect("a connection");
        let mut builder = h2::client::Builder::new();
        let shaken = builder.initial_window_size(2048).handshake::<_, Bytes>(stream).await;
        let (sender, connection) = shaken.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        let mut sender = sender.ready().await.expect("a stream");
        let request = request("/api/openapi.json", "");
        let (answer, _) = sender.send_request(request, true).expect("it is sent");
        let mut body = answer.await.expect("an answer").into_body();
        let mut read = Vec::new();
        while let Some(piece) = body.data().await {
            let piece = piece.expect("a piece");
            tokio::time::sleep(Duration::from_millis(75)).await;
            body.flow_control().release_capacity(piece.len()).expect("it was used");
            read.extend(piece);
        }
        read
    });
    assert!(time.elapsed() > Duration::from_secs(2), "{:?}", time.elapsed());
    assert_eq!(read, server.send(&HttpRequest::get("/api/openapi.json")).body);
}

/// How the library says that the connection ended.
fn parting(error: &h2::Error) -> Parting {
    let code = error.reason().filter(|_| error.is_remote() && error.is_go_away());
    let goaway =
        code.map(|reason| Goaway { last_stream: 0, code: reason.into(), told: error.to_string() });
    Parting { goaway, closed: true, ..Parting::default() }
}

#[test]
fn ten_thousand_requests_that_are_given_up_while_they_are_served_are_ended() {
    let _alone = alone();
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let admin = server.admin();
    let partings = under(&server, "rapid reset by a library", |address| {
        run(async {
            let (sender, connection) = connect(address).await;
            let sent = give_up(sender, &admin).await;
            assert!(sent < 10_000, "{sent} requests");
            let ended = connection.await.expect("it ends");
            ended.map_err(|error| parting(&error)).expect_err("it ends in order")
        })
    });
    // The library fails as it writes to what is closed, often before it has read why.
    let mut codes = partings.iter().filter_map(|parting| Some(parting.goaway.as_ref()?.code));
    assert!(codes.all(|code| code == ENHANCE_YOUR_CALM), "{partings:?}");
    assert_eq!(server.status(&admin)["admission"]["in_flight"], 1);
}

/// Sends requests and gives them up, fifty at a time, as long as the connection lives; how many.
async fn give_up(mut sender: SendRequest<Bytes>, token: &str) -> usize {
    let mut count = 0;
    while count < 10_000 {
        let mut opened = Vec::new();
        while opened.len() < 50 {
            let Ok(ready) = sender.ready().await else { return count };
            sender = ready;
            let request = request("/api/demo/work?io_ms=60000", token);
            let Ok(sent) = sender.send_request(request, true) else { return count };
            opened.push(sent);
        }
        // What is given up before it went out never does.
        tokio::task::yield_now().await;
        opened.iter_mut().for_each(|(_, stream)| stream.send_reset(Reason::CANCEL));
        tokio::task::yield_now().await;
        count += opened.len();
    }
    count
}
