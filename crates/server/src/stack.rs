//! The stack: what happens to a request, in its order.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use gabion_auth::{Access, RoleAuthorizer, Scope};
use gabion_clock::SystemClock;
use gabion_config::Refusal;
use gabion_errors::BoxError;
use gabion_limits::{
    Class, DeadlineTrust, HostRule, InvalidCidr, InvalidHost, SizeConfig, TrustedProxies,
    admission::Admission,
};
use gabion_tower::{
    Answer, BodyRule, CacheRule, DeadlineRule, Guard, Peer, RateRule, RequestTime, RouteContract,
    RouteError, RouteTable, Routes, Timing, Wall,
    guards::{
        AdmissionGuard, AuthorizeGuard, ClientGuard, FramingGuard, HostGuard, RateGuard, SizeGuard,
    },
};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;

use crate::{
    app::App,
    body::RequestBody,
    bulkheads::Bulkheads,
    guards::{DrainGuard, RefusalsAudited, Reserved, ReservedGuard},
    handler::Endpoints,
    listen::Answer as Answers,
    routes::{AsAsked, Dispatch, Endpoint, ItemResponse, Mounted},
    settings::ServerSettings,
};

/// What a request that matches no route is held to.
static UNMATCHED: RouteContract = RouteContract {
    method: Method::GET,
    path: "unmatched",
    name: "unmatched",
    summary: "",
    access: Access::Public,
    scope: Scope::Any,
    class: Class::Degraded,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: Answer { status: StatusCode::NOT_FOUND, media: "", schema: None },
    problems: &[],
};

