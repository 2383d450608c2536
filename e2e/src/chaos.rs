//! Campaigns: a database cluster on the real Kubernetes is hurt in every way that `fault` names while tenants write and read through the
//! proxy, and what they were told is held against what is there.
//!
//! The seed decides what is done to whom (`choice`), `nemesis` does and undoes it, `workload` is the tenants, `scene` what they see, `check`
//! what may not be, `whole` what must be again after each fault, and `report` what it showed. What a simulation can reach (each step of an
//! election, lost and doubled messages, clocks of different rates) is left to the simulation: here everything is real and nothing is repeatable
//! but the choice.

pub mod campaign;
pub mod check;
pub mod choice;
pub mod fault;
pub mod nemesis;
pub mod record;
pub mod report;
pub mod scene;
pub mod session;
pub mod whole;
pub mod workload;

pub use campaign::{Options, run};
pub use fault::Fault;
pub use report::Report;
