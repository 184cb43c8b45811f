use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use gabion_config::{Reader, Settings};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{
    AddressKind,
    origin::{Authority, Origin, Reply},
};

const NAME: &str = "issuer.test";

/// Bounds for a server on loopback that behaves.
fn config() -> FetcherConfig {
    FetcherConfig { allow_http: true, allow_private: true, ..FetcherConfig::default() }
}

/// A fetcher for which every name has the addresses of `answers`, one list for each look-up.
fn resolving(config: &FetcherConfig, roots: &Roots, answers: Vec<Vec<SocketAddr>>) -> Fetcher {
    let answers = Mutex::new(VecDeque::from(answers));
    let lookup = move |_: String, _: u16| -> Pin<Box<dyn Future<Output = _> + Send>> {
        let answer = answers.lock().unwrap().pop_front();
        Box::pin(async { answer.ok_or_else(|| io::ErrorKind::NotFound.into()) })
    };
    Fetcher::with_lookup(config, roots, Box::new(lookup)).unwrap()
}

async fn get(config: &FetcherConfig, origin: &Origin, path: &str) -> Result<Answer, Fault> {
    let fetcher = Fetcher::new(config, &Roots::default()).unwrap();
    let endpoint = fetcher.endpoint(&format!("http://{}{path}", origin.address)).unwrap();
    fetcher.get(&endpoint).await.map_err(|error| error.fault)
}

async fn get_tls(roots: &Roots, origin: &Origin, host: &str) -> Result<Answer, FetchError> {
    let fetcher = resolving(&config(), roots, vec![vec![origin.address]]);
    let endpoint = fetcher.endpoint(&format!("https://{host}:{}/", origin.port())).unwrap();
    fetcher.get(&endpoint).await
}

async fn answering(text: &'static str) -> Result<Answer, Fault> {
    let origin = Origin::plain(move |_| Reply::text(text)).await;
    get(&config(), &origin, "/").await
}

#[tokio::test]
async fn a_document_comes_over_tls() {
    let authority = Authority::new();
    let origin = Origin::tls(&authority, NAME, |_| Reply::ok("ETag: \"1\"\r\n", "hello")).await;
    for roots in [Roots::Only(authority.pem()), Roots::MozillaAnd(authority.pem())] {
        let answer = get_tls(&roots, &origin, NAME).await.unwrap();
        assert_eq!(
            (&answer.body[..], &answer.headers["etag"]),
            (&b"hello"[..], &"\"1\"".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn the_request_says_little() {
    let seen = Arc::new(Mutex::new(String::new()));
    let noted = Arc::clone(&seen);
    let origin = Origin::plain(move |head| {
        *noted.lock().unwrap() = head.to_owned();
        Reply::ok("", "")
    });
    let origin = origin.await;
    get(&config(), &origin, "/keys?a=b").await.unwrap();
    let seen = seen.lock().unwrap().to_lowercase();
    let mut lines: Vec<&str> = seen.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.remove(0), "get /keys?a=b http/1.1");
    let mut names: Vec<_> = lines.iter().map(|line| line.split_once(':').unwrap().0).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "connection", "host", "user-agent"]);
    assert!(lines.contains(&format!("host: {}", origin.address).as_str()), "{lines:?}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let origin = Origin::tls(&Authority::new(), NAME, |_| Reply::ok("", "")).await;
    for roots in [Roots::Only(Authority::new().pem()), Roots::Mozilla] {
        let error = get_tls(&roots, &origin, NAME).await.unwrap_err();
        assert!(matches!(error.fault, Fault::Tls(_)), "{error}");
        assert!(error.to_string().starts_with("issuer.test: no TLS with it: "), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_refused() {
    let authority = Authority::new();
    let origin = Origin::expired(&authority, NAME).await;
    let error = get_tls(&Roots::Only(authority.pem()), &origin, NAME).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Tls(_)), "{error}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("expired"), "{cause}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let origin = Origin::tls(&authority, NAME, |_| Reply::ok("", "")).await;
    let error = get_tls(&Roots::Only(authority.pem()), &origin, "other.test").await.unwrap_err();
    assert!(matches!(error.fault, Fault::Tls(_)), "{error}");
}

#[tokio::test]
async fn a_host_that_speaks_no_tls_is_not_asked_without() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = stream.read_to_end(&mut heard).await;
        heard
    });
    let fetcher = Fetcher::new(&config(), &Roots::Mozilla).unwrap();
    let endpoint = fetcher.endpoint(&format!("https://{address}/secret")).unwrap();
    let error = fetcher.get(&endpoint).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Tls(_)), "{error}");
    let heard = heard.await.unwrap();
    assert!(!heard.windows(6).any(|window| window == b"secret"));
}

