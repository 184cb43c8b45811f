//! The status page, and how pages are sent.

use std::time::Duration;

use bytes::Bytes;
use gabion_auth::{Access, Scope};
use gabion_errors::{ProblemType, types};
use gabion_limits::Class;
use gabion_tower::{BodyRule, CacheRule, DeadlineRule, Exchange, RateRule, RouteContract};
use http::{HeaderValue, Method, Response, StatusCode, header::CONTENT_SECURITY_POLICY};
use sha2::{Digest, Sha256};

use super::{Call, Endpoint, Reply, media, reply};
use crate::{app::App, body::ReplyBody};

pub(super) const HTML: &str = "text/html; charset=utf-8";

static PAGE: RouteContract = RouteContract {
    method: Method::GET,
    path: "/",
    name: "page",
    summary: "The live status page; its data needs a login.",
    access: Access::Public,
    scope: Scope::Any,
    class: Class::Degraded,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::Public(Duration::from_secs(60)),
    answer: media(HTML),
    problems: &[],
};

pub(super) static ENDPOINTS: [Endpoint; 1] = [Endpoint { contract: &PAGE, call: Call::Now(page) }];

fn page(app: &App, _exchange: &mut Exchange) -> Reply {
    Ok(app.pages.status.response())
}

/// The pages with their policies, made once.
pub struct Pages {
    /// The live status.
    pub status: Page,
    /// The API document for people.
    pub docs: Page,
    /// What each problem means, by its code.
    problems: Vec<(&'static str, Page)>,
}

impl Pages {
    /// The page of a problem.
    #[must_use]
    pub fn problem(&self, code: &str) -> Option<&Page> {
        self.problems.iter().find(|(own, _)| *own == code).map(|(_, page)| page)
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            status: Page::new(include_str!("../assets/status.html")),
            docs: Page::new(include_str!("../assets/docs.html")),
            problems: types::ALL.iter().map(|kind| (kind.code, problem(kind))).collect(),
        }
    }
}

fn problem(kind: &ProblemType) -> Page {
    let text = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let html = include_str!("../assets/problem.html")
        .replace("{code}", kind.code)
        .replace("{status}", kind.status.as_str())
        .replace("{title}", &text(kind.title))
        .replace("{meaning}", &text(kind.meaning))
        .replace("{remedy}", &text(kind.remedy));
    Page::new(html)
}

/// A page that may run its own script and nothing else.
pub struct Page {
    html: Bytes,
    policy: HeaderValue,
}

impl Page {
    fn new(html: impl Into<String>) -> Self {
        let html = html.into();
        let hash = |tag| inline(&html, tag).map_or_else(|| "'none'".to_owned(), source);
        let policy = format!(
            "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash("script"),
            hash("style"),
        );
        // Base64 and the words above are a valid value; without it the page would be unprotected.
        let none = HeaderValue::from_static("default-src 'none'");
        let policy = HeaderValue::from_str(&policy).unwrap_or(none);
        Self { html: html.into(), policy }
    }

    /// The page as a response.
    #[must_use]
    pub fn response(&self) -> Response<ReplyBody> {
        let mut response = reply(StatusCode::OK, HTML, self.html.clone());
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        response
    }
}

/// The content of the page's one element `tag`.
fn inline<'a>(html: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = html.split_once(&format!("<{tag}>"))?;
    Some(rest.split_once(&format!("</{tag}>"))?.0)
}

/// CSP's name for exactly this content (CSP 3 §2.3.1, `hash-source`).
fn source(content: &str) -> String {
    use base64::Engine;
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(content));
    format!("'sha256-{hash}'")
}
