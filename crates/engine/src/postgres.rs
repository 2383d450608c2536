//! The PostgreSQL adapter: the calls of [`Engine`], each in a file of its own below.
//!
//! It prepares files and speaks to the server over its Unix socket; the warden runs the server. It holds no state that matters:
//! an agent that starts again finds everything on disk and in the server. It was written for PostgreSQL 17.

mod access;
mod checkpoint;
mod conninfo;
mod control;
mod detach;
mod doors;
mod files;
mod follow;
mod identify;
mod keys;
pub(crate) mod logs;
mod orphans;
mod parameters;
mod place;
mod program;
mod promote;
mod quorum;
mod reload;
mod rewind;
mod settings;
mod sizes;
mod slots;
mod sql;
mod start;
mod status;
mod tail;
mod term_row;
mod timelines;
mod volume;

pub use place::PostgresPlace;

use crate::logs::LogDialect;
use crate::{
    Boot, Engine, EngineError, LocalStatus, LogEnd, Peer, Quorum, ServerCommand, Settings, SettingsOutcome,
    TermRow, Volume,
};
use async_trait::async_trait;
use berth_core::topology::Access;
use berth_core::{LogPosition, MemberId, Timeline};
use parameters::Depth;
use settings::Force;
use sql::{Held, Line, QUICK};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// SIGINT: the postmaster's fast shutdown.
const FAST_STOP: i32 = 2;

/// PostgreSQL on one member.
pub struct Postgres {
    place: PostgresPlace,
    /// For questions, which never wait behind work.
    questions: Line,
    /// For everything that changes something; one at a time.
    work: Line,
}

impl Postgres {
    /// The adapter for a place.
    pub fn new(place: PostgresPlace) -> Self {
        Self { place, questions: Line::default(), work: Line::default() }
    }

    async fn work(&self) -> Held<'_> {
        self.work.hold(&self.place).await
    }
}

#[async_trait]
impl Engine for Postgres {
    async fn inspect(&self) -> Result<Volume, EngineError> {
        volume::inspect(&self.place).await
    }

    async fn initialize(&self) -> Result<(), EngineError> {
        volume::initialize(&self.place).await
    }

    async fn clone_from(&self, peer: &Peer) -> Result<(), EngineError> {
        volume::clone_from(&self.place, peer).await
    }

    async fn server(
        &self,
        boot: &Boot,
        settings: &Settings,
        quorum: &Quorum,
    ) -> Result<ServerCommand, EngineError> {
        let source = match boot {
            Boot::Alone => None,
            Boot::Following(peer) => Some(peer),
        };
        rewind::settle(&self.place).await?;
        keys::refresh(&self.place)?;
        start::prepare(&self.place, source).await?;
        settings::write_term(&self.place, settings.term)?;
        settings::write_space(&self.place, settings.space)?;
        settings::write_quorum(&self.place, quorum, Force::InForce)?;
        parameters::settle(&self.place, &settings.parameters, Depth::Start).await?;
        let config = self.place.config_file(settings::SERVER);
        Ok(ServerCommand {
            program: self.place.program("postgres"),
            arguments: vec!["-c".into(), format!("config_file={}", place::text(&config)).into()],
            environment: BTreeMap::from([("LC_ALL".to_owned(), "C.UTF-8".to_owned())]),
            fast_stop: FAST_STOP,
            log: LogDialect::Postgres,
        })
    }

    async fn clear_remains(&self) -> Result<(), EngineError> {
        volume::clear_remains(&self.place).await
    }

    async fn status(&self) -> Result<LocalStatus, EngineError> {
        let status = status::ask(&self.place, &mut self.questions.hold(&self.place).await).await?;
        rewind::forget(&self.place)?;
        Ok(status)
    }

    async fn detach(&self) -> Result<LogEnd, EngineError> {
        detach::detach(&self.place, &mut self.work().await).await
    }

    async fn rewind(&self, peer: &Peer) -> Result<(), EngineError> {
        rewind::rewind(&self.place, peer).await
    }

    async fn follow(&self, peer: Option<&Peer>) -> Result<(), EngineError> {
        follow::follow(&self.place, &mut self.work().await, peer).await
    }

    async fn promote(&self, timeline: Timeline) -> Result<LogPosition, EngineError> {
        promote::promote(&self.place, &mut self.work().await, timeline).await
    }

    async fn welcome(&self, followers: &BTreeSet<MemberId>) -> Result<(), EngineError> {
        slots::keep(&self.place, &mut self.work().await, followers).await
    }

    async fn set_quorum(&self, quorum: &Quorum) -> Result<(), EngineError> {
        quorum::put_in_force(&self.place, &mut self.work().await, quorum).await
    }

    async fn write_term(&self, row: &TermRow) -> Result<LogPosition, EngineError> {
        term_row::write(&mut self.work().await, row).await
    }

    async fn read_term(&self) -> Result<Option<TermRow>, EngineError> {
        term_row::read(&mut self.work().await).await
    }

    async fn ensure_access(
        &self,
        access: &Access,
        verifier: &str,
        members: &BTreeSet<MemberId>,
    ) -> Result<(), EngineError> {
        access::ensure(&self.place, &mut self.work().await, access, verifier, members).await
    }

    async fn checkpoint(&self, patience: Duration) -> Result<(), EngineError> {
        checkpoint::checkpoint(&self.place, patience).await
    }

    async fn open_gate(&self) -> Result<(), EngineError> {
        doors::open(&self.place, &mut self.work().await).await
    }

    async fn close_gate(&self) -> Result<(), EngineError> {
        doors::close(&self.place, &mut self.work().await).await
    }

    async fn apply(&self, settings: &Settings) -> Result<SettingsOutcome, EngineError> {
        keys::refresh(&self.place)?;
        settings::write_term(&self.place, settings.term)?;
        settings::write_space(&self.place, settings.space)?;
        let verdict = parameters::settle(&self.place, &settings.parameters, Depth::Reload).await?;
        let mut sql = self.work().await;
        reload::begin(&mut sql).await?;
        let pending = "SELECT name FROM pg_catalog.pg_settings WHERE pending_restart ORDER BY name";
        let pending_restart = sql.rows(QUICK, pending, &[]).await?.iter().map(|row| row.get(0)).collect();
        Ok(SettingsOutcome { pending_restart, refused: verdict.refused })
    }
}
