//! The cluster's part of the topology, as news.

use berth_core::election::{Event, KnownRule, News, RuleRevision, View};
use berth_core::topology::Rule;
use berth_core::{ClusterUid, MemberId};
use berth_topology::{Change, Scope, Snapshot, Stored, Topology, WatchEvent, key};
use futures::StreamExt;
use std::sync::Arc;
use tokio::sync::mpsc;
use tracing::warn;

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
        WatchEvent::Listed { records, revision: _, continuity: _ } => {
            let mut view = View::default();
            for record in records {
                list(cluster, &mut view, record);
            }
            Some(News::Listed(Box::new(view)))
        }
        WatchEvent::Changed(change) => changed(cluster, *change),
        WatchEvent::Unreadable { key, reason } => Some(unreadable(cluster, key, reason)),
        WatchEvent::Away { reason } => Some(News::Away(reason)),
        WatchEvent::Back => Some(News::Back),
    }
}

/// What one member says of itself in words that this agent does not know must not keep the others from going on: it is as if it were silent.
fn unreadable(cluster: &ClusterUid, key: String, reason: String) -> News {
    let member = key.strip_prefix(&key::members(cluster)).and_then(|name| MemberId::new(name).ok());
    match member {
        Some(member) => {
            warn!(member_record = %member, reason, "cannot read what a member says of itself");
            News::Member(member, None)
        }
        None => News::Unreadable { key, reason },
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
    KnownRule { rule: stored.value, revision: RuleRevision(stored.revision.0), restored: stored.restored }
}

/// All of a cluster, as the core knows it.
pub fn view(snapshot: Snapshot) -> View {
    View {
        intent: snapshot.intent.map(|stored| stored.value),
        rule: snapshot.rule.map(known),
        members: snapshot.members.into_iter().map(|(member, stored)| (member, stored.value)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid() -> ClusterUid {
        ClusterUid::new("u1").unwrap()
    }

    #[test]
    fn an_unreadable_member_is_silent_and_an_unreadable_rule_is_told() {
        let member = MemberId::new("orders-aaaaa").unwrap();
        let reason = "version 9".to_owned();
        let of = |key: String| news(&uid(), WatchEvent::Unreadable { key, reason: reason.clone() });
        assert_eq!(of(key::member(&uid(), &member)), Some(News::Member(member, None)));
        let rule = key::rule(&uid());
        assert_eq!(of(rule.clone()), Some(News::Unreadable { key: rule, reason: reason.clone() }));
    }

    #[test]
    fn what_another_incarnation_holds_is_none_of_ours() {
        let other = ClusterUid::new("u0").unwrap();
        assert_eq!(news(&uid(), WatchEvent::Changed(Box::new(Change::Rule(other.clone(), None)))), None);
        let listed = WatchEvent::Listed {
            records: vec![Change::Rule(other, None)],
            revision: berth_topology::Revision(4),
            continuity: berth_topology::Continuity::Unbroken,
        };
        assert_eq!(news(&uid(), listed), Some(News::Listed(Box::default())));
    }
}
