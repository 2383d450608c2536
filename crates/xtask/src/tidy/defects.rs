//! Deliberate defects are for tests: no package but the test kit and the model may turn them on, and nothing turns them on by itself.
//!
//! Beside this rule stands the decision core's own: it does not compile with them and without debug assertions, as programs are released.

use crate::run;
use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;

/// The feature that puts them into the decisions.
const FEATURE: &str = "defects";
/// Who has it, and what it turns on there.
const MAY_HAVE: &[(&str, &[&str])] = &[
    ("berth-core", &[]),
    ("berth-testkit", &["berth-core/defects"]),
    ("berth-model", &["berth-testkit/defects"]),
];

pub(super) fn check() -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(run::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata does not read the workspace")?;
    let mut found = Vec::new();
    for package in &metadata.packages {
        let (name, manifest) = (package.name.as_str(), &package.manifest_path);
        for (feature, enables) in &package.features {
            if !is_lawful(name, feature, enables) {
                found.push(format!("{manifest}: the feature {feature} may not turn deliberate defects on"));
            }
        }
        for dependency in &package.dependencies {
            if dependency.features.iter().any(|feature| feature == FEATURE) {
                let other = &dependency.name;
                found.push(format!("{manifest}: {name} may not have {other} with deliberate defects"));
            }
        }
    }
    Ok(found)
}

fn is_lawful(package: &str, feature: &str, enables: &[String]) -> bool {
    let path = format!("/{FEATURE}");
    let speaks = |enabled: &String| enabled == FEATURE || enabled.ends_with(&path);
    if feature != FEATURE {
        return !enables.iter().any(speaks);
    }
    MAY_HAVE.iter().any(|(owner, allowed)| *owner == package && *allowed == enables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lawful(package: &str, feature: &str, enables: &[&str]) -> bool {
        let enables: Vec<String> = enables.iter().map(|&word| word.to_owned()).collect();
        is_lawful(package, feature, &enables)
    }

    #[test]
    fn only_tests_turn_them_on_and_only_when_asked() {
        assert!(lawful("berth-core", "defects", &[]));
        assert!(lawful("berth-testkit", "defects", &["berth-core/defects"]));
        assert!(lawful("berth-model", "defects", &["berth-testkit/defects"]));
        assert!(lawful("berth-agent", "default", &["tls"]));
        assert!(!lawful("berth-core", "default", &["defects"]));
        assert!(!lawful("berth-testkit", "default", &["berth-core/defects"]));
        assert!(!lawful("berth-agent", "chaos", &["berth-core?/defects"]));
        assert!(!lawful("berth-agent", "defects", &["berth-core/defects"]));
    }
}
