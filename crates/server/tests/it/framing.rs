//! Where a request ends, so that nothing is taken for a second one: the rows of RFC 9112 by hand.
//!
//! Behind each bad request stands a good one. Whoever finds it there was smuggled past, so there is one
//! answer, and then the connection is closed by the server.

mod heads;
mod http2;
mod lengths;
mod methods;

use crate::{
    client::{PATIENCE, Response},
    server::Server,
};

/// What stands behind a bad request.
const SECOND: &str = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";

/// How a bad request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// It is not even parsed, and no guard has seen it.
    Unparsed,
    /// A problem with this code.
    Problem(&'static str),
}

/// The answers to `bytes`, in order, and whether the connection was closed behind them.
fn answers(server: &Server, bytes: &[u8]) -> (Vec<Response>, bool) {
    let mut client = server.client();
    // Who refuses a request by its head may close before its body was sent.
    let _ = client.try_raw(bytes);
    let Some(mut rest) = client.rest(PATIENCE) else { return (Vec::new(), false) };
    let mut answers = Vec::new();
    while !rest.is_empty() {
        answers.push(take(&mut rest));
    }
    (answers, true)
}

/// Takes one response of known length from what came.
fn take(bytes: &mut Vec<u8>) -> Response {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n").expect("a head") + 4;
    let head: Vec<u8> = bytes.drain(..end).collect();
    let head = String::from_utf8(head).expect("UTF-8");
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")).expect("a status line");
    let status = status[2..5].parse().expect("a status");
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(':').expect("a field");
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    let mut response = Response { status, headers: fields.collect(), body: Vec::new() };
    let length = response.header("content-length").map(|digits| digits.parse().expect("a length"));
    response.body = bytes.drain(..length.unwrap_or(0)).collect();
    response
}

/// Sends `bad` with a good request behind it, and checks that there is one answer and then nothing.
#[track_caller]
fn refused(server: &Server, bad: &[u8], how: Refused) {
    let told = || String::from_utf8_lossy(&bad[..bad.len().min(200)]).into_owned();
    let (answers, closed) = answers(server, &[bad, SECOND.as_bytes()].concat());
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert!(closed, "{:?}: the connection stays open", told());
    assert_eq!(answers.len(), 1, "{statuses:?} to {:?}", told());
    match how {
        Refused::Unparsed => {
            assert_eq!(answers[0].status, 400, "{:?}", told());
            answers[0].problem("invalid-request");
            answers[0].has_usual_headers();
        }
        Refused::Problem(code) => {
            let (status, text) = (answers[0].status, answers[0].text());
            let coded = text.contains(&format!("\"code\":\"{code}\""));
            assert!(coded, "{:?}: {status} {text}, not {code}", told());
            answers[0].problem(code);
            answers[0].has_usual_headers();
            assert!(answers[0].closes(), "{:?}: it does not say that it closes", told());
        }
    }
}