#[tokio::test]
async fn plain_http_is_refused_unless_allowed() {
    let origin = Origin::plain(|_| Reply::ok("", "")).await;
    let strict = Fetcher::new(&FetcherConfig { allow_http: false, ..config() }, &Roots::Mozilla);
    let (strict, url) = (strict.unwrap(), format!("http://{}/", origin.address));
    assert!(matches!(strict.endpoint(&url), Err(InvalidEndpoint::PlainHttp(_))));
    // An endpoint that another fetcher let pass.
    let endpoint = Fetcher::new(&config(), &Roots::Mozilla).unwrap().endpoint(&url).unwrap();
    assert!(matches!(strict.get(&endpoint).await.unwrap_err().fault, Fault::PlainHttp));
    assert_eq!(origin.connections(), 0);
}

// 8725bis s3.10
#[tokio::test]
async fn private_addresses_are_not_connected_to() {
    let origin = Origin::plain(|_| Reply::ok("", "")).await;
    let strict = FetcherConfig { allow_private: false, ..config() };
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "127.1", "2130706433", "0x7f.1"] {
        let fetcher = Fetcher::new(&strict, &Roots::Mozilla).unwrap();
        let Ok(endpoint) = fetcher.endpoint(&format!("http://{host}:{}/", origin.port())) else {
            continue;
        };
        let fault = fetcher.get(&endpoint).await.unwrap_err().fault;
        let refused = match fault {
            Fault::Address(refused) => refused.kind == AddressKind::Loopback,
            // Not every resolver knows these spellings.
            Fault::Resolve(_) => !host.starts_with("127.0") && !host.starts_with('['),
            _ => false,
        };
        assert!(refused, "{host}");
    }
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn a_name_with_one_private_address_is_refused_whole() {
    let origin = Origin::plain(|_| Reply::ok("", "")).await;
    let public = SocketAddr::new("192.0.0.1".parse::<IpAddr>().unwrap(), origin.port());
    let config =
        FetcherConfig { allow_private: false, allow: vec!["127.0.0.1".into()], ..config() };
    let fetcher = resolving(&config, &Roots::Mozilla, vec![vec![origin.address, public]]);
    let endpoint = fetcher.endpoint("http://issuer.test/").unwrap();
    let error = fetcher.get(&endpoint).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Address(_)), "{error}");
    assert_eq!(origin.connections(), 0);
}

