//! Whether anybody takes writes, in words. Three commands say it, and say the same.

use crate::table::age;
use berth_api::{DatabaseClusterStatus, condition};
use k8s_openapi::jiff::Timestamp;

/// Why nobody takes writes, and with `now` since when; none while somebody does, or before it is known.
pub(crate) fn missing(status: &DatabaseClusterStatus, now: Option<Timestamp>) -> Option<String> {
    let available = condition::find(&status.conditions, condition::AVAILABLE)?;
    let since = now.map(|now| format!(" for {}", age(Some(&available.last_transition_time), now)));
    match available.status.as_str() {
        "True" => None,
        "False" => Some(format!("nobody takes writes{}: {}", since.unwrap_or_default(), available.message)),
        // The operator cannot tell, which is no word about the members.
        _ => Some(available.message.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use rstest::rstest;

    #[rstest]
    #[case::somebody("True", None)]
    #[case::nobody("False", Some("nobody takes writes for 42s: the words"))]
    #[case::unknown("Unknown", Some("the words"))]
    fn what_is_not_known_is_not_said(#[case] holds: &str, #[case] expect: Option<&str>) {
        let at = |second| Timestamp::from_second(second).unwrap();
        let available = condition::new(condition::AVAILABLE, holds, "Because", "the words", 1, Time(at(100)));
        let status = DatabaseClusterStatus { conditions: vec![available], ..Default::default() };
        assert_eq!(missing(&status, Some(at(142))).as_deref(), expect);
        assert_eq!(missing(&DatabaseClusterStatus::default(), None), None);
    }
}
