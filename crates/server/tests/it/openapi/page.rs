//! The page that shows the document.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::document::Document;
use crate::{
    client::Request,
    server::{Home, until},
};

/// The insides of every element `tag`, whatever its attributes.
fn elements<'a>(html: &'a str, tag: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some((_, behind)) = rest.split_once(&format!("<{tag}")) {
        let (attributes, inside) = behind.split_once('>').expect("the end of a tag");
        assert_eq!(attributes, "", "a {tag} with attributes is not covered by its hash");
        let (inside, behind) = inside.split_once(&format!("</{tag}>")).expect("its end");
        found.push(inside);
        rest = behind;
    }
    found
}

#[test]
fn what_a_page_runs_is_in_it_and_named_by_its_policy() {
    let home = Home::new();
    let server = home.start(&[]);
    for path in ["/api/docs", "/", "/api/problems/conflict"] {
        let page = server.send(&Request::get(path).header("Accept", "text/html")).expect(200);
        let policy = page.header("content-security-policy").expect("a policy").to_owned();
        let html = page.text();
        for (tag, directive) in [("script", "script-src"), ("style", "style-src")] {
            let own = policy.split("; ").find_map(|part| part.strip_prefix(directive));
            let mut own: Vec<&str> = own.expect("a directive").split_whitespace().collect();
            own.retain(|source| *source != "'none'");
            for inside in elements(&html, tag) {
                let hash = format!("'sha256-{}'", STANDARD.encode(Sha256::digest(inside)));
                let at = own.iter().position(|source| *source == hash);
                own.remove(at.unwrap_or_else(|| panic!("{path}: {tag} is not in {policy}")));
            }
            assert_eq!(own, [""; 0], "{path}: {directive} lets in what is not there");
        }
        let markup = html.split("<script>").next().expect("the page before its script");
        for inline in [" style=", " onclick=", " onload=", " src=", "<iframe", "<link rel=\"style"]
        {
            assert!(!markup.contains(inline), "{path} has {inline}");
        }
        for reference in markup.split("href=\"").skip(1) {
            let local = ["/", "#", "data:"].iter().any(|begin| reference.starts_with(begin));
            assert!(local && !reference.starts_with("//"), "{path}: {}", &reference[..40]);
        }
    }
}

/// What a browser without any network makes of a page, and what it complains of.
fn browse(program: &str, folder: &str, address: &str) -> (String, String) {
    let child = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"])
        .args(["--virtual-time-budget=10000", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={folder}"))
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("the browser starts");
    let (out, err) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    let read = |mut pipe: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            // What came before the browser was ended is looked at all the same.
            let _ = pipe.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let (out, err) = (read(Box::new(out)), read(Box::new(err)));
    until("the browser ends", || child.try_wait().expect("a child"));
    (out.join().expect("text"), err.join().expect("text"))
}

#[test]
fn a_browser_without_a_network_shows_every_operation() {
    let programs = ["chromium", "chromium-browser", "google-chrome"];
    let Some(program) = programs.into_iter().find(|program| {
        let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    }) else {
        // Written directly, since cargo keeps back what a test that passes prints.
        let told = format!("\nSKIPPED: no browser looks at /api/docs: {programs:?} are not here\n");
        std::io::stderr().write_all(told.as_bytes()).expect("the error stream takes it");
        return;
    };
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let document = Document::of(&server);
    let folder = home.write("browser", "");
    std::fs::remove_file(&folder).expect("the file is there");
    let address = format!("http://{}/api/docs#op-create_user", server.address());
    let (page, told) = browse(program, &folder, &address);
    for complaint in ["Content Security Policy", "Uncaught", "SEVERE"] {
        assert!(!told.contains(complaint), "{told}");
    }
    let operations = document.operations();
    assert!(page.contains(&format!("{} operations", operations.len())), "{page}");
    for operation in &operations {
        let name = operation.told["operationId"].as_str().expect("a name");
        assert!(page.contains(&format!("id=\"op-{name}\"")), "{name}");
    }
    for tag in document.whole()["tags"].as_array().expect("tags") {
        let told = tag["description"].as_str().expect("a description");
        assert!(page.contains(&told.replace('\'', "&#39;")) || page.contains(told), "{told}");
    }
    // The one that the address names is open, and leads on.
    assert!(page.contains("Try it") && page.contains("/api/problems/conflict"), "{page}");
    assert!(page.contains("#op-update_user"), "{page}");
    // Its command is for terminals and tickets, and passwords are not.
    let (_, command) = page.split_once("--data-raw").expect("a command");
    let (command, _) = command.split_once("</pre>").expect("its end");
    assert!(command.contains("\"password\": \"***\""), "{command}");
    assert!(!command.contains("trumpet"), "{command}");
}
