//! A gRPC service behind the wall: quotas, tokens and admission, refused in the words of gRPC.
//!
//! The service is the health check of gRPC, whose code comes generated with `tonic-health`, so that this
//! needs no `protoc`; any other service of tonic goes into the same place. To copy into a service: `wall`,
//! the line `.layer(…)`, and `known`, whose rejection `?` makes a status: with the feature `tonic` of
//! `gabion-errors` a `Rejection` becomes a `Status`, and the wall finds it there and logs its cause.
//! What a client sees of a refusal:
//!
//! | refused by | code | metadata |
//! | --- | --- | --- |
//! | a quota | `RESOURCE_EXHAUSTED` | `grpc-retry-pushback-ms`, a `RetryInfo` in the details |
//! | admission, a bulkhead, a drain | `UNAVAILABLE` | the same |
//! | no token, or a bad one | `UNAUTHENTICATED` | |
//! | a role that is missing | `PERMISSION_DENIED` | |
//! | the deadline | `DEADLINE_EXCEEDED` | |
//! | a method's own error | as its problem says | the same where waiting helps |
//!
//! Each has the stable code in `gabion-code`, as `rate-limited`, and its id in `x-request-id`.
//!
//! `cargo run -p gabion-examples --example tonic` asks itself a few things and ends; with `-- --serve`
//! it goes on serving.

use std::{
    error::Error,
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use gabion_auth::{
    Access, AuthConfig, Identity, KeyRing, MemoryStore, RoleAuthorizer, Roles, StoredAccounts,
};
use gabion_clock::SystemClock;
use gabion_config::Rate;
use gabion_errors::{Problem, Rejection, ToProblem, tonic::take_rejection, types};
use gabion_limits::{
    DeadlineTrust, LimitMode, TrustedProxies,
    admission::{Admission, Fixed},
    quota::Quota,
    rate::MemoryRateStore,
};
use gabion_tower::{
    Guard, RouteContract, WallLayer,
    guards::{AdmissionGuard, AuthenticateGuard, AuthorizeGuard, RateGuard},
};
use tonic::{
    Request, Response, Status,
    metadata::MetadataValue,
    transport::{
        Channel, Server,
        server::{TcpConnectInfo, TcpIncoming},
    },
};
use tonic_health::{
    ServingStatus,
    pb::{
        HealthCheckRequest, HealthCheckResponse,
        health_client::HealthClient,
        health_server::{Health, HealthServer},
    },
    server::{HealthReporter, HealthService},
};

type Failure = Box<dyn Error + Send + Sync>;

/// What the wall holds every call to; tonic goes on routing by itself.
static HEALTH: RouteContract = {
    let mut contract = RouteContract::open("/grpc.health.v1.Health/{method}", "health");
    contract.access = Access::Bearer;
    contract
};

/// The service: that of `tonic-health`, which is asked only for what is known here.
struct Shelves(HealthService);

/// An error of the service, with what a client may know of it.
#[derive(Debug, thiserror::Error)]
#[error("the cellar is under water, see /var/log/pumps")]
struct Flooded;

impl ToProblem for Flooded {
    fn to_problem(&self) -> Problem {
        Problem::new(&types::DEPENDENCY_UNAVAILABLE)
            .detail("the cellar cannot be reached")
            .retry_after(Duration::from_secs(30))
    }
}

fn pump(service: &str) -> Result<(), Flooded> {
    if service == "cellar" { Err(Flooded) } else { Ok(()) }
}

/// `?` makes a rejection of every such error, and a status of every rejection.
fn known(request: &Request<HealthCheckRequest>) -> Result<(), Rejection> {
    Ok(pump(&request.get_ref().service)?)
}

#[tonic::async_trait]
impl Health for Shelves {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        known(&request)?;
        self.0.check(request).await
    }

    type WatchStream = <HealthService as Health>::WatchStream;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        known(&request)?;
        self.0.watch(request).await
    }
}

