//! Stories of one member, told as what it hears and what it does next; and random ones, over which the invariants must hold.

mod accept;
mod bootstrap;
mod disk;
mod elect;
mod follow;
mod forgotten;
mod properties;
mod rebuild;
mod refuse;
mod repair;
mod restart;
mod serve;
mod stop;
mod story;
