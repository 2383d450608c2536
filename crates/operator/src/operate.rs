//! The life of the process: health at once, the lead when it is free, then the certificates, the caches and the controller, until it is told to stop
//! or loses the lead.
//!
//! Whoever loses the lead ends at once: a process that starts anew knows nothing wrong.

mod etcd;

use crate::announce::{Announcer, Narrator};
use crate::build::Placeless;
use crate::cache::{
    Caches, SlimBudget, SlimClaim, SlimPod, Wake, feed_children, feed_classes, feed_nodes, feed_topology,
};
use crate::kubernetes::{Kubernetes, Limiter};
use crate::leadership::{Campaign, Tenure};
use crate::metrics::Metrics;
use crate::operator::{Memories, Operator, Reports};
use crate::reconcile::reconcile;
use crate::settings::Settings;
use crate::{admin, kubernetes};
use anyhow::{Context, Result, bail};
use berth_api::DatabaseCluster;
use berth_service::{Chain, Health, Service, Shutdown};
use berth_topology::etcd::Administration;
use berth_topology::{EtcdOptions, EtcdTopology, Topology};
use futures::StreamExt;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Action, Config as ControllerConfig, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

/// How long tasks have to end: a reconcile under way is at most a few calls from its end.
const GRACE: Duration = Duration::from_secs(20);
/// How many watches must have listed before anything is reconciled: pods, claims, budgets, nodes, classes and the topology.
const FEEDS: u32 = 6;
/// What a burst may use of the request limit at once: a large cluster's creation.
const BURST: u32 = 100;

/// Runs until told to stop.
pub(crate) async fn operate(settings: Settings) -> Result<()> {
    let mut service = Service::start("berth-operator", env!("CARGO_PKG_VERSION"), &settings.service)?;
    let metrics = Metrics::register(&mut service.registry);
    let reports = Arc::new(Reports::default());
    let running = service.serve_admin(admin::router(Arc::clone(&reports))).await?;
    let (health, shutdown) = (running.health.clone(), running.shutdown.clone());
    // The lease is released last of all, when nothing is at work any more.
    let release = CancellationToken::new();
    let client = kubernetes::client().await.context("cannot find the Kubernetes API")?;
    let mut campaign = Campaign::new(client.clone(), &settings.namespace, settings.identity.clone());
    let stop = shutdown.token();
    let Some(tenure) = campaign.win(&stop).await else {
        running.until_stopped(GRACE).await;
        return Ok(());
    };
    metrics.leading.set(1);
    let lease = tokio_util::task::TaskTracker::new();
    lease.spawn(campaign.hold(tenure.clone(), release.clone()));
    let outcome = tokio::select! {
        outcome = lead(&settings, client, &tenure, &health, &shutdown, metrics, reports) => outcome,
        () = tenure.lost() => bail!("the lead was lost; ending at once, another operator goes on"),
    };
    shutdown.ask();
    running.until_stopped(GRACE).await;
    release.cancel();
    lease.close();
    lease.wait().await;
    outcome
}

