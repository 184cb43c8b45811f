//! Bare errors behind a wall.

use gabion_tower::WallLayer;
use http::{Request, header::ALLOW};

use crate::service::{OPEN, Passes, ask, routes};

#[tokio::test]
async fn a_wall_makes_problems_of_bare_errors_only_when_it_is_told_to() {
    let wall = || WallLayer::new(&OPEN, Passes);
    let ask = async |layer: WallLayer<Passes>| {
        ask(&mut routes().layer(layer), Request::post("/fine"), "").await
    };
    assert_eq!(ask(wall()).await.text(), "");
    let problem = ask(wall().problems()).await;
    assert_eq!(problem.outcome(), (405, "method-not-allowed".into()));
    assert_eq!(problem.header(ALLOW), "GET,HEAD");
}
