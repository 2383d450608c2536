//! Where the data of a cluster comes from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the data comes from: exactly one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.initialize)").message("name exactly one source of the data: initialize: {} makes an empty database"))]
pub struct Bootstrap {
    /// A new, empty database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialize: Option<Initialize>,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { initialize: Some(Initialize {}) }
    }
}

/// A new, empty database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Initialize {}
