//! Taking events from a watch, with a deadline.

use berth_topology::{Change, Continuity, Scope, Topology, Watch, WatchEvent};
use futures::StreamExt;
use std::time::Duration;

/// Far more than a store's restart takes, on a machine that does other things too.
const SOON: Duration = Duration::from_mins(1);

/// A watch that is listened to.
pub(crate) struct Ears(Watch);

impl Ears {
    pub(crate) fn on(topology: &dyn Topology, scope: Scope) -> Self {
        Self(topology.watch(scope))
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> WatchEvent {
        let event = tokio::time::timeout(SOON, self.0.next()).await;
        event.expect("the watch says something in time").expect("a watch never ends")
    }

    /// The next event, which must be a list.
    pub(crate) async fn listed(&mut self) -> Vec<Change> {
        let event = self.next().await;
        let WatchEvent::Listed { records, .. } = event else { panic!("expected a list, not {event:?}") };
        records
    }

    /// The next event, which must be a change.
    pub(crate) async fn changed(&mut self) -> Change {
        let event = self.next().await;
        let WatchEvent::Changed(change) = event else { panic!("expected a change, not {event:?}") };
        *change
    }

    /// The next list, past changes and outages, must say that the store was restored or replaced.
    pub(crate) async fn listed_of_another_store(&mut self) -> Vec<Change> {
        match self.list_at_last().await {
            (records, Continuity::Broken) => records,
            (records, Continuity::Unbroken) => panic!("a list that continues: {records:?}"),
        }
    }

    /// The next change, past words of an outage, which may or may not be noticed.
    pub(crate) async fn changed_but_outages(&mut self) -> Change {
        loop {
            match self.next().await {
                WatchEvent::Away { .. } | WatchEvent::Back => {}
                WatchEvent::Changed(change) => return *change,
                other @ (WatchEvent::Listed { .. } | WatchEvent::Unreadable { .. }) => {
                    panic!("expected a change, not {other:?}")
                }
            }
        }
    }

    /// The next list, past changes that were still under way and past outages.
    pub(crate) async fn listed_at_last(&mut self) -> Vec<Change> {
        self.list_at_last().await.0
    }

    async fn list_at_last(&mut self) -> (Vec<Change>, Continuity) {
        loop {
            match self.next().await {
                WatchEvent::Listed { records, continuity, .. } => return (records, continuity),
                WatchEvent::Away { .. } | WatchEvent::Back | WatchEvent::Changed(_) => {}
                other @ WatchEvent::Unreadable { .. } => panic!("expected a list, not {other:?}"),
            }
        }
    }

    /// Nothing is waiting to be told.
    pub(crate) async fn silent(&mut self) {
        let brief = Duration::from_millis(300);
        if let Ok(event) = tokio::time::timeout(brief, self.0.next()).await {
            panic!("expected silence, not {event:?}");
        }
    }
}
