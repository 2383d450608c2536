//! What a cluster consists of, without what must differ between two runs: what "the same result" means after crashes.

use crate::Database;
use crate::database::text;
use crate::kubectl;
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeMap;

/// Fields that the API server or a controller fills in differently for each object.
const VOLATILE: &[&str] = &[
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "generation",
    "status",
    "nodeName",
    "volumeName",
    "generateName",
];
/// Annotations of Berth whose value differs by design: a nonce, a time, and a counter that skips a number after a crash between persisting and using it.
const OWN_BY_CHANCE: &[&str] =
    &["berth.dev/bootstrap-grant", "berth.dev/bootstrapped", "berth.dev/member-counter"];
/// Annotations and labels that others write while they bind and place. Which of two replicas came to which zone is the scheduler's choice, and
/// the API server copies it onto the pod.
const FOREIGN_KEYS: &[&str] = &[
    "volume.kubernetes.io",
    "volume.beta.kubernetes.io",
    "pv.kubernetes.io",
    "kubectl.kubernetes.io",
    "topology.kubernetes.io",
];

impl Database {
    /// Every object of its namespace, by kind and normalised name, in a form that is equal for two clusters that were made alike.
    pub fn normalised(&self) -> Result<BTreeMap<String, Value>> {
        let mut names = BTreeMap::from([(self.namespace().to_owned(), "NAMESPACE".to_owned())]);
        names.insert(self.uid()?, "UID".to_owned());
        // Members are told apart by role, then by name: two replicas are alike.
        let primary = self.primary()?;
        let mut replica = 0;
        for (member, pod) in self.pods()? {
            let stand_in = if member == primary {
                "PRIMARY".to_owned()
            } else {
                replica += 1;
                format!("REPLICA-{replica}")
            };
            names.insert(text(&pod["metadata"]["uid"])?.to_owned(), format!("POD-UID-{stand_in}"));
            let claim = &self.claims()?[&format!("{member}-data")];
            names.insert(text(&claim["metadata"]["uid"])?.to_owned(), format!("CLAIM-UID-{stand_in}"));
            names.insert(member, stand_in);
        }
        let mut found = BTreeMap::new();
        for kind in [
            "pods",
            "persistentvolumeclaims",
            "secrets",
            "poddisruptionbudgets",
            "services",
            "configmaps",
            "databaseclusters",
        ] {
            for object in kubectl::items(&["get", kind, "-n", self.namespace()])? {
                let object = normalise(object, &names, kind == "secrets");
                let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                found.insert(format!("{kind}/{name}"), object);
            }
        }
        Ok(found)
    }
}

fn normalise(value: Value, names: &BTreeMap<String, String>, secret: bool) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(key, _)| !VOLATILE.contains(&key.as_str()))
                .filter(|(key, _)| !FOREIGN_KEYS.iter().any(|prefix| key.starts_with(prefix)))
                .filter(|(key, _)| !OWN_BY_CHANCE.contains(&key.as_str()))
                .map(|(key, value)| {
                    let value = if secret && key == "data" { keys_only(value) } else { value };
                    (replaced(&key, names), normalise(value, names, secret))
                })
                .collect(),
        ),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| normalise(item, names, secret)).collect())
        }
        Value::String(text) => Value::String(replaced(&text, names)),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

/// Passwords and keys differ by design; which of them there are must not.
fn keys_only(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    Value::Object(map.into_iter().map(|(key, _)| (key, Value::String("…".to_owned()))).collect())
}

fn replaced(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (name, stand_in) in names {
        text = text.replace(name.as_str(), stand_in);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_must_differ_is_gone_and_what_must_not_stays() {
        let names = BTreeMap::from([("orders-aaaaa".to_owned(), "PRIMARY".to_owned())]);
        let object = json!({"metadata": {"name": "orders-aaaaa", "uid": "1"}, "data": {"password": "eA=="}});
        let expected = json!({"metadata": {"name": "PRIMARY"}, "data": {"password": "…"}});
        assert_eq!(normalise(object, &names, true), expected);
    }
}
