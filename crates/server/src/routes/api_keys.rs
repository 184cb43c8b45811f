//! Keys for machines, for administrators.

use gabion_auth::{Access, ApiKeyId, NewApiKey, Roles, Scope};
use gabion_config::parse_duration;
use gabion_errors::{FieldError, Problem, types};
use gabion_limits::Class;
use gabion_tower::{
    BodyRule, CacheRule, DeadlineRule, Exchange, Parameter, RateRule, RouteContract,
};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type},
};

use super::{ADMIN, Call, Endpoint, Input, NO_CONTENT, Reply, answers, caller, no_content, schema};
use crate::{
    app::App,
    view::{ApiKeyItem, NewApiKeyItem},
};

static LIST: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/admin/api-keys",
    name: "list_api_keys",
    summary: "List all API keys, oldest first; secrets are never shown.",
    access: Access::AnyRole(ADMIN),
    // A key that could make keys would never end.
    scope: Scope::Login,
    class: Class::User,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<ApiKeyList>(StatusCode::OK),
    problems: &[],
};

static CREATE: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/admin/api-keys",
    name: "create_api_key",
    summary: "Make an API key for an account; the answer is the only one that shows its secret.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Login,
    class: Class::User,
    body: BodyRule::Json(schema::<CreateRequest>),
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<NewApiKeyItem>(StatusCode::CREATED),
    problems: &[&types::CONFLICT, &types::DEPENDENCY_UNAVAILABLE],
};

static REVOKE: RouteContract = RouteContract {
    method: Method::DELETE,
    path: "/api/admin/api-keys/{id}",
    name: "revoke_api_key",
    summary: "End an API key; it is refused from the moment of the answer.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Login,
    class: Class::Critical,
    body: BodyRule::Empty,
    parameters: &[Parameter {
        name: "id",
        required: true,
        schema: id,
        summary: "The key, as it is listed.",
    }],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: NO_CONTENT,
    problems: &[&types::NOT_FOUND, &types::DEPENDENCY_UNAVAILABLE],
};

pub(super) static ENDPOINTS: [Endpoint; 3] = [
    Endpoint { contract: &LIST, call: Call::Now(list) },
    Endpoint { contract: &CREATE, call: Call::Later(|a, e, i| Box::pin(create(a, e, i))) },
    Endpoint { contract: &REVOKE, call: Call::Later(|a, e, i| Box::pin(revoke(a, e, i))) },
];

/// The scopes that routes of this server ask for.
pub(crate) const SCOPES: [&str; 8] =
    ["audit", "backups", "config", "demo", "keys", "restart", "status", "users"];

fn id() -> Value {
    json!({
        "type": "string",
        "pattern": "^[0-9a-f]{32}$",
        "x-hint": "the id of an API key, 32 digits of 0-9 and a-f",
        "examples": ["3a4562f72025dbd23f1b626f64dfe6c8"],
    })
}

fn scopes() -> Array {
    let scope = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(SCOPES));
    ArrayBuilder::new().items(scope).max_items(Some(16)).build()
}

/// How long a key is good where nobody says.
const DEFAULT_LIFE: &str = "90d";

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({
    "name": "scraper",
    "username": "admin",
    "scopes": ["status"],
    "expires_in": "90d",
})))]
struct CreateRequest {
    /// What people call it: letters, digits, spaces and marks of ASCII.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// The account in whose name it calls; it never does more than that account may.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9._@-]+$",
        extensions(("x-hint" = json!("letters, digits and the marks . _ @ -")))
    )]
    username: String,
    /// What it may be used for; with none only what asks for no scope, as `/api/auth/verify`.
    #[schema(schema_with = scopes)]
    scopes: Vec<String>,
    /// How long it is good, from `1m` to `3650d`; `90d` when left out.
    #[schema(
        min_length = 2,
        max_length = 16,
        pattern = "^[0-9]+ ?(ms|s|m|h|d)$",
        extensions(("x-hint" = json!("a time from 1m to 3650d, as 90d")))
    )]
    expires_in: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ApiKeyList {
    #[schema(inline)]
    api_keys: Vec<ApiKeyItem>,
}

fn list(app: &App, _exchange: &mut Exchange) -> Reply {
    let keys = app.identity.api_keys();
    super::json(
        StatusCode::OK,
        &ApiKeyList { api_keys: keys.iter().map(ApiKeyItem::from).collect() },
    )
}

async fn create(app: &App, exchange: &mut Exchange, input: Input) -> Reply {
    let request: CreateRequest = input.parse()?;
    let expires_in = request.expires_in.as_deref().unwrap_or(DEFAULT_LIFE);
    let expires_in = parse_duration(expires_in).ok_or_else(|| {
        let detail = "is a number and a unit of s, m, h or d, as 90d";
        Problem::faulty(vec![FieldError::new("/expires_in", "format", detail)])
    })?;
    let new = NewApiKey {
        name: &request.name,
        username: &request.username,
        scopes: Roles::new(&request.scopes),
        expires_in,
    };
    let actor = caller(exchange)?.username.as_str();
    let (key, secret) = app.identity.create_api_key(new, actor).await?;
    let item = NewApiKeyItem { key: ApiKeyItem::from(&key), secret: secret.to_string() };
    super::json(StatusCode::CREATED, &item)
}

async fn revoke(app: &App, exchange: &mut Exchange, _input: Input) -> Reply {
    let id = exchange.param("id").and_then(|id| id.parse::<ApiKeyId>().ok());
    let revoked = match id {
        Some(id) => app.identity.revoke_api_key(id, caller(exchange)?.username.as_str()).await?,
        None => false,
    };
    if !revoked {
        return Err(Problem::new(&types::NOT_FOUND).detail("there is no such API key").into());
    }
    no_content()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{routes::endpoints, settings::ServerSettings};

    #[test]
    fn keys_may_have_the_scopes_that_routes_ask_for_and_no_others() {
        let mut settings = ServerSettings::default();
        settings.demo.enabled = true;
        let asked: BTreeSet<String> = endpoints(&settings)
            .iter()
            .filter_map(|endpoint| match endpoint.contract.scope {
                Scope::Named(name) => Some(name.to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(asked, SCOPES.map(str::to_owned).into());
    }
}
