//! What happened, for administrators.

use gabion_auth::{Access, Scope};
use gabion_limits::Class;
use gabion_sql::{AuditQuery, AuditRecord};
use gabion_tower::{
    BodyRule, CacheRule, DeadlineRule, Exchange, Parameter, RateRule, RouteContract,
};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{ADMIN, Call, Endpoint, Input, Reply, answers};
use crate::{app::App, bulkheads};

static LIST: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/admin/audit",
    name: "list_audit",
    summary: "List what happened, newest first, a page at a time.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("audit"),
    class: Class::User,
    body: BodyRule::Empty,
    parameters: &[
        Parameter {
            name: "limit",
            required: false,
            schema: limit,
            summary: "Events of one page; 100.",
        },
        Parameter {
            name: "before",
            required: false,
            schema: before,
            summary: "The `next` of the page before.",
        },
        Parameter {
            name: "subject",
            required: false,
            schema: text,
            summary: "The account that it was about.",
        },
        Parameter {
            name: "action",
            required: false,
            schema: text,
            summary: "What was done, as `login`.",
        },
    ],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: Some(bulkheads::EXPORT),
    cache: CacheRule::NoStore,
    answer: answers::<AuditPage>(StatusCode::OK),
    problems: &[&gabion_errors::types::DEPENDENCY_UNAVAILABLE],
};

pub(super) static ENDPOINTS: [Endpoint; 1] =
    [Endpoint { contract: &LIST, call: Call::Later(|a, e, i| Box::pin(list(a, e, i))) }];

/// Events of a page where nobody says, and most of one.
const PAGE: u64 = 100;
const LARGEST_PAGE: u64 = 500;
/// Ids are counted from one and fit a number of every JSON implementation.
const LARGEST_ID: u64 = (1 << 53) - 1;
const LONGEST_TEXT: usize = 128;

fn limit() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE})
}

fn before() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": LARGEST_ID})
}

fn text() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_TEXT,
        // No store keeps them, and one of them refuses to look for a NUL.
        "pattern": "^[^\\u0000-\\u001f\\u007f]*$",
        "x-hint": "text without control characters",
    })
}

#[derive(Serialize, ToSchema)]
struct AuditPage {
    #[schema(inline)]
    events: Vec<AuditItem>,
    /// What to ask for as `before` to get the next page; none: this was the last.
    #[schema(required = true)]
    next: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct AuditItem {
    id: i64,
    #[schema(format = "date-time")]
    at: String,
    /// What was tried, as `login` or `user.update`.
    action: String,
    /// `success`, or why not.
    outcome: String,
    /// The account that it was about.
    #[schema(required = true)]
    subject: Option<String>,
    /// Who did it, where that is somebody else; `local` for commands on the machine.
    #[schema(required = true)]
    actor: Option<String>,
    /// The session or the API key.
    #[schema(required = true)]
    session: Option<String>,
    #[schema(required = true)]
    address: Option<String>,
    #[schema(required = true)]
    request_id: Option<String>,
    #[schema(required = true)]
    detail: Option<String>,
}

impl From<AuditRecord> for AuditItem {
    fn from(record: AuditRecord) -> Self {
        Self {
            id: record.id.unwrap_or_default(),
            at: record.at.to_string(),
            action: record.action,
            outcome: record.outcome,
            subject: record.subject,
            actor: record.actor,
            session: record.session,
            address: record.address,
            request_id: record.request_id,
            detail: record.detail,
        }
    }
}

async fn list(app: &App, exchange: &mut Exchange, _input: Input) -> Reply {
    let values = &exchange.values;
    let limit = values.unsigned("limit").unwrap_or(PAGE);
    let query = AuditQuery {
        before_id: values.integer("before"),
        subject: values.text("subject").map(str::to_owned),
        action: values.text("action").map(str::to_owned),
    };
    // One more than asked for tells whether there is a next page.
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let limit = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut records = app.sql.audit(&query, limit).await?;
    let more = records.len() > wanted;
    records.truncate(wanted);
    let next = records.last().and_then(|last| last.id).filter(|_| more);
    let events = records.into_iter().map(AuditItem::from).collect();
    super::json(StatusCode::OK, &AuditPage { events, next })
}
