//! `make bench`: what a request costs, measured against `pgbench` running the same work on the same server.
//!
//! The measure is CPU time per request, summed over every process that works for it: the load generator, the system,
//! PostgreSQL and Redis. Unlike throughput it hardly depends on what else the machine is doing, and the ratio of two of
//! them is the ratio of the throughputs that both would reach with the same cores saturated. Candidates and limits take
//! turns over several rounds, so that a change of the machine's mood reaches all of them.
//!
//! Linux only: CPU times come from `/proc`.

pub mod cpu;
pub mod data;
pub mod load;
pub mod operation;
pub mod pgbench;
pub mod report;
pub mod servers;
pub mod session;
pub mod system;
