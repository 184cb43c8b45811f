use std::time::Duration;

use bytes::Bytes;
use gabion_errors::{Problem, types};
use gabion_monitor::RequestId;
use http::{StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use serde::de::IgnoredAny;

use super::{ItemBody, ItemResponse, JSON};

/// Most bytes of the bodies of all items together: they wait in memory until the last item is done.
const BODIES: usize = 4 * 1024 * 1024;
const TOO_LONG: &str = "the answers of this batch are longer than 4 MiB together and this one does \
                        not fit any more; its request may have been carried out: send it by itself \
                        or in a smaller batch";

/// The answer to a batch, written item by item: what is JSON already is copied, not read.
pub(super) struct Responses {
    out: Vec<u8>,
    left: usize,
}

impl Responses {
    pub(super) fn new() -> Self {
        Self { out: br#"{"responses":["#.to_vec(), left: BODIES }
    }

    /// Adds the answer to the item `id`, or the reason why it does not fit.
    pub(super) async fn add(&mut self, id: &str, response: ItemResponse) {
        let (head, body) = response.into_parts();
        let json = head.headers.get(CONTENT_TYPE).is_some_and(|media| {
            media.to_str().is_ok_and(|media| media.starts_with(JSON) || media.contains("+json"))
        });
        let begun = self.out.len();
        if let Some(body) = read(body, self.left).await {
            self.begin(id, head.status);
            let before = self.out.len();
            self.body(&body, json);
            let written = self.out.len() - before;
            self.out.push(b'}');
            if written <= self.left {
                self.left -= written;
                return;
            }
            // A text grew while it was written.
            self.out.truncate(begun);
        }
        let problem = Problem::new(&types::OVERLOADED);
        let problem = problem.detail(TOO_LONG).retry_after(Duration::from_secs(1));
        let request_id = head.headers.get("x-request-id").and_then(|id| id.to_str().ok());
        let made_up = RequestId::random();
        self.begin(id, problem.status());
        let request_id = request_id.unwrap_or_else(|| made_up.as_str());
        self.out.extend_from_slice(&problem.to_json(request_id));
        self.out.push(b'}');
    }

    pub(super) fn end(mut self) -> Bytes {
        self.out.extend_from_slice(b"]}");
        self.out.into()
    }

    fn begin(&mut self, id: &str, status: StatusCode) {
        if self.out.last() == Some(&b'}') {
            self.out.push(b',');
        }
        self.out.extend_from_slice(br#"{"id":"#);
        self.text(id);
        self.out.extend_from_slice(br#","status":"#);
        self.out.extend_from_slice(status.as_str().as_bytes());
        self.out.extend_from_slice(br#","body":"#);
    }

    /// JSON as it is, other text as a string, nothing as null.
    fn body(&mut self, body: &[u8], json: bool) {
        if body.is_empty() {
            self.out.extend_from_slice(b"null");
        } else if !json {
            self.text(&String::from_utf8_lossy(body));
        } else if serde_json::from_slice::<IgnoredAny>(body).is_ok() {
            self.out.extend_from_slice(body);
        } else {
            self.out.extend_from_slice(b"null");
        }
    }

    fn text(&mut self, text: &str) {
        // Writing to memory and serialising a string cannot fail.
        let _ = serde_json::to_writer(&mut self.out, text);
    }
}

/// The whole body, unless it is longer than `most`; nothing of one that fails half-way.
async fn read(mut body: ItemBody, most: usize) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Some(Vec::new()) };
        let data = frame.into_data().unwrap_or_default();
        if data.len() > most - whole.len() {
            return None;
        }
        whole.extend_from_slice(&data);
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use serde_json::{Value, json};

    use super::*;

    fn response(media: &'static str, body: impl Into<Bytes>) -> ItemResponse {
        let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
        let mut response = http::Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(media));
        response
    }

    async fn written(items: Vec<ItemResponse>) -> Value {
        let mut responses = Responses::new();
        for (at, item) in items.into_iter().enumerate() {
            responses.add(&format!("\"{at}"), item).await;
        }
        serde_json::from_slice(&responses.end()).unwrap()
    }

    #[tokio::test]
    async fn every_kind_of_body_has_its_form() {
        let answer = written(vec![
            response(JSON, r#"{"a": [1, "}"]}"#),
            response("application/problem+json", r#"{"code":"x"}"#),
            response("text/plain", "a \"b\"\n\u{0}"),
            response("text/plain", ""),
            response(JSON, "{\"broken\":"),
            response(JSON, r#"1}, {"id": "forged"#),
        ])
        .await;
        let responses = answer["responses"].as_array().unwrap();
        let bodies: Vec<&Value> = responses.iter().map(|response| &response["body"]).collect();
        let expected = [
            json!({"a": [1, "}"]}),
            json!({"code": "x"}),
            json!("a \"b\"\n\u{0}"),
            Value::Null,
            Value::Null,
            Value::Null,
        ];
        assert_eq!(bodies, expected.iter().collect::<Vec<_>>());
        assert!(responses.iter().enumerate().all(|(at, own)| own["id"] == format!("\"{at}")));
    }

    #[tokio::test]
    async fn no_items_are_an_empty_list() {
        assert_eq!(written(Vec::new()).await, json!({"responses": []}));
    }

    #[tokio::test]
    async fn a_text_that_grows_beyond_the_bound_while_it_is_written_does_not_fit() {
        let text = || response("text/plain", "\u{1}".repeat(BODIES / 4));
        let plain = || response("text/plain", "x".repeat(BODIES / 2));
        let answer = written(vec![text(), plain(), plain(), response("text/plain", "ok")]).await;
        let statuses: Vec<u64> = answer["responses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|response| response["status"].as_u64().unwrap())
            .collect();
        // The quotes of the first one that fits keep the second from being half of it.
        assert_eq!(statuses, [503, 200, 503, 200]);
        assert_eq!(answer["responses"][0]["body"]["code"], "overloaded");
    }

    #[tokio::test]
    async fn a_refusal_has_the_request_id_of_its_item() {
        let mut long = response("text/plain", "x".repeat(BODIES + 1));
        long.headers_mut().insert("x-request-id", http::HeaderValue::from_static("trace-7"));
        let answer = written(vec![long]).await;
        assert_eq!(answer["responses"][0]["body"]["request_id"], "trace-7");
    }
}
