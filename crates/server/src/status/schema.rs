//! The JSON Schema of the status document.

use serde_json::{Map, Value, json};

/// Of [`document`](super::document).
pub(crate) fn schema() -> Value {
    object(&json!({
        "version": text(),
        "generation": told("integer", "Which process of its line this is, counted from 1."),
        "state": {"type": "string", "enum": ["starting", "ready", "draining", "stopped"]},
        "started_at": time(),
        "uptime_seconds": count(),
        "budgets": list(&object(&json!({
            "budget": {"type": "string", "enum": ["latency_p99", "cpu", "memory", "error_rate"]},
            "used_ratio": told("number", "Of the budget; 1 is all of it."),
            "used": text(),
            "limit": text(),
        }))),
        "traffic": object(&json!({
            "requests_per_second": number(),
            "p50_ms": number(),
            "p99_ms": number(),
            "error_ratio": number(),
        })),
        "admission": object(&json!({
            "mode": {"type": "string", "enum": ["enforce", "shadow", "off"]},
            "limit": count(),
            "in_flight": count(),
            "fractions": object(&json!({
                "critical": number(),
                "user": number(),
                "degraded": number(),
                "batch": number(),
            })),
        })),
        "limits": object(&json!({
            "rate_table_bytes": count(),
            "connections_open": count(),
            "connections_limit": count(),
            "bulkheads": list(&object(&json!({
                "name": text(),
                "places": count(),
                "used": count(),
                "waiting": count(),
            }))),
            "heavy_hitters": list(&object(&json!({
                "limit": text(),
                "key": told("string", "Who: an address or an account."),
                "refusals": count(),
            }))),
        })),
        "cache": list(&object(&json!({
            "name": text(),
            "entries": count(),
            "max_entries": count(),
            "weight": told("integer", "Bytes."),
            "hits": count(),
            "misses": count(),
            "evicted": count(),
        }))),
        "resources": object(&json!({
            "cpu_cores_used": number(),
            "cores": number(),
            "cpu_ratio": number(),
            "rss_bytes": count(),
            "memory_limit_bytes": or_null(count()),
            "open_fds": count(),
        })),
        "auth": object(&json!({
            "hashing_threads": count(),
            "hashing_memory_bytes": count(),
            "ended_sessions": count(),
        })),
        "tls": or_null(object(&json!({
            "expires_at": time(),
            "names": list(&text()),
            "problem": or_null(told("string", "Why the files were not taken.")),
        }))),
        "alerts": list(&object(&json!({
            "name": text(),
            "state": {"type": "string", "enum": ["start", "end"]},
            "used_ratio": number(),
            "since": time(),
            "message": text(),
        }))),
        "last_restart": or_null(object(&json!({
            "at": time(),
            "outcome": {"type": "string", "enum": ["under-way", "completed", "undone"]},
            "detail": told("string", "Why it was undone, or who asked for it."),
        }))),
        "config": object(&json!({
            "version": count(),
            "needs_restart": list(&told("string", "A key whose value holds only after a restart.")),
            "confirm_by": or_null(time()),
            "otherwise": or_null(count()),
        })),
    }))
}

/// An object that has all of `members`.
fn object(members: &Value) -> Value {
    let names: Vec<&String> = members.as_object().into_iter().flat_map(Map::keys).collect();
    json!({"type": "object", "required": names, "properties": members})
}

fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

fn or_null(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

fn told(kind: &str, description: &str) -> Value {
    json!({"type": kind, "description": description})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn number() -> Value {
    json!({"type": "number"})
}

fn text() -> Value {
    json!({"type": "string"})
}
