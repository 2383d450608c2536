//! What a run is told: whether its story is kept, and which flaw its world has on purpose.

use berth_core::election::Defects;

/// What a run is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether the story is kept.
    pub trace: bool,
    /// What is wrong with the world.
    pub flaw: Option<Flaw>,
    /// Which rules its members lack.
    pub defects: Defects,
    /// Whether the store keeps what it was told. Otherwise it forgets, in some runs.
    pub keeps: bool,
}

/// Something that must not be so, and that a run must find when it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A promise that was written is lost with the power.
    PromiseNotDurable,
    /// Standbys' names do not carry the term.
    NoTermInNames,
    /// Proxies obey whatever route comes.
    OldRouteObeyed,
    /// A fence only asks a server to end when its sessions do: it seems to be gone, and writes on for a while.
    SmartShutdown,
}

impl Options {
    pub(super) fn forgets_promises(self) -> bool {
        self.flaw == Some(Flaw::PromiseNotDurable)
    }

    pub(super) fn forgets_terms_in_names(self) -> bool {
        self.flaw == Some(Flaw::NoTermInNames)
    }

    pub(super) fn obeys_old_routes(self) -> bool {
        self.flaw == Some(Flaw::OldRouteObeyed)
    }

    pub(super) fn fences_softly(self) -> bool {
        self.flaw == Some(Flaw::SmartShutdown)
    }
}
