//! `thread-service`: the thread context in a process of its own.

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    thread_service::run(thread_service::Config::parse()).await
}
