//! Which cluster a client means, bound before any password: by the name that it asked TLS for, by a startup option, or by a
//! suffix of its user name. Named twice, all must agree.
//!
//! A name that no cluster can have is no error here: it is a cluster that does not exist, and looks like a wrong password.

use super::options;
use crate::wire::{Report, SqlState, Startup};
use berth_core::ClusterRef;

/// A client's claim: who it wants to be, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// The cluster; none if what was named cannot be a cluster.
    pub cluster: Option<ClusterRef>,
    /// The role in the database.
    pub role: String,
    /// The user as the client wrote it, for messages.
    pub user: String,
    /// The startup parameters for the database: the client's without what is Berth's.
    pub parameters: Vec<(String, String)>,
    /// Protocol options that the proxy does not know, which the client is told.
    pub unknown_options: Vec<String>,
}

/// Why a startup is refused before authentication.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// No user.
    #[error("no PostgreSQL user name specified in startup packet")]
    NoUser,
    /// No cluster.
    #[error("the connection names no cluster")]
    Unnamed,
    /// Two clusters.
    #[error("the connection names two clusters: {0:?} and {1:?}")]
    Conflict(String, String),
    /// A setting of Berth's own.
    #[error("the setting {0} belongs to Berth and cannot be set by a client")]
    Reserved(String),
}

impl TenantError {
    /// What the client is told. None of it depends on what exists.
    pub fn report(&self) -> Report {
        let report = Report::fatal(SqlState::InvalidAuthorization, self.to_string());
        match self {
            Self::Unnamed => report.hint(
                "Connect as user@namespace/cluster, or with the option \"-c berth.cluster=namespace/cluster\", or by the \
                 host name <cluster>--<namespace>.<suffix> over TLS.",
            ),
            Self::Conflict(..) => report.hint("Name the cluster in one way, or the same in each."),
            Self::NoUser | Self::Reserved(_) => report,
        }
    }
}

/// Reads the claim. `server_name` is what the client asked TLS for; names under `suffix` name a cluster.
pub fn resolve(server_name: Option<&str>, suffix: &str, startup: &Startup) -> Result<Tenant, TenantError> {
    let user = startup.get("user").filter(|u| !u.is_empty()).ok_or(TenantError::NoUser)?;
    let (role, by_user) = by_user(user);
    let mut named: Vec<String> =
        server_name.and_then(|name| by_server_name(name, suffix)).into_iter().collect();
    named.extend(by_user.map(str::to_owned));
    let mut parameters = vec![("user".to_owned(), role.to_owned())];
    let mut unknown_options = Vec::new();
    for (name, value) in &startup.parameters {
        if name == "user" {
            continue;
        }
        if name.starts_with("_pq_.") {
            unknown_options.push(name.clone());
        } else if name.eq_ignore_ascii_case(options::CLUSTER) {
            named.push(value.clone());
        } else if options::is_reserved(name) {
            return Err(TenantError::Reserved(name.clone()));
        } else if name == "options" {
            let parsed = options::parse(value);
            if let Some(reserved) = parsed.reserved {
                return Err(TenantError::Reserved(reserved));
            }
            named.extend(parsed.clusters);
            if !parsed.rest.is_empty() {
                parameters.push((name.clone(), parsed.rest));
            }
        } else if name == "database" && value == user {
            // Clients take the user's name for the database's when none is given; the suffix is not part of it.
            parameters.push((name.clone(), role.to_owned()));
        } else {
            parameters.push((name.clone(), value.clone()));
        }
    }
    let first = named.first().ok_or(TenantError::Unnamed)?;
    if let Some(other) = named.iter().find(|other| *other != first) {
        return Err(TenantError::Conflict(first.clone(), other.clone()));
    }
    Ok(Tenant {
        cluster: first.parse().ok(),
        role: role.to_owned(),
        user: user.to_owned(),
        parameters,
        unknown_options,
    })
}

/// `role@namespace/cluster`. A user without a slash behind its last `@` names no cluster, since roles may hold an `@`.
fn by_user(user: &str) -> (&str, Option<&str>) {
    match user.rsplit_once('@') {
        Some((role, cluster)) if !role.is_empty() && cluster.contains('/') => (role, Some(cluster)),
        _ => (user, None),
    }
}

