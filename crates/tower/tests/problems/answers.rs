//! What becomes of each error.

use gabion_tower::ProblemLayer;
use http::{
    Method, Request,
    header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, ETAG, RETRY_AFTER, WWW_AUTHENTICATE},
};
use tower_layer::Layer;

use crate::service::{answer, ask, get_from, routes};

#[tokio::test]
async fn an_error_of_a_handler_is_told_without_its_cause() {
    let answer = answer("/fails").await;
    assert_eq!(answer.outcome(), (503, "dependency-unavailable".into()));
    assert_eq!(answer.header(RETRY_AFTER), "2");
    assert_eq!(answer.document()["detail"], "no room");
    assert!(!answer.text().contains("shard"));
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    let answer = answer("/panics").await;
    assert_eq!(answer.outcome(), (500, "internal".into()));
    assert!(!answer.text().contains("hunter2"));
}

#[tokio::test]
async fn what_the_router_and_its_extractors_refuse_is_a_problem() {
    let json = "application/json";
    let long = "1".repeat(65);
    for (method, path, media, body, status, code) in [
        (Method::GET, "/nothing", "", "", 404, "not-found"),
        (Method::POST, "/fine", "", "", 405, "method-not-allowed"),
        (Method::POST, "/number", "text/plain", "7", 415, "unsupported-media-type"),
        (Method::POST, "/number", json, "?", 400, "invalid-request"),
        (Method::POST, "/number", json, "\"7\"", 422, "invalid-body"),
        (Method::POST, "/number", json, &*long, 413, "body-too-large"),
        (Method::POST, "/form", json, "", 415, "unsupported-media-type"),
        (Method::POST, "/form", "application/x-www-form-urlencoded", "a=b", 422, "invalid-body"),
        (Method::GET, "/items/seven", "", "", 400, "invalid-request"),
        (Method::GET, "/items/%ff", "", "", 400, "invalid-request"),
        (Method::GET, "/search?a=b", "", "", 400, "invalid-request"),
        (Method::GET, "/state", "", "", 500, "internal"),
        (Method::GET, "/empty", "", "", 402, "payment-required"),
    ] {
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, media);
        let answer = ask(&mut routes().layer(ProblemLayer::new()), request, body).await;
        assert_eq!(answer.outcome(), (status, code.to_owned()), "{path} {body}");
        assert!(!answer.text().contains("Secretive") && !answer.text().contains("u32"));
        assert_eq!(answer.header(ALLOW), if status == 405 { "GET,HEAD" } else { "" });
    }
}

#[tokio::test]
async fn the_fields_of_an_answer_stay_but_for_those_of_its_body() {
    let answer = answer("/slow-down").await;
    assert_eq!(answer.outcome(), (503, "service-unavailable".into()));
    assert_eq!((answer.header(RETRY_AFTER), answer.header(WWW_AUTHENTICATE)), ("7", "Bearer"));
    assert_eq!(answer.document()["retry_after"], 7);
    assert_eq!((answer.header(ETAG), answer.header(CONTENT_ENCODING)), ("", ""));
    assert_eq!(answer.head.headers.get_all(CONTENT_TYPE).iter().count(), 1);
}

#[tokio::test]
async fn a_slow_service_does_not_blame_the_client() {
    assert_eq!(answer("/late").await.document()["detail"], "the request took too long");
}

#[tokio::test]
async fn what_is_no_bare_error_passes_as_it_is() {
    for (path, status, text) in [
        ("/fine", 200, "fine"),
        ("/moved", 302, "over there"),
        ("/page", 404, "nothing"),
        ("/own", 409, r#"{"mine":true}"#),
        ("/teapot", 418, "short and stout"),
    ] {
        let answer = answer(path).await;
        assert_eq!((answer.head.status.as_u16(), answer.text()), (status, text));
        assert_eq!(answer.header("x-request-id").len(), 32);
    }
}

#[tokio::test]
async fn what_the_author_leaves_alone_passes() {
    let layer = ProblemLayer::new().leave(|answer| answer.headers.contains_key(ETAG));
    let left = get_from(layer.clone(), "/slow-down").await;
    assert_eq!(left.text(), "come back later, says /var/lib/db");
    assert_eq!(get_from(layer, "/nothing").await.outcome().0, 404);
}

#[tokio::test]
async fn texts_are_kept_only_where_they_are_asked_for_and_never_those_of_failures() {
    let layer = || ProblemLayer::new().texts();
    let refused = get_from(layer(), "/items/seven").await;
    assert!(refused.document()["detail"].as_str().unwrap().contains("seven"), "{}", refused.text());
    let failed = get_from(layer(), "/slow-down").await;
    assert!(!failed.text().contains("/var/lib"), "{}", failed.text());
    let empty = get_from(layer(), "/empty").await;
    assert_eq!(empty.document()["detail"], "This must be paid for.");
}

#[tokio::test]
async fn an_answer_to_head_tells_the_length_and_nothing_else() {
    let mut service = ProblemLayer::new().layer(routes());
    let answer = ask(&mut service, Request::head("/nothing"), "").await;
    assert_eq!((answer.head.status.as_u16(), answer.text()), (404, ""));
    assert!(answer.header("content-length").parse::<u32>().unwrap() > 100);
}

#[tokio::test]
async fn a_valid_id_is_kept_and_any_other_replaced() {
    let mut service = routes().layer(ProblemLayer::new());
    let with = |id: &str| Request::get("/ids").header("x-request-id", id);
    let kept = ask(&mut service, with("from-a-proxy"), "").await;
    assert_eq!((kept.text(), kept.header("x-request-id")), ("from-a-proxy", "from-a-proxy"));
    let replaced = ask(&mut service, with("no spaces, please"), "").await;
    assert_eq!((replaced.text(), replaced.text().len()), (replaced.header("x-request-id"), 32));
}

#[tokio::test]
async fn the_pages_of_the_types_may_be_elsewhere() {
    let layer = ProblemLayer::new().types_at("https://example.org/problems/");
    let answer = get_from(layer, "/nothing").await;
    assert_eq!(answer.document()["type"], "https://example.org/problems/not-found");
}
