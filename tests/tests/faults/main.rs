//! What callers see while something is broken, and what is left of it afterwards: nothing that was acknowledged is lost,
//! and nothing happens twice.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod crash;
mod database;
mod lost_answers;
mod redis;
mod services;
mod slow_peers;
mod stop;
mod writers;
