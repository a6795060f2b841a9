//! `gateway`: the REST surfaces in a process of their own.

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    gateway::run(gateway::Config::parse()).await
}
