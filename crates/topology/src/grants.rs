//! Who may read and write what: the one table from which etcd's roles are made and by which the memory store refuses.
//!
//! A break-in into one member gains that cluster's keys and nothing of another's; a proxy reads routes and writes nothing.

use crate::key;
use berth_core::{ClusterRef, ClusterUid};

/// A user of the topology, as its certificate's common name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// May do everything.
    Operator,
    /// Any member of this cluster.
    Members(ClusterRef, ClusterUid),
    /// Any proxy.
    Proxy,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Read and watch.
    Read,
    /// Read, watch and write.
    ReadWrite,
}

/// Keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keys {
    /// This one.
    One(String),
    /// All that begin so.
    Prefix(String),
}

/// One permission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// On what.
    pub keys: Keys,
    /// To do what.
    pub right: Right,
}

impl Keys {
    /// Whether all of `asked` are among these.
    pub fn contain(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::One(own), Self::One(asked)) => own == asked,
            (Self::One(_), Self::Prefix(_)) => false,
            (Self::Prefix(own), Self::One(asked) | Self::Prefix(asked)) => asked.starts_with(own),
        }
    }
}

impl User {
    /// All that this user may do.
    pub fn grants(&self) -> Vec<Grant> {
        let grant = |keys, right| Grant { keys, right };
        match self {
            Self::Operator => vec![grant(Keys::Prefix(key::ROOT.into()), Right::ReadWrite)],
            Self::Members(cluster, uid) => vec![
                grant(Keys::Prefix(key::cluster(uid)), Right::Read),
                grant(Keys::One(key::rule(uid)), Right::ReadWrite),
                grant(Keys::Prefix(key::members(uid)), Right::ReadWrite),
                grant(Keys::One(key::route(cluster, uid)), Right::ReadWrite),
            ],
            Self::Proxy => vec![grant(Keys::Prefix(key::ROUTES.into()), Right::Read)],
        }
    }

    /// Whether this user may do this.
    pub fn may(&self, right: Right, keys: &Keys) -> bool {
        self.grants().iter().any(|grant| grant.right >= right && grant.keys.contain(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_writes_its_own_clusters_rule_and_nothing_of_another() {
        let uid = ClusterUid::new("0a1b").unwrap();
        let other = ClusterUid::new("0a1bc").unwrap();
        let cluster: ClusterRef = "shop/orders".parse().unwrap();
        let member = User::Members(cluster.clone(), uid.clone());
        let one = Keys::One;
        assert!(member.may(Right::ReadWrite, &one(key::rule(&uid))));
        assert!(member.may(Right::ReadWrite, &one(key::route(&cluster, &uid))));
        assert!(member.may(Right::Read, &Keys::Prefix(key::cluster(&uid))));
        assert!(!member.may(Right::ReadWrite, &one(key::intent(&uid))));
        assert!(!member.may(Right::Read, &one(key::rule(&other))));
        assert!(!member.may(Right::Read, &one(key::route(&cluster, &other))));
        assert!(!member.may(Right::Read, &Keys::Prefix(key::ROUTES.into())));
        assert!(!member.may(Right::Read, &Keys::Prefix(key::CLUSTERS.into())));
        assert!(!User::Proxy.may(Right::ReadWrite, &one(key::route(&cluster, &uid))));
        assert!(User::Proxy.may(Right::Read, &Keys::Prefix(key::ROUTES.into())));
        assert!(User::Operator.may(Right::ReadWrite, &one(key::intent(&uid))));
    }
}