/// The guards of the service; at most `places` calls are under way.
fn wall(
    identity: &Identity<MemoryStore>,
    store: Arc<MemoryStore>,
    places: u32,
) -> Result<WallLayer<impl Guard>, Failure> {
    let rates = Arc::new(MemoryRateStore::with_capacity(100_000));
    let admission = Arc::new(Admission::new(Fixed(places), LimitMode::Enforce));
    let guards = (
        // The quota first: guessing tokens is limited as well.
        RateGuard::by_address("address", Quota::new(Rate::per_minute(1), 4), rates),
        AuthenticateGuard::new(identity.authenticator(StoredAccounts(store))),
        AuthorizeGuard::new(RoleAuthorizer),
        // A stream keeps its place until it ends.
        AdmissionGuard::new(admission),
    );
    Ok(WallLayer::new(&HEALTH, guards)
        // Refusals as gRPC has them: a status in the head, and no body.
        .grpc()
        // Where tonic keeps the errors of methods.
        .rejections_by(take_rejection)
        // Where tonic keeps the address of the peer.
        .peer_of(|known| known.get::<TcpConnectInfo>()?.remote_addr())
        // Whose `grpc-timeout` counts: a caller of the house's, not everybody's.
        .deadlines_of(DeadlineTrust::Proxies(TrustedProxies::new(&["127.0.0.0/8".into()])?)))
}

/// Serves on a port of the system's choice; with it comes a token of somebody who is known.
async fn start(places: u32) -> Result<(SocketAddr, String), Failure> {
    let (store, keys) = (Arc::new(MemoryStore::new()), Arc::new(KeyRing::ephemeral()));
    let (config, clock) = (AuthConfig::default(), Arc::new(SystemClock::new()));
    let identity = Identity::new(Arc::clone(&store), keys, &config, 2, clock)?;
    identity.create_user("ann", PASSWORD, Roles::new(["user"]), "start").await?;
    let token = identity.login("ann", PASSWORD, "127.0.0.1").await?.access_token;

    let reporter = HealthReporter::new();
    let health = HealthServer::new(Shelves(HealthService::from_health_reporter(reporter.clone())));
    reporter.set_service_status("shelves", ServingStatus::Serving).await;
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?;
    let address = incoming.local_addr()?;
    let server = Server::builder().layer(wall(&identity, store, places)?).add_service(health);
    tokio::spawn(server.serve_with_incoming(incoming));
    Ok((address, token))
}

const PASSWORD: &str = "velvet kayak outruns mildew";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let (address, token) = start(8).await?;
    let mut out = io::stdout();
    writeln!(out, "listening on {address}")?;
    for (service, token) in [
        ("shelves", ""),
        ("shelves", "garbage"),
        ("shelves", &token),
        ("cellar", &token),
        ("shelves", &token),
    ] {
        match check_of(address, service, token).await? {
            Ok(answer) => writeln!(out, "\n{:?}", answer.into_inner().status())?,
            Err(status) => writeln!(out, "\n{status}\n{:#?}", status.metadata())?,
        }
    }
    if std::env::args().any(|argument| argument == "--serve") {
        std::future::pending::<()>().await;
    }
    Ok(())
}

async fn client(address: SocketAddr) -> Result<HealthClient<Channel>, Failure> {
    let endpoint = Channel::from_shared(format!("http://{address}"))?;
    Ok(HealthClient::new(endpoint.connect().await?))
}

/// A question with a token, which may be empty.
fn question(service: &str, token: &str) -> Result<Request<HealthCheckRequest>, Failure> {
    let mut request = Request::new(HealthCheckRequest { service: service.into() });
    if !token.is_empty() {
        let value = MetadataValue::try_from(format!("Bearer {token}"))?;
        request.metadata_mut().insert("authorization", value);
    }
    Ok(request)
}

