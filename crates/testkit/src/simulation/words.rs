//! Production's values in the words of a story.

use super::names::Who;
use berth_core::MemberId;
use berth_core::database::{Boot, LogEnd, Peer};
use berth_core::election::{Effect, Holding, Log, Message, Outcome, Wait};
use berth_core::topology::{Identity, Phase, Rule};
use std::collections::BTreeSet;

/// A member by its letter.
pub(super) fn member(member: &MemberId) -> String {
    Who::of(member).map_or_else(|| member.to_string(), |who| who.to_string())
}

fn members<'a>(of: impl IntoIterator<Item = &'a Identity>) -> String {
    of.into_iter().map(|identity| member(&identity.member)).collect()
}

/// A rule in one line.
pub(super) fn rule(rule: &Rule) -> String {
    let phase = match rule.phase {
        Phase::Bootstrapping => "bootstrapping",
        Phase::Serving => "serving",
        Phase::Electing => "electing",
        Phase::Switching => "switching",
    };
    let text = format!(
        "term {} {phase}, primary {}, timeline {}, {} of {{{}}}, {} grants",
        rule.term,
        member(&rule.primary.member),
        rule.timeline,
        rule.acks,
        members(&rule.voters),
        rule.grants
    );
    let coordinator = rule.coordinator.as_ref().map(|it| format!(", coordinator {}", member(&it.member)));
    let proposal = rule.proposal.as_ref().map(|it| {
        format!(", chosen {} with {} of {{{}}}", member(&it.candidate.member), it.acks, members(&it.voters))
    });
    [Some(text), coordinator, proposal].into_iter().flatten().collect()
}

fn peer(peer: &Peer) -> String {
    format!("{} in term {}", member(&peer.member), peer.term)
}

fn names(of: &BTreeSet<MemberId>) -> String {
    of.iter().map(member).collect()
}

/// An effect that begins.
pub(super) fn effect(effect: &Effect) -> String {
    let kind = effect.kind();
    match effect {
        Effect::WriteLedger(ledger) => {
            let eras: Vec<String> =
                ledger.lineage.iter().map(|era| format!("{}/{}", era.term, era.timeline)).collect();
            format!("{kind}: promise {}, starts {}, eras {}", ledger.promise, ledger.starts, eras.join(" "))
        }
        Effect::Clone(from) | Effect::Rewind(from) => format!("{kind} from {}", peer(from)),
        Effect::Start { boot, settings, quorum } => {
            let boot = match boot {
                Boot::Alone => "alone".to_owned(),
                Boot::Following(from) => format!("following {}", peer(from)),
            };
            format!("{kind} {boot}, term {}, {}", settings.term, super::database::Wait::from(quorum))
        }
        Effect::Follow(Some(from)) => format!("{kind}: {}", peer(from)),
        Effect::Promote(timeline) => format!("{kind} onto timeline {timeline}"),
        Effect::SetQuorum { quorum, .. } => format!("{kind}: {}", super::database::Wait::from(quorum)),
        Effect::WriteTerm(row) => {
            format!("{kind}: term {}, {} of {{{}}}", row.term, row.acks, members(&row.voters))
        }
        Effect::EnsureAccess(wanted) => format!("{kind} for {{{}}}", names(&wanted.members)),
        Effect::SwapRule { rule: new, .. } => format!("{kind}: {}", rule(new)),
        Effect::PutRoute { route, .. } => format!("{kind}: term {}, {:?}", route.term, route.admission),
        Effect::Inspect
        | Effect::Initialize
        | Effect::Stop(_)
        | Effect::Fence
        | Effect::Detach
        | Effect::Follow(None)
        | Effect::Checkpoint(_)
        | Effect::OpenGate
        | Effect::Apply(_) => kind.to_string(),
    }
}

fn end(end: &LogEnd) -> String {
    format!("{} on timeline {}", end.position, end.timeline)
}

/// What came of an effect.
pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Inspected(volume) => format!("{volume:?}"),
        Outcome::Detached(at) => format!("detached; its log ends at {}", end(at)),
        Outcome::Promoted(start) => format!("promoted; the timeline begins at {start}"),
        Outcome::QuorumInForce { position, .. } => format!("the quorum is in force at {position}"),
        Outcome::TermWritten { position, .. } => format!("the term's row is written, up to {position}"),
        Outcome::Conflict(view) => match &view.rule {
            Some(known) => format!("conflict: {}", rule(&known.rule)),
            None => "conflict: there is no rule".to_owned(),
        },
        Outcome::Failed { reason, .. } => format!("failed: {reason}"),
        Outcome::LedgerWritten(_) => "the ledger is written".to_owned(),
        Outcome::Initialized => "made".to_owned(),
        Outcome::Cloned => "copied".to_owned(),
        Outcome::Started { run, .. } => format!("run {} is started", run.0),
        Outcome::Stopped => "stopped".to_owned(),
        Outcome::Fenced => "fenced".to_owned(),
        Outcome::Rewound => "rewound".to_owned(),
        Outcome::Following(_) => "pointed".to_owned(),
        Outcome::AccessEnsured(_) => "access is ensured".to_owned(),
        Outcome::Checkpointed => "what was dirty is on disk".to_owned(),
        Outcome::GateOpened => "the gate is open".to_owned(),
        Outcome::Applied { settings, .. } => format!("settings of term {} are applied", settings.term),
        Outcome::RuleSwapped { .. } => "swapped".to_owned(),
        Outcome::RoutePut(_) => "the route is written".to_owned(),
    }
}

/// Whether a message is worth a line: beats and grants come all the time.
pub(super) fn worth_telling(message: &Message) -> bool {
    match message {
        Message::Beat { .. } | Message::Grant { .. } => false,
        Message::Gone { .. }
        | Message::Ask { .. }
        | Message::Would { .. }
        | Message::Recruit { .. }
        | Message::Pledged { .. } => true,
    }
}

/// What members say to each other.
pub(super) fn message(message: &Message) -> String {
    match message {
        Message::Beat { term, .. } => format!("I lead term {term}"),
        Message::Grant { term, .. } => format!("I pledge nothing above term {term} for a while"),
        Message::Gone { term } => format!("the server of term {term} is dead"),
        Message::Ask { term } => format!("would you pledge a term above {term}?"),
        Message::Would { term, yes } => {
            format!("{} pledge above term {term}", if *yes { "I would" } else { "I would not" })
        }
        Message::Recruit { term } => format!("pledge term {term}"),
        Message::Pledged { term, holding: Holding { log, granted, .. } } => {
            let log = match log {
                Log::Nothing => "nothing".to_owned(),
                Log::Ends { term, end: at } => format!("a log of term {term} up to {}", end(at)),
                Log::Closed { term, at } => format!("a log of term {term} closed at {}", end(at)),
                Log::Open { term } => format!("a log of term {term} with an unknown end"),
            };
            format!("term {term} is pledged; I hold {log}; {} ms were granted", granted.as_millis())
        }
    }
}

/// A reason to wait without its particulars, to be counted by.
pub(super) fn kind_of_wait(wait: &Wait) -> String {
    let name = |text: &str| text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
    if let Wait::Refused(refusal) = wait {
        return format!("Refused {}", name(&format!("{refusal:?}")));
    }
    name(&format!("{wait:?}"))
}
