//! Names and identities as types, so that a member's id can never be passed where a cluster's name belongs.
//!
//! Each is checked once, where it enters; after that its text is known to be safe in a Kubernetes name, an etcd key, a DNS
//! label and a PostgreSQL identifier. Allocation of new member ids is in [`allocation`].

pub mod allocation;

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not a valid identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Hash)]
#[error("{what} {value:?} is not valid: {rule}")]
pub struct InvalidId {
    /// What the text was meant to be, for the reader of the error.
    pub what: &'static str,
    /// The text as it was given.
    pub value: String,
    /// The rule that it breaks, phrased as what to do.
    pub rule: &'static str,
}

/// A lower-case DNS label: letters, digits and inner hyphens.
fn is_dns_label(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A Kubernetes uid or a nonce: letters, digits and hyphens, at most 64 bytes.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes the text if it keeps the rule of this kind of identity.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidId { what: $what, value: text, rule: $rule })
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
    };
}

id!(
    /// A Kubernetes namespace.
    Namespace, "namespace", "use a DNS label of at most 63 characters", |t| is_dns_label(t, 63)
);
id!(
    /// The name of a `DatabaseCluster`: at most 40 characters, so that a member's id, its claims and `<cluster>--<namespace>`
    /// stay within 63.
    ClusterName, "cluster name", "use a DNS label of at most 40 characters without dots", |t| is_dns_label(t, 40)
        && !t.contains("--")
);
id!(
    /// The uid that the Kubernetes API gave one incarnation of a cluster. A re-created cluster of the same name has another.
    ClusterUid, "cluster uid", "use the uid from metadata.uid", is_token
);
id!(
    /// A member: `<cluster>-<5 characters>`, allocated once and never reused. Opaque: nothing may parse a role or an order out of it.
    MemberId, "member id", "use <cluster>-<5 characters>", |t| is_dns_label(t, 46) && t.rfind('-').is_some_and(|i| t.len() - i == 6)
);
id!(
    /// The uid of a member's data claim: what makes a voter's identity more than its name, so that a new empty volume never inherits a promise.
    ClaimUid, "claim uid", "use the uid from the claim's metadata.uid", is_token
);
id!(
    /// A value used once, such as that of a bootstrap grant.
    Nonce, "nonce", "use letters, digits and hyphens, at most 64", is_token
);

impl MemberId {
    /// The part after the cluster's name: five characters. PostgreSQL cuts a standby's name at 63 bytes, so names seen by the engine use this.
    pub fn short(&self) -> &str {
        self.0.rsplit('-').next().unwrap_or(&self.0)
    }
}

/// The DNS name that a member's certificate carries, and that everybody who connects to it demands. It names the incarnation of the
/// cluster and the member, so that a recycled pod address can never answer for another tenant's database.
pub fn identity_name(member: &MemberId, cluster: &ClusterUid) -> String {
    format!("{member}.{cluster}.members.berth.internal")
}

/// A cluster as people say it: `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterRef {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: ClusterName,
}

impl fmt::Display for ClusterRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl std::str::FromStr for ClusterRef {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (namespace, name) = text.split_once('/').ok_or_else(|| InvalidId {
            what: "cluster",
            value: text.to_owned(),
            rule: "write namespace/name",
        })?;
        Ok(Self { namespace: Namespace::new(namespace)?, name: ClusterName::new(name)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_break_a_key_or_a_dns_label_is_refused() {
        for bad in ["", "Orders", "a.b", "-a", "a-", "a/b", "a--b", &"a".repeat(41)] {
            assert!(ClusterName::new(bad).is_err(), "{bad:?} must be refused");
        }
        assert!(ClusterName::new("a".repeat(40)).is_ok());
    }

    #[test]
    fn a_member_id_knows_its_short_form() {
        let member = MemberId::new("big-orders-7k2qd").unwrap();
        assert_eq!(member.short(), "7k2qd");
        assert!(MemberId::new("orders").is_err());
    }

    #[test]
    fn deserialisation_checks_as_the_constructor_does() {
        assert!(serde_json::from_str::<ClusterName>("\"a.b\"").is_err());
        assert_eq!("shop/orders".parse::<ClusterRef>().unwrap().to_string(), "shop/orders");
    }
}