async fn check_of(
    address: SocketAddr,
    service: &str,
    token: &str,
) -> Result<Result<Response<HealthCheckResponse>, Status>, Failure> {
    Ok(client(address).await?.check(question(service, token)?).await)
}

#[cfg(test)]
mod tests {
    use gabion_tower::ProblemLayer;
    use tonic::Code;

    use super::*;

    async fn check(
        address: SocketAddr,
        token: &str,
    ) -> Result<Result<Response<HealthCheckResponse>, Status>, Failure> {
        check_of(address, "shelves", token).await
    }

    fn text(status: &Status, name: &str) -> String {
        let value = status.metadata().get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn who_has_a_token_is_served() {
        let (address, token) = start(8).await.unwrap();
        let answer = check(address, &token).await.unwrap().unwrap();
        let left = answer.metadata().get("ratelimit").unwrap();
        assert_eq!(left, "\"address\";r=3;t=60");
        assert_eq!(answer.into_inner().status, 1);
    }

    #[tokio::test]
    async fn who_has_none_is_unauthenticated() {
        let (address, _) = start(8).await.unwrap();
        for token in ["", "garbage"] {
            let status = check(address, token).await.unwrap().unwrap_err();
            assert_eq!(status.code(), Code::Unauthenticated);
            assert_eq!(text(&status, "x-request-id").len(), 32);
            assert_eq!(text(&status, "grpc-retry-pushback-ms"), "");
        }
    }

    #[tokio::test]
    async fn a_used_up_quota_tells_a_program_when_to_come_back() {
        let (address, token) = start(8).await.unwrap();
        for _ in 0..4 {
            check(address, &token).await.unwrap().unwrap();
        }
        let status = check(address, &token).await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.message(), "this address has used up its quota of requests");
        assert_eq!(text(&status, "grpc-retry-pushback-ms"), "60000");
        let retry_info = b"type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x3c";
        assert!(status.details().ends_with(retry_info), "{:?}", status.details());
    }

    #[tokio::test]
    async fn an_error_of_a_method_is_told_without_its_cause() {
        let (address, token) = start(8).await.unwrap();
        let status = check_of(address, "cellar", &token).await.unwrap().unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unavailable, "the cellar cannot be reached")
        );
        assert_eq!(text(&status, "gabion-code"), "dependency-unavailable");
        assert_eq!(text(&status, "grpc-retry-pushback-ms"), "30000");
        assert_eq!(text(&status, "x-request-id").len(), 32);
        assert!(!format!("{status:?}").contains("pumps"), "{status:?}");
    }

    /// For who wants nothing of the wall but that errors are told, counted and named.
    #[tokio::test]
    async fn a_problem_layer_alone_does_that_too() {
        let health = HealthService::from_health_reporter(HealthReporter::new());
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = incoming.local_addr().unwrap();
        let problems = ProblemLayer::new().rejections_by(take_rejection);
        let server =
            Server::builder().layer(problems).add_service(HealthServer::new(Shelves(health)));
        tokio::spawn(server.serve_with_incoming(incoming));
        let status = check_of(address, "cellar", "").await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(text(&status, "x-request-id").len(), 32);
    }

    #[tokio::test]
    async fn a_stream_holds_its_place_until_it_ends() {
        let (address, token) = start(1).await.unwrap();
        let mut watching = client(address).await.unwrap();
        let stream = watching.watch(question("shelves", &token).unwrap()).await.unwrap();
        let status = check(address, &token).await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_ne!(text(&status, "grpc-retry-pushback-ms"), "");
        drop((stream, watching));
    }

    #[tokio::test]
    async fn what_comes_too_late_is_not_begun() {
        let (address, token) = start(8).await.unwrap();
        let mut request = question("shelves", &token).unwrap();
        // Not by `set_timeout`: the client would give up by itself.
        request.metadata_mut().insert("x-deadline-ms", "0".parse().unwrap());
        let status = client(address).await.unwrap().check(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
}
