//! Three agents in one process, over a topology in memory and simulated databases: the whole loop as it runs in pods, without pods.

mod cluster;
mod stories;
