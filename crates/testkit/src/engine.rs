//! A database that exists only in memory: volumes, servers, logs with timelines, standbys that stream, quorums that are waited for.
//!
//! It keeps the promises of the [`Engine`] trait and no more, and acknowledges a write exactly when a real one would: when as many of
//! the named standbys have flushed it as the setting says. Its members find each other by address. No clock, no chance: what happens
//! depends on the calls alone.

mod fleet;
mod member;

pub use fleet::{Answer, Fleet};

use async_trait::async_trait;
use berth_core::topology::Access;
use berth_core::{LogPosition, MemberId, Timeline};
use berth_engine::logs::LogDialect;
use berth_engine::{
    Boot, Engine, EngineError, LocalStatus, LogEnd, Peer, Quorum, ServerCommand, Settings, SettingsOutcome,
    TermRow, Volume,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One member's database in a [`Fleet`].
#[derive(Clone)]
pub struct FakeEngine {
    fleet: Fleet,
    member: MemberId,
}

impl FakeEngine {
    pub(crate) fn new(fleet: Fleet, member: MemberId) -> Self {
        Self { fleet, member }
    }
}

#[async_trait]
impl Engine for FakeEngine {
    async fn inspect(&self) -> Result<Volume, EngineError> {
        self.fleet.on(&self.member, |member| Ok(member.volume()))
    }

    async fn initialize(&self) -> Result<(), EngineError> {
        let system = self.fleet.new_system();
        self.fleet.on(&self.member, |member| {
            member.initialize(system);
            Ok(())
        })
    }

    async fn clone_from(&self, peer: &Peer) -> Result<(), EngineError> {
        self.fleet.copy(&self.member, peer)
    }

    async fn server(
        &self,
        boot: &Boot,
        settings: &Settings,
        quorum: &Quorum,
    ) -> Result<ServerCommand, EngineError> {
        self.fleet.on(&self.member, |member| {
            member.prepare(boot, settings, quorum);
            Ok(())
        })?;
        Ok(ServerCommand {
            program: "simulated-database".into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            fast_stop: 2,
            log: LogDialect::Postgres,
        })
    }

    async fn clear_remains(&self) -> Result<(), EngineError> {
        self.fleet.on(&self.member, member::Member::clear_remains)
    }

    async fn status(&self) -> Result<LocalStatus, EngineError> {
        self.fleet.status(&self.member)
    }

    async fn detach(&self) -> Result<LogEnd, EngineError> {
        self.fleet.on(&self.member, member::Member::detach)
    }

    async fn rewind(&self, peer: &Peer) -> Result<(), EngineError> {
        self.fleet.rewind(&self.member, peer)
    }

    async fn follow(&self, peer: Option<&Peer>) -> Result<(), EngineError> {
        self.fleet.on(&self.member, |member| member.follow(peer))
    }

    async fn promote(&self, timeline: Timeline) -> Result<LogPosition, EngineError> {
        self.fleet.on(&self.member, |member| member.promote(timeline))
    }

    async fn welcome(&self, followers: &BTreeSet<MemberId>) -> Result<(), EngineError> {
        self.fleet.on(&self.member, |member| member.welcome(followers))
    }

    async fn set_quorum(&self, quorum: &Quorum) -> Result<(), EngineError> {
        self.fleet.on(&self.member, |member| member.set_quorum(quorum))
    }

    async fn write_term(&self, row: &TermRow) -> Result<LogPosition, EngineError> {
        self.fleet.on(&self.member, |member| member.write_term(row))
    }

    async fn read_term(&self) -> Result<Option<TermRow>, EngineError> {
        self.fleet.on(&self.member, member::Member::read_term)
    }

    async fn ensure_access(
        &self,
        access: &Access,
        verifier: &str,
        members: &BTreeSet<MemberId>,
    ) -> Result<(), EngineError> {
        self.fleet.on(&self.member, |member| member.ensure_access(access, verifier, members))
    }

    async fn checkpoint(&self, _patience: Duration) -> Result<(), EngineError> {
        self.fleet.on(&self.member, member::Member::checkpoint)
    }

    async fn open_gate(&self) -> Result<(), EngineError> {
        self.fleet.on(&self.member, |member| member.set_gate(true))
    }

    async fn close_gate(&self) -> Result<(), EngineError> {
        self.fleet.on(&self.member, |member| member.set_gate(false))
    }

    async fn apply(&self, settings: &Settings) -> Result<SettingsOutcome, EngineError> {
        self.fleet.on(&self.member, |member| member.apply(settings))
    }
}
