//! How an event changes what a member knows. Nothing is decided here.
//!
//! Late words are dropped here too: of a run that is over, of an effect that is no longer pending, of a status that was asked for before
//! something was done to the server, of a rule older than one already known.

mod heard;
mod outcome;
mod status;
mod topology;

use super::action::{EffectKind, Run};
use super::event::{Event, ProcessNews, Silence};
use super::failure::STEADY;
use super::lease;
use super::moment::Moment;
use super::state::{Down, Server, State, Stopping, Up};
use crate::database::Volume;
use crate::topology::{Mishap, Replication};

pub(super) fn absorb(state: &mut State, event: Event, now: Moment) {
    match event {
        Event::Topology(news) => topology::absorb(state, news),
        Event::Process(news) => process(state, news, now),
        Event::Status { run, asked, answer } => status::absorb(state, run, asked, answer, now),
        Event::Verifier(digest) => state.verifier = digest,
        Event::Space(space) => state.space = space,
        Event::Done { issued, outcome } => outcome::absorb(state, issued, outcome, now),
        Event::Announced { number, result } => announced(state, number, result, now),
        Event::StopAsked => {
            if state.stopping == Stopping::No {
                state.stopping = Stopping::Asked;
                state.stop_asked = Some(now);
            }
        }
        Event::Heard { from, message } => heard::absorb(state, from, message, now),
        Event::Confirmed { number, asked, result } => heard::confirmed(state, number, asked, result),
        Event::Tick => {}
    }
    status::age(state, now);
}

fn process(state: &mut State, news: ProcessNews, now: Moment) {
    match news {
        ProcessNews::Runs(run) => {
            let known = state.server.up().is_some_and(|up| up.run == run);
            if run > state.ended && !known {
                state.server = Server::Up(Box::new(Up::found(run, now)));
            }
        }
        ProcessNews::Absent { latest } => {
            state.ended = state.ended.max(latest);
            state.server = Server::Down(Down::default());
        }
        ProcessNews::Exited { run, how, asked } => exited(state, run, &how, asked, now),
    }
}

fn exited(state: &mut State, run: Run, how: &str, asked: bool, now: Moment) {
    if run <= state.ended {
        return;
    }
    state.ended = run;
    let since = state.server.up().filter(|up| up.run == run).map(|up| up.since);
    let mishap = mishap(state, how, asked, now);
    if let (Server::Up(_), None) = (&state.server, since) {
        return;
    }
    let ours = matches!(state.doing(), Some(EffectKind::Stop | EffectKind::Fence));
    if !(asked || ours) {
        if since.is_some_and(|since| now.since(since) >= STEADY) {
            state.failures.steady();
        }
        state.failures.crashed(format!("the database ended by {how}"), now);
    }
    let clean = state.doing() == Some(EffectKind::Stop);
    let diverged = clean && parted(state);
    state.partings += u32::from(diverged);
    state.server = Server::Down(Down { mishap, counted: false, diverged, rewound: false });
    match &mut state.volume {
        // What an orderly end left in the control data is looked at; a killed server left nothing that could be believed.
        volume @ Some(_) if clean => *volume = None,
        Some(Volume::Present { closed, .. }) => *closed = None,
        Some(Volume::Empty) | None => {}
    }
    state.contact.leased = None;
    let over = |kind: EffectKind| kind.needs_server() || kind == EffectKind::Stop;
    if state.doing().is_some_and(over) {
        state.pending = None;
    }
    state.streamed.clear();
    state.short = None;
    status::lag(state, Replication::Detached, now);
}

/// What happened to a server that ended, as far as it can be told from here.
fn mishap(state: &State, how: &str, asked: bool, now: Moment) -> Option<Mishap> {
    let expired = || {
        let known = state.world.view.rule.as_ref()?;
        lease::deadline(state, &known.rule).filter(|end| *end <= now)
    };
    let silence = state.server.up().and_then(|up| up.silent.as_ref()).map(|silence| match silence {
        Silence::NoAnswer(_) => Mishap::Frozen,
        Silence::DiskHangs => Mishap::DiskHangs,
    });
    match state.doing() {
        Some(EffectKind::Stop) => None,
        Some(EffectKind::Fence) if silence.is_some() => silence,
        // The warden ends a server at the end of its lease without being told.
        _ if asked && expired().is_some() => Some(Mishap::CutOff),
        _ => Some(Mishap::Ended { how: how.to_owned() }),
    }
}

/// Whether a server that was stopped in order was a standby under somebody else's lead: such a one is stopped for no other reason than that its
/// log is of no use.
fn parted(state: &State) -> bool {
    let led = state.world.view.rule.as_ref().is_some_and(|known| *known.rule.leader() != state.me.identity);
    led && state.stopping == Stopping::No && state.server.up().is_some_and(|up| !up.writes())
}

fn announced(state: &mut State, number: u64, result: Result<(), String>, now: Moment) {
    if state.announcing.as_ref().is_none_or(|announcing| announcing.number != number) {
        return;
    }
    let Some(announcing) = state.announcing.take() else { return };
    match result {
        Ok(()) => {
            state.failures.succeeded(EffectKind::Announce);
            state.world.announced = Some(announcing.record);
        }
        Err(reason) => state.failures.failed(EffectKind::Announce, reason, false, now),
    }
}