/// `<cluster>--<namespace>.<suffix>` as `namespace/cluster`. Other names of the proxy name no cluster.
fn by_server_name(name: &str, suffix: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let label = name.strip_suffix(&suffix.to_ascii_lowercase())?.strip_suffix('.')?;
    // A cluster's name holds no double hyphen, a namespace may: the first one divides.
    Some(match label.split_once("--") {
        Some((cluster, namespace)) => format!("{namespace}/{cluster}"),
        None => format!("{label}/"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Version;
    use rstest::rstest;

    fn claim(server_name: Option<&str>, parameters: &[(&str, &str)]) -> Result<Tenant, TenantError> {
        let parameters = parameters.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        resolve(server_name, "berth.internal", &Startup { version: Version::V3_0, parameters })
    }

    const ORDERS: Option<&str> = Some("shop/orders");

    #[rstest]
    #[case::by_user(None, &[("user", "app@shop/orders")], ORDERS, "app")]
    #[case::by_user_with_at(None, &[("user", "a@b@shop/orders")], ORDERS, "a@b")]
    #[case::by_option(None, &[("user", "app"), ("options", "-c berth.cluster=shop/orders")], ORDERS, "app")]
    #[case::by_parameter(None, &[("user", "app"), ("berth.cluster", "shop/orders")], ORDERS, "app")]
    #[case::by_tls(Some("orders--shop.berth.internal"), &[("user", "app")], ORDERS, "app")]
    #[case::by_tls_in_capitals(Some("Orders--Shop.Berth.Internal"), &[("user", "app")], ORDERS, "app")]
    #[case::role_with_at(Some("orders--shop.berth.internal"), &[("user", "app@home")], ORDERS, "app@home")]
    #[case::all_agree(Some("orders--shop.berth.internal"), &[("user", "app@shop/orders"), ("options", "-cberth.cluster=shop/orders")], ORDERS, "app")]
    #[case::proxys_own_name(Some("berth-proxy.berth-system.svc"), &[("user", "app@shop/orders")], ORDERS, "app")]
    #[case::impossible_name(None, &[("user", "app@Shop/orders")], None, "app")]
    #[case::impossible_label(Some("orders.berth.internal"), &[("user", "app")], None, "app")]
    fn is_bound(
        #[case] server_name: Option<&str>,
        #[case] parameters: &[(&str, &str)],
        #[case] cluster: Option<&str>,
        #[case] role: &str,
    ) {
        let tenant = claim(server_name, parameters).unwrap();
        assert_eq!(tenant.cluster.map(|c| c.to_string()).as_deref(), cluster);
        assert_eq!(tenant.role, role);
        assert!(tenant.parameters.contains(&("user".to_owned(), role.to_owned())));
        assert!(tenant.parameters.iter().all(|(n, v)| !n.contains("berth") && !v.contains("berth")));
    }

    #[rstest]
    #[case::nobody(None, &[("database", "x")])]
    #[case::nowhere(None, &[("user", "app")])]
    #[case::nowhere_by_the_proxys_name(Some("localhost"), &[("user", "app")])]
    #[case::two_places(Some("orders--shop.berth.internal"), &[("user", "app@shop/stock")])]
    #[case::two_options(None, &[("user", "app"), ("options", "-c berth.cluster=a/b -c berth.cluster=a/c")])]
    #[case::reserved_option(None, &[("user", "app@shop/orders"), ("options", "-c berth.term=9")])]
    #[case::reserved_parameter(None, &[("user", "app@shop/orders"), ("Berth.term", "9")])]
    fn is_refused(#[case] server_name: Option<&str>, #[case] parameters: &[(&str, &str)]) {
        assert_eq!(
            claim(server_name, parameters).unwrap_err().report().state,
            SqlState::InvalidAuthorization
        );
    }

    #[test]
    fn the_database_loses_the_suffix_that_clients_copy_into_it() {
        let tenant = claim(None, &[("user", "app@shop/orders"), ("database", "app@shop/orders")]).unwrap();
        assert!(tenant.parameters.contains(&("database".to_owned(), "app".to_owned())));
    }

    #[test]
    fn what_the_proxy_does_not_know_is_listed_and_not_passed_on() {
        let tenant = claim(None, &[("user", "app@shop/orders"), ("_pq_.x", "1"), ("a", "b")]).unwrap();
        assert_eq!(tenant.unknown_options, ["_pq_.x"]);
        assert_eq!(tenant.parameters.len(), 2);
    }
}
