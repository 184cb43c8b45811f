use std::{net::SocketAddr, sync::Arc};

use gabion_auth::Username;
use gabion_config::{ByteSize, Refusal, Step};
use gabion_errors::error_chain;
use gabion_lifecycle::{Acceptor, Inherited, Signals, State};
use gabion_limits::{
    LimitMode, SizeConfig,
    admission::{Admission, Fixed},
};
use gabion_tower::guards::AuthenticateGuard;
use tracing::{error, info, warn};

use super::{RunError, failed, listeners::Listeners, prepare::Prepared, refused};
use crate::{
    app::App,
    bulkheads::Bulkheads,
    control::ControlSocket,
    guards::LocalGuard,
    listen::{Door, Entrance, serve},
    routes::{self, Endpoint},
    settings::ServerSettings,
    stack::{Deadlines, Face, Hosts, proxies, stack},
};

/// Local commands in flight at once.
const LOCAL: u32 = 64;
/// The largest body of one: a configuration of 1 MiB, in which JSON escapes every other character.
const LARGEST_COMMAND: ByteSize = ByteSize::mib(3);

impl Prepared {
    /// Serves until the drain is over.
    pub(super) async fn serve(
        self,
        listeners: Listeners,
        inherited: Option<Inherited>,
        signals: Signals,
    ) -> Result<(), RunError> {
        let Self { app, drain, sweeper, .. } = &self;
        let settings = app.settings.load_full();
        // Local commands come in as they are.
        let local_entrance = Entrance {
            table: Arc::clone(&app.connections),
            sweeper: Arc::clone(sweeper),
            drain: drain.clone(),
            settings: Arc::clone(&app.settings),
            door: Arc::default(),
        };
        let mut door = Door::new(app.tls.clone());
        // Whoever fills the public address keeps no operator out.
        let admin_entrance = Entrance {
            table: Arc::clone(&app.admin_connections),
            door: Arc::new(Door::new(app.tls.clone())),
            ..local_entrance.clone()
        };
        if settings.server.proxy_protocol {
            door = door.behind(proxies(&settings).map_err(refused)?);
        }
        let door = Arc::new(door);
        app.settings.subscribe_checked(follow_proxies(&door, settings.server.proxy_protocol));
        let entrance = Entrance { door, ..local_entrance.clone() };
        let authenticator = Arc::clone(&app.authenticator);
        app.restarter.on_sharing({
            let (app, authenticator) = (app.handle(), Arc::clone(&authenticator));
            move |shared| share(&app, &authenticator, shared)
        });

        let all = routes::endpoints(&settings);
        let public: Vec<&'static Endpoint> = match listeners.admin {
            None => all.clone(),
            Some(_) => routes::public(&all),
        };
        let face = |name| -> Result<_, RunError> {
            let authenticate = AuthenticateGuard::new(Arc::clone(&authenticator));
            Ok(Face {
                name,
                authenticate,
                admission: Arc::clone(&app.admission),
                bulkheads: app.bulkheads.clone(),
                hosts: Hosts::Configured,
                sizes: None,
                deadlines: Deadlines::Proxies,
                over_tls: app.tls.is_some(),
            })
        };
        let front = Arc::new(stack(app, &public, face("main")?).map_err(failed)?);
        let admin = match &listeners.admin {
            Some(_) => Some(Arc::new(stack(app, &all, face("admin")?).map_err(failed)?)),
            None => None,
        };
        let local = Username::parse("local").map_err(failed)?;
        let authenticate = LocalGuard::new(local);
        // Places of their own: an operator gets through when everybody else is refused.
        let admission = Arc::new(Admission::new(Fixed(LOCAL), LimitMode::Enforce));
        let local = Face {
            name: "local",
            authenticate,
            admission,
            bulkheads: Bulkheads::new(&settings.limits.bulkhead),
            hosts: Hosts::Any,
            // No setting keeps out the change that corrects it; and a whole configuration comes in.
            sizes: Some(SizeConfig { json_body: LARGEST_COMMAND, ..SizeConfig::default() }),
            deadlines: Deadlines::Everybody,
            over_tls: false,
        };
        let local = Arc::new(stack(app, &routes::local(&all), local).map_err(failed)?);

