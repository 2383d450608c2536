//! Which cluster is meant by what was typed.

use crate::failure::Failure;
use anyhow::{Result, anyhow};
use berth_core::{ClusterName, ClusterRef, Namespace};

/// Reads `NAME` or `NAMESPACE/NAME`; `-n` and the context's namespace serve where none is written.
pub(crate) fn cluster(typed: &str, option: Option<&str>, context: &str) -> Result<ClusterRef> {
    let (namespace, name) = match (typed.split_once('/'), option) {
        (Some((namespace, _)), Some(option)) if namespace != option => {
            return Err(Failure::Unclear {
                choices: format!("{typed} is in {namespace}, and -n says {option}"),
            }
            .into());
        }
        (Some((namespace, name)), _) => (namespace, name),
        (None, option) => (option.unwrap_or(context), typed),
    };
    let wrong = |error: berth_core::ids::InvalidId| anyhow!("{error}");
    Ok(ClusterRef {
        namespace: Namespace::new(namespace).map_err(wrong)?,
        name: ClusterName::new(name).map_err(wrong)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("shop/orders", None, Some("shop/orders"))]
    #[case("shop/orders", Some("shop"), Some("shop/orders"))]
    #[case("shop/orders", Some("bank"), None)]
    #[case("orders", Some("bank"), Some("bank/orders"))]
    #[case("orders", None, Some("default/orders"))]
    #[case("or.ders", None, None)]
    #[case("a/b/c", None, None)]
    fn the_cluster_that_is_meant(
        #[case] typed: &str,
        #[case] option: Option<&str>,
        #[case] expect: Option<&str>,
    ) {
        let read = cluster(typed, option, "default").ok().map(|cluster| cluster.to_string());
        assert_eq!(read.as_deref(), expect);
    }
}
