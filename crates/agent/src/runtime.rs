//! The agent's loop: hear, decide, do; for ever.
//!
//! One task owns the state and decides. Effects, questions and watches are tasks beside it that only send events, so that nothing slow ever
//! keeps the member from hearing that it must not write any more.

mod journal;
mod outlook;
mod talk;

pub use outlook::Outlook;
pub(crate) use talk::{Way, label};

use crate::execute::{Parts, announce, confirm, execute};
use crate::observe::{Question, ask_server};
use berth_core::election::{Action, Effect, Event, Issued, Moment, Run, State, decide};
use berth_core::topology::MemberRecord;
use berth_service::clock;
use std::time::Duration;
use talk::Talk;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

/// Events that may wait to be heard. A decision takes microseconds; only a burst of a topology's changes ever waits.
const EVENTS: usize = 256;
/// How long the loop sleeps at most, so that a loop that stands still is told from one that has nothing to do.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// The clock that decisions are told the time by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    /// Now.
    pub fn now(self) -> Moment {
        Moment::at(clock::since_boot())
    }
}

/// Where sources send what they hear, and the loop hears it.
#[must_use]
pub fn channel() -> (mpsc::Sender<Event>, mpsc::Receiver<Event>) {
    mpsc::channel(EVENTS)
}

/// The loop of one member.
pub struct Runtime {
    parts: Parts,
    state: State,
    outlook: Outlook,
    tasks: TaskTracker,
    events: mpsc::Sender<Event>,
    question: watch::Sender<Question>,
    effect: Option<JoinHandle<()>>,
    talk: Talk,
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(effect) = &self.effect {
            effect.abort();
        }
    }
}

impl Runtime {
    /// A loop that begins with this state. `events` is where it sends what came of its effects; the sources send there too.
    pub fn new(
        parts: Parts,
        state: State,
        outlook: Outlook,
        events: mpsc::Sender<Event>,
        tasks: TaskTracker,
    ) -> Self {
        let (question, asked) = watch::channel(Question::default());
        let asking = ask_server(parts.engine.clone(), parts.pulse.clone(), Clock, asked, events.clone());
        tasks.spawn(asking.instrument(Span::current()));
        Self { parts, state, outlook, tasks, events, question, effect: None, talk: Talk::default() }
    }

    /// Runs until the member is stopped: `stop` asks for it.
    pub async fn run(mut self, mut heard: mpsc::Receiver<Event>, stop: CancellationToken) {
        let mut stopping = false;
        loop {
            let pause = self.pause();
            let event = tokio::select! {
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    Event::StopAsked
                }
                event = timeout(pause, heard.recv()) => match event {
                    Ok(Some(event)) => event,
                    // The loop holds a sender itself, so that the channel never closes.
                    Ok(None) => return,
                    Err(_) => Event::Tick,
                },
            };
            if self.step(event) {
                return;
            }
        }
    }

    fn pause(&self) -> Duration {
        let now = Clock.now();
        self.state.alarm().map_or(HEARTBEAT, |alarm| alarm.since(now).min(HEARTBEAT))
    }

    /// Decides over one event and begins what was decided. Says whether the process is to end.
    fn step(&mut self, event: Event) -> bool {
        let now = Clock.now();
        journal::heard(&self.state, &event);
        if let Event::Heard { from, message } = &event {
            self.talk.goes(Way::Heard, self.state.term(), &from.member, message);
            self.outlook.talked(Way::Heard, message);
        }
        let (after, actions) = decide(&self.state, event, now);
        journal::decided(&self.state, &after);
        self.state = after;
        let exit = actions.contains(&Action::Exit);
        for action in actions {
            self.act(action);
        }
        self.ask();
        self.outlook.show(&self.state, now);
        exit
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Run { issued, effect } => self.begin(issued, *effect),
            Action::Announce { number, record } => self.announce(number, *record),
            Action::Send { to, address, message } => {
                self.talk.goes(Way::Sent, self.state.term(), &to, &message);
                self.outlook.talked(Way::Sent, &message);
                self.parts.link.send(&to, &address, message);
            }
            Action::Confirm { number } => self.confirm(number),
            Action::Lease(until) => self.parts.supervisor.lease(until),
            // The loop ends behind it.
            Action::Exit => {}
        }
    }

    fn ask(&self) {
        let (run, eager, number): (Option<Run>, bool, u64) =
            (self.state.run(), self.state.in_transition(), self.state.changes());
        self.question.send_if_modified(|question| {
            let now = Question { run, eager, number };
            let changed = *question != now;
            *question = now;
            changed
        });
    }

    fn begin(&mut self, issued: Issued, effect: Effect) {
        if let Some(before) = self.effect.take() {
            before.abort();
        }
        let (parts, events, outlook) = (self.parts.clone(), self.events.clone(), self.outlook.clone());
        let doing = async move {
            let kind = effect.kind();
            let begun = Clock.now();
            journal::begins(&issued, &effect);
            let outcome = execute(&parts, effect).await;
            journal::ends(&issued, kind, &outcome, Clock.now().since(begun));
            outlook.counted(kind, &outcome);
            let _nobody_listens = events.send(Event::Done { issued, outcome }).await;
        };
        self.effect = Some(self.tasks.spawn(doing.instrument(Span::current())));
    }

    fn announce(&self, number: u64, record: MemberRecord) {
        let (parts, events) = (self.parts.clone(), self.events.clone());
        let writing = async move {
            let result = announce(&parts, &record).await;
            let _nobody_listens = events.send(Event::Announced { number, result }).await;
        };
        self.tasks.spawn(writing.instrument(Span::current()));
    }

    fn confirm(&self, number: u64) {
        let (parts, events) = (self.parts.clone(), self.events.clone());
        // Before it is asked: what the answer shows was so at some moment after this.
        let asked = Clock.now();
        let reading = async move {
            let result = confirm(&parts).await;
            journal::confirmed(&result);
            let _nobody_listens = events.send(Event::Confirmed { number, asked, result }).await;
        };
        self.tasks.spawn(reading.instrument(Span::current()));
    }
}

#[cfg(test)]
mod tests;
