//! What happened, for administrators.

use gabion_auth::{Access, Scope};
use gabion_limits::Class;
use gabion_sql::{AuditQuery, AuditRecord};
use gabion_tower::{
    BodyRule, CacheRule, DeadlineRule, Exchange, Parameter, RateRule, RouteContract,
};
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    ADMIN, Call, Endpoint, Input, Reply, answers,
    query::{fault, parameter},
};
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
        Parameter { name: "limit", schema: limit, summary: "Events of one page; 100." },
        Parameter { name: "before", schema: before, summary: "The `next` of the page before." },
        Parameter { name: "subject", schema: text, summary: "The account that it was about." },
        Parameter { name: "action", schema: text, summary: "What was done, as `login`." },
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
    json!({"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT})
}

#[derive(Serialize, ToSchema)]
struct AuditPage {
    #[schema(inline)]
    events: Vec<AuditItem>,
    /// What to ask for as `before` to get the next page; none: this was the last.
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
    subject: Option<String>,
    /// Who did it, where that is somebody else; `local` for commands on the machine.
    actor: Option<String>,
    /// The session or the API key.
    session: Option<String>,
    address: Option<String>,
    request_id: Option<String>,
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
    let limit = whole(exchange, "limit", LARGEST_PAGE)?.unwrap_or(PAGE);
    let before_id = whole(exchange, "before", LARGEST_ID)?.and_then(|id| i64::try_from(id).ok());
    let query = AuditQuery {
        before_id,
        subject: words(exchange, "subject")?,
        action: words(exchange, "action")?,
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

/// A whole number from one to `most`.
fn whole(
    exchange: &Exchange,
    name: &str,
    most: u64,
) -> Result<Option<u64>, gabion_errors::Rejection> {
    let Some(value) = parameter(&exchange.head, name)? else { return Ok(None) };
    match value.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(Some(number)),
        _ => Err(fault(name, "range", format!("must be a whole number from 1 to {most}"))),
    }
}

/// A text, percent-decoded.
fn words(exchange: &Exchange, name: &str) -> Result<Option<String>, gabion_errors::Rejection> {
    let Some(value) = parameter(&exchange.head, name)? else { return Ok(None) };
    let decoded = percent_decode_str(value).decode_utf8();
    match decoded {
        Ok(text) if (1..=LONGEST_TEXT).contains(&text.chars().count()) => {
            Ok(Some(text.into_owned()))
        }
        _ => Err(fault(name, "length", format!("must have 1 to {LONGEST_TEXT} characters"))),
    }
}
