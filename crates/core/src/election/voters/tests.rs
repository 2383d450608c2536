//! Tables of single steps, and properties over whole histories: the invariant of the setting, and that no commit that was acknowledged ever
//! stands on fewer voters than the rule says.

use super::*;
use crate::ids::ClaimUid;
use proptest::prelude::*;
use rstest::rstest;

const TERM: Term = Term(3);

fn voter(name: char) -> Identity {
    Identity {
        member: MemberId::new(format!("orders-{}", name.to_string().repeat(5))).unwrap(),
        claim: ClaimUid::new(name.to_string()).unwrap(),
    }
}

fn set(names: &str) -> BTreeSet<Identity> {
    names.chars().map(voter).collect()
}

fn any(acks: u32, names: &str) -> Quorum {
    setting(TERM, &set(names), acks, &Quorum::None)
}

/// A line of a table: the rule, the setting, what is asked, who belongs, who streams.
struct Line {
    voters: &'static str,
    acks: u32,
    setting: Quorum,
    asked: u32,
    members: &'static str,
    ready: &'static str,
}

fn line(
    voters: &'static str,
    acks: u32,
    setting: Quorum,
    asked: u32,
    members: &'static str,
    ready: &'static str,
) -> Line {
    Line { voters, acks, setting, asked, members, ready }
}

/// The next step when the standbys named in `caught_up` have flushed what was there when the setting came into force.
fn next(line: &Line, caught_up: &str) -> Next {
    let since = LogPosition(100);
    Ballot {
        term: TERM,
        voters: &set(line.voters),
        acks: line.acks,
        force: &Force::Known { quorum: line.setting.clone(), since: Some(since) },
        asked: line.asked,
        members: &set(line.members),
        ready: &set(line.ready),
        flushed: &caught_up.chars().map(|name| (voter(name).member, since)).collect(),
        idle: &Quorum::Nobody,
        defects: Defects::default(),
    }
    .next()
}

fn swap(voters: &str, acks: u32) -> Next {
    Next::Swap { voters: set(voters), acks }
}

#[rstest]
#[case::at_rest(line("ab", 1, any(1, "ab"), 1, "ab", "ab"), "ab", Next::Settled)]
#[case::first_voter_joins_in_the_rule_first(line("", 0, Quorum::Nobody, 1, "ab", "ab"), "", swap("a", 0))]
#[case::acks_rise_in_the_setting_first(
    line("a", 0, Quorum::Nobody, 1, "ab", "ab"),
    "",
    Next::Set(any(1, "a"))
)]
#[case::acks_rise_after_the_flush(line("a", 0, any(1, "a"), 1, "ab", "ab"), "", Next::CatchUp)]
#[case::acks_rise_in_the_rule_last(line("a", 0, any(1, "a"), 1, "ab", "ab"), "a", swap("a", 1))]
#[case::second_voter_joins(line("a", 1, any(1, "a"), 1, "ab", "ab"), "a", swap("ab", 1))]
#[case::the_setting_follows(line("ab", 1, any(1, "a"), 1, "ab", "ab"), "a", Next::Set(any(1, "ab")))]
#[case::one_change_at_a_time(line("ab", 1, any(1, "a"), 1, "abc", "abc"), "a", Next::Set(any(1, "ab")))]
#[case::acks_fall_in_the_rule_first(line("ab", 2, any(2, "ab"), 1, "ab", "ab"), "", swap("ab", 1))]
#[case::then_in_the_setting(line("ab", 1, any(2, "ab"), 1, "ab", "ab"), "", Next::Set(any(1, "ab")))]
#[case::all_ends(line("ab", 0, any(1, "ab"), 0, "ab", "ab"), "", Next::Set(Quorum::Nobody))]
#[case::a_voter_leaves_the_setting_first(
    line("ab", 1, any(1, "ab"), 1, "a", "a"),
    "a",
    Next::Set(any(1, "a"))
)]
#[case::a_voter_leaves_after_the_flush(line("ab", 1, any(1, "a"), 1, "a", "a"), "b", Next::CatchUp)]
#[case::a_voter_leaves_the_rule_last(line("ab", 1, any(1, "a"), 1, "a", "a"), "a", swap("a", 1))]
#[case::no_one_leaves_unreplaced(line("a", 1, any(1, "a"), 1, "b", ""), "a", Next::NeedsReplacement(voter('a').member))]
#[case::a_replacement_joins_first(line("a", 1, any(1, "a"), 1, "b", "b"), "a", swap("ab", 1))]
#[case::absent_is_not_gone(line("ab", 1, any(1, "ab"), 1, "ab", ""), "", Next::Settled)]
#[case::acks_do_not_rise_for_the_absent(line("ab", 1, any(1, "ab"), 2, "ab", "a"), "a", Next::Settled)]
#[case::a_raise_is_taken_back_when_its_voter_goes(
    line("ab", 1, any(2, "ab"), 2, "ab", "a"),
    "a",
    Next::Set(any(1, "ab"))
)]
#[case::alone(line("", 0, Quorum::Nobody, 0, "", ""), "", Next::Settled)]
fn a_step(#[case] line: Line, #[case] caught_up: &str, #[case] expected: Next) {
    assert_eq!(next(&line, caught_up), expected);
}

