//! One campaign from its beginning to its report.

use super::check::{Finding, Wrong};
use super::choice::{Choice, Step};
use super::fault::Fault;
use super::nemesis::{Awaits, Nemesis, Struck};
use super::record::{self, Members, Timeline};
use super::report::{Collected, Hit, Report};
use super::scene::Scene;
use super::session::Access;
use super::whole;
use super::workload::Workloads;
use crate::database::Database;
use crate::wait::{eventually, eventually_each};
use crate::{Place, kubectl};
use anyhow::{Context, Result};
use berth_e2e_kubernetes::Progress;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Decides which faults hit whom.
    pub seed: u64,
    /// No fault begins after this time.
    pub time: Duration,
    /// Nor after so many faults.
    pub most: usize,
    /// Which faults there are.
    pub faults: Vec<Fault>,
    /// Where the report, the timeline and the members' logs go.
    pub folder: PathBuf,
}

impl Options {
    /// One of the worst of each group, once: a few minutes, for every day.
    pub fn short(folder: PathBuf) -> Self {
        let faults = vec![
            Fault::KillPostmaster,
            Fault::FreezeServer,
            Fault::StopAgent,
            Fault::FreezeContainer,
            Fault::KillContainer,
            Fault::CutNode,
            Fault::KillProxy,
            Fault::KillEtcd,
            Fault::Switchover,
            Fault::DeletePod,
        ];
        Self { seed: 4, time: Duration::from_mins(15), most: faults.len(), faults, folder }
    }
}

/// Members of the cluster that is hurt: the smallest number of which one may be away while commits wait for another.
const MEMBERS: usize = 3;
/// What the campaign's cluster is made of: rows of hours, and the log that a member which is away will want.
const SIZE: &str = "size: 2Gi";
/// How long members may take to go on to another term, on a machine that does everything at once; promised is a fraction of it.
const TAKEOVER: Duration = Duration::from_mins(1);

struct Campaign<'a> {
    database: &'a Database,
    nemesis: &'a Nemesis,
    workloads: &'a Workloads,
    scene: &'a Scene,
    members: &'a Members,
    timeline: &'a Timeline,
    options: &'a Options,
    hits: Vec<Hit>,
    notes: Vec<String>,
}

/// Runs it on the Kubernetes that the environment names. The report is written also when something is wrong; an error means that there is none.
pub fn run(options: &Options, progress: Progress) -> Result<Report> {
    let folder = &options.folder;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let timeline = Timeline::begin(folder, progress)?;
    let place = Place::new("chaos")?;
    let database = Database::named(&place, "orders");
    let nemesis = Nemesis::new(database.clone())?;
    nemesis.heal_everything()?;
    kubectl::apply(&database.manifest(u32::try_from(MEMBERS)?, "").replace("size: 512Mi", SIZE))?;
    database.wait_ready()?;
    let scene = Arc::new(Scene::new(Workloads::CLIENTS));
    let workloads = Workloads::start(Access::of(&database.owner()?)?, scene.clone())?;
    let members = Members::follow(&database, folder)?;
    whole::wait(&database, MEMBERS, &scene)?;
    let began = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    timeline.say(&format!(
        "seed {}: {} clients at {}",
        options.seed,
        Workloads::CLIENTS,
        database.tenant_name()
    ));

    let first_term = database.term()?;
    let mut campaign = Campaign {
        database: &database,
        nemesis: &nemesis,
        workloads: &workloads,
        scene: &scene,
        members: &members,
        timeline: &timeline,
        options,
        hits: Vec::new(),
        notes: Vec::new(),
    };
    let start = Instant::now();
    campaign.hurt(start);
    let time = start.elapsed();
    let Campaign { hits, notes, .. } = campaign;

    if let Err(error) = nemesis.heal_everything() {
        timeline.say(&format!("not everything could be undone: {error:#}"));
    }
    let kept = match workloads.finish() {
        Ok(kept) => Some(kept),
        Err(error) => {
            timeline.say(&format!("the last look could not be taken: {error:#}"));
            None
        }
    };
    let terms = database.term().map_or(0, |last| last.saturating_sub(first_term));
    let sight = scene.sight();
    let report = Report::of(Collected { seed: options.seed, began, time, hits, notes, terms, sight, kept });
    write(folder, &report)?;
    if !report.is_clean() {
        let kept = record::keep_evidence(&database, folder, "at-the-end");
        timeline.say(&format!("something is wrong; see {}", kept.display()));
        // It stays for a look, if the Kubernetes stays; the next campaign removes it.
        std::mem::forget(place);
    }
    Ok(report)
}

