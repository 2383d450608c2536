//! What one member is still to be told: a few messages, of which the oldest gives way.

use berth_core::election::Message;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How many messages wait at most. A healthy connection has none waiting; a few are what is said within the second that a connection may take.
const WAITING: usize = 16;

/// What one member is still to be told. One task takes from it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: Mutex<VecDeque<Message>>,
    added: Notify,
}

impl Queue {
    /// Adds a message, in place of the oldest if there are too many.
    pub(super) fn push(&self, message: Message) {
        let mut messages = self.messages();
        if messages.len() >= WAITING {
            messages.pop_front();
        }
        messages.push_back(message);
        drop(messages);
        self.added.notify_one();
    }

    /// Forgets what waits.
    pub(super) fn clear(&self) {
        self.messages().clear();
    }

    /// Waits until there is a message.
    ///
    /// *Cancel safety*: nothing is taken.
    pub(super) async fn filled(&self) {
        while self.messages().is_empty() {
            // A word that comes between the look and the wait is kept for the wait.
            self.added.notified().await;
        }
    }

    /// The oldest message.
    pub(super) fn take(&self) -> Option<Message> {
        self.messages().pop_front()
    }

    /// Changed by single steps only, so that a panic elsewhere leaves it sound.
    fn messages(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_core::Term;

    fn message(number: usize) -> Message {
        Message::Gone { term: Term(u64::try_from(number).unwrap()) }
    }

    #[tokio::test]
    async fn the_oldest_gives_way_and_the_order_stays() {
        let queue = Queue::default();
        for number in 0..WAITING + 2 {
            queue.push(message(number));
        }
        for number in 2..WAITING + 2 {
            queue.filled().await;
            assert_eq!(queue.take(), Some(message(number)));
        }
        assert_eq!(queue.take(), None);
    }
}
