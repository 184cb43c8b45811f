//! Accounts, for administrators.

use gabion_auth::{Access, Roles, Scope, UserChange, Username};
use gabion_errors::{Problem, types};
use gabion_limits::Class;
use gabion_tower::{
    BodyRule, CacheRule, DeadlineRule, Exchange, Parameter, RateRule, RouteContract,
};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{ADMIN, Call, Endpoint, Input, Reply, answers, caller, schema};
use crate::{app::App, view::UserItem};

static LIST: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/admin/users",
    name: "list_users",
    summary: "List all accounts by name.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("users"),
    class: Class::User,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<UserList>(StatusCode::OK),
    problems: &[&types::DEPENDENCY_UNAVAILABLE],
};

static CREATE: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/admin/users",
    name: "create_user",
    summary: "Add an account.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("users"),
    class: Class::User,
    body: BodyRule::Json(schema::<CreateRequest>),
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<UserItem>(StatusCode::CREATED),
    problems: &[&types::CONFLICT, &types::DEPENDENCY_UNAVAILABLE],
};

static UPDATE: RouteContract = RouteContract {
    method: Method::PATCH,
    path: "/api/admin/users/{username}",
    name: "update_user",
    summary: "Change an account; a new password or disabling it ends its sessions. The last enabled \
              administrator stays one.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("users"),
    class: Class::User,
    body: BodyRule::Json(schema::<UpdateRequest>),
    parameters: &[Parameter {
        name: "username",
        required: true,
        schema: username,
        summary: "The account's name; capital letters count as small ones.",
    }],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<UserItem>(StatusCode::OK),
    problems: &[&types::NOT_FOUND, &types::CONFLICT, &types::DEPENDENCY_UNAVAILABLE],
};

pub(super) static ENDPOINTS: [Endpoint; 3] = [
    Endpoint { contract: &LIST, call: Call::Later(|a, e, i| Box::pin(list(a, e, i))) },
    Endpoint { contract: &CREATE, call: Call::Later(|a, e, i| Box::pin(create(a, e, i))) },
    Endpoint { contract: &UPDATE, call: Call::Later(|a, e, i| Box::pin(update(a, e, i))) },
];

/// The roles that routes of this server ask for.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Role {
    Admin,
    Monitor,
    User,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Monitor => "monitor",
            Self::User => "user",
        }
    }
}

fn roles(roles: &[Role]) -> Roles {
    Roles::new(roles.iter().map(|role| role.as_str()))
}

fn username() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": 64,
        "pattern": "^[A-Za-z0-9._@-]+$",
        "x-hint": "letters, digits and the marks . _ @ -",
        "examples": ["ann"],
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({
    "username": "ann",
    "password": "plum trumpet 42 orbit kettle",
    "roles": ["user"],
})))]
struct CreateRequest {
    /// Capital letters become small ones. Not one of `local`, `start`, `signal` and `file`: under these
    /// the server itself acts.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9._@-]+$",
        extensions(("x-hint" = json!("letters, digits and the marks . _ @ -")))
    )]
    username: String,
    /// By the policy of `auth.password`: long, not on the lists of known ones, and hard to guess.
    #[schema(min_length = 1, max_length = 1024)]
    password: String,
    #[schema(inline, max_items = 16)]
    roles: Vec<Role>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"roles": ["user", "monitor"]})))]
struct UpdateRequest {
    /// All that it has from then on; with null, or left out, as before.
    #[schema(inline, max_items = 16)]
    roles: Option<Vec<Role>>,
    /// Whether its tokens are taken.
    enabled: Option<bool>,
    /// By the policy of `auth.password`.
    #[schema(min_length = 1, max_length = 1024)]
    password: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct UserList {
    #[schema(inline)]
    users: Vec<UserItem>,
}

async fn list(app: &App, _exchange: &mut Exchange, _input: Input) -> Reply {
    let accounts = app.identity.list_users().await?;
    super::json(StatusCode::OK, &UserList { users: accounts.iter().map(UserItem::from).collect() })
}

/// What is wrong with `input`: by the schema, and in the texts that can be judged all the same.
async fn faults(app: &App, input: Input, username: Option<&str>) -> Reply {
    let more = app.identity.faults(username, input.text("password")).await?;
    Err(Problem::faulty(input.faults.into_iter().chain(more).collect()).into())
}

async fn create(app: &App, exchange: &mut Exchange, input: Input) -> Reply {
    if !input.faults.is_empty() {
        let username = input.text("username").map(str::to_owned);
        return faults(app, input, username.as_deref()).await;
    }
    let request: CreateRequest = input.parse()?;
    let roles = roles(&request.roles);
    let (username, password) = (&request.username, &request.password);
    let actor = caller(exchange)?.username.as_str();
    let account = app.identity.create_user(username, password, roles, actor).await?;
    super::json(StatusCode::CREATED, &UserItem::from(&account))
}

async fn update(app: &App, exchange: &mut Exchange, input: Input) -> Reply {
    let unknown = || Problem::new(&types::NOT_FOUND).detail("there is no such account");
    let username = exchange.param("username").unwrap_or_default();
    let username = Username::parse(username).map_err(|_| unknown())?;
    if !input.faults.is_empty() {
        return faults(app, input, Some(username.as_str())).await;
    }
    let request: UpdateRequest = input.parse()?;
    let change = UserChange {
        roles: request.roles.as_deref().map(roles),
        enabled: request.enabled,
        password: request.password.as_deref(),
    };
    let actor = caller(exchange)?.username.as_str();
    let changed = app.identity.update_user(&username, change, actor).await?;
    super::json(StatusCode::OK, &UserItem::from(&changed))
}