/// Stacks the guards in front of `endpoints`.
///
/// Before all this a connection was counted and accepted ([`listen`](crate::listen)); then the wall
/// gives the request its id, finds its route, and from here on every refusal is a problem document and
/// every panic is caught.
///
/// # Errors
///
/// When two routes contradict each other or one cannot be checked, or the settings name no network or host.
pub fn stack<A: Guard>(
    app: &Arc<App>,
    endpoints: &[&'static Endpoint],
    Face { name, authenticate, admission, bulkheads, hosts, sizes, deadlines, over_tls }: Face<A>,
) -> Result<Front<impl Serve + use<A>>, StackError> {
    let settings = app.settings.load_full();
    let routes = RouteTable::new(endpoints.iter().map(|endpoint| endpoint.contract), &UNMATCHED)?;
    let routes = AsAsked::new(routes, endpoints)?;
    let rates = &app.rates;
    let trust = match deadlines {
        Deadlines::Proxies => DeadlineTrust::Proxies(proxies(&settings)?),
        Deadlines::Everybody => DeadlineTrust::Everybody,
    };
    let own_hosts = Arc::new(HostGuard::new(match hosts {
        Hosts::Configured => rule_of_hosts(&settings)?,
        Hosts::Any => HostRule::default(),
    }));
    let client = Arc::new(ClientGuard::new(proxies(&settings)?));
    let bounds = sizes.clone().unwrap_or_else(|| settings.limits.size.clone());
    let size = Arc::new(SizeGuard::new(bounds));
    let request_time = RequestTime::new(settings.limits.time.request);

    let guards = (
        // The last places for connections answer probes only; nothing else is worth reading there.
        ReservedGuard,
        // While draining each answer ends its connection; it must hold for every answer below.
        DrainGuard::new(app.readiness.clone()),
        // What may be two requests is not read as one; everything below looks at one.
        FramingGuard,
        // A request for another host is not ours; hyper takes none and two of them.
        Arc::clone(&own_hosts),
        // Too large is told from the head alone, before anything is spent on it.
        Arc::clone(&size),
        // Everything below that counts by address must know the real one.
        Arc::clone(&client),
        // Before authentication: guessing tokens is limited as well. The routes that hash passwords have
        // a tighter limit of their own, and what it refuses has not used up the address's.
        RateGuard::all([Arc::clone(&rates.address), Arc::clone(&rates.login)]),
        RefusalsAudited::new(
            (
                // Everything below depends on who calls.
                authenticate,
                // Before admission: a class counts only for whoever may use the route.
                AuthorizeGuard::new(RoleAuthorizer),
            ),
            app.audit.clone(),
        ),
        // A place in flight, kept until the answer is complete.
        AdmissionGuard::new(admission),
        // Last: a shed request has not used up its caller's quota.
        Arc::clone(&rates.caller),
    );
    let timing = Timing {
        clock: app.clock,
        request_time: request_time.clone(),
        window: Arc::clone(&app.observatory.window),
    };

    let (places, own_bounds) = (bulkheads.clone(), sizes.is_some());
    app.settings.subscribe(move |step| {
        let settings = step.new;
        if !own_bounds {
            size.set(settings.limits.size.clone());
        }
        request_time.set(settings.limits.time.request);
        places.set(&settings.limits.bulkhead);
    });
    let wall = Arc::new_cyclic(|stack: &Weak<Wall<_, _, Endpoints>>| {
        let endpoints = endpoints.to_vec();
        let mounted = Mounted { name, endpoints, sizes, stack: stack.clone() };
        // The handler reads the body its contract declares, takes a place where the work is expensive,
        // asks the cache where there is one, and answers. The place comes behind the body: nobody shall
        // hold one by sending slowly. That a request waits for it with a place in flight is bounded by
        // the bulkheads, which let no more wait than they have places.
        let handler = Endpoints::new(Arc::clone(app), mounted, bulkheads.guard());
        // A trusted caller may have less time than its route.
        let wall = Wall::new(routes, guards, handler, timing).deadlines_of(trust);
        if over_tls { wall.over_tls() } else { wall }
    });
    let stack = Arc::downgrade(&wall);
    app.settings.subscribe_checked(move |step| {
        let refuse = |error: StackError| Refusal::new(error.setting(), error.to_string());
        let rule = match hosts {
            Hosts::Configured => Some(rule_of_hosts(step.new).map_err(|it| refuse(it.into()))?),
            Hosts::Any => None,
        };
        let proxies = proxies(step.new).map_err(|it| refuse(it.into()))?;
        let (own_hosts, client, stack) =
            (Arc::clone(&own_hosts), Arc::clone(&client), Weak::clone(&stack));
        // A guard that is set anew warns anew, so one that stays the same is left alone.
        let moved = step.touches("server.trusted_proxies");
        Ok(move || {
            if let Some(rule) = rule {
                own_hosts.set(rule);
            }
            if moved {
                if let (Deadlines::Proxies, Some(stack)) = (deadlines, stack.upgrade()) {
                    stack.set_deadlines_of(DeadlineTrust::Proxies(proxies.clone()));
                }
                client.set(proxies);
            }
        })
    });
    Ok(Front(wall))
}

/// In what one face of the server differs from another: those at its addresses, and the one for
/// local commands.
pub struct Face<A> {
    /// Its name among those of the process.
    pub name: &'static str,
    /// How callers are known.
    pub authenticate: A,
    /// Who gets a place in flight.
    pub admission: Arc<Admission>,
    /// Who gets a place for expensive work.
    pub bulkheads: Bulkheads,
    /// Which hosts are served.
    pub hosts: Hosts,
    /// Its own bounds on requests, in place of those of the settings.
    pub sizes: Option<SizeConfig>,
    /// Whose deadlines count.
    pub deadlines: Deadlines,
    /// Whether its connections are encrypted.
    pub over_tls: bool,
}

/// Which hosts a face serves.
#[derive(Debug, Clone, Copy)]
pub enum Hosts {
    /// Those of `server.allowed_hosts`.
    Configured,
    /// Any that is well-formed.
    Any,
}

/// Whose word about the time they have left counts at a face.
#[derive(Debug, Clone, Copy)]
pub enum Deadlines {
    /// That of `server.trusted_proxies`.
    Proxies,
    /// Everybody's.
    Everybody,
}

/// The stack could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// Two routes contradict each other.
    #[error(transparent)]
    Routes(#[from] RouteError),
    /// A network is not one.
    #[error(transparent)]
    Proxies(#[from] InvalidCidr),
    /// A host is not one.
    #[error(transparent)]
    Hosts(#[from] InvalidHost),
}

impl StackError {
    /// The setting to look at; empty where there is none.
    fn setting(&self) -> &'static str {
        match self {
            Self::Routes(_) => "",
            Self::Proxies(_) => "server.trusted_proxies",
            Self::Hosts(_) => "server.allowed_hosts",
        }
    }
}

/// The networks whose forwarding headers are believed.
///
/// # Errors
///
/// When one is not a network.
pub fn proxies(settings: &ServerSettings) -> Result<TrustedProxies, InvalidCidr> {
    TrustedProxies::new(&settings.server.trusted_proxies)
}

/// The hosts that are served.
///
/// # Errors
///
/// When one is not a host.
fn rule_of_hosts(settings: &ServerSettings) -> Result<HostRule, InvalidHost> {
    HostRule::new(&settings.server.allowed_hosts)
}

/// A wall, without the types of its guards.
pub trait Serve: Send + Sync + 'static {
    /// The body of its responses.
    type Body: Body<Data = Bytes, Error = BoxError> + Send + Unpin + 'static;

    /// Answers one request.
    fn serve(
        self: Arc<Self>,
        request: Request<RequestBody>,
        peer: Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static;
}

impl<R: Routes, G: Guard> Serve for Wall<R, G, Endpoints, SystemClock> {
    type Body = gabion_tower::WallBody<crate::body::ReplyBody>;

    fn serve(
        self: Arc<Self>,
        request: Request<RequestBody>,
        peer: Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static {
        Self::serve(self, request, peer)
    }
}

/// The stack as connections use it.
pub struct Front<W>(Arc<W>);

impl<W: Serve> Answers for Front<W> {
    type Body = W::Body;

    fn answer(
        self: Arc<Self>,
        mut request: Request<RequestBody>,
        peer: Peer,
        reserved: bool,
    ) -> impl Future<Output = Response<W::Body>> + Send + 'static {
        if reserved {
            request.extensions_mut().insert(Reserved);
        }
        Arc::clone(&self.0).serve(request, peer)
    }
}

impl<R: Routes, G: Guard> Dispatch for Wall<R, G, Endpoints, SystemClock> {
    fn dispatch(
        &self,
        request: Request<RequestBody>,
        peer: Peer,
    ) -> Pin<Box<dyn Future<Output = ItemResponse> + Send + '_>> {
        let answer = Self::serve(self, request, peer);
        Box::pin(async move { answer.await.map(BodyExt::boxed_unsync) })
    }
}
