//! The labels, annotations and finalizers that Berth puts on Kubernetes objects, and the names of a cluster's objects.
//!
//! One place, so that what one part writes is what another looks for. Nothing here is an interface for users, except where a
//! constant says so.

/// Label: the name of the cluster that an object belongs to. For people and selectors; ownership is told by [`CLUSTER_UID`].
pub const CLUSTER: &str = "berth.dev/cluster";
/// Label: the uid of the cluster that an object belongs to. Children are selected by it: an object of another uid is somebody else's.
pub const CLUSTER_UID: &str = "berth.dev/cluster-uid";
/// Label: the member that an object belongs to.
pub const MEMBER: &str = "berth.dev/member";

/// Annotation of a cluster: how many member ids were allocated. Persisted before an id is used.
pub const MEMBER_COUNTER: &str = "berth.dev/member-counter";
/// Annotation of a cluster (JSON) and of a claim (the nonce): the bootstrap grant, noted before it is given.
pub const BOOTSTRAP_GRANT: &str = "berth.dev/bootstrap-grant";
/// Annotation of a cluster: the time at which its members were first seen to have accepted the grant. From then on a missing
/// rule means that the topology was lost, never that the cluster is new.
pub const BOOTSTRAPPED: &str = "berth.dev/bootstrapped";
/// Annotation of a claim: the time at which its member left the cluster. Such a claim is kept, and is no member.
pub const RETIRED: &str = "berth.dev/retired";
/// Annotation of a pod: the revision of what Berth rendered it from.
pub const REVISION: &str = "berth.dev/revision";

/// Finalizer of a pod: removed only when its processes are known to have ended, so that a volume never has two.
pub const PROCESS_ENDED: &str = "berth.dev/process-ended";
/// Finalizer of a cluster: removed when its records are gone from the topology.
pub const TOPOLOGY: &str = "berth.dev/topology";

/// The field manager of everything that the operator applies, and the value of `app.kubernetes.io/managed-by`.
pub const MANAGER: &str = "berth-operator";

/// The database a tenant gets if the cluster names none, and the role that owns it.
pub const DEFAULT_DATABASE: &str = "app";

/// The claim of a member's data.
pub fn data_claim(member: &str) -> String {
    format!("{member}-data")
}

/// The disruption budget of the members' pods.
pub fn budget(cluster: &str) -> String {
    format!("{cluster}-members")
}

/// The Secret that applications bind to (servicebinding.io).
pub fn owner_secret(cluster: &str) -> String {
    format!("{cluster}-owner")
}

/// The Secret with the verifiers of passwords: what pods see instead of a password.
pub fn access_secret(cluster: &str) -> String {
    format!("{cluster}-access")
}

/// The Secret with a certificate and a key per member.
pub fn tls_secret(cluster: &str) -> String {
    format!("{cluster}-tls")
}
