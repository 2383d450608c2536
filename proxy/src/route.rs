//! Where tenants go: which cluster a client means, and where that cluster's primary is.

mod feed;
mod options;
mod table;
mod tenant;

pub use feed::follow;
pub use table::{Current, Entry, Holding, Table, Target};
pub use tenant::{Tenant, TenantError, resolve};