// DNS rebinding
#[tokio::test]
async fn the_address_that_was_checked_is_the_one_connected_to() {
    let origin = Origin::plain(|_| Reply::ok("", "checked")).await;
    let other = Origin::plain(|_| Reply::ok("", "other")).await;
    let looked_up = Arc::new(AtomicUsize::new(0));
    let (counted, addresses) = (Arc::clone(&looked_up), [origin.address, other.address]);
    let lookup = move |_: String, _: u16| -> Pin<Box<dyn Future<Output = _> + Send>> {
        let address = addresses[counted.fetch_add(1, Ordering::SeqCst).min(1)];
        Box::pin(async move { Ok(vec![address]) })
    };
    let fetcher = Fetcher::with_lookup(&config(), &Roots::Mozilla, Box::new(lookup)).unwrap();
    let endpoint = fetcher.endpoint("http://issuer.test/").unwrap();
    assert_eq!(fetcher.get(&endpoint).await.unwrap().body, "checked");
    assert_eq!((looked_up.load(Ordering::SeqCst), other.connections()), (1, 0));
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_is_dead() {
    let origin = Origin::plain(|_| Reply::ok("", "alive")).await;
    // Bound and given up: nobody listens there.
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let fetcher = resolving(&config(), &Roots::Mozilla, vec![vec![dead, origin.address]]);
    let endpoint = fetcher.endpoint("http://issuer.test/").unwrap();
    assert_eq!(fetcher.get(&endpoint).await.unwrap().body, "alive");
}

#[tokio::test]
async fn a_name_that_is_not_known_names_the_host() {
    let fetcher = resolving(&config(), &Roots::Mozilla, vec![vec![]]);
    let endpoint = fetcher.endpoint("https://issuer.test/").unwrap();
    for source in [false, true] {
        let error = fetcher.get(&endpoint).await.unwrap_err();
        assert!(matches!(error.fault, Fault::Resolve(_)), "{error}");
        assert!(error.to_string().starts_with("issuer.test: "), "{error}");
        assert_eq!(std::error::Error::source(&error).is_some(), source);
    }
}

#[tokio::test]
async fn redirects_are_refused() {
    let target = Origin::plain(|_| Reply::ok("", "")).await;
    for status in [300, 301, 302, 303, 304, 307, 308, 399] {
        let location = format!(
            "HTTP/1.1 {status} Moved\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
            target.address
        );
        let origin = Origin::plain(move |_| Reply::text(&location)).await;
        let fault = get(&config(), &origin, "/").await.unwrap_err();
        assert!(matches!(fault, Fault::Redirect(found) if found == status), "{fault}");
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn only_200_is_an_answer() {
    for (text, status) in [
        ("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 201),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("HTTP/1.1 206 Partial\r\nContent-Length: 0\r\n\r\n", 206),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404),
        ("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", 500),
    ] {
        let fault = answering(text).await.unwrap_err();
        assert!(matches!(fault, Fault::Status(found) if found == status), "{fault}");
    }
}

#[tokio::test]
async fn an_answer_may_have_the_largest_size_and_no_more() {
    let config = FetcherConfig { max_answer: ByteSize::new(10), ..config() };
    for (text, fits) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789a", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\n\r\n0123456789", true),
        ("HTTP/1.1 200 OK\r\n\r\n0123456789a", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n56789a\r\n0\r\n\r\n",
            false,
        ),
    ] {
        let origin = Origin::plain(move |_| Reply::text(text)).await;
        match get(&config, &origin, "/").await {
            Ok(answer) => assert!(fits && answer.body == "0123456789", "{text}"),
            Err(Fault::TooLarge(_)) => assert!(!fits, "{text}"),
            Err(fault) => panic!("{text}: {fault}"),
        }
    }
}

#[tokio::test]
async fn an_endless_answer_ends_at_the_largest_size() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
    let origin = Origin::plain(move |_| Reply::Drip(head.into())).await;
    let config = FetcherConfig { max_answer: ByteSize::new(20), ..config() };
    assert!(matches!(get(&config, &origin, "/").await, Err(Fault::TooLarge(_))));
}

#[tokio::test]
async fn an_endless_slow_answer_ends_with_the_time() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
    let origin = Origin::plain(move |_| Reply::Drip(head.into())).await;
    let config = FetcherConfig { whole: Duration::from_millis(100), ..config() };
    assert!(matches!(get(&config, &origin, "/").await, Err(Fault::Whole(_))));
}

