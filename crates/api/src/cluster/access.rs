//! The database and the role for the application.

use crate::names::DEFAULT_DATABASE;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The database and the role for the application, made when the cluster is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.database == oldSelf.database && self.owner == oldSelf.owner")
        .message("the first database and its owner were made with the cluster and cannot be renamed here; use SQL for further ones"),
    validation = Rule::new("!(self.database in ['postgres', 'template0', 'template1'])")
        .message("choose another name for the database: postgres, template0 and template1 are the engine's own"),
    validation = Rule::new("!self.owner.startsWith('pg_') && !self.owner.startsWith('berth') && self.owner != 'postgres' && self.owner != 'public' && self.owner != 'none'")
        .message("choose another name for the owner: postgres, public, none and names that begin with pg_ or berth are reserved"),
)]
pub struct Access {
    /// The database.
    #[serde(default = "default_name")]
    #[schemars(regex(pattern = "^[a-z_][a-z0-9_]*$"), length(min = 1, max = 63))]
    pub database: String,

    /// The role that owns it.
    #[serde(default = "default_name")]
    #[schemars(regex(pattern = "^[a-z_][a-z0-9_]*$"), length(min = 1, max = 63))]
    pub owner: String,

    /// A Secret of this namespace whose key `password` is the owner's password. Without it Berth makes one. Either way the
    /// Secret to bind to is `<cluster>-owner`, and a changed password is taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub owner_secret: Option<String>,
}

impl Default for Access {
    fn default() -> Self {
        Self { database: default_name(), owner: default_name(), owner_secret: None }
    }
}

fn default_name() -> String {
    DEFAULT_DATABASE.to_owned()
}
