//! The keys of a cell. Each carries the cluster's uid, so that a partitioned old incarnation cannot write over its successor,
//! and ends in a way that makes no key the prefix of a longer name.

use berth_core::{ClusterRef, ClusterUid, MemberId};

/// Everything that Berth stores.
pub const ROOT: &str = "/berth/v1/";
/// Every cluster's own records.
pub const CLUSTERS: &str = "/berth/v1/clusters/";
/// Every route: what a proxy watches.
pub const ROUTES: &str = "/berth/v1/routes/";

/// The prefix of one cluster's own records.
pub fn cluster(uid: &ClusterUid) -> String {
    format!("{CLUSTERS}{uid}/")
}

/// The intent of a cluster.
pub fn intent(uid: &ClusterUid) -> String {
    format!("{CLUSTERS}{uid}/intent")
}

/// The rule of a cluster.
pub fn rule(uid: &ClusterUid) -> String {
    format!("{CLUSTERS}{uid}/rule")
}

/// The prefix of what a cluster's members say of themselves.
pub fn members(uid: &ClusterUid) -> String {
    format!("{CLUSTERS}{uid}/members/")
}

/// What one member says of itself.
pub fn member(uid: &ClusterUid, member: &MemberId) -> String {
    format!("{CLUSTERS}{uid}/members/{member}")
}

/// The route of a cluster.
pub fn route(cluster: &ClusterRef, uid: &ClusterUid) -> String {
    format!("{ROUTES}{}/{}/{uid}", cluster.namespace, cluster.name)
}

/// A key of ours, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// See [`intent`].
    Intent(ClusterUid),
    /// See [`rule`].
    Rule(ClusterUid),
    /// See [`member`].
    Member(ClusterUid, MemberId),
    /// See [`route`].
    Route(ClusterRef, ClusterUid),
}

impl Key {
    /// Takes a key apart; none if it is not one of ours.
    pub fn parse(key: &str) -> Option<Self> {
        if let Some(rest) = key.strip_prefix(CLUSTERS) {
            let (uid, rest) = rest.split_once('/')?;
            let uid = ClusterUid::new(uid).ok()?;
            return match rest {
                "intent" => Some(Self::Intent(uid)),
                "rule" => Some(Self::Rule(uid)),
                other => {
                    let member = MemberId::new(other.strip_prefix("members/")?).ok()?;
                    Some(Self::Member(uid, member))
                }
            };
        }
        let (cluster, uid) = key.strip_prefix(ROUTES)?.rsplit_once('/')?;
        Some(Self::Route(cluster.parse().ok()?, ClusterUid::new(uid).ok()?))
    }

    /// The incarnation that the record belongs to.
    pub fn uid(&self) -> &ClusterUid {
        match self {
            Self::Intent(uid) | Self::Rule(uid) | Self::Member(uid, _) | Self::Route(_, uid) => uid,
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&match self {
            Self::Intent(uid) => intent(uid),
            Self::Rule(uid) => rule(uid),
            Self::Member(uid, id) => member(uid, id),
            Self::Route(cluster, uid) => route(cluster, uid),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_apart_as_they_were_made() {
        let uid = ClusterUid::new("0a1b-2c3d").unwrap();
        let cluster: ClusterRef = "shop/orders".parse().unwrap();
        for key in [
            Key::Intent(uid.clone()),
            Key::Rule(uid.clone()),
            Key::Member(uid.clone(), MemberId::new("orders-7k2qd").unwrap()),
            Key::Route(cluster, uid),
        ] {
            assert_eq!(Key::parse(&key.to_string()), Some(key));
        }
        for foreign in [
            "/berth/v1/clusters/0a1b",
            "/berth/v1/clusters/0a1b/other",
            "/berth/v1/clusters/0a1b/rule/",
            "/berth/v1/clusters/0a1b/members/",
            "/berth/v1/routes/shop/0a1b",
            "/berth/v1/routes/shop/or/ders/0a1b",
            "/registry/pods",
        ] {
            assert_eq!(Key::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn no_prefix_matches_a_longer_name() {
        let short = ClusterUid::new("0a1b").unwrap();
        let long = ClusterUid::new("0a1bc").unwrap();
        assert!(!rule(&long).starts_with(&cluster(&short)));
        assert!(!member(&long, &MemberId::new("orders-7k2qd").unwrap()).starts_with(&members(&short)));
    }
}