#[tokio::test]
async fn the_first_byte_has_a_time_of_its_own() {
    let config = FetcherConfig { first_byte: Duration::from_millis(50), ..config() };
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(3);
    for reply in
        [Reply::Silence, Reply::Drip(b"HTTP/1.1 200 OK\r\nA: ".into()), Reply::Drip(interim.into())]
    {
        let origin = Origin::plain(move |_| reply.clone()).await;
        let fault = get(&config, &origin, "/").await.unwrap_err();
        // Garbage may be seen before the time is up.
        assert!(matches!(fault, Fault::FirstByte(_) | Fault::Http(_)), "{fault}");
    }
    let origin = Origin::plain(|_| Reply::Silence).await;
    let begun = tokio::time::Instant::now();
    assert!(matches!(get(&config, &origin, "/").await, Err(Fault::FirstByte(_))));
    assert!(begun.elapsed() < config.whole / 2);
}

#[tokio::test]
async fn a_host_that_takes_the_connection_and_says_nothing_ends_with_the_time() {
    let config = FetcherConfig { connect: Duration::from_millis(50), ..config() };
    let fetcher = Fetcher::new(&config, &Roots::Mozilla).unwrap();
    // The kernel connects; nobody answers the greeting of TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = fetcher.endpoint(&format!("https://{address}/")).unwrap();
    let error = fetcher.get(&endpoint).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Connecting(_)), "{error}");
}

#[tokio::test]
async fn what_is_no_complete_answer_is_refused() {
    for text in [
        "",
        "hello",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n012",
        "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
    ] {
        let fault = answering(text).await.unwrap_err();
        assert!(matches!(fault, Fault::Http(_)), "{text:?}: {fault}");
    }
}

#[tokio::test]
async fn a_large_head_is_refused() {
    let field = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(40_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(200));
    for text in [field, many] {
        let origin = Origin::plain(move |_| Reply::text(&text)).await;
        assert!(matches!(get(&config(), &origin, "/").await, Err(Fault::Http(_))));
    }
}

#[tokio::test]
async fn compressed_answers_are_refused() {
    let text = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n1";
    assert!(matches!(answering(text).await, Err(Fault::Encoded)));
}

#[test]
fn a_fetcher_needs_roots_and_networks() {
    let config = FetcherConfig::default();
    let pem = |text: &str| Fetcher::new(&config, &Roots::Only(text.into())).err();
    assert_eq!(pem(""), Some(InvalidFetcher::NoRoots));
    assert!(matches!(
        pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        Some(InvalidFetcher::Roots(_))
    ));
    let config = FetcherConfig { allow: vec!["lan".into()], ..config };
    let invalid = Fetcher::new(&config, &Roots::Mozilla).unwrap_err();
    assert!(matches!(invalid, InvalidFetcher::Network(_)));
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_hangs_ends_with_the_time_to_connect() {
    let lookup = |_: String, _: u16| -> Pin<Box<dyn Future<Output = _> + Send>> {
        Box::pin(std::future::pending())
    };
    let fetcher = Fetcher::with_lookup(&config(), &Roots::Mozilla, Box::new(lookup)).unwrap();
    let endpoint = fetcher.endpoint("https://issuer.test/").unwrap();
    let begun = tokio::time::Instant::now();
    let error = fetcher.get(&endpoint).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Connecting(_)), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[test]
fn every_setting_is_read() {
    let text = [
        ("fetch.connect", "1s"),
        ("fetch.first_byte", "2s"),
        ("fetch.whole", "3s"),
        ("fetch.max_answer", "4KiB"),
        ("fetch.allow_http", "true"),
        ("fetch.allow_private", "true"),
        ("fetch.allow", "10.0.0.0/8, 192.0.2.1"),
    ];
    let mut reader = Reader::from_text(text);
    let config = FetcherConfig::default().read("fetch", &mut reader);
    assert_eq!(reader.finish(), []);
    let expected = FetcherConfig {
        connect: Duration::from_secs(1),
        first_byte: Duration::from_secs(2),
        whole: Duration::from_secs(3),
        max_answer: ByteSize::kib(4),
        allow_http: true,
        allow_private: true,
        allow: vec!["10.0.0.0/8".into(), "192.0.2.1".into()],
    };
    assert_eq!(config, expected);
}
