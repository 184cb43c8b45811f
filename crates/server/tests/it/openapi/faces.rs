//! Each face of the server has a document of its own routes.

use std::{collections::BTreeSet, net::TcpListener};

use super::document::{Document, Operation};
use crate::{
    client::{Client, Request},
    server::Home,
};

/// A document's operations.
fn names(document: &Document) -> BTreeSet<String> {
    document.operations().iter().map(Operation::name).collect()
}

/// Whether a face serves an operation: whatever it answers, it is not that there is no such path or method.
fn serves(client: &mut Client, operation: &Operation) -> bool {
    // A body that nobody may send is refused before anything is done.
    let request = operation.request().header("Content-Type", "text/plain").body("no");
    let response = client.send(&request);
    match response.status {
        404 | 405 => false,
        401 | 415 => true,
        other => panic!("{} at {}: {}", other, operation.name(), response.text()),
    }
}

#[test]
fn each_face_lists_exactly_what_it_serves() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let admin_listen = format!("server.admin_listen={free}");
    let everything = {
        let home = Home::new();
        let server = home.start(&["demo.enabled=true"]);
        Document::of(&server)
    };
    let all = everything.operations();
    for (sets, apart) in [
        (vec![], false),
        (vec!["demo.enabled=true"], false),
        (vec![admin_listen.as_str()], true),
        (vec![admin_listen.as_str(), "demo.enabled=true"], true),
    ] {
        let home = Home::new();
        let server = home.start(&sets);
        let demo = sets.contains(&"demo.enabled=true");
        let mut faces = vec![server.address()];
        faces.extend(apart.then_some(free));
        let mut listed = BTreeSet::new();
        for face in faces {
            let told = Client::connect(face).send(&Request::get("/api/openapi.json"));
            let document = Document::read(told.expect(200).json());
            let own = names(&document);
            for operation in &all {
                let served = serves(&mut Client::connect(face), operation);
                assert_eq!(
                    served,
                    own.contains(&operation.name()),
                    "{} {sets:?}",
                    operation.name()
                );
            }
            assert!(own.is_subset(&names(&everything)), "{sets:?}");
            listed.extend(own);
        }
        let wanted = all.iter().filter(|it| demo || !it.path.starts_with("/api/demo/"));
        assert_eq!(listed, wanted.map(Operation::name).collect(), "{sets:?}");
        let flags: Vec<String> = sets.iter().map(|set| format!("--set={set}")).collect();
        let arguments: Vec<&str> =
            std::iter::once("openapi").chain(flags.iter().map(String::as_str)).collect();
        let printed = Document::read(home.run(&arguments).json());
        assert_eq!(names(&printed), listed, "{sets:?}");
        server.stop();
    }
}
