//! What every service needs and none owns: servers, databases, callers, faults, events.
//!
//! Nothing here knows a word of the business. A context depends on this crate; this crate depends on no context.

pub mod access;
pub mod admin;
pub mod batch;
pub mod db;
pub mod due;
pub mod events;
pub mod fault;
pub mod http;
pub mod id;
pub mod idempotency;
pub mod link;
pub mod page;
pub mod seal;
pub mod server;
pub mod service;
pub mod telemetry;
pub mod time;

pub use access::{Caller, OrgId};
pub use db::Db;
pub use fault::{Fault, Kind};

/// Requests are thousands of small allocations that are freed by another thread: what this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