        app.restarter.hold(listeners.copies().map_err(failed)?);
        self.follow_settings();
        let (background, trail) = (self.background(), self.trail());
        app.observatory.ping_once(&self.sql).await;

        let gone = match inherited {
            Some(mut inherited) => {
                app.restarter.set_predecessor(true);
                inherited.ready().await.map_err(failed)?;
                Some(inherited)
            }
            None => None,
        };
        let control = ControlSocket::bind(&self.data_dir.control_socket()).map_err(failed)?;
        let control = tokio::spawn(control.serve(local_entrance, local));
        let address = listeners.main.local_addr().map_err(failed)?;
        let admin_address = listeners.admin.as_ref().and_then(|own| own.local_addr().ok());
        let acceptor = |listener| Acceptor::new(listener).map_err(failed);
        let mut accepting = vec![tokio::spawn(serve(acceptor(listeners.main)?, entrance, front))];
        if let (Some(listener), Some(admin)) = (listeners.admin, admin) {
            accepting.push(tokio::spawn(serve(acceptor(listener)?, admin_entrance, admin)));
        }
        app.readiness.advance(State::Ready);
        self.notifier.ready();
        self.warn(&settings);
        self.announce(address, admin_address);
        let succession = self.succeed(gone);
        let outcome = tokio::select! {
            outcome = self.until_drained(signals, &mut accepting) => outcome,
            never = succession => match never {},
        };
        for task in accepting.into_iter().chain(background).chain([control]) {
            task.abort();
        }
        self.finish(outcome, trail).await;
        Ok(())
    }

    /// Only now: a start that fails has one message, the one that matters.
    fn warn(&self, settings: &ServerSettings) {
        for key in settings.not_honoured() {
            warn!(key, "this setting is not honoured yet");
        }
        for (key, reason) in settings.unwise() {
            warn!(key, reason, "this setting is unwise");
        }
    }

    fn announce(&self, address: SocketAddr, admin: Option<SocketAddr>) {
        let scheme = if self.app.tls.is_some() { "https" } else { "http" };
        if self.app.restarter.generation() == 1 {
            crate::cli::greet(scheme, address, admin, self.first.as_ref(), self.print_ready);
        }
        let address = address.to_string();
        info!(address, scheme, generation = self.app.restarter.generation(), "ready");
    }
}

/// Lets `door` follow the trusted proxies.
fn follow_proxies(
    door: &Arc<Door>,
    behind: bool,
) -> impl Fn(&Step<'_, ServerSettings>) -> Result<Box<dyn FnOnce()>, Refusal> + use<> {
    let door = Arc::clone(door);
    move |step| {
        let refuse = |message: String| Refusal::new("server.trusted_proxies", message);
        // Whatever the new settings say of it, this process has it on to its end.
        if behind && step.new.server.trusted_proxies.is_empty() {
            let message = "is empty while server.proxy_protocol is on, so nobody would get in; \
                           accepts the proxies until a restart has turned that off";
            return Err(refuse(message.to_owned()));
        }
        let trusted = proxies(step.new).map_err(|error| refuse(error.to_string()))?;
        let door = Arc::clone(&door);
        Ok(Box::new(move || door.trust(trusted)))
    }
}

/// Two processes begin or cease to share the store.
fn share<A, S>(
    app: &std::sync::Weak<App>,
    authenticator: &gabion_auth::TokenAuthenticator<A, S>,
    shared: bool,
) where
    A: gabion_auth::Accounts,
    S: gabion_auth::SessionStore + gabion_auth::ApiKeyStore,
{
    let Some(app) = app.upgrade() else { return };
    app.accounts.share(shared);
    // The other may have made one when it began, for another algorithm.
    if let Err(error) = app.keys.reload() {
        error!(reason = error_chain(&error), "the signing keys could not be read again");
    }
    if shared {
        authenticator.begin_sharing();
    } else {
        authenticator.end_sharing();
    }
}
