//! Metrics that all processes have. Each component registers its own beside them.

use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// A registry with the prefix `berth` and what is running in it.
pub(crate) fn registry(name: &str, version: &str) -> Registry {
    let mut registry = Registry::with_prefix("berth");
    registry.register(
        "build",
        "Which binary runs, in which version",
        Info::new(vec![("binary".to_owned(), name.to_owned()), ("version".to_owned(), version.to_owned())]),
    );
    registry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_is_told() {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry("berth-proxy", "1.2.3")).unwrap();
        assert!(text.contains(r#"berth_build_info{binary="berth-proxy",version="1.2.3"} 1"#), "{text}");
    }
}
