//! `conversation-service`: the conversation context in a process of its own.

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    conversation_service::run(conversation_service::Config::parse()).await
}
