use std::{
    future::Future,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{
    App, HttpRequest,
    body::to_bytes,
    dev::Service,
    middleware::from_fn,
    rt::System,
    test::{TestRequest, init_service},
    web::{self, Json, ReqData},
};
use serde_json::Value;

use super::*;
use crate::ToProblem;

#[derive(Debug, thiserror::Error)]
#[error("shard 7 of /var/lib/db is full")]
struct Full;

impl ToProblem for Full {
    fn to_problem(&self) -> Problem {
        Problem::new(&types::OVERLOADED).detail("no room").retry_after(Duration::from_secs(2))
    }
}

async fn full() -> Result<&'static str, Rejection> {
    Err(Full)?
}

async fn fails() -> Result<&'static str, Rejection> {
    Err(Rejection::internal("disk on fire"))
}

async fn two_challenges() -> Result<&'static str, Rejection> {
    let name = http::header::WWW_AUTHENTICATE;
    let challenge = |scheme| (name.clone(), http::HeaderValue::from_static(scheme));
    let problem = Problem::new(&types::UNAUTHENTICATED);
    let problem = ["Bearer", "DPoP"]
        .map(challenge)
        .into_iter()
        .fold(problem, |problem, (name, value)| problem.header(name, value));
    Err(problem)?
}

async fn panics(request: HttpRequest) -> &'static str {
    panic!("{} holds hunter2", request.path())
}

async fn number(Json(number): Json<u32>) -> String {
    number.to_string()
}

async fn page() -> HttpResponse {
    let mut page = HttpResponse::NotFound().body("<h1>nothing</h1>");
    page.extensions_mut().insert(AsIs);
    page
}

async fn id(id: ReqData<RequestId>) -> String {
    id.as_str().to_owned()
}

/// Refuses before any handler, as an error.
async fn refuse(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if request.path() == "/guarded" {
        return Err(Rejection::new(Problem::new(&types::FORBIDDEN)).into());
    }
    next.call(request).await
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(own, _)| own == name);
        found.next().map_or("", |(_, value)| value)
    }

    /// Its status and code, of a document that agrees with its head.
    fn outcome(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Problem::CONTENT_TYPE, "{}", self.body);
        let document: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(document["status"], self.status);
        assert_eq!(document["request_id"], self.header("x-request-id"));
        (self.status, document["code"].as_str().unwrap().to_owned())
    }
}

fn ask(request: TestRequest) -> Answer {
    System::new().block_on(async {
        let app = App::new()
            .route("/full", web::get().to(full))
            .route("/fails", web::get().to(fails))
            .route("/challenges", web::get().to(two_challenges))
            .route("/panics", web::get().to(panics))
            .route("/number", web::post().to(number))
            .route("/page", web::get().to(page))
            .route("/id", web::get().to(id))
            .wrap(from_fn(refuse))
            .wrap(from_fn(report));
        let app = init_service(app).await;
        // As the server does with an error that no middleware took.
        let (response, body) = match app.call(request.to_request()).await {
            Ok(response) => {
                let (_, response) = response.into_parts();
                let (head, body) = response.into_parts();
                (head, body.boxed())
            }
            Err(error) => HttpResponse::from_error(error).into_parts(),
        };
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().iter().map(text).collect(),
            body: String::from_utf8(to_bytes(body).await.unwrap_or_default().to_vec()).unwrap(),
        }
    })
}

fn get(path: &str) -> Answer {
    ask(TestRequest::get().uri(path))
}

#[test]
fn an_error_becomes_a_problem_by_the_question_mark() {
    let answer = get("/full");
    assert_eq!(answer.outcome(), (503, "overloaded".into()));
    assert_eq!(answer.header("retry-after"), "2");
    assert!(answer.body.contains("no room") && !answer.body.contains("shard"), "{}", answer.body);
}

#[test]
fn every_challenge_is_sent() {
    let answer = get("/challenges");
    assert_eq!(answer.outcome().0, 401);
    let challenges = answer.headers.iter().filter(|(name, _)| name == "www-authenticate");
    assert_eq!(challenges.count(), 2);
}

#[test]
fn a_panic_is_a_problem_that_tells_nothing() {
    let answer = get("/panics");
    assert_eq!(answer.outcome(), (500, "internal".into()));
    assert!(!answer.body.contains("hunter2"), "{}", answer.body);
}

#[test]
fn what_a_middleware_refuses_is_a_problem_with_the_id() {
    assert_eq!(get("/guarded").outcome(), (403, "forbidden".into()));
}

#[test]
fn what_actix_says_by_itself_is_a_problem() {
    assert_eq!(get("/nothing").outcome(), (404, "not-found".into()));
    let wrong = TestRequest::post().uri("/number").set_json("seven");
    assert_eq!(ask(wrong).outcome(), (400, "invalid-request".into()));
}

#[test]
fn what_is_meant_as_it_is_stays() {
    let answer = get("/page");
    assert_eq!((answer.status, answer.body.as_str()), (404, "<h1>nothing</h1>"));
    assert_eq!(answer.header("x-request-id").len(), 32);
}

#[test]
fn a_valid_id_is_kept_and_known_to_the_handler() {
    let with = |id| ask(TestRequest::get().uri("/id").insert_header(("x-request-id", id)));
    let kept = with("from-a-proxy");
    assert_eq!((kept.body.as_str(), kept.header("x-request-id")), ("from-a-proxy", "from-a-proxy"));
    let given = with("no spaces, please");
    assert_eq!((given.body.as_str(), given.body.len()), (given.header("x-request-id"), 32));
    assert_ne!(with("short").body, with("short").body);
}

/// What `work` writes to the log.
fn log(work: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let lines = Lines::default();
    let own = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || own.clone());
    tracing::subscriber::with_default(subscriber.finish(), work);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_failure_is_told_once_with_its_cause_its_id_and_its_route() {
    let mut id = String::new();
    let log = log(|| id = get("/fails").header("x-request-id").to_owned());
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in ["disk on fire", &id, r#""route":"/fails""#, r#""code":"internal""#] {
        assert!(log.contains(part), "{part} in {log}");
    }
}

#[test]
fn a_rejection_alone_is_a_document_without_an_id() {
    let answered = System::new().block_on(async {
        let app = init_service(App::new().route("/full", web::get().to(full))).await;
        let response = app.call(TestRequest::get().uri("/full").to_request()).await.unwrap();
        assert!(response.response().error().unwrap().as_error::<Rejection>().is_some());
        actix_web::test::read_body(response).await
    });
    let document: Value = serde_json::from_slice(&answered).unwrap();
    assert_eq!((&document["code"], &document["request_id"]), (&"overloaded".into(), &"".into()));
}

/// The middleware goes wherever `from_fn` takes one.
#[expect(dead_code, reason = "it only has to compile")]
fn a_future<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> impl Future<Output = Result<ServiceResponse<EitherBody<B>>, Error>> {
    report(request, next)
}