/// Leads until told to stop.
async fn lead(
    settings: &Settings,
    client: Client,
    tenure: &Tenure,
    health: &Health,
    shutdown: &Shutdown,
    metrics: Metrics,
    reports: Arc<Reports>,
) -> Result<()> {
    let stop = shutdown.token();
    let limiter = Limiter::new(settings.api_rate, BURST);
    let kubernetes = Kubernetes::new(client.clone(), limiter, tenure.clone());
    let Some(authority) = stop.run_until_cancelled(etcd::certificates(&kubernetes, settings)).await else {
        return Ok(());
    };
    let options = EtcdOptions::new(&settings.etcd_endpoints, &settings.identity_folder)?;
    let users = administration(&options);
    let topology: Arc<dyn Topology> = Arc::new(EtcdTopology::new(options.clone()));
    shutdown.spawn(etcd::keep_certificates(kubernetes.clone(), settings.clone(), stop.clone()));
    let replaced = Arc::new(Notify::new());
    let enabled = etcd::keep_enabled(
        administration(&options),
        health.readiness("topology"),
        Arc::clone(&replaced),
        stop.clone(),
    );
    let caches = Arc::new(Caches::default());
    let (wake, queue) = Wake::new();
    let (announcer, announce) = Announcer::new(client.clone(), settings.identity.clone(), stop.clone());
    shutdown.spawn(announce);
    let operator = Arc::new(Operator {
        kubernetes,
        topology,
        users: Arc::new(users),
        authority,
        caches,
        told: Placeless {
            agent_image: settings.agent_image.clone(),
            etcd_endpoints: settings.endpoints_of_members().to_owned(),
        },
        proxy_host: settings.proxy_host(),
        announcer,
        metrics,
        memories: Memories::default(),
        reports,
    });
    let clusters = Api::<DeserializeGuard<DatabaseCluster>>::all(client.clone());
    let controller = Controller::new(clusters, watcher::Config::default())
        .with_config(ControllerConfig::default().concurrency(settings.concurrency));
    let store = controller.store();
    feed(&operator, &wake, &store, enabled, replaced, shutdown);
    let caught_up = health.readiness("caches");
    if stop.run_until_cancelled(wake.feeds_are_ready(FEEDS)).await.is_none() {
        return Ok(());
    }
    caught_up.pass();
    info!("every cache has listed; reconciling");
    run(controller, queue, operator, stop).await;
    Ok(())
}

/// Starts the watches.
fn feed(
    operator: &Operator,
    wake: &Wake,
    store: &Store<DeserializeGuard<DatabaseCluster>>,
    enabled: impl Future<Output = ()> + Send + 'static,
    replaced: Arc<Notify>,
    shutdown: &Shutdown,
) {
    let (client, caches) = (operator.kubernetes.client(), &operator.caches);
    let (topology, narrator) = (Arc::clone(&operator.topology), Narrator::new(operator.announcer.clone()));
    let stop = shutdown.token();
    let until = |task: futures::future::BoxFuture<'static, ()>| {
        let stop = stop.clone();
        shutdown.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    };
    until(Box::pin(feed_children::<SlimPod>(
        client.clone(),
        |all| &all.pods,
        Arc::clone(caches),
        wake.clone(),
    )));
    until(Box::pin(feed_children::<SlimClaim>(
        client.clone(),
        |all| &all.claims,
        Arc::clone(caches),
        wake.clone(),
    )));
    until(Box::pin(feed_children::<SlimBudget>(
        client.clone(),
        |all| &all.budgets,
        Arc::clone(caches),
        wake.clone(),
    )));
    until(Box::pin(feed_nodes(client.clone(), Arc::clone(caches), wake.clone())));
    until(Box::pin(feed_classes(client.clone(), store.clone(), Arc::clone(caches), wake.clone())));
    let (store, to_wake) = (store.clone(), wake.clone());
    let everybody = move || {
        for guarded in store.state() {
            to_wake.one((guarded.namespace().unwrap_or_default(), guarded.name_any()));
        }
    };
    let (caches, wake) = (Arc::clone(caches), wake.clone());
    until(Box::pin(async move {
        let watch = feed_topology(topology, caches, wake, everybody, narrator, replaced);
        // Users first, so that the watch is not refused by an etcd that this very process is about to lock; but an etcd that is away
        // must not keep the watch from saying so.
        tokio::join!(enabled, watch);
    }));
}

/// Runs the controller until told to stop.
async fn run(
    controller: Controller<DeserializeGuard<DatabaseCluster>>,
    queue: mpsc::UnboundedReceiver<ObjectRef<DeserializeGuard<DatabaseCluster>>>,
    operator: Arc<Operator>,
    stop: CancellationToken,
) {
    let woken =
        futures::stream::unfold(queue, |mut queue| async { queue.recv().await.map(|one| (one, queue)) });
    controller
        .reconcile_on(woken)
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, |_, never, _| -> Action { match *never {} }, operator)
        .for_each(|result| async move {
            if let Err(failure) = result {
                // Woken for a cluster that is gone, or the watch of clusters broke and is resumed.
                debug!(error = %Chain(&failure), "a reconcile did not take place");
            }
        })
        .await;
}

/// Users and rights in this etcd.
fn administration(options: &EtcdOptions) -> Administration {
    Administration::new(options.clone(), crate::pki::profile::OPERATOR, crate::pki::profile::PROXY)
}
