//! Users and roles in etcd: made by the operator, so that each cluster's members reach their own keys and nothing else.
//!
//! Users have no password; a user is who holds a certificate of that common name. Every change of users or roles makes etcd
//! rebuild the permissions of all and fails requests in flight, so that this looks first and writes only what differs.

use super::connection::{Connection, Repeat, Session};
use super::end_of;
use super::fault::Fault;
use super::options::EtcdOptions;
use crate::backend::BackendError;
use crate::grants::{Grant, Keys, Right, User};
use berth_core::{ClusterRef, ClusterUid};
use etcd_client::{Error, Permission, PermissionType, RoleRevokePermissionOptions, UserAddOptions};
use std::collections::BTreeSet;
use std::future::Future;
use tracing::info;

/// The user and the role that etcd itself demands before authentication can be switched on. Nobody has a certificate of
/// that name.
const ROOT: &str = "root";

/// Why users and roles could not be brought in order.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} in etcd")]
pub struct AdministrationError {
    /// What was tried.
    what: String,
    /// Why not.
    #[source]
    source: BackendError,
}

impl AdministrationError {
    /// Whether the same call may succeed later without anything else being changed.
    pub fn retryable(&self) -> bool {
        match self.source {
            BackendError::Unavailable(_) | BackendError::Gone(_) => true,
            BackendError::Denied(_) => false,
        }
    }
}

/// Users and roles in etcd. All calls may be repeated; what is in order already is not written.
pub struct Administration {
    connection: Connection,
    operator: String,
    proxy: String,
}

/// A permission as etcd stores it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Allowed {
    kind: i32,
    key: Vec<u8>,
    end: Vec<u8>,
}

impl Administration {
    /// For this etcd. `operator` and `proxy` are the common names of their certificates.
    pub fn new(options: EtcdOptions, operator: impl Into<String>, proxy: impl Into<String>) -> Self {
        Self { connection: Connection::new(options), operator: operator.into(), proxy: proxy.into() }
    }

    /// Makes the operator and the proxy known and switches authentication on.
    ///
    /// *Caveat*: before this, everybody with a certificate of the authority may do everything.
    pub async fn enable(&self) -> Result<(), AdministrationError> {
        self.ensure_user(ROOT, ROOT).await?;
        self.ensure_user(&self.operator, ROOT).await?;
        self.ensure_role(&self.proxy, &User::Proxy.grants()).await?;
        self.ensure_user(&self.proxy, &self.proxy).await?;
        self.call("switch on authentication", |session| async move {
            session.auth().auth_enable().await.map(drop)
        })
        .await
        .map(drop)
    }

    /// Makes a cluster's members known: the user is the cluster's uid.
    pub async fn ensure_cluster(
        &self,
        cluster: &ClusterRef,
        uid: &ClusterUid,
    ) -> Result<(), AdministrationError> {
        let grants = User::Members(cluster.clone(), uid.clone()).grants();
        let role = role_of(uid);
        // The role first: a user whose role is not whole would be refused for no reason that it could see.
        self.ensure_role(&role, &grants).await?;
        self.ensure_user(uid.as_str(), &role).await
    }

    /// Forgets a cluster's members. Absent is success.
    pub async fn remove_cluster(&self, uid: &ClusterUid) -> Result<(), AdministrationError> {
        let role = role_of(uid);
        if self.user_roles(uid.as_str()).await?.is_some() {
            let name = uid.as_str();
            self.call(&format!("remove user {name}"), |session| async move {
                session.auth().user_delete(name).await.map(drop)
            })
            .await?;
        }
        if self.role_permissions(&role).await?.is_some() {
            let name = role.as_str();
            self.call(&format!("remove role {name}"), |session| async move {
                session.auth().role_delete(name).await.map(drop)
            })
            .await?;
        }
        Ok(())
    }

