//! What this operator was started with: arguments, and what follows from them.

use berth_service::ServiceArguments;
use clap::Parser;
use std::path::PathBuf;

/// Keeps database clusters on Kubernetes as their DatabaseCluster objects ask
#[derive(Debug, Clone, Parser)]
#[command(name = "berth-operator", version)]
pub(crate) struct Settings {
    /// The image with Berth's binaries; its agent runs in every database pod
    #[arg(long, env = "BERTH_AGENT_IMAGE", value_name = "IMAGE")]
    pub(crate) agent_image: String,

    /// Where etcd is, for this operator
    #[arg(
        long,
        env = "BERTH_ETCD_ENDPOINTS",
        default_value = "https://berth-etcd.berth-system.svc:2379",
        value_name = "URL,…"
    )]
    pub(crate) etcd_endpoints: String,

    /// Where etcd is for the members; the same, unless this operator runs outside
    #[arg(long, env = "BERTH_MEMBER_ETCD_ENDPOINTS", value_name = "URL,…")]
    pub(crate) member_etcd_endpoints: Option<String>,

    /// The namespace of Berth's own objects
    #[arg(long, env = "POD_NAMESPACE", default_value = "berth-system", value_name = "NAMESPACE")]
    pub(crate) namespace: String,

    /// What this operator calls itself in the Lease; no other may be called so
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub(crate) identity: String,

    /// Tenants reach `<cluster>--<namespace>.<suffix>`; the proxies' certificate covers it
    #[arg(long, env = "BERTH_TENANT_SUFFIX", default_value = "berth.internal", value_name = "DOMAIN")]
    pub(crate) tenant_suffix: String,

    /// A folder, best in memory, for this operator's own certificate and key
    #[arg(long, env = "BERTH_OPERATOR_TLS", default_value = "/run/berth/tls", value_name = "FOLDER")]
    pub(crate) identity_folder: PathBuf,

    /// Calls to the Kubernetes API a second, in the long run
    #[arg(long, env = "BERTH_API_RATE", default_value_t = 100, value_name = "N")]
    pub(crate) api_rate: u32,

    /// Clusters worked on at the same time
    #[arg(long, env = "BERTH_CONCURRENCY", default_value_t = 16, value_name = "N")]
    pub(crate) concurrency: u16,

    #[command(flatten)]
    pub(crate) service: ServiceArguments,
}

impl Settings {
    /// Where etcd is for the members.
    pub(crate) fn endpoints_of_members(&self) -> &str {
        self.member_etcd_endpoints.as_deref().unwrap_or(&self.etcd_endpoints)
    }

    /// The name by which tenants find the proxies.
    pub(crate) fn proxy_host(&self) -> String {
        format!("{}.{}.svc", crate::pki::profile::PROXY, self.namespace)
    }
}

/// The port of the proxies.
pub(crate) const PROXY_PORT: u16 = 5432;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_use_the_operators_etcd_unless_told_otherwise() {
        let plain = Settings::try_parse_from(["o", "--agent-image", "a", "--identity", "me"]).unwrap();
        assert_eq!(plain.endpoints_of_members(), plain.etcd_endpoints);
        assert_eq!(plain.proxy_host(), "berth-proxy.berth-system.svc");
        let outside = Settings::try_parse_from([
            "o",
            "--agent-image",
            "a",
            "--identity",
            "me",
            "--member-etcd-endpoints",
            "https://inside:2379",
        ])
        .unwrap();
        assert_eq!(outside.endpoints_of_members(), "https://inside:2379");
    }
}