impl Campaign<'_> {
    /// Fault after fault, until the time is over or the system does not become whole again.
    fn hurt(&mut self, start: Instant) {
        let Options { seed, time, most, ref faults, .. } = *self.options;
        for step in Choice::seeded(seed, faults).take(most) {
            if start.elapsed() + step.pause >= time {
                return;
            }
            pass(step.pause);
            if !self.one(&step) {
                return;
            }
        }
    }

    /// One fault. Says whether the system is whole again.
    fn one(&mut self, step: &Step) -> bool {
        let term = self.database.term().unwrap_or_default();
        self.scene.open_window();
        let at = self.scene.time();
        let wrongs = self.scene.wrongs();
        let (kind, what) = match self.nemesis.strike(step) {
            Ok(struck) => {
                self.timeline.say(&format!("fault {} ({}): {}", step.number, struck.kind, struck.what));
                self.endure(step, &struck, term);
                (struck.kind, struck.what)
            }
            Err(error) => {
                let what = format!("fault {} ({}) could not be done: {error:#}", step.number, step.fault);
                self.timeline.say(&what);
                // The system was whole: what a person asks for then must be done.
                if step.fault.is_planned() {
                    self.scene.find(Finding::new(Wrong::PlannedError, what.clone()));
                }
                self.notes.push(what);
                (String::new(), String::new())
            }
        };
        let whole = whole::wait(self.database, MEMBERS, self.scene);
        let window = self.scene.window();
        let took = self.scene.time().saturating_sub(at);
        self.judge(step, &window);
        let now = self.database.term().unwrap_or(term);
        let mut hit = Hit::new(step, kind, what, at, window);
        hit.terms = now.saturating_sub(term);
        match &whole {
            Ok(()) => hit.whole_after = Some(took.as_secs_f64()),
            Err(error) => {
                let what = format!("after fault {}: {error:#}", step.number);
                self.scene.find(Finding::new(Wrong::Stuck, what));
            }
        }
        self.timeline.say(&format!(
            "  {} after {:.1} s, term {now}; pause of all {} ms, of one {} ms; {} refused, {} unknown",
            if whole.is_ok() { "whole" } else { "NOT WHOLE" },
            took.as_secs_f64(),
            hit.pause_of_all,
            hit.pause_of_one,
            hit.counts.refused,
            hit.counts.unknown
        ));
        if !hit.kind.is_empty() {
            self.hits.push(hit);
        }
        if self.scene.wrongs() > wrongs {
            let kept =
                record::keep_evidence(self.database, &self.options.folder, &format!("fault-{}", step.number));
            self.timeline.say(&format!("  WRONG; see {}", kept.display()));
        }
        self.members.renew();
        whole.is_ok()
    }

    /// Lets a fault last for as long as it should, and undoes it.
    fn endure(&mut self, step: &Step, struck: &Struck, term: u64) {
        match struck.awaits {
            Awaits::Nothing => {}
            Awaits::Time => pass(step.hold),
            Awaits::Takeover => {
                let next = eventually_each(whole::BETWEEN, TAKEOVER, "another term", || {
                    let now = self.database.term()?;
                    Ok((now > term).then_some(now))
                });
                match next {
                    Ok(next) => self.timeline.say(&format!("  term {next}")),
                    Err(error) => {
                        let what =
                            format!("fault {} ({}) made no other term: {error:#}", step.number, struck.kind);
                        self.timeline.say(&format!("  {what}"));
                        self.notes.push(what);
                    }
                }
            }
        }
        for undo in &struck.undo {
            match self.nemesis.undo(undo) {
                Ok(()) => self.timeline.say(&format!("  {undo}")),
                // What has ended by itself cannot be undone; what has not shows, because the system does not become whole.
                Err(error) => self.timeline.say(&format!("  {undo}: could not be done: {error:#}")),
            }
        }
    }

    /// What must be so after each fault.
    fn judge(&self, step: &Step, window: &super::scene::Window) {
        if step.fault.is_planned() && !window.errors.is_empty() {
            let what = format!("fault {} ({}): {}", step.number, step.fault, window.errors.join("; "));
            self.scene.find(Finding::new(Wrong::PlannedError, what));
        }
        match self.workloads.lost_since_last() {
            Ok(lost) if lost.is_empty() => {}
            Ok(lost) => {
                let some: Vec<_> = lost.iter().take(20).collect();
                let what = format!("after fault {}: {} rows, such as {some:?}", step.number, lost.len());
                self.scene.find(Finding::new(Wrong::Lost, what));
            }
            Err(error) => self.timeline.say(&format!("  rows could not be looked for: {error:#}")),
        }
    }
}

/// Lets time pass: what a fault's length and a pause are.
fn pass(time: Duration) {
    let until = Instant::now() + time;
    // It is reached at the latest when the deadline is, so there is no error to tell.
    drop(eventually(time + Duration::from_secs(1), "the time is over", || {
        Ok((Instant::now() >= until).then_some(()))
    }));
}

fn write(folder: &std::path::Path, report: &Report) -> Result<()> {
    let json = serde_json::to_string_pretty(report).context("a report as JSON")?;
    for (name, text) in [("report.txt", report.to_string()), ("report.json", json)] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
