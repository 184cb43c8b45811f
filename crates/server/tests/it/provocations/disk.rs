//! A disk that is full for a while: nothing is half done, and afterwards everything works.

use serde_json::json;

use super::{Place, World};
use crate::{
    client::Request,
    server::{PASSWORD, Tokens, until},
};

#[test]
fn what_failed_for_a_full_disk_is_not_half_done() {
    let world = World::new(Place::Usual);
    let Tokens { access, refresh } = world.server.login("walker", PASSWORD);
    world.disk(Some(100));
    let down = "dependency-unavailable";
    world.server.try_login("walker", PASSWORD).problem(down);
    // A second use of the token would end the session, and this was none.
    world.server.refresh(&refresh).problem(down);
    let password = json!({"current": PASSWORD, "new": "another granite otter 78"});
    world.server.post("/api/auth/password", &access, &password).problem(down);
    world.server.send(&Request::post("/api/auth/logout").bearer(&access)).problem(down);
    let account = json!({"username": "late", "password": PASSWORD, "roles": ["user"]});
    world.server.post("/api/admin/users", &world.admin, &account).problem(down);
    // Who only reads is served.
    assert!(world.server.accepts(&access));
    world.server.get("/api/auth/sessions", &access).expect(200);
    world.disk(None);
    until("the disk is used again", || {
        (world.server.try_login("walker", PASSWORD).status == 200).then_some(())
    });
    assert!(world.server.accepts(&access));
    let renewed = Tokens::of(&world.server.refresh(&refresh).expect(200));
    world.server.send(&Request::post("/api/auth/logout").bearer(&renewed.access)).expect(204);
    assert!(!world.server.accepts(&access));
    world.server.post("/api/admin/users", &world.admin, &account).expect(201);
}
