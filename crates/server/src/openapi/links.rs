//! What an answer is good for next, for readers and for those who test by following.

use gabion_tower::RouteContract;
use serde_json::{Map, Value, json};

use crate::routes::Endpoint;

/// From a good answer of one operation to another one.
struct Link {
    from: &'static str,
    to: &'static str,
    summary: &'static str,
    /// Path parameters, and where in the answer their values are.
    parameters: &'static [(&'static str, &'static str)],
    /// Members of the body, likewise.
    members: &'static [(&'static str, &'static str)],
}

const LINKS: [Link; 7] = [
    Link {
        from: "login",
        to: "refresh",
        summary: "Gets the next tokens.",
        parameters: &[],
        members: &[("refresh_token", "/refresh_token")],
    },
    Link {
        from: "refresh",
        to: "refresh",
        summary: "Gets the next tokens; the one that was sent is spent.",
        parameters: &[],
        members: &[("refresh_token", "/refresh_token")],
    },
    Link {
        from: "list_sessions",
        to: "end_session",
        summary: "Ends the newest session.",
        parameters: &[("id", "/sessions/0/id")],
        members: &[],
    },
    Link {
        from: "create_user",
        to: "update_user",
        summary: "Changes the account.",
        parameters: &[("username", "/username")],
        members: &[],
    },
    Link {
        from: "create_api_key",
        to: "revoke_api_key",
        summary: "Ends the key.",
        parameters: &[("id", "/id")],
        members: &[],
    },
    Link {
        from: "rotate_keys",
        to: "retire_key",
        summary: "Refuses the tokens of the key.",
        parameters: &[("kid", "/kid")],
        members: &[],
    },
    Link {
        from: "create_backup",
        to: "verify_backup",
        summary: "Checks the backup once more.",
        parameters: &[("id", "/id")],
        members: &[],
    },
];

/// Adds the links of `contract` to its good answer, as far as they lead to one of `endpoints`.
pub(super) fn add(
    contract: &RouteContract,
    endpoints: &[&'static Endpoint],
    responses: &mut Map<String, Value>,
) {
    let is_mounted = |name| endpoints.iter().any(|endpoint| endpoint.contract.name == name);
    let own = LINKS.iter().filter(|link| link.from == contract.name && is_mounted(link.to));
    for link in own {
        let mut told = json!({"operationId": link.to, "description": link.summary});
        if !link.parameters.is_empty() {
            told["parameters"] = expressions(link.parameters);
        }
        if !link.members.is_empty() {
            told["requestBody"] = expressions(link.members);
        }
        responses[contract.answer.status.as_str()]["links"][link.to] = told;
    }
}

fn expressions(places: &[(&str, &str)]) -> Value {
    let told = |(name, place): &(&str, &str)| {
        ((*name).to_owned(), json!(format!("$response.body#{place}")))
    };
    places.iter().map(told).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{routes, settings::ServerSettings};

    #[test]
    fn every_link_leads_from_a_member_to_a_parameter_or_a_member() {
        let endpoints = routes::endpoints(&ServerSettings::default());
        let find = |name| {
            let found = endpoints.iter().find(|endpoint| endpoint.contract.name == name);
            found.unwrap_or_else(|| panic!("no operation {name}")).contract
        };
        for link in &LINKS {
            let (from, to) = (find(link.from), find(link.to));
            let schema = from.answer.schema.expect("an answer with a schema")();
            for (name, place) in link.parameters.iter().chain(link.members) {
                let place = place.replace("/0/", "/items/properties/");
                let own = format!("/properties{place}");
                let part = format!("/allOf/0/properties{place}");
                let found = [own, part].iter().any(|place| schema.pointer(place).is_some());
                assert!(found, "{} {name}: {schema}", link.from);
            }
            for (name, _) in link.parameters {
                assert!(to.parameters.iter().any(|own| own.name == *name), "{} {name}", link.to);
            }
            let gabion_tower::BodyRule::Json(body) = to.body else {
                assert!(link.members.is_empty(), "{}", link.to);
                continue;
            };
            for (name, _) in link.members {
                assert!(body()["properties"][name].is_object(), "{} {name}", link.to);
            }
        }
    }
}
