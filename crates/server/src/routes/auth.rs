//! Login, refresh, logout, verify and the caller's own password.

use std::fmt::Display;

use bytes::Bytes;
use gabion_auth::{Access, Roles, Scope, SessionId, Tokens};
use gabion_clock::UnixTime;
use gabion_errors::types;
use gabion_limits::Class;
use gabion_tower::{Answer, BodyRule, CacheRule, DeadlineRule, Exchange, RateRule, RouteContract};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Call, Endpoint, Input, NO_CONTENT, Reply, answers, caller, no_content, reply, schema};
use crate::{app::App, bulkheads};

static LOGIN: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/auth/login",
    name: "login",
    summary: "Begin a session with a user name and a password.",
    access: Access::Public,
    scope: Scope::Any,
    class: Class::User,
    body: BodyRule::Json(schema::<LoginRequest>),
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Login,
    bulkhead: Some(bulkheads::LOGIN),
    cache: CacheRule::NoStore,
    answer: answers::<TokenResponse>(StatusCode::OK),
    problems: &[
        &types::INVALID_CREDENTIALS,
        &types::TOO_MANY_ATTEMPTS,
        &types::DEPENDENCY_UNAVAILABLE,
    ],
};

static REFRESH: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/auth/refresh",
    name: "refresh",
    summary: "Spend a refresh token for new tokens; its reuse ends the session.",
    access: Access::Public,
    scope: Scope::Any,
    class: Class::User,
    body: BodyRule::Json(schema::<RefreshRequest>),
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Login,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<TokenResponse>(StatusCode::OK),
    problems: &[&types::UNAUTHENTICATED, &types::DEPENDENCY_UNAVAILABLE],
};

static LOGOUT: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/auth/logout",
    name: "logout",
    summary: "End this session, or every session of the caller.",
    access: Access::Bearer,
    scope: Scope::Login,
    class: Class::Critical,
    body: BodyRule::OptionalJson(schema::<LogoutRequest>),
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: NO_CONTENT,
    problems: &[&types::DEPENDENCY_UNAVAILABLE],
};

static VERIFY: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/auth/verify",
    name: "verify",
    summary: "Tell who the caller is.",
    access: Access::Bearer,
    scope: Scope::Any,
    class: Class::User,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<VerifyResponse>(StatusCode::OK),
    problems: &[],
};

static PASSWORD: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/auth/password",
    name: "change_password",
    summary: "Change the caller's password; every other session of the account ends.",
    access: Access::Bearer,
    scope: Scope::Login,
    class: Class::User,
    body: BodyRule::Json(schema::<PasswordRequest>),
    parameters: &[],
    deadline: DeadlineRule::Default,
    // It hashes passwords.
    rate: RateRule::Login,
    bulkhead: Some(bulkheads::LOGIN),
    cache: CacheRule::NoStore,
    answer: NO_CONTENT,
    problems: &[
        &types::INVALID_CREDENTIALS,
        &types::TOO_MANY_ATTEMPTS,
        &types::DEPENDENCY_UNAVAILABLE,
    ],
};

static JWKS: RouteContract = RouteContract {
    method: Method::GET,
    path: "/.well-known/jwks.json",
    name: "jwks",
    summary: "The public keys that access tokens are verified with; none with HS256.",
    access: Access::Public,
    scope: Scope::Any,
    class: Class::Degraded,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::Public(std::time::Duration::from_secs(300)),
    answer: Answer {
        status: StatusCode::OK,
        media: "application/jwk-set+json",
        schema: Some(jwk_set),
    },
    problems: &[],
};

pub(super) static ENDPOINTS: [Endpoint; 6] = [
    Endpoint { contract: &LOGIN, call: Call::Later(|a, e, i| Box::pin(login(a, e, i))) },
    Endpoint { contract: &REFRESH, call: Call::Later(|a, e, i| Box::pin(refresh(a, e, i))) },
    Endpoint { contract: &LOGOUT, call: Call::Later(|a, e, i| Box::pin(logout(a, e, i))) },
    Endpoint { contract: &VERIFY, call: Call::Now(verify) },
    Endpoint { contract: &PASSWORD, call: Call::Later(|a, e, i| Box::pin(password(a, e, i))) },
    Endpoint { contract: &JWKS, call: Call::Now(jwks) },
];

