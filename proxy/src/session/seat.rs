//! Where the sessions of this proxy are, for requests to cancel what they run.
//!
//! A client keeps the key that it was given at its login. Once its session has moved, that key names a process of a server that
//! is gone; here is the one that took its place. And a COMMIT is not cancelled: its wait for replicas would end with a commit
//! of which nobody knows whether it lasts, so a request is dropped while a COMMIT runs, and a COMMIT waits for a request that is
//! on its way.
//!
//! *Caveat*: a request that comes to another proxy finds nothing here. It goes to the primary with the key as it is: a session
//! that has moved is then not cancelled, and a COMMIT may be, of which the client is told 08007.

use crate::route::Target;
use berth_core::ClusterUid;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Notify;

/// What a database gave out at the session's login: a process and a secret.
type Key = (u32, Box<[u8]>);

/// Every session of this proxy.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    seats: Mutex<HashMap<Key, Weak<Seat>>>,
}

/// A session, as far as requests to cancel are concerned.
#[derive(Debug)]
pub(super) struct Seat {
    /// Whose it is.
    pub(super) cluster: ClusterUid,
    seats: Arc<Seats>,
    key: Key,
    state: Mutex<State>,
    /// Wakes the session.
    wake: Notify,
}

/// A process of a database.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) target: Arc<Target>,
    pub(super) id: u32,
    pub(super) secret: Vec<u8>,
}

#[derive(Debug)]
struct State {
    /// Who serves the session. None: it waits for a primary, or will when it is used next.
    process: Option<Process>,
    committing: bool,
    /// Requests that are on their way to the database.
    cancelling: usize,
    /// A statement waits for a primary.
    waiting: bool,
    /// It shall not wait any longer.
    called_off: bool,
}

/// What is to be done with a request.
pub(super) enum Request {
    /// Nothing.
    Drop,
    /// Hand it on, and keep this until that is done.
    Forward(Cancelling, Process),
}

/// A request on its way. No COMMIT is sent meanwhile.
pub(super) struct Cancelling(Arc<Seat>);

impl Drop for Cancelling {
    fn drop(&mut self) {
        self.0.state().cancelling -= 1;
        self.0.wake.notify_one();
    }
}

impl Seats {
    /// A seat for a session that this process serves.
    pub(super) fn take(self: &Arc<Self>, process: Process) -> Arc<Seat> {
        let key: Key = (process.id, process.secret.clone().into());
        let seat = Arc::new(Seat {
            cluster: process.target.cluster.clone(),
            seats: Arc::clone(self),
            key: key.clone(),
            state: Mutex::new(State {
                process: Some(process),
                committing: false,
                cancelling: 0,
                waiting: false,
                called_off: false,
            }),
            wake: Notify::new(),
        });
        self.lock().insert(key, Arc::downgrade(&seat));
        seat
    }

    /// The session whose login was given this.
    pub(super) fn find(&self, process: u32, secret: &[u8]) -> Option<Arc<Seat>> {
        self.lock().get(&(process, Box::from(secret)))?.upgrade()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Weak<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.seats.lock();
        // Another session may have been given the same by another database since.
        if seats.get(&self.key).is_some_and(|seat| seat.strong_count() == 0) {
            seats.remove(&self.key);
        }
    }
}

impl Seat {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session is served by this process now, or by none.
    pub(super) fn moved(&self, process: Option<Process>) {
        let mut state = self.state();
        state.process = process;
        state.committing = false;
    }

    /// A COMMIT is about to be sent. Says whether it may be: if not, the session is woken when it is to ask again.
    pub(super) fn commit_begins(&self) -> bool {
        let mut state = self.state();
        state.committing = state.cancelling == 0;
        state.committing
    }

    /// The COMMIT is answered.
    pub(super) fn commit_ended(&self) {
        self.state().committing = false;
    }

    /// A statement begins or ceases to wait for a primary.
    pub(super) fn waits(&self, waiting: bool) {
        let mut state = self.state();
        state.waiting = waiting;
        state.called_off = false;
    }

    /// Whether the statement shall not wait any longer.
    pub(super) fn is_called_off(&self) -> bool {
        self.state().called_off
    }

    /// Waits until there is something to look at.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// A client asks to cancel what the session runs.
    pub(super) fn cancel(self: &Arc<Self>) -> Request {
        let mut state = self.state();
        if state.waiting {
            state.called_off = true;
            self.wake.notify_one();
            return Request::Drop;
        }
        match &state.process {
            Some(process) if !state.committing => {
                let process = process.clone();
                state.cancelling += 1;
                Request::Forward(Cancelling(Arc::clone(self)), process)
            }
            Some(_) | None => Request::Drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_core::{MemberId, Term};

    fn process(id: u32) -> Process {
        let target = Target {
            cluster: ClusterUid::new("u").unwrap(),
            member: MemberId::new("orders-aaaaa").unwrap(),
            address: "a:5432".to_owned(),
            term: Term(1),
        };
        Process { target: Arc::new(target), id, secret: vec![1, 2, 3, 4] }
    }

    fn forwarded(request: Request) -> Option<(Cancelling, u32)> {
        match request {
            Request::Drop => None,
            Request::Forward(guard, process) => Some((guard, process.id)),
        }
    }

    #[test]
    fn a_session_is_found_by_what_its_first_login_was_given_until_it_is_gone() {
        let seats = Arc::new(Seats::default());
        let seat = seats.take(process(7));
        seat.moved(Some(process(8)));
        let found = seats.find(7, &[1, 2, 3, 4]).unwrap();
        assert_eq!(forwarded(found.cancel()).unwrap().1, 8);
        assert!(seats.find(8, &[1, 2, 3, 4]).is_none() && seats.find(7, &[1, 2, 3, 5]).is_none());
        drop((seat, found));
        assert!(seats.lock().is_empty());
    }

    #[test]
    fn a_commit_is_not_cancelled_and_waits_for_a_request_on_its_way() {
        let seats = Arc::new(Seats::default());
        let seat = seats.take(process(7));
        assert!(seat.commit_begins());
        assert!(forwarded(seat.cancel()).is_none());
        seat.commit_ended();
        let request = forwarded(seat.cancel());
        assert!(request.is_some() && !seat.commit_begins());
        drop(request);
        assert!(seat.commit_begins());
    }

    #[test]
    fn a_statement_that_waits_for_a_primary_is_called_off() {
        let seats = Arc::new(Seats::default());
        let seat = seats.take(process(7));
        seat.waits(true);
        assert!(!seat.is_called_off() && forwarded(seat.cancel()).is_none());
        assert!(seat.is_called_off());
        seat.waits(false);
        assert!(!seat.is_called_off());
        seat.moved(None);
        assert!(forwarded(seat.cancel()).is_none());
    }
}
