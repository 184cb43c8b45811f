use sfv::{BareItem, Item, List, ListEntry, Parser};

use super::health;
use crate::{
    client::Response,
    server::{Home, PASSWORD},
};

/// The items of a field as an implementation that is not ours reads them: names with two integers.
#[track_caller]
fn items(response: &Response, field: &str, parameters: [&str; 2]) -> Vec<(String, [i64; 2])> {
    let text = response.header(field).unwrap_or_else(|| panic!("no {field}"));
    let list: List = Parser::new(text).parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    let item = |entry: &ListEntry| {
        let ListEntry::Item(Item { bare_item: BareItem::String(name), params }) = entry else {
            panic!("{text} has something that is no string");
        };
        assert_eq!(params.len(), parameters.len(), "{text}");
        let values = parameters.map(|name| match params.get(name) {
            Some(BareItem::Integer(value)) => i64::from(*value),
            other => panic!("{name} is {other:?} in {text}"),
        });
        (name.as_str().to_owned(), values)
    };
    list.iter().map(item).collect()
}

/// Checks both fields and `Retry-After` against each other; the names of the limits with what is left.
#[track_caller]
fn told(response: &Response) -> Vec<(String, i64)> {
    let policies = items(response, "ratelimit-policy", ["q", "w"]);
    let standings = items(response, "ratelimit", ["r", "t"]);
    assert_eq!(policies.len(), standings.len());
    let wait = response.header("retry-after").map(|secs| secs.parse::<i64>().expect("seconds"));
    assert_eq!(wait.is_some(), response.status == 429);
    for ((policy, [q, w]), (standing, [r, t])) in policies.iter().zip(&standings) {
        assert_eq!(policy, standing);
        assert!(*w > 0 && (0..=*q).contains(r) && (0..=*w).contains(t), "{q} {w} {r} {t}");
        let in_time = wait.is_none_or(|wait| wait >= *t);
        assert!(in_time, "{standing} has a window of {t} s, to be waited for is {wait:?}");
    }
    standings.into_iter().map(|(name, [r, _])| (name, r)).collect()
}

#[test]
fn what_is_told_about_limits_is_read_by_a_parser_of_structured_fields() {
    let home = Home::new();
    let server = home.start(&[
        "limits.rate.address.quota=7/h",
        "limits.rate.address.burst=12",
        "limits.rate.login.quota=11/h",
        "limits.rate.login.burst=3",
        "limits.rate.caller.quota=13/h",
        "limits.rate.caller.burst=2",
    ]);
    let left = |limit: &str, left| (limit.to_owned(), left);
    let login = server.try_login("admin", PASSWORD).expect(200);
    assert_eq!(told(&login), [left("address", 11), left("login", 2)]);
    let token = login.json()["access_token"].as_str().expect("a token").to_owned();
    let verify = || server.get("/api/auth/verify", &token);
    assert_eq!(told(&verify().expect(200)), [left("address", 10), left("caller", 1)]);
    verify().expect(200);
    let refused = verify();
    refused.problem("rate-limited");
    assert_eq!(told(&refused), [left("address", 8), left("caller", 0)]);
    told(&server.refresh("none"));
    told(&server.try_login("admin", "wrong"));
    let refused = server.refresh("none");
    refused.problem("rate-limited");
    assert_eq!(told(&refused), [left("address", 6), left("login", 0)]);
    let mut last = server.send(&health());
    for _ in 0..20 {
        told(&last);
        last = server.send(&health());
    }
    last.problem("rate-limited");
    assert_eq!(told(&last), [left("address", 0)]);
}
