//! A session from its first statement to its end, at one primary after the other.

use super::ending::{Cause, Ending, Last};
use super::hold::{Held, Hold};
use super::moving::{MoveError, Way, move_to, parameters};
use super::relay::{Event, Loss, Relay, violation};
use super::seat::{Process, Seat};
use crate::auth::scram::LoginError;
use crate::backend::{Backend, BackendError};
use crate::context::Context;
use crate::listener::Admitted;
use crate::metrics::{CauseLabel, Metrics};
use crate::route::{Current, Entry, Target};
use crate::wire::{Report, SqlState, begin};
use berth_core::Term;
use berth_service::Chain;
use bytes::{BufMut, Bytes};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{Span, debug, info};

/// How long a client may take to hear the last words.
pub(super) const FAREWELL: Duration = Duration::from_secs(5);

/// A session that runs.
pub(super) struct Session {
    pub(super) relay: Relay,
    pub(super) entry: Arc<Entry>,
    pub(super) routes: watch::Receiver<Current>,
    /// The term of the primary that it is or was at.
    pub(super) term: Term,
    pub(super) way: Way,
    pub(super) seat: Arc<Seat>,
    /// What the last primary said when it left, while the route still named it: if it turns out to be there, it meant this
    /// session alone.
    pub(super) farewell: Option<Bytes>,
    /// In this term the primary turned out to be none: it is not asked again.
    pub(super) barred: Option<Term>,
    /// A client that listens is taken to the next primary before it asks, once for each route.
    pub(super) eager: bool,
    pub(super) metrics: Arc<Metrics>,
    pub(super) admitted: Admitted,
}

impl Session {
    /// Relays until the client leaves, the session cannot go on, or the proxy stops.
    pub(super) async fn run(mut self, context: &Context) {
        let ending = self.live(context).await;
        Box::pin(self.finish(&ending)).await;
    }

    async fn live(&mut self, context: &Context) -> Ending {
        let mut draining = false;
        loop {
            if let Err(ending) = self.look_at_route() {
                return ending;
            }
            if self.must_go_on() {
                // What a move needs in memory is given back with its box: a session at rest does not have it.
                match Box::pin(self.go_on(context)).await {
                    Ok(()) => continue,
                    Err(ending) => return ending,
                }
            }
            let open = self.entry.admits(self.term);
            let Self { relay, routes, seat, .. } = self;
            tokio::select! {
                // The route first: nothing is sent by one that is known to be old. The sender lives in the entry, so the watch
                // does not end before the session.
                biased;
                _ = routes.changed() => self.eager = true,
                event = poll_fn(|cx| {
                    let polled = relay.poll(cx, open);
                    if polled.is_pending() && draining && relay.is_idle() {
                        return Poll::Ready(Event::Ended(relay.end(Cause::Drain)));
                    }
                    polled
                }) => match event {
                    Event::Ended(ending) => return ending,
                    Event::Waits => {}
                    Event::Lost(loss) => if let Err(ending) = self.lose(&loss) { return ending },
                },
                () = seat.woken() => {}
                () = context.drain.begun(), if !draining => draining = true,
                () = context.drain.cut() => return self.relay.end(Cause::Drain),
            }
        }
    }

    /// Leaves a primary that another one has taken over from. A route that came while the session was opened counts too.
    fn look_at_route(&mut self) -> Result<(), Ending> {
        let (newest, full) = {
            let current = self.routes.borrow_and_update();
            (current.route.term, current.full().cloned())
        };
        self.relay.is_full(full);
        if newest > self.term && self.relay.is_attached() {
            debug!(
                term = self.term.0,
                newest = newest.0,
                "a newer primary: the session leaves the older one"
            );
            self.lose(&Loss::Deposed)?;
        }
        Ok(())
    }

    /// Whether a primary is needed that the session does not have, or may not have.
    fn must_go_on(&self) -> bool {
        let listens = || self.eager && self.relay.belongings().listens() && self.entry.target().is_some();
        self.relay.waits() || (!self.relay.is_attached() && (self.relay.is_running() || listens()))
    }

    fn lose(&mut self, loss: &Loss) -> Result<(), Ending> {
        if loss.is_of_standby() {
            self.barred = Some(self.term);
        }
        lose(&mut self.relay, &self.entry, self.term, &mut self.farewell, loss)
    }

    /// Waits for a primary and goes on there; at the same one if it is still, or again, the one to be used.
    async fn go_on(&mut self, context: &Context) -> Result<(), Ending> {
        self.seat.waits(true);
        let result = self.wait(context).await;
        self.seat.waits(false);
        result
    }

