//! The whole system in one process, and the commands of the people who run it.

pub mod cli;

pub use private_stores as stores;
