//! What operations refer to.

use gabion_errors::types;
use serde_json::{Value, json};

pub(super) fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of a login, or an API key. `x-roles` names the roles of \
                which the caller needs one, and `x-api-key-scope` what an API key has to be made for; \
                with `false` only a login is taken.",
        },
    })
}

/// RFC 9457, with the members that are ours.
pub(super) fn problem() -> Value {
    let codes: Vec<&str> = types::ALL.iter().map(|kind| kind.code).collect();
    json!({
        "type": "object",
        "description": "An error (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": {
                "type": "string",
                "format": "uri-reference",
                "description": "The page that tells what the code means: /api/problems/ and the code.",
            },
            "title": {"type": "string", "description": "The same for each occurrence."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What was wrong this time."},
            "code": {"type": "string", "enum": codes},
            "request_id": {
                "type": "string",
                "description": "The request's name in the log; also in X-Request-Id.",
            },
            "retry_after": {
                "type": "integer",
                "minimum": 1,
                "description": "Seconds after which it may be tried again; also in Retry-After.",
            },
            "errors": {
                "type": "array",
                "description": "Every fault of a body or of parameters at once.",
                "items": {
                    "type": "object",
                    "required": ["pointer", "code", "detail"],
                    "properties": {
                        "pointer": {
                            "type": "string",
                            "description": "Where it is (RFC 6901); empty for the whole.",
                        },
                        "code": {"type": "string", "description": "What it is, for programs."},
                        "detail": {"type": "string", "description": "What it is, for people."},
                    },
                },
            },
        },
        "examples": [{
            "type": "/api/problems/invalid-body",
            "title": "Invalid body",
            "status": 422,
            "detail": "the body has a fault",
            "code": "invalid-body",
            "request_id": "3a4562f72025dbd23f1b626f64dfe6c8",
            "errors": [{"pointer": "/roles/0", "code": "choice", "detail": "must be one of \"admin\""}],
        }],
    })
}

/// The fields of answers. Those that are `required` are in each answer that names them.
pub(super) fn headers() -> Value {
    let text = || json!({"type": "string"});
    let field = |description: &str, schema: Value, required: bool| {
        let mut header = json!({"description": description, "schema": schema});
        if required {
            header["required"] = json!(true);
        }
        header
    };
    json!({
        "X-Request-Id":
            field("The request's name in the log; a valid incoming one is kept.", text(), true),
        "Retry-After": field(
            "Seconds to wait; in every problem of status 429 and 503.",
            json!({"type": "integer", "minimum": 1}),
            false,
        ),
        "WWW-Authenticate": field(
            "How to show who calls (RFC 6750 §3).",
            json!({"type": "string", "pattern": "^Bearer"}),
            true,
        ),
        "RateLimit": field(
            "What is left of each limit, as `\"caller\";r=199;t=1` (structured fields, RFC 9651).",
            text(),
            false,
        ),
        "RateLimit-Policy":
            field("The limits that apply, as `\"caller\";q=200;w=2`.", text(), false),
        "Cache-Control": field("How long anybody may keep the answer; else `no-store`.", text(), true),
        "Allow": field("The methods of the path.", text(), true),
        "Vary": field("The answer depends on this field of the request.", text(), true),
        "Accept-Encoding": field(
            "How a body may be encoded; where it was its encoding that is not read.",
            text(),
            false,
        ),
    })
}