#[test]
fn a_setting_that_nobody_knows_is_set_to_what_the_rule_says() {
    let line = Line { voters: "ab", acks: 1, setting: any(1, "ab"), asked: 2, members: "ab", ready: "ab" };
    let (voters, members) = (set(line.voters), set(line.members));
    let ballot = Ballot {
        term: TERM,
        voters: &voters,
        acks: line.acks,
        force: &Force::Unknown,
        asked: line.asked,
        members: &members,
        ready: &members,
        flushed: &BTreeMap::new(),
        idle: &Quorum::None,
        defects: Defects::default(),
    };
    assert_eq!(ballot.next(), Next::Set(any(1, "ab")));
}

#[test]
fn the_same_member_on_a_new_claim_waits_for_the_old_one_to_leave() {
    let old = Identity { claim: ClaimUid::new("old").unwrap(), ..voter('a') };
    let (voters, members) = (BTreeSet::from([old.clone(), voter('b')]), set("ab"));
    let force =
        Force::Known { quorum: setting(TERM, &voters, 1, &Quorum::None), since: Some(LogPosition(0)) };
    let ballot = Ballot {
        term: TERM,
        voters: &voters,
        acks: 1,
        force: &force,
        asked: 1,
        members: &members,
        ready: &members,
        flushed: &BTreeMap::from([(voter('b').member, LogPosition(9))]),
        idle: &Quorum::None,
        defects: Defects::default(),
    };
    assert_eq!(ballot.next(), Next::Set(any(1, "b")), "the old one goes first");
}

/// A primary with its standbys: who has flushed how far, what was acknowledged, and what rule and setting say.
#[derive(Debug)]
struct Model {
    voters: BTreeSet<Identity>,
    acks: u32,
    force: Force,
    asked: u32,
    members: BTreeSet<Identity>,
    streaming: BTreeSet<Identity>,
    flushed: BTreeMap<MemberId, LogPosition>,
    written: u64,
    acknowledged: u64,
}

/// What may happen between two steps.
#[derive(Debug, Clone)]
enum Happening {
    Commit,
    Flush(char),
    Streams(char),
    Vanishes(char),
    Members(Vec<char>),
    Asked(u32),
    Step,
    ForgetSetting,
}

fn happening() -> impl Strategy<Value = Happening> {
    let name = || prop::sample::select(vec!['a', 'b', 'c', 'd']);
    prop_oneof![
        3 => Just(Happening::Commit),
        4 => name().prop_map(Happening::Flush),
        3 => name().prop_map(Happening::Streams),
        1 => name().prop_map(Happening::Vanishes),
        1 => prop::collection::vec(name(), 0..4).prop_map(Happening::Members),
        1 => (0_u32..4).prop_map(Happening::Asked),
        12 => Just(Happening::Step),
        1 => Just(Happening::ForgetSetting),
    ]
}

impl Model {
    fn new() -> Self {
        Self {
            voters: BTreeSet::new(),
            acks: 0,
            force: Force::Known { quorum: Quorum::None, since: None },
            asked: 1,
            members: set("abc"),
            streaming: BTreeSet::new(),
            flushed: BTreeMap::new(),
            written: 0,
            acknowledged: 0,
        }
    }

