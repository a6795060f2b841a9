//! The whole system in one process, and the commands of the people who run it.

pub mod cli;

mod admin;
mod dev;
mod key;
mod migrate;
mod org;
mod seed;
mod system;

pub use private_stores as stores;
