//! Watching the topology: a stream that never ends by itself and says when it cannot vouch for being current.

use crate::{Revision, Stored};
use berth_core::topology::{Intent, MemberRecord, Route, Rule};
use berth_core::{ClusterRef, ClusterUid, MemberId};
use futures::stream::BoxStream;

/// What to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One cluster's intent, rule and members: what an agent watches.
    Cluster(ClusterUid),
    /// Every route: what a proxy watches.
    Routes,
    /// Every cluster's records: what the operator watches.
    Clusters,
}

/// One record's new state; `None` is its removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An intent.
    Intent(ClusterUid, Option<Stored<Intent>>),
    /// A rule.
    Rule(ClusterUid, Option<Stored<Rule>>),
    /// A member's record.
    Member(ClusterUid, MemberId, Option<Stored<MemberRecord>>),
    /// A route.
    Route(ClusterRef, ClusterUid, Option<Stored<Route>>),
}

/// Whether a list continues what a watch told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// It does, or nothing was told before: what is missing was removed.
    Unbroken,
    /// The store was restored from a backup or replaced: what is missing may never have been removed, and no revision of before compares with
    /// one of now.
    Broken,
}

/// What a watch tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// Everything in scope, at one revision; what is not in it does not exist. First of all, and again whenever the changes
    /// between were lost: after a compaction, and when the store was restored from a backup or replaced (its cluster id
    /// changed or its revision went back).
    Listed {
        /// All records, as changes with a value.
        records: Vec<Change>,
        /// The revision of the list.
        revision: Revision,
        /// Whether it continues what was told before.
        continuity: Continuity,
    },
    /// One change, in order.
    Changed(Box<Change>),
    /// A record that cannot be read; the others go on. One that is missing from a list for this reason is told right after it.
    Unreadable {
        /// Its key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store cannot be reached: what was told so far may be old. Told once an outage.
    Away {
        /// The client's words.
        reason: String,
    },
    /// The store is back: all changes since were told or follow now. Each `Away` is followed by one of these, behind the list
    /// if one was needed.
    Back,
}

/// A stream of events that resumes by itself and never ends; dropping it stops the watch.
///
/// It works only while it is polled. What a store sent meanwhile is kept by the connection, which makes other calls on it
/// slower once that is much: take events out promptly.
pub type Watch = BoxStream<'static, WatchEvent>;