/// RFC 7517 §5, without what is private.
fn jwk_set() -> Value {
    let text = || json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["keys"],
        "properties": {
            "keys": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["kty", "kid", "alg", "use"],
                    "properties": {
                        "kty": {"type": "string", "enum": ["OKP", "EC", "RSA"]},
                        "kid": text(),
                        "alg": {"type": "string", "enum": ["EdDSA", "ES256", "RS256"]},
                        "use": {"type": "string", "const": "sig"},
                        "crv": {"type": "string", "enum": ["Ed25519", "P-256"]},
                        "x": text(),
                        "y": text(),
                        "n": text(),
                        "e": text(),
                    },
                },
            },
        },
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"username": "ann", "password": "plum trumpet 42 orbit kettle"})))]
struct LoginRequest {
    #[schema(min_length = 1, max_length = 64)]
    username: String,
    #[schema(min_length = 1, max_length = 1024)]
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefreshRequest {
    /// From the last login or refresh; each one is good once.
    #[schema(min_length = 1, max_length = 512)]
    refresh_token: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"everywhere": true})))]
struct LogoutRequest {
    /// Every session of the caller, not only this one.
    #[serde(default)]
    everywhere: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordRequest {
    #[schema(min_length = 1, max_length = 1024)]
    current: String,
    /// By the policy of `auth.password`: long, not on the lists of known ones, and hard to guess.
    #[schema(min_length = 1, max_length = 1024)]
    new: String,
}

#[derive(Serialize, ToSchema)]
struct TokenResponse {
    access_token: String,
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    refresh_token: String,
    /// Seconds.
    refresh_expires_in: u64,
}

impl From<Tokens> for TokenResponse {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: tokens.expires_in.as_secs(),
            refresh_token: tokens.refresh_token,
            refresh_expires_in: tokens.refresh_expires_in.as_secs(),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct VerifyResponse<'a> {
    subject: &'a str,
    username: &'a str,
    #[serde(serialize_with = "list")]
    #[schema(value_type = Vec<String>)]
    roles: &'a Roles,
    #[serde(serialize_with = "text")]
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    session: SessionId,
    #[serde(serialize_with = "text")]
    #[schema(value_type = String, format = "date-time")]
    issued_at: UnixTime,
    #[serde(serialize_with = "text")]
    #[schema(value_type = String, format = "date-time")]
    expires_at: UnixTime,
}

/// A value as its text, without a string in between: this is the most asked route.
fn text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn list<S: Serializer>(roles: &Roles, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(roles.iter())
}

async fn login(app: &App, exchange: &mut Exchange, input: Input) -> Reply {
    let LoginRequest { username, password } = input.parse()?;
    let address = exchange.client.ip().to_string();
    let tokens = app.identity.login(&username, &password, &address).await?;
    super::json(StatusCode::OK, &TokenResponse::from(tokens))
}

async fn refresh(app: &App, exchange: &mut Exchange, input: Input) -> Reply {
    let RefreshRequest { refresh_token } = input.parse()?;
    let address = exchange.client.ip().to_string();
    let tokens = app.identity.refresh(&refresh_token, &address).await?;
    super::json(StatusCode::OK, &TokenResponse::from(tokens))
}

async fn logout(app: &App, exchange: &mut Exchange, input: Input) -> Reply {
    let LogoutRequest { everywhere } = input.parse()?;
    app.identity.logout(caller(exchange)?, everywhere).await?;
    no_content()
}

fn verify(_app: &App, exchange: &mut Exchange) -> Reply {
    let caller = caller(exchange)?;
    let username = caller.username.as_str();
    super::json(
        StatusCode::OK,
        &VerifyResponse {
            subject: username,
            username,
            roles: &caller.roles,
            session: caller.session,
            issued_at: caller.issued_at,
            expires_at: caller.expires_at,
        },
    )
}

async fn password(app: &App, exchange: &mut Exchange, input: Input) -> Reply {
    let PasswordRequest { current, new } = input.parse()?;
    app.identity.change_password(caller(exchange)?, &current, &new).await?;
    no_content()
}

fn jwks(app: &App, _exchange: &mut Exchange) -> Reply {
    let keys = Bytes::copy_from_slice(app.keys.jwks().as_bytes());
    Ok(reply(StatusCode::OK, "application/jwk-set+json", keys))
}
