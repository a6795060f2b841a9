//! The system seen from outside: what its public faces promise, and what a request costs.

pub mod bench;
