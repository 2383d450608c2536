//! What goes wrong: each fault begins at a time or at a step of somebody's, lasts a while, and is over.

mod chain;
mod inject;
mod plan;

use super::clock::Time;
use super::happening::Life;
use super::names::Who;
use super::network::Way;
use berth_core::election::EffectKind;
use berth_core::topology::Intent;
use std::time::Duration;

/// What goes wrong, or is asked for at a bad time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A server gets SIGKILL.
    KillServer,
    /// An agent gets SIGKILL.
    KillAgent,
    /// A pod is killed with all that is in it.
    LosePod,
    /// A machine loses power.
    LoseNode,
    /// A machine and its volume are lost for ever, and the member is replaced.
    LoseVolume,
    /// A pod is asked to end, and comes again.
    StopPod,
    /// A server stands still.
    FreezeServer,
    /// An agent stands still.
    FreezeAgent,
    /// An edge between two members is cut, both ways.
    CutEdge,
    /// An edge between two members is cut, one way.
    CutOneWay,
    /// Only what databases say over an edge is cut, or only what agents say.
    CutPort,
    /// A member and the store do not hear each other.
    CutStore,
    /// Tenants and a member do not hear each other.
    CutTenants,
    /// A member hears nobody but tenants.
    Isolate,
    /// The store is away for everybody.
    StoreAway,
    /// The store comes back empty.
    StoreLost,
    /// The store comes back as a backup has it.
    StoreRestored,
    /// A disk is slow.
    SlowDisk,
    /// What a standby is sent arrives late.
    SlowStream,
    /// A member's watch lags.
    LateWatch,
    /// Messages are lost, doubled and late.
    Storm,
    /// Effects fail, before or after they took hold.
    Flaky,
    /// A tenant writes many rows and waits for none.
    Flood,
    /// Old routes come to proxies.
    OldRoutes,
    /// Somebody asks for a switchover.
    Switchover,
    /// Somebody asks for other members or other acknowledgements.
    Resize,
}

impl Kind {
    /// Those of which each run draws some.
    pub(super) const DRAWN: [Self; 24] = [
        Self::KillServer,
        Self::KillAgent,
        Self::LosePod,
        Self::LoseNode,
        Self::LoseVolume,
        Self::StopPod,
        Self::FreezeServer,
        Self::FreezeAgent,
        Self::CutEdge,
        Self::CutOneWay,
        Self::CutPort,
        Self::CutStore,
        Self::CutTenants,
        Self::Isolate,
        Self::StoreAway,
        Self::SlowDisk,
        Self::SlowStream,
        Self::LateWatch,
        Self::Storm,
        Self::Flaky,
        Self::Flood,
        Self::OldRoutes,
        Self::Switchover,
        Self::Resize,
    ];

    /// Those of the store's memory, of which few runs draw one: they would crowd out what wears on the members.
    pub(super) const OF_MEMORY: [Self; 2] = [Self::StoreLost, Self::StoreRestored];

    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::DRAWN.into_iter().chain(Self::OF_MEMORY)
    }
}

/// Whom it hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Whoever leads.
    Leader,
    /// Somebody else, by lot.
    Other,
    /// The one with this number of those who do not lead.
    Standby(usize),
    /// Anybody, by lot.
    Anybody,
    /// This one.
    This(Who),
}

/// A step that it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cue {
    pub kind: EffectKind,
    /// How many more of them pass by.
    pub passes: u64,
    /// When it begins to wait.
    pub from: Time,
    /// Whether it comes when the effect has taken hold and nobody knows yet, or when it begins.
    pub held: bool,
}

/// One fault of a run.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub kind: Kind,
    pub target: Target,
    pub cue: Option<Cue>,
    pub lasts: Duration,
    pub begun: bool,
    pub undo: Vec<Undo>,
}

/// How it is undone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Undo {
    Mend(Way),
    Thaw { who: Who, life: Life, server: bool },
    Power(Who),
    Nothing,
    Disk(Who),
    Stream(Who),
    Watch(Who),
    Effects(Who),
    Storm,
    Store,
}

/// All faults of a run.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub all: Vec<Fault>,
    /// How many are under way.
    pub under_way: u32,
    /// When one last began or ended.
    pub last: Time,
    /// No more begin.
    pub over: bool,
    pub nonces: u32,
    /// What is wished for, whatever the store knows of it.
    pub wish: Option<Intent>,
    /// When the operator last asked for a switchover of its own.
    pub asked: Time,
    /// How many volumes may still be lost.
    pub volumes: u32,
}
