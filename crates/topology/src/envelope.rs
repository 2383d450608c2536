//! How a record lies in the store: its version, whose it is and its term around the body, as compact JSON.
//!
//! The uid and the term repeat what key and body say. A record that was copied to another key, or cut and pasted by hand,
//! contradicts itself and is refused instead of believed.

use crate::TopologyError;
use crate::key::Key;
use berth_core::topology::{Intent, MemberRecord, Route, Rule};
use berth_core::{ClusterUid, Term};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version that is written. It grows when a body changes in a way that older readers would misread; a field that may be
/// ignored needs no new version, because unknown fields are passed over.
pub const VERSION: u16 = 1;

/// A body that lies in an envelope.
pub(crate) trait Body: Serialize + DeserializeOwned {
    /// The term that the record was written in; 0 for what knows no term.
    fn term(&self) -> Term;
}

impl Body for Intent {
    /// An intent is ordered by its generation; terms are the members' business.
    fn term(&self) -> Term {
        Term(0)
    }
}

impl Body for Rule {
    fn term(&self) -> Term {
        self.term
    }
}

impl Body for MemberRecord {
    fn term(&self) -> Term {
        self.term
    }
}

impl Body for Route {
    fn term(&self) -> Term {
        self.term
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    version: u16,
    uid: ClusterUid,
    term: Term,
    /// The identity of the store that it was written to: another one has it from a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    store: Option<u64>,
    body: T,
}

/// Only what must be known before the body may be read.
#[derive(Deserialize)]
struct Outside {
    version: u16,
    uid: ClusterUid,
    #[serde(default)]
    store: Option<u64>,
}

/// Wraps a body.
pub(crate) fn wrap<T: Body>(key: &Key, body: &T) -> Result<Vec<u8>, TopologyError> {
    wrap_for(key, body, None)
}

/// Wraps a body that is worth nothing in any other store than this.
pub(crate) fn wrap_for<T: Body>(key: &Key, body: &T, store: Option<u64>) -> Result<Vec<u8>, TopologyError> {
    let envelope = Envelope { version: VERSION, uid: key.uid().clone(), term: body.term(), store, body };
    serde_json::to_vec(&envelope).map_err(|error| unreadable(key, error.to_string()))
}

/// Unwraps a body and checks that it belongs to its key.
pub(crate) fn unwrap<T: Body>(key: &Key, bytes: &[u8]) -> Result<T, TopologyError> {
    let outside: Outside =
        serde_json::from_slice(bytes).map_err(|error| unreadable(key, error.to_string()))?;
    understood(outside.version).map_err(|reason| unreadable(key, reason))?;
    if outside.uid != *key.uid() {
        return Err(unreadable(key, format!("it belongs to cluster {}", outside.uid)));
    }
    let envelope: Envelope<T> =
        serde_json::from_slice(bytes).map_err(|error| unreadable(key, error.to_string()))?;
    if envelope.term != envelope.body.term() {
        let said = format!("it says term {} outside and {} inside", envelope.term, envelope.body.term());
        return Err(unreadable(key, said));
    }
    Ok(envelope.body)
}

/// Whether it was written to another store than this one.
pub(crate) fn is_restored(bytes: &[u8], store: u64) -> bool {
    let outside: Option<Outside> = serde_json::from_slice(bytes).ok();
    outside.and_then(|outside| outside.store).is_some_and(|written| written != store)
}

/// A reader understands its own version and the one before.
fn understood(version: u16) -> Result<(), String> {
    if version > VERSION {
        return Err(format!(
            "it has version {version} and this program reads up to {VERSION}; upgrade this program"
        ));
    }
    if version + 1 < VERSION {
        let oldest = VERSION - 1;
        return Err(format!(
            "it has version {version} and this program reads from {oldest}; go through the release between"
        ));
    }
    Ok(())
}

fn unreadable(key: &Key, reason: String) -> TopologyError {
    TopologyError::Unreadable { key: key.to_string(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_core::disk::Space;
    use berth_core::topology::{Admission, Phase};
    use serde_json::{Value, json};

    fn route() -> (Key, Route) {
        let cluster: berth_core::ClusterRef = "shop/orders".parse().unwrap();
        let key = Key::Route(cluster.clone(), ClusterUid::new("0a1b").unwrap());
        let route = Route {
            cluster,
            term: Term(3),
            phase: Phase::Serving,
            admission: Admission::ReadWrite,
            primary: None,
            replicas: vec![],
            space: Space::Full,
        };
        (key, route)
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Result<Route, TopologyError> {
        let (key, route) = route();
        let mut value: Value = serde_json::from_slice(&wrap(&key, &route).unwrap()).unwrap();
        change(&mut value);
        unwrap(&key, &serde_json::to_vec(&value).unwrap())
    }

    #[test]
    fn what_is_wrapped_comes_out_again() {
        assert_eq!(changed(|_| ()).unwrap(), route().1);
    }

    #[test]
    fn unknown_fields_and_the_version_before_are_read() {
        assert!(changed(|v| v["body"]["new"] = json!(1)).is_ok());
        assert!(changed(|v| v["new"] = json!({"a": 1})).is_ok());
        assert!(changed(|v| v["version"] = json!(VERSION - 1)).is_ok());
    }

    #[test]
    fn newer_versions_and_contradictions_are_refused() {
        let newer = changed(|v| v["version"] = json!(VERSION + 1)).unwrap_err();
        assert!(newer.to_string().contains("upgrade this program"), "{newer}");
        for refused in [
            changed(|v| v["uid"] = json!("ffff")),
            changed(|v| v["term"] = json!(4)),
            changed(|v| v["body"] = json!("gone")),
            changed(|v| *v = json!([])),
        ] {
            assert!(matches!(refused, Err(TopologyError::Unreadable { .. })), "{refused:?}");
        }
    }
}