    async fn wait(&mut self, context: &Context) -> Result<(), Ending> {
        let mut hold = Hold::new(context, Arc::clone(&self.entry));
        loop {
            let target = match self.beside(context, hold.target()).await? {
                Ok(target) => target,
                Err(in_vain) => return self.gives_up(&in_vain),
            };
            if self.barred.is_some_and(|term| target.term <= term) {
                if let Err(in_vain) = self.beside(context, hold.failed(&BackendError::Standby)).await? {
                    return self.gives_up(&in_vain);
                }
                continue;
            }
            if self.relay.is_attached() {
                if target.term <= self.term {
                    return self.relay.release().map_err(violation);
                }
                self.lose(&Loss::Deposed)?;
            }
            let replay = self.relay.replay();
            let moved = {
                let Self { relay, entry, way, term, farewell, seat, .. } = self;
                let moving = async {
                    tokio::select! {
                        moved = move_to(context, &target, way, &replay) => Some(moved),
                        () = entry.superseded(target.term) => None,
                    }
                };
                beside(relay, entry, *term, farewell, seat, context, moving).await?
            };
            match moved {
                None => self.farewell = None,
                // It was let in, and the route has changed since: nothing is begun there.
                Some(Ok(backend)) if !self.entry.admits(backend.term) => {}
                Some(Ok(backend)) => {
                    if let Some(words) = self.farewell.take()
                        && backend.term <= self.term
                    {
                        // The primary is well: somebody ended this session.
                        return Err(Ending { cause: Cause::Database, last: Last::Words(words) });
                    }
                    return self.arrive(backend, target);
                }
                Some(Err(error)) => {
                    self.farewell = None;
                    let Some(cause) = error.retryable() else { return Err(self.stranded(&error)) };
                    if let Err(in_vain) = self.beside(context, hold.failed(cause)).await? {
                        return self.gives_up(&in_vain);
                    }
                }
            }
        }
    }

    /// Waits for something, while the client and what is left of the primary are heard.
    async fn beside<T>(&mut self, context: &Context, what: impl Future<Output = T>) -> Result<T, Ending> {
        let Self { relay, entry, term, farewell, seat, .. } = self;
        beside(relay, entry, *term, farewell, seat, context, what).await
    }

    fn arrive(&mut self, backend: Backend, target: Target) -> Result<(), Ending> {
        let tell = parameters(&backend.told);
        self.term = backend.term;
        self.seat.moved(Some(Process {
            target: Arc::new(target),
            id: backend.process,
            secret: backend.secret,
        }));
        let (database, rest) = backend.database.into_parts();
        self.relay.attach(database, &rest, &tell).map_err(violation)?;
        self.metrics.moves.inc();
        Span::current().record("term", self.term.0);
        debug!(term = self.term.0, "a session goes on at a new primary");
        Ok(())
    }

    /// There was no primary in time. Who only listens goes on waiting for the next route.
    fn gives_up(&mut self, in_vain: &Held) -> Result<(), Ending> {
        if !self.relay.waits() && !self.relay.is_running() {
            self.eager = false;
            return Ok(());
        }
        Err(Ending::told(Cause::Held, in_vain.report()))
    }

    /// There is a primary, and the session cannot be at it.
    fn stranded(&self, error: &MoveError) -> Ending {
        info!(error = %Chain(error), "a session could not be carried over");
        self.metrics.backend_error(match error {
            MoveError::LogIn(error) | MoveError::Replay(error) => error.kind(),
        });
        match error {
            MoveError::LogIn(BackendError::Refused { body, .. }) => {
                let words = begin(b'E', |out| out.put_slice(body)).freeze();
                Ending { cause: Cause::Held, last: Last::Words(words) }
            }
            MoveError::LogIn(BackendError::Login(error @ LoginError::Changed)) => {
                Ending::told(Cause::Held, Report::fatal(SqlState::InvalidPassword, error.to_string()))
            }
            MoveError::LogIn(_) | MoveError::Replay(_) => {
                let report = Report::fatal(
                    SqlState::AdminShutdown,
                    "terminating connection: the session could not be made anew at another primary",
                );
                Ending::told(Cause::Held, report.hint("Nothing was lost. Connect again."))
            }
        }
    }

    async fn finish(self, ending: &Ending) {
        let Self { relay, entry, metrics, admitted, .. } = self;
        debug!(cause = ?ending.cause, told = ending.code(), cluster_uid = %entry.uid, "a session ended");
        metrics.sessions.dec();
        metrics.ended.get_or_create(&CauseLabel { cause: ending.cause }).inc();
        drop(timeout(FAREWELL, relay.close(ending)).await);
        drop(admitted);
    }
}

fn lose(
    relay: &mut Relay,
    entry: &Entry,
    term: Term,
    farewell: &mut Option<Bytes>,
    loss: &Loss,
) -> Result<(), Ending> {
    let expected = !entry.admits(term);
    let words = loss.farewell().filter(|_| !expected).cloned();
    relay.lose(loss, expected)?;
    // Of an idle session nobody can have meant to end a statement.
    *farewell = words.filter(|_| relay.is_running());
    Ok(())
}

async fn beside<T>(
    relay: &mut Relay,
    entry: &Entry,
    term: Term,
    farewell: &mut Option<Bytes>,
    seat: &Seat,
    context: &Context,
    what: impl Future<Output = T>,
) -> Result<T, Ending> {
    let mut what = std::pin::pin!(what);
    loop {
        tokio::select! {
            biased;
            event = poll_fn(|cx| relay.poll(cx, false)) => match event {
                Event::Ended(ending) => return Err(ending),
                Event::Waits => {}
                Event::Lost(loss) => lose(relay, entry, term, farewell, &loss)?,
            },
            done = &mut what => return Ok(done),
            () = seat.woken() => if seat.is_called_off() {
                let report = Report::fatal(SqlState::QueryCanceled, "canceling statement while it waits for a primary");
                return Err(Ending::told(Cause::Held, report.hint("It was sent to no database. Connect again.")));
            },
            () = context.drain.begun(), if !relay.is_running() => return Err(relay.end(Cause::Drain)),
            () = context.drain.cut() => return Err(relay.end(Cause::Drain)),
        }
    }
}
