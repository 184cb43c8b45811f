//! Certificates that change while the server runs.

use std::{
    fs,
    os::unix::fs::symlink,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use rustls::pki_types::CertificateDer;

use super::{Authority, pause};
use crate::{
    client::{Client, Request},
    server::{Home, Server, until},
};

/// The certificate that new connections see.
fn seen(server: &Server, ca: &Authority) -> CertificateDer<'static> {
    let stream = ca.stream(server.address());
    stream.conn.peer_certificates().expect("certificates")[0].clone().into_owned()
}

#[track_caller]
fn wait_for(server: &Server, ca: &Authority, wanted: &CertificateDer<'static>) {
    until("new connections see the new certificate", || {
        (seen(server, ca) == *wanted).then_some(())
    });
}

#[test]
fn under_load_no_request_fails_while_certificates_change() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&ca.settings(&home, "localhost"));
    let done = AtomicBool::new(false);
    let (kept, fresh) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for own in 0..8 {
            let (server, ca, done, kept, fresh) = (&server, &ca, &done, &kept, &fresh);
            scope.spawn(move || {
                let ask = Request::get("/api/health");
                let mut old = Client::over(ca.stream(server.address()));
                while !done.load(Ordering::Relaxed) {
                    old.send(&ask).expect(200);
                    kept.fetch_add(1, Ordering::Relaxed);
                    if own % 2 == 0 {
                        Client::over(ca.stream(server.address())).send(&ask).expect(200);
                        fresh.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for turn in 0..5 {
            let made = ca.make("localhost");
            // In two steps, as a careless script does it: in between they are no pair.
            home.write("cert.pem", &made.cert);
            if turn % 2 == 0 {
                pause(Duration::from_millis(300));
            }
            home.write("key.pem", &made.key);
            wait_for(&server, &ca, &made.der);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(kept.into_inner() > 100 && fresh.into_inner() > 20);
    assert!(server.log().contains("certificate taken"));
}

#[test]
fn a_swap_of_symlinks_is_seen() {
    let (home, ca) = (Home::new(), Authority::new());
    let (first, second) = (ca.make("localhost"), ca.make("localhost"));
    // As Kubernetes mounts a secret: tls.crt -> ..data/tls.crt, ..data -> a folder of its own.
    let volume = home.path("volume");
    for (name, made) in [("..one", &first), ("..two", &second)] {
        fs::create_dir_all(volume.join(name)).expect("a folder");
        home.write(&format!("volume/{name}/tls.crt"), &made.cert);
        home.write(&format!("volume/{name}/tls.key"), &made.key);
    }
    symlink("..one", volume.join("..data")).expect("a link");
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), volume.join(name)).expect("a link");
    }
    let sets = ["server.tls.cert_file=volume/tls.crt", "server.tls.key_file=volume/tls.key"];
    let server = home.start(&sets);
    assert_eq!(seen(&server, &ca), first.der);
    symlink("..two", volume.join("..data_tmp")).expect("a link");
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).expect("a rename");
    wait_for(&server, &ca, &second.der);
}

#[test]
fn files_that_are_no_pair_leave_the_last_good_one() {
    let (home, ca) = (Home::new(), Authority::new());
    let made = ca.make("localhost");
    let sets = ca.settings(&home, "localhost");
    home.write("cert.pem", &made.cert);
    home.write("key.pem", &made.key);
    let server = home.start(&sets);
    let admin = server.over_tls(&ca).login();
    home.write("cert.pem", "nothing");
    server.wait_for_log(&["\"ERROR\"", "the last good one stays", "holds no certificate"]);
    assert_eq!(seen(&server, &ca), made.der);
    let mut client = server.over_tls(&ca);
    let status = client.json("/api/admin/status", &admin);
    let problem = status["tls"]["problem"].as_str().expect("a problem");
    assert!(problem.contains("server.tls.cert_file"), "{problem}");
    assert!(client.text("/api/metrics", &admin).contains("gabion_tls_certificate_refused 1"));
    // Told once, however often somebody asks for it.
    server.signal(Signal::HUP);
    server.wait_for_log(&["nothing has changed"]);
    let next = ca.make("localhost");
    home.write("cert.pem", &next.cert);
    home.write("key.pem", &next.key);
    wait_for(&server, &ca, &next.der);
    assert!(client.json("/api/admin/status", &admin)["tls"]["problem"].is_null());
    assert!(client.text("/api/metrics", &admin).contains("gabion_tls_certificate_refused 0"));
    let log = server.log();
    let told = log
        .lines()
        .filter(|line| line.contains("holds no certificate, accepts") && line.contains("stays"));
    assert_eq!(told.filter(|line| line.contains("not replaced")).count(), 1, "{log}");
}

#[test]
fn a_pipe_in_place_of_a_file_holds_up_nobody() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&ca.settings(&home, "localhost"));
    let admin = server.over_tls(&ca).login();
    fs::remove_file(home.path("cert.pem")).expect("it is there");
    let made = std::process::Command::new("mkfifo").arg(home.path("cert.pem")).status();
    assert!(made.expect("mkfifo runs").success());
    server.wait_for_log(&["the last good one stays", "is not a file"]);
    let status = server.over_tls(&ca).json("/api/admin/status", &admin);
    assert!(status["tls"]["problem"].as_str().is_some_and(|it| it.contains("is not a file")));
    server.stop();
}
