use std::{sync::Arc, time::Duration};

use gabion_errors::guarded;
use gabion_monitor::Resources;
use tokio::{task::JoinHandle, time::MissedTickBehavior};

use super::prepare::Prepared;
use crate::app::App;

/// How often what no token can ask for any more is forgotten.
const PRUNE: Duration = Duration::from_secs(300);
/// How often failed logins are written: those since then are lost with a kill.
const FLUSH: Duration = Duration::from_secs(1);

impl Prepared {
    /// Lets a reload reach the parts that keep settings of their own.
    pub(super) fn follow_settings(&self) {
        let app = &self.app;
        let tables = [&app.connections, &app.admin_connections].map(Arc::clone);
        let admission = Arc::clone(&app.admission);
        let telemetry = Arc::clone(&app.telemetry);
        let (accounts, handle) = (app.accounts.clone(), app.handle());
        let tls = app.tls.clone();
        app.settings.subscribe(move |step| {
            let settings = step.new;
            accounts.set_ttl(settings.cache.ttl);
            if let Some(app) = handle.upgrade() {
                app.caches.set_ttl(settings.cache.ttl);
                app.rates.set(&settings.limits);
            }
            for table in &tables {
                table.set(&settings.limits.connections);
                table.set_ipv6_prefix(settings.limits.ipv6_prefix);
            }
            if let Some(tls) = &tls {
                tls.set_handshakes(settings.limits.connections.handshakes);
                tls.reload_soon();
            }
            admission.set(&settings.limits.admission);
            telemetry.set_level(&settings.log.level);
        });
    }

    /// What goes on beside the requests, and may be cut off at any point.
    pub(super) fn background(&self) -> Vec<JoinHandle<()>> {
        let app = &self.app;
        let resources = Resources::new();
        vec![
            tokio::spawn({
                let (sweeper, app) = (Arc::clone(&self.sweeper), Arc::clone(app));
                async move { sweeper.run(app.clock, &app.settings).await }
            }),
            tokio::spawn({
                let app = Arc::clone(app);
                async move {
                    let open = || app.connections_open();
                    let eyes = &app.observatory;
                    let hashes = app.identity.hashes();
                    let (clock, settings) = (app.clock, &app.settings);
                    eyes.watch(resources, clock, settings, &app.admission, hashes, open).await;
                }
            }),
            tokio::spawn({
                let (app, sql) = (Arc::clone(app), self.sql.clone());
                async move { app.observatory.ping(&sql).await }
            }),
            tokio::spawn({
                let telemetry = Arc::clone(&app.telemetry);
                async move { telemetry.upkeep().await }
            }),
            tokio::spawn({
                let backups = Arc::clone(&app.backups);
                async move { backups.run().await }
            }),
            tokio::spawn({
                let app = Arc::clone(app);
                async move { app.end_trials().await }
            }),
            tokio::spawn(prune(Arc::clone(app))),
            tokio::spawn({
                let app = Arc::clone(app);
                async move {
                    if let Some(tls) = &app.tls {
                        tls.follow(app.clock).await;
                    }
                }
            }),
            tokio::spawn(flush_failures(Arc::clone(app))),
        ]
    }

    /// Writes the audit trail until it is closed.
    pub(super) fn trail(&self) -> JoinHandle<()> {
        let (audit, sql) = (self.app.audit.clone(), self.sql.clone());
        tokio::spawn(async move { audit.write(&sql).await })
    }
}

async fn flush_failures(app: Arc<App>) {
    let mut ticks = tokio::time::interval(FLUSH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Told by itself, and tried again.
        let _ = guarded("flush_failed_logins", async { Ok(app.identity.flush_failures().await?) })
            .await;
    }
}

async fn prune(app: Arc<App>) {
    let mut ticks = tokio::time::interval(PRUNE);
    loop {
        ticks.tick().await;
        // Told by itself, and tried again; one does not wait for the other to succeed.
        let _ = guarded("prune_sessions", async { Ok(app.identity.prune().await?) }).await;
        let _ = guarded("prune_keys", app.prune_keys()).await;
    }
}
