//! An explanation in words.

use super::{Explanation, Trouble, Verdict};
use crate::table::age;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;

/// The explanation for people: the verdict first, then what would end the wait, then what supports it.
pub(super) fn render(explanation: &Explanation, now: Timestamp) -> String {
    let mut lines = vec![format!("{}: {}", explanation.cluster, words(explanation.verdict))];
    let awaited = explanation.blocked.iter().flat_map(|blocked| {
        [
            format!("  {}", blocked.on),
            format!("    since {} ({})", age(Some(&blocked.since), now), blocked.reason),
            format!("    to end it: {}", blocked.unblock),
        ]
    });
    section(&mut lines, "Awaited", awaited);
    if explanation.verdict != Verdict::Ready {
        section(
            &mut lines,
            "Conditions",
            explanation.conditions.iter().filter(|c| tells(c)).map(|c| condition(c, now)),
        );
    }
    section(&mut lines, "Members say", explanation.members.iter().map(says));
    section(&mut lines, "Pods, as Kubernetes sees them", explanation.pods.iter().map(says));
    let events = explanation.events.iter().map(|event| {
        let at = age(event.at.as_ref(), now);
        format!("  {at} ago  {} {}: {}", event.object, event.reason, event.message)
    });
    section(&mut lines, "Last events", events);
    lines.join("\n")
}

/// Whether a condition is as it should not be, or says what is being done.
fn tells(condition: &Condition) -> bool {
    let worth = matches!(condition.type_.as_str(), "Blocked" | "Progressing");
    (condition.status == "True") == worth || condition.status == "Unknown"
}

fn condition(condition: &Condition, now: Timestamp) -> String {
    let Condition { type_, status, reason, message, last_transition_time, observed_generation: _ } =
        condition;
    format!("  {type_}={status} {reason} for {}: {message}", age(Some(last_transition_time), now))
}

fn says(trouble: &Trouble) -> String {
    format!("  {}: {}", trouble.name, trouble.says)
}

/// A section with a head, or nothing if there is nothing in it.
fn section(lines: &mut Vec<String>, head: &str, content: impl Iterator<Item = String>) {
    let mut content = content.peekable();
    if content.peek().is_some() {
        lines.push(format!("\n{head}"));
        lines.extend(content);
    }
}

fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ready => "everything is as it was asked for",
        Verdict::Working => "Berth and Kubernetes are at work; nothing outside is awaited",
        Verdict::Waiting => "it waits for something outside",
        Verdict::Blocked => "nothing goes on without a person",
        Verdict::Electing => {
            "nobody takes writes; the members choose a primary by themselves, and clients of the proxy wait"
        }
        Verdict::Switching => "the primary hands over; clients of the proxy wait for a moment",
        Verdict::Unseen => {
            "the operator has not looked at this generation yet (kubectl -n berth-system get pods)"
        }
    }
}