    /// The engine acknowledges whatever its setting lets through.
    fn acknowledge(&mut self) {
        let Force::Known { quorum, .. } = &self.force else { return };
        let through = match quorum {
            Quorum::None => self.written,
            Quorum::Nobody => 0,
            Quorum::Any { acks, members, .. } => {
                let mut positions: Vec<u64> =
                    members.iter().map(|member| self.flushed.get(member).map_or(0, |at| at.0)).collect();
                positions.sort_unstable_by(|a, b| b.cmp(a));
                positions.get(usize::try_from(*acks).unwrap() - 1).copied().unwrap_or(0)
            }
        };
        self.acknowledged = self.acknowledged.max(through);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Commit => self.written += 1,
            Happening::Flush(name) => {
                if self.streaming.contains(&voter(name)) {
                    self.flushed.insert(voter(name).member, LogPosition(self.written));
                }
            }
            Happening::Streams(name) => {
                self.streaming.insert(voter(name));
            }
            Happening::Vanishes(name) => {
                self.streaming.remove(&voter(name));
            }
            Happening::Members(names) => self.members = names.into_iter().map(voter).collect(),
            Happening::Asked(asked) => self.asked = asked,
            // The agent restarts: it no longer knows the setting; the engine keeps it.
            Happening::ForgetSetting => {
                if let Force::Known { since, .. } = &mut self.force {
                    *since = None;
                }
            }
            Happening::Step => self.step(),
        }
        self.acknowledge();
    }

    fn step(&mut self) {
        let asked = self.asked.min(u32::try_from(self.members.len()).unwrap());
        let ready = self.streaming.intersection(&self.members).cloned().collect();
        let next = Ballot {
            term: TERM,
            voters: &self.voters,
            acks: self.acks,
            force: &self.force,
            asked,
            members: &self.members,
            ready: &ready,
            flushed: &self.flushed,
            idle: &Quorum::None,
            defects: Defects::default(),
        }
        .next();
        match next {
            Next::Settled | Next::CatchUp | Next::NeedsReplacement(_) => {}
            Next::Set(quorum) => {
                self.force = Force::Known { quorum, since: Some(LogPosition(self.written)) };
            }
            Next::Swap { voters, acks } => {
                let changes =
                    voters.symmetric_difference(&self.voters).count() + usize::from(acks != self.acks);
                assert_eq!(changes, 1, "one change at a time");
                self.voters = voters;
                self.acks = acks;
            }
        }
    }

    fn check(&self) {
        let Force::Known { quorum, .. } = &self.force else { panic!("the model always knows its setting") };
        let (names, acks) = match quorum {
            Quorum::None => (BTreeSet::new(), 0),
            Quorum::Nobody => (BTreeSet::new(), u32::MAX),
            Quorum::Any { acks, members, .. } => (members.clone(), *acks),
        };
        let voters: BTreeSet<MemberId> = self.voters.iter().map(|voter| voter.member.clone()).collect();
        assert!(names.is_subset(&voters), "names {names:?} are voters {voters:?}");
        assert!(acks >= self.acks, "the setting waits for {acks}, the rule says {}", self.acks);
        assert!(self.acks <= u32::try_from(self.voters.len()).unwrap(), "more acknowledgements than voters");
        let holding = flushed_by(&self.voters, &self.flushed, LogPosition(self.acknowledged));
        assert!(
            holding >= self.acks,
            "a commit at {} was acknowledged and is on {holding} voters of {} asked: {self:?}",
            self.acknowledged,
            self.acks
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_acknowledged_commit_ever_stands_on_fewer_voters_than_the_rule_says(
        history in prop::collection::vec(happening(), 1..120)
    ) {
        let mut model = Model::new();
        for happening in history {
            model.happen(happening);
            model.check();
        }
    }

    #[test]
    fn every_history_settles_when_all_members_stream(history in prop::collection::vec(happening(), 1..60)) {
        let mut model = Model::new();
        for happening in history {
            model.happen(happening);
        }
        model.members = set("abc");
        model.asked = 2;
        for _ in 0..40 {
            for name in ['a', 'b', 'c'] {
                model.happen(Happening::Streams(name));
                model.happen(Happening::Flush(name));
            }
            model.happen(Happening::Step);
            model.check();
        }
        prop_assert_eq!(&model.voters, &set("abc"));
        prop_assert_eq!(model.acks, 2);
        let settled = matches!(&model.force, Force::Known { quorum, .. } if *quorum == any(2, "abc"));
        prop_assert!(settled, "{:?}", model.force);
    }
}
