//! Each component's module is there, complete, and pinned.

use super::*;

#[test]
fn each_component_has_a_module_with_checksums() {
    for component in Component::ALL {
        let folder = sources().join(component.recipe().name);
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            read("go.mod").contains(&format!("module berth.dev/e2e/{}\n", component.recipe().name)),
            "{component:?}: the binary of the package \".\" is named after the module"
        );
        assert!(read("go.sum").lines().count() > 10, "{component:?}: checksums must be committed");
    }
}

#[test]
fn kubernetes_says_the_version_that_it_is() {
    let recipe = Component::Kubernetes.recipe();
    let module = std::fs::read_to_string(sources().join(recipe.name).join("go.mod")).unwrap();
    let version = module
        .lines()
        .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
        .expect("go.mod requires k8s.io/kubernetes");
    assert!(recipe.ldflags.contains(&format!("gitVersion={version} ")), "{version} vs {}", recipe.ldflags);
}
