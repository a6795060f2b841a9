//! Private PostgreSQL and Redis servers: the real engines, started as child processes on free loopback ports and
//! stopped with their owner, however it ends.
//!
//! The owner holds the write end of a pipe; a small supervisor process (the same executable, re-executed) holds the
//! read end and is the parent of both servers. When the pipe closes, by [`Stores::stop`], by a drop or because the
//! owner was killed, the supervisor stops the servers. On Linux each server is also told to stop should the supervisor
//! itself be killed.
//!
//! This is a crate of its own because checked queries need a server to be compiled against, so starting one must not
//! depend on the contexts that hold them.

mod account;
mod cli;
mod engines;
mod folder;
mod install;
mod postgres;
mod redis;
mod server;
mod stores;
mod supervisor;
mod with_stores;

pub use cli::Command;
pub use stores::Stores;
