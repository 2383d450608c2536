//! What can happen next.

use crate::member::Letter;
use berth_testkit::simulation::names::Who;

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// A message arrives.
    Arrives(Letter),
    /// What the agent asked for is done, and it hears of it.
    Done(Who),
    /// The agent's record is written.
    Announced(Who),
    /// The rule is read for the agent.
    Confirmed(Who),
    /// The agent hears of what is new in the store.
    Watches(Who),
    /// The agent hears of its server's process.
    Minds(Who),
    /// The agent asks its server.
    Asks(Who),
    /// A standby connects to its source, or receives and flushes what the source has.
    Streams(Who),
    /// An agent's time has come.
    Wakes(Who),
    /// The clock goes on to when something is to happen.
    Time,

    /// A tenant writes a row.
    Writes(Who),
    /// What would happen next happens after all else that is under way.
    Delays(Box<Step>),
    /// The clock goes on although something that was delayed has not happened.
    Hurries,
    /// A message is lost.
    Loses(Letter),
    /// A server is killed.
    Kills(Who),
    /// A machine loses power.
    Darkens(Who),
    /// It has power again.
    Returns(Who),
    /// An agent dies, with the effect that it was at done or not, and another starts.
    Restarts(Who, bool),
    /// A member is cut off.
    Cuts(Who),
    /// It is reached again.
    Joins(Who),
    /// An agent stands still, and its server does not.
    Freezes(Who),
    /// It goes on.
    Thaws(Who),
    /// Somebody asks for a switchover.
    Switches,
    /// Somebody asks for so many acknowledgements.
    Resizes(u32),
}
