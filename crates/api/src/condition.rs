//! The conditions of a cluster: their types and reasons, and how one changes.
//!
//! What is true is decided by the planner's report; here is only the vocabulary and the keeping of `lastTransitionTime`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// True: the spec is fully realised and every member is in its place.
pub const READY: &str = "Ready";
/// True: a primary takes writes through the proxy.
pub const AVAILABLE: &str = "Available";
/// True: a plan is being carried out.
pub const PROGRESSING: &str = "Progressing";
/// True: every commit is on the asked number of members.
pub const DURABLE: &str = "Durable";
/// True: nothing can go on without a person.
pub const BLOCKED: &str = "Blocked";

/// Puts a condition in its place in the list. The time moves only when the status does, so that nothing is written when nothing changed.
pub fn set(conditions: &mut Vec<Condition>, new: Condition) {
    match conditions.iter_mut().find(|c| c.type_ == new.type_) {
        Some(old) => {
            let last_transition_time = if old.status == new.status {
                old.last_transition_time.clone()
            } else {
                new.last_transition_time.clone()
            };
            *old = Condition { last_transition_time, ..new };
        }
        None => conditions.push(new),
    }
}

/// A condition as of now; `status` is `True`, `False` or `Unknown`. Use [`set`] to keep the time of one that did not change.
pub fn new(type_: &str, status: &str, reason: &str, message: &str, generation: i64, now: Time) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: Some(generation),
        last_transition_time: now,
    }
}

/// The condition of a type.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// Whether a condition is there and true.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|c| c.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn the_time_of_a_condition_moves_only_with_its_status() {
        let mut all = vec![new(READY, "False", "Creating", "one of three", 1, at(10))];
        set(&mut all, new(READY, "False", "Creating", "two of three", 1, at(20)));
        assert_eq!((all[0].last_transition_time.clone(), all[0].message.as_str()), (at(10), "two of three"));
        set(&mut all, new(READY, "True", "Ready", "", 2, at(30)));
        assert_eq!((all[0].last_transition_time.clone(), all[0].observed_generation), (at(30), Some(2)));
        set(&mut all, new(BLOCKED, "False", "NotBlocked", "", 2, at(30)));
        assert!(is_true(&all, READY) && !is_true(&all, BLOCKED) && !is_true(&all, DURABLE));
    }
}
