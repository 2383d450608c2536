//! The cluster's part of the topology, as news.

use berth_core::ClusterUid;
use berth_core::election::{Event, KnownRule, News, RuleRevision, View};
use berth_core::topology::Rule;
use berth_topology::{Change, Scope, Snapshot, Stored, Topology, WatchEvent};
use futures::StreamExt;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Watches the cluster for ever; ends when nobody listens.
pub async fn watch_topology(topology: Arc<dyn Topology>, cluster: ClusterUid, events: mpsc::Sender<Event>) {
    let mut watch = topology.watch(Scope::Cluster(cluster.clone()));
    while let Some(event) = watch.next().await {
        let Some(news) = news(&cluster, event) else { continue };
        if events.send(Event::Topology(news)).await.is_err() {
            return;
        }
    }
}

fn news(cluster: &ClusterUid, event: WatchEvent) -> Option<News> {
    match event {
        WatchEvent::Listed { records, revision: _ } => {
            let mut view = View::default();
            for record in records {
                list(cluster, &mut view, record);
            }
            Some(News::Listed(Box::new(view)))
        }
        WatchEvent::Changed(change) => changed(cluster, *change),
        WatchEvent::Unreadable { key, reason } => Some(News::Unreadable { key, reason }),
        WatchEvent::Away { reason } => Some(News::Away(reason)),
        WatchEvent::Back => Some(News::Back),
    }
}

fn list(cluster: &ClusterUid, view: &mut View, record: Change) {
    match record {
        Change::Intent(uid, intent) if uid == *cluster => view.intent = intent.map(|stored| stored.value),
        Change::Rule(uid, rule) if uid == *cluster => view.rule = rule.map(known),
        Change::Member(uid, member, Some(record)) if uid == *cluster => {
            view.members.insert(member, record.value);
        }
        Change::Intent(..) | Change::Rule(..) | Change::Member(..) | Change::Route(..) => {}
    }
}

fn changed(cluster: &ClusterUid, change: Change) -> Option<News> {
    match change {
        Change::Intent(uid, intent) if uid == *cluster => {
            Some(News::Intent(intent.map(|stored| Box::new(stored.value))))
        }
        Change::Rule(uid, rule) if uid == *cluster => {
            Some(News::Rule(rule.map(|rule| Box::new(known(rule)))))
        }
        Change::Member(uid, member, record) if uid == *cluster => {
            Some(News::Member(member, record.map(|stored| Box::new(stored.value))))
        }
        Change::Intent(..) | Change::Rule(..) | Change::Member(..) | Change::Route(..) => None,
    }
}

/// A stored rule as the core knows it.
pub fn known(stored: Stored<Rule>) -> KnownRule {
    KnownRule { rule: stored.value, revision: RuleRevision(stored.revision.0) }
}

/// All of a cluster, as the core knows it.
pub fn view(snapshot: Snapshot) -> View {
    View {
        intent: snapshot.intent.map(|stored| stored.value),
        rule: snapshot.rule.map(known),
        members: snapshot.members.into_iter().map(|(member, stored)| (member, stored.value)).collect(),
    }
}