    /// The user exists and has the role.
    async fn ensure_user(&self, name: &str, role: &str) -> Result<(), AdministrationError> {
        let roles = self.user_roles(name).await?;
        if roles.is_none() {
            self.call(&format!("add user {name}"), |session| async move {
                let passwordless = UserAddOptions::new().with_no_pwd();
                session.auth().user_add(name, "", Some(passwordless)).await.map(drop)
            })
            .await?;
        }
        if !roles.is_some_and(|roles| roles.iter().any(|own| own == role)) {
            self.call(&format!("grant role {role} to user {name}"), |session| async move {
                session.auth().user_grant_role(name, role).await.map(drop)
            })
            .await?;
            info!(user = name, role, "granted a role in etcd");
        }
        Ok(())
    }

    /// The role exists and allows exactly this.
    async fn ensure_role(&self, name: &str, grants: &[Grant]) -> Result<(), AdministrationError> {
        let wanted: BTreeSet<Allowed> = grants.iter().map(Allowed::of).collect();
        let present = self.role_permissions(name).await?;
        if present.is_none() {
            self.call(&format!("add role {name}"), |session| async move {
                session.auth().role_add(name).await.map(drop)
            })
            .await?;
        }
        let present = present.unwrap_or_default();
        // Granting a range again under another right replaces it, and revoking goes by range alone: so the superfluous go first.
        for allowed in present.difference(&wanted) {
            self.call(&format!("revoke a permission of role {name}"), |session| async move {
                let end = RoleRevokePermissionOptions::new().with_range_end(allowed.end.clone());
                session.auth().role_revoke_permission(name, allowed.key.clone(), Some(end)).await.map(drop)
            })
            .await?;
        }
        for allowed in wanted.difference(&present) {
            self.call(&format!("grant a permission to role {name}"), |session| async move {
                session.auth().role_grant_permission(name, allowed.permission()).await.map(drop)
            })
            .await?;
        }
        Ok(())
    }

    /// A user's roles; none if there is no such user.
    async fn user_roles(&self, name: &str) -> Result<Option<Vec<String>>, AdministrationError> {
        self.call(&format!("read user {name}"), |session| async move {
            session.auth().user_get(name).await.map(|user| user.roles().to_vec())
        })
        .await
    }

    /// What a role allows; none if there is no such role.
    async fn role_permissions(&self, name: &str) -> Result<Option<BTreeSet<Allowed>>, AdministrationError> {
        self.call(&format!("read role {name}"), |session| async move {
            session
                .auth()
                .role_get(name)
                .await
                .map(|role| role.permissions().iter().map(Allowed::read).collect())
        })
        .await
    }

    /// Calls. What exists already, or is gone already, is nothing: somebody else, or an attempt whose answer was lost, did it.
    async fn call<T, F>(
        &self,
        what: &str,
        call: impl Fn(Session) -> F,
    ) -> Result<Option<T>, AdministrationError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        match self.connection.attempt(Repeat::Freely, call).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Fault::Exists | Fault::Missing) => Ok(None),
            Err(fault) => Err(AdministrationError { what: what.to_owned(), source: fault.into_backend() }),
        }
    }
}

impl Allowed {
    fn of(grant: &Grant) -> Self {
        let kind = match grant.right {
            Right::Read => PermissionType::Read,
            Right::ReadWrite => PermissionType::Readwrite,
        };
        let (key, end) = match &grant.keys {
            Keys::One(key) => (key, Vec::new()),
            Keys::Prefix(prefix) => (prefix, end_of(prefix)),
        };
        Self { kind: kind.into(), key: key.clone().into_bytes(), end }
    }

    fn read(permission: &Permission) -> Self {
        Self {
            kind: permission.get_type(),
            key: permission.key().to_vec(),
            end: permission.range_end().to_vec(),
        }
    }

    fn permission(&self) -> Permission {
        let read_only = self.kind == i32::from(PermissionType::Read);
        let permission = if read_only {
            Permission::read(self.key.clone())
        } else {
            Permission::read_write(self.key.clone())
        };
        if self.end.is_empty() { permission } else { permission.with_range_end(self.end.clone()) }
    }
}

/// The name of the role of a cluster's members.
fn role_of(uid: &ClusterUid) -> String {
    format!("cluster-{uid}")
}
