use std::time::Duration;

use gabion_auth::{Access, Scope};
use gabion_errors::ProblemType;
use gabion_limits::Class;
use http::{Method, StatusCode};

/// Makes a JSON Schema.
pub type Schema = fn() -> serde_json::Value;

/// Everything a route decides, in one declaration.
///
/// The guards of a [`Wall`](crate::Wall) hold what concerns the head of a request. **Body and parameters are
/// held where they are read**: by [`json::read`](crate::json::read) and [`params::read`](crate::params::read), which the
/// [`Handler`](crate::Handler) calls, since it alone knows whether it wants to wait for a body.
///
/// Routing, guards, metric labels and the API document come from it. It is a struct literal without
/// a `Default`:
///
/// ```
/// use gabion_auth::{Access, Scope};
/// use gabion_limits::Class;
/// use gabion_tower::{Answer, BodyRule, CacheRule, DeadlineRule, RateRule, RouteContract};
/// use http::{Method, StatusCode};
///
/// static HELLO: RouteContract = RouteContract {
///     method: Method::GET,
///     path: "/hello",
///     name: "hello",
///     summary: "Greet.",
///     access: Access::Bearer,
///     scope: Scope::Any,
///     class: Class::User,
///     body: BodyRule::Empty,
///     parameters: &[],
///     deadline: DeadlineRule::Default,
///     rate: RateRule::Standard,
///     bulkhead: None,
///     cache: CacheRule::NoStore,
///     answer: Answer { status: StatusCode::OK, media: "text/plain", schema: None },
///     problems: &[],
/// };
/// ```
///
/// A route that leaves something undecided does not compile. This one does not say who may call it:
///
/// ```compile_fail,E0063
/// # use gabion_auth::{Access, Scope};
/// # use gabion_limits::Class;
/// # use gabion_tower::{Answer, BodyRule, CacheRule, DeadlineRule, RateRule, RouteContract};
/// # use http::{Method, StatusCode};
/// static HELLO: RouteContract = RouteContract {
///     method: Method::GET,
///     path: "/hello",
///     name: "hello",
///     summary: "Greet.",
///     scope: Scope::Any,
///     class: Class::User,
///     body: BodyRule::Empty,
///     parameters: &[],
///     deadline: DeadlineRule::Default,
///     rate: RateRule::Standard,
///     bulkhead: None,
///     cache: CacheRule::NoStore,
///     answer: Answer { status: StatusCode::OK, media: "text/plain", schema: None },
///     problems: &[],
/// };
/// ```
#[derive(Debug)]
pub struct RouteContract {
    /// The method; `GET` serves `HEAD` as well.
    pub method: Method,
    /// The path template, as `/users/{name}`; also the metric label.
    pub path: &'static str,
    /// The operation's name in the API document: unique, snake case.
    pub name: &'static str,
    /// One line for the API document.
    pub summary: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What an API key needs for it; for a public route [`Scope::Any`].
    pub scope: Scope,
    /// Who is refused first under overload.
    pub class: Class,
    /// What body it takes.
    pub body: BodyRule,
    /// Query and path parameters.
    pub parameters: &'static [Parameter],
    /// How long it may take.
    pub deadline: DeadlineRule,
    /// Which rate limits it is under.
    pub rate: RateRule,
    /// The name of the [bulkhead](crate::guards::BulkheadGuard) whose places it takes.
    pub bulkhead: Option<&'static str>,
    /// What caches may do with its answer.
    pub cache: CacheRule,
    /// What it answers when all is well.
    pub answer: Answer,
    /// Problems of its own, beside those that its other fields imply.
    pub problems: &'static [&'static ProblemType],
}

/// What body a route takes.
#[derive(Debug, Clone, Copy)]
pub enum BodyRule {
    /// None; a small one of JSON is ignored.
    Empty,
    /// JSON that fits the schema.
    Json(Schema),
    /// JSON that fits the schema, or nothing.
    OptionalJson(Schema),
    /// Anything, read as it comes.
    Stream,
}

/// How long a route may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadlineRule {
    /// As configured for all.
    Default,
    /// This long.
    After(Duration),
    /// It ends when the client leaves, as a stream of events.
    Endless,
}

/// Which rate limits a route is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateRule {
    /// None: probes.
    Exempt,
    /// By address, and by caller once there is one.
    Standard,
    /// As standard, and the tight one of logins.
    Login,
}

/// What caches may do with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheRule {
    /// Nothing.
    NoStore,
    /// Keep it this long, whoever asks.
    Public(Duration),
}

/// What a route answers when all is well.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The media type; empty without a body.
    pub media: &'static str,
    /// The JSON Schema of a JSON body.
    pub schema: Option<Schema>,
}

/// A query or path parameter.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name; a path parameter stands in the template.
    pub name: &'static str,
    /// Whether a request without it is refused; a path parameter is always there.
    pub required: bool,
    /// Its JSON Schema.
    pub schema: Schema,
    /// What it is for.
    pub summary: &'static str,
}

impl RouteContract {
    /// Public, user class, standard limits and deadline, any body: for a service behind a
    /// [`WallLayer`](crate::WallLayer) that routes by itself.
    #[must_use]
    pub const fn open(path: &'static str, name: &'static str) -> Self {
        Self {
            method: Method::GET,
            path,
            name,
            summary: "",
            access: Access::Public,
            scope: Scope::Any,
            class: Class::User,
            body: BodyRule::Stream,
            parameters: &[],
            deadline: DeadlineRule::Default,
            rate: RateRule::Standard,
            bulkhead: None,
            cache: CacheRule::NoStore,
            answer: Answer { status: StatusCode::OK, media: "", schema: None },
            problems: &[],
        }
    }

    /// The same for the methods that no route of `path` has.
    pub(crate) fn at(&'static self, path: &'static str) -> &'static Self {
        // No route of ours has this method, so that metrics call it `_OTHER`.
        Box::leak(Box::new(Self { method: Method::OPTIONS, path, ..*self }))
    }

    /// Whether `name` is a parameter of the path.
    #[must_use]
    pub fn has_in_path(&self, name: &str) -> bool {
        let mut parts = self.path.split(['{', '}']).skip(1).step_by(2);
        parts.any(|own| own.trim_start_matches('*') == name)
    }

    /// Whether a caller has to show who it is.
    #[must_use]
    pub const fn needs_principal(&self) -> bool {
        !matches!(self.access, Access::Public)
    }
}
