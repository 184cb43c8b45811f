use std::{borrow::Cow, ptr};

use gabion_tower::{Match, Route, RouteError, Routes, params::decode_form};
use http::request::Parts;

use super::{CLASSES, Endpoint, WORK, WORK_BATCH, WORK_CRITICAL, WORK_DEGRADED};

/// Routes in which demo work has the class that its query asks for, so that a load test can see
/// each class refused in its turn. All others are what they are.
pub struct AsAsked<R> {
    routes: R,
    /// In the order of [`CLASSES`]; `None` where demo work is not mounted.
    work: Option<[&'static Route; 4]>,
}

impl<R: Routes> AsAsked<R> {
    /// The same `routes`, of `endpoints` in their order.
    ///
    /// # Errors
    ///
    /// When a schema of demo work cannot be checked.
    pub fn new(routes: R, endpoints: &[&'static Endpoint]) -> Result<Self, RouteError> {
        let work = endpoints.iter().position(|endpoint| ptr::eq(endpoint.contract, &WORK));
        let leak = |index| {
            let leak = |contract| Route::leak(contract, Some(index));
            let (critical, user) = (leak(&WORK_CRITICAL)?, leak(&WORK)?);
            Ok([critical, user, leak(&WORK_DEGRADED)?, leak(&WORK_BATCH)?])
        };
        Ok(Self { routes, work: work.map(leak).transpose()? })
    }
}

/// The class as the query asks for it, before anything of it is checked.
fn asked(head: &Parts) -> Option<Cow<'_, str>> {
    let pairs = head.uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    // However it is encoded: so are the parameters read.
    let mut given = pairs.filter(|(name, _)| decode_form(name).as_deref() == Some("class"));
    let (_, value) = given.next()?;
    decode_form(value).filter(|_| given.next().is_none())
}

impl<R: Routes> Routes for AsAsked<R> {
    fn find(&self, head: &Parts) -> Match {
        let mut found = self.routes.find(head);
        if ptr::eq(found.route.contract, &WORK)
            && let Some(work) = &self.work
            // What is no class, or told twice, is refused when the parameters are read.
            && let Some(asked) = asked(head)
            && let Some(at) = CLASSES.iter().position(|class| asked == *class)
        {
            found.route = work[at];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use gabion_limits::Class;
    use gabion_tower::RouteTable;
    use http::Request;

    use super::{super::ENDPOINTS, *};

    fn class(target: &str) -> Class {
        let endpoints: Vec<&'static Endpoint> = ENDPOINTS.iter().collect();
        let contracts = endpoints.iter().map(|endpoint| endpoint.contract);
        let table = RouteTable::new(contracts, &WORK_BATCH).unwrap();
        let (head, ()) = Request::get(target).body(()).unwrap().into_parts();
        let found = AsAsked::new(table, &endpoints).unwrap().find(&head);
        assert!(found.route.index.is_some_and(|index| index < endpoints.len()), "{target}");
        found.route.contract.class
    }

    #[test]
    fn work_has_the_class_that_is_asked_for() {
        let classes = [Class::Critical, Class::User, Class::Degraded, Class::Batch];
        for (name, wanted) in CLASSES.iter().zip(classes) {
            assert_eq!(class(&format!("/api/demo/work?io_ms=1&class={name}")), wanted);
        }
    }

    #[test]
    fn a_class_is_the_same_however_it_is_encoded() {
        for query in ["cl%61ss=batch", "class=b%61tch", "io_ms=1&%63lass=%62atch&"] {
            assert_eq!(class(&format!("/api/demo/work?{query}")), Class::Batch, "{query}");
        }
        assert_eq!(class("/api/demo/work?class=batch&cl%61ss=critical"), Class::User);
    }

    #[test]
    fn work_that_asks_for_none_is_a_users() {
        for query in [
            "",
            "?class=",
            "?class=vip",
            "?class=%zz",
            "?class=batch&class=critical",
            "?class=batch&class",
        ] {
            assert_eq!(class(&format!("/api/demo/work{query}")), Class::User, "{query}");
        }
    }

    #[test]
    fn other_routes_keep_their_class() {
        assert_eq!(class("/api/demo/cached/a?class=batch"), Class::Degraded);
    }
}
