//! What is refused before the server listens.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, time::Duration};

use gabion_clock::{Clock, SystemClock};

use super::Authority;
use crate::server::{Home, finish};

/// The mistakes that a check finds; it must find some.
#[track_caller]
fn mistakes(home: &Home, sets: &[&str]) -> String {
    let checked = finish(home.command(&["config", "check"], sets), "");
    assert_eq!(checked.code, Some(2), "{checked:?}");
    let started = finish(home.command(&["serve"], sets), "");
    assert_eq!(started.code, Some(2), "{started:?}");
    checked.stderr + &checked.stdout
}

const CERT: &str = "server.tls.cert_file=cert.pem";
const KEY: &str = "server.tls.key_file=key.pem";

#[test]
fn one_file_without_the_other_is_a_mistake() {
    let (home, ca) = (Home::new(), Authority::new());
    ca.settings(&home, "localhost");
    let told = mistakes(&home, &[CERT]);
    assert!(
        told.contains("server.tls.cert_file") && told.contains("needs server.tls.key_file"),
        "{told}"
    );
    let told = mistakes(&home, &[KEY]);
    assert!(
        told.contains("server.tls.key_file") && told.contains("needs server.tls.cert_file"),
        "{told}"
    );
}

#[test]
fn files_that_are_no_pair_are_mistakes_with_a_way_out() {
    let (home, ca) = (Home::new(), Authority::new());
    let made = ca.make("localhost");
    let other = ca.make("localhost");
    for (cert, key, wanted) in [
        ("", made.key.as_str(), ["server.tls.cert_file", "holds no certificate"]),
        ("no PEM at all", &made.key, ["server.tls.cert_file", "holds no certificate"]),
        (&made.cert[..300], &made.key, ["server.tls.cert_file", "is not PEM"]),
        (&made.key, &made.key, ["server.tls.cert_file", "holds no certificate"]),
        (&made.cert, "", ["server.tls.key_file", "holds no such key"]),
        (&made.cert, &made.cert, ["server.tls.key_file", "holds no such key"]),
        (&made.cert, &other.key, ["server.tls.key_file", "does not belong to"]),
    ] {
        home.write("cert.pem", cert);
        home.write("key.pem", key);
        let told = mistakes(&home, &[CERT, KEY]);
        assert!(wanted.iter().all(|part| told.contains(part)), "{wanted:?} {told}");
        assert!(told.contains("accepts"), "{told}");
    }
    let told = mistakes(&home, &["server.tls.cert_file=/none/cert.pem", KEY]);
    assert!(told.contains("/none/cert.pem") && told.contains("cannot be read"), "{told}");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let (home, ca) = (Home::new(), Authority::new());
    ca.settings(&home, "localhost");
    for mode in [0o644, 0o604, 0o620, 0o660] {
        let mode = Permissions::from_mode(mode);
        std::fs::set_permissions(home.path("key.pem"), mode).expect("its mode can be set");
        let told = mistakes(&home, &[CERT, KEY]);
        assert!(told.contains("server.tls.key_file") && told.contains("chmod 600"), "{told}");
    }
}

#[test]
fn the_addresses_that_are_told_are_those_of_https() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&ca.settings(&home, "localhost"));
    let wanted = format!("gabion listens on https://{}", server.address());
    server.wait_for_log(&[&wanted]);
    server.wait_for_log(&["\"message\":\"ready\"", "\"scheme\":\"https\""]);
    assert!(!server.log().contains("http://"), "{}", server.log());
}

#[test]
fn a_certificate_that_expires_soon_is_warned_of() {
    let (home, ca) = (Home::new(), Authority::new());
    let sets = ca.settings(&home, "localhost");
    let end = SystemClock::new().unix() + Duration::from_secs(86_400 * 10);
    let made = ca.make_until("localhost", end);
    home.write("cert.pem", made.cert);
    home.write("key.pem", made.key);
    let server = home.start(&sets);
    let line = server.wait_for_log(&["\"WARN\"", "the certificate expires soon"]);
    let day = &end.to_string()[..10];
    assert!(line.contains(day), "{line}");
    let admin = server.over_tls(&ca).login();
    let status = server.over_tls(&ca).json("/api/admin/status", &admin);
    assert!(status["tls"]["expires_at"].as_str().is_some_and(|at| at.starts_with(day)), "{status}");
    assert!(status["tls"]["problem"].is_null(), "{status}");
}

#[test]
fn a_certificate_that_has_expired_keeps_nobody_from_starting() {
    let (home, ca) = (Home::new(), Authority::new());
    let sets = ca.settings(&home, "localhost");
    let yesterday = SystemClock::new().unix().as_secs() - 86_400;
    let expired = ca.make_until("localhost", gabion_clock::UnixTime::from_secs(yesterday));
    home.write("cert.pem", expired.cert);
    home.write("key.pem", expired.key);
    let server = home.start(&sets);
    server.wait_for_log(&["\"ERROR\"", "the certificate has expired"]);
    // A good one takes its place, and is not given up for one that has expired.
    let good = ca.make("localhost");
    home.write("cert.pem", &good.cert);
    home.write("key.pem", &good.key);
    server.signal(rustix::process::Signal::HUP);
    server.wait_for_log(&["certificate taken"]);
    let again = ca.make_until("localhost", gabion_clock::UnixTime::from_secs(yesterday));
    home.write("cert.pem", again.cert);
    home.write("key.pem", again.key);
    server.signal(rustix::process::Signal::HUP);
    server.wait_for_log(&["the last good one stays", "expired at 20"]);
    server.over_tls(&ca).login();
}
