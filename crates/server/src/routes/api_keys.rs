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
    openapi::{
        extensions::Extensions,
        schema::{Array, ArrayBuilder, Object, ObjectBuilder, SchemaType, Type},
    },
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

/// How long a key may be good, as a pattern.
fn life() -> Object {
    const PATTERN: &str = "^(([6-9][0-9]|[1-9][0-9]{2,7}|[12][0-9]{8}|30[0-9]{7}|31[0-4][0-9]{6}\
        |315[0-2][0-9]{5}|3153[0-5][0-9]{4}|315360000) ?s\
        |([1-9][0-9]{0,5}|[1-4][0-9]{6}|5[01][0-9]{5}|52[0-4][0-9]{4}|525[0-5][0-9]{3}|5256000) ?m\
        |([1-9][0-9]{0,3}|[1-7][0-9]{4}|8[0-6][0-9]{3}|87[0-5][0-9]{2}|87600) ?h\
        |([1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|36[0-4][0-9]|3650) ?d)$";
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .description(Some("How long it is good, from `1m` to `3650d`; `90d` when left out."))
        .max_length(Some(16))
        .pattern(Some(PATTERN))
        .extensions(Some(
            Extensions::builder().add("x-hint", "a time from 1m to 3650d, as 90d").build(),
        ))
        .build()
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
    /// What people call it.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[ -~]*$",
        extensions(("x-hint" = json!("letters, digits, spaces and marks, all of ASCII")))
    )]
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
    #[schema(schema_with = life)]
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
        let detail = "must be a time from 1m to 3650d, as 90d";
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
    fn the_schema_takes_the_times_and_names_that_a_key_may_have() {
        let schema = gabion_tower::json::Schema::compile(&schema::<CreateRequest>()).unwrap();
        let taken = |name: &str, expires_in: &str| {
            let body = json!({
                "name": name, "username": "ann", "scopes": [], "expires_in": expires_in,
            });
            gabion_tower::json::validate(&schema, &body).is_empty()
        };
        for (unit, seconds) in [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)] {
            let (least, most) = (60_u64.div_ceil(seconds), 3650 * 86_400 / seconds);
            let powers = (1..10).map(|digits| 10_u64.pow(digits));
            let around = powers.chain([least, most, most / 2]).flat_map(|n| [n - 1, n, n + 1]);
            // Each digit of the most one down and one up.
            let near = (0..9).map(|digit| 10_u64.pow(digit)).filter(|power| *power <= most);
            let near = near.flat_map(|power| [most - power, most + power]);
            for count in around.chain(near) {
                let fits = (least..=most).contains(&count);
                assert_eq!(taken("x", &format!("{count}{unit}")), fits, "{count}{unit}");
                assert_eq!(taken("x", &format!("{count} {unit}")), fits, "{count} {unit}");
            }
        }
        for letter in (0..0x300).filter_map(char::from_u32) {
            let name = letter.to_string();
            let fits = letter == ' ' || letter.is_ascii_graphic();
            assert_eq!(taken(&name, "90d"), fits, "{letter:?}");
        }
    }

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
