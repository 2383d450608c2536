//! The Kubernetes objects that every cluster starts with, kept as the YAML files that people know.

/// What the API server writes to its audit log: who did what to which object, no bodies.
pub(crate) const AUDIT_POLICY: &str = include_str!("../manifests/audit-policy.yaml");

/// Objects of built-in kinds.
pub(crate) const FIRST: &str = concat!(
    include_str!("../manifests/roles.yaml"),
    "\n---\n",
    include_str!("../manifests/dns.yaml"),
    "\n---\n",
    include_str!("../manifests/storage.yaml"),
);

/// Objects of kinds that come from the CRDs of snapshots.
pub(crate) const AFTER_CRDS: &str = include_str!("../manifests/snapshot-class.yaml");
