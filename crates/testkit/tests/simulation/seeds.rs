//! Seeds: clusters of two to five members with at least three faults each.

use berth_core::election::EffectKind;
use berth_testkit::seeds::range;
use berth_testkit::simulation::{Campaign, Counts, Fate, Kind, Options, Stage, many, run};

/// Seeds of an ordinary test run. A campaign of ten thousand is `cargo xtask simulate --seeds 10000`.
const SEEDS: u64 = 1_500;
/// So many must have been run before it is asked whether everything happened.
const WORTH_COUNTING: u64 = 1_000;

/// Shows what happened, and the end of the first story in which a promise was broken.
#[expect(clippy::print_stdout, reason = "this is for whoever reads the test's output")]
fn told(campaign: &Campaign) {
    println!("{}", campaign.counts);
    for (seed, violation) in &campaign.broken {
        println!("seed {seed}: {:?} is broken: {}", violation.promise, violation.how);
    }
    if let Some((seed, _)) = campaign.broken.first() {
        let story = run(*seed, Options { trace: true, ..Options::default() }).story;
        for line in &story[story.len().saturating_sub(80)..] {
            println!("{line}");
        }
        println!("the whole story: cargo xtask simulate --seed {seed} --trace");
    }
}

#[test]
fn every_promise_holds_in_every_seed() {
    let campaign = many(range(SEEDS), Options::default());
    told(&campaign);
    assert!(campaign.broken.is_empty(), "broken in {} seeds", campaign.broken.len());
    if campaign.counts.runs >= WORTH_COUNTING {
        everything_happened(&campaign.counts);
    }
}

/// A campaign in which nothing happens proves nothing.
fn everything_happened(counts: &Counts) {
    assert!(counts.fewest >= Some(3), "each run has at least three faults: {:?}", counts.fewest);
    for kind in Kind::all() {
        let times: u64 =
            counts.faults.iter().filter(|((_, it), _)| *it == kind).map(|(_, times)| times).sum();
        assert!(times > 0, "{kind:?} never happened");
    }
    for stage in [
        Stage::Nothing,
        Stage::Bootstrapping,
        Stage::Serving,
        Stage::Electing,
        Stage::Chosen,
        Stage::Switching,
    ] {
        let times: u64 =
            counts.faults.iter().filter(|((it, _), _)| *it == stage).map(|(_, times)| times).sum();
        assert!(times > 0, "nothing went wrong while {stage:?}");
    }
    for kind in EFFECTS {
        assert!(counts.effects.contains_key(&kind), "{kind:?} was never begun");
    }
    for fate in [Fate::Acknowledged, Fate::Refused, Fate::Unknown] {
        assert!(counts.rows.contains_key(&fate), "no row was {fate:?}");
    }
    assert!(counts.leases > 0, "no lease ever ended a server");
    assert!(counts.terms > counts.runs, "no term was ever followed by another");
}

const EFFECTS: [EffectKind; 19] = [
    EffectKind::Inspect,
    EffectKind::WriteLedger,
    EffectKind::Initialize,
    EffectKind::Clone,
    EffectKind::Rewind,
    EffectKind::Start,
    EffectKind::Stop,
    EffectKind::Fence,
    EffectKind::Detach,
    EffectKind::Follow,
    EffectKind::Promote,
    EffectKind::SetQuorum,
    EffectKind::WriteTerm,
    EffectKind::EnsureAccess,
    EffectKind::Checkpoint,
    EffectKind::OpenGate,
    EffectKind::Apply,
    EffectKind::SwapRule,
    EffectKind::PutRoute,
];

#[test]
fn a_seed_repeats_to_the_letter() {
    let story = || run(11, Options { trace: true, ..Options::default() }).story;
    let first = story();
    assert!(first.len() > 100);
    assert_eq!(first, story());
}
