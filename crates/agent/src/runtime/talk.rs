//! What the log tells of what members say to each other: of each kind of message in an election once a term and member; of beats and grants
//! nothing, because they come for ever.

use berth_core::election::Message;
use berth_core::{MemberId, Term};
use std::collections::BTreeSet;
use tracing::{debug, info};

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Way {
    /// We said it.
    Sent,
    /// We heard it.
    Heard,
}

impl Way {
    /// As a metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Heard => "heard",
        }
    }
}

/// What was told already.
#[derive(Debug, Default)]
pub(super) struct Talk {
    told: BTreeSet<(Term, Way, MemberId, &'static str)>,
}

impl Talk {
    /// Tells of a message to or from `peer` that goes while the rule's term is `known`.
    pub(super) fn goes(&mut self, way: Way, known: Term, peer: &MemberId, message: &Message) {
        let (term, way_label) = (term(message).0, way.label());
        let Some(what) = words(message) else { return };
        let log = log(message);
        if self.is_news(way, known, peer, message) {
            info!(term, %peer, way = way_label, said = what, log, "members speak");
        } else {
            debug!(term, %peer, way = way_label, said = what, log, "members speak");
        }
    }

    /// Messages of other terms come late, or from somebody who knows more than we do yet; they are not kept, so that nobody can fill our memory.
    fn is_news(&mut self, way: Way, known: Term, peer: &MemberId, message: &Message) -> bool {
        self.told.retain(|(term, ..)| *term >= known);
        let term = term(message);
        let fits = (known.0..=known.0.saturating_add(1)).contains(&term.0);
        let Some(what) = words(message).filter(|_| fits) else { return false };
        self.told.insert((term, way, peer.clone(), what))
    }
}

/// What the log calls it; none for what comes for ever.
fn words(message: &Message) -> Option<&'static str> {
    match message {
        Message::Beat { .. } | Message::Grant { .. } => None,
        Message::Would { yes: true, .. } => Some("would, yes"),
        Message::Would { yes: false, .. } => Some("would, no"),
        Message::Gone { .. } | Message::Ask { .. } | Message::Recruit { .. } | Message::Pledged { .. } => {
            Some(label(message))
        }
    }
}

/// What it says of the log that its sender holds.
fn log(message: &Message) -> Option<String> {
    match message {
        Message::Pledged { holding, .. } => Some(format!("{:?}", holding.log)),
        Message::Beat { .. }
        | Message::Grant { .. }
        | Message::Gone { .. }
        | Message::Ask { .. }
        | Message::Would { .. }
        | Message::Recruit { .. } => None,
    }
}

/// The kind of a message, as a metric's label.
pub(crate) fn label(message: &Message) -> &'static str {
    match message {
        Message::Beat { .. } => "beat",
        Message::Grant { .. } => "grant",
        Message::Gone { .. } => "gone",
        Message::Ask { .. } => "ask",
        Message::Would { .. } => "would",
        Message::Recruit { .. } => "recruit",
        Message::Pledged { .. } => "pledged",
    }
}

fn term(message: &Message) -> Term {
    match message {
        Message::Beat { term, .. }
        | Message::Grant { term, .. }
        | Message::Gone { term }
        | Message::Ask { term }
        | Message::Would { term, .. }
        | Message::Recruit { term }
        | Message::Pledged { term, .. } => *term,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_core::election::Moment;

    #[test]
    fn each_thing_is_told_once_a_term_and_member_and_beats_never() {
        let mut talk = Talk::default();
        let [one, other] = ["orders-aaaaa", "orders-bbbbb"].map(|name| MemberId::new(name).unwrap());
        let mut news = |way, known, peer: &MemberId, message| talk.is_news(way, Term(known), peer, &message);
        let recruit = |term| Message::Recruit { term: Term(term) };
        assert!(news(Way::Heard, 3, &one, recruit(4)));
        assert!(!news(Way::Heard, 3, &one, recruit(4)), "said again");
        assert!(!news(Way::Heard, 4, &one, recruit(4)), "and after the rule was heard of");
        assert!(news(Way::Sent, 4, &one, recruit(4)) && news(Way::Heard, 4, &other, recruit(4)));
        let would = |yes| Message::Would { term: Term(4), yes };
        assert!(news(Way::Heard, 4, &one, would(false)) && news(Way::Heard, 4, &one, would(true)));
        assert!(!news(Way::Heard, 4, &one, Message::Beat { term: Term(4), at: Moment::default() }));
        assert!(!news(Way::Heard, 4, &one, recruit(3)) && !news(Way::Heard, 4, &one, recruit(9)));
        assert!(news(Way::Heard, 5, &one, recruit(5)));
        assert_eq!(talk.told.len(), 1, "of older terms nothing is kept");
    }
}
