//! The command line. A command's arguments and its work are in the module named after it.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Conversation backend for support teams.
#[derive(Debug, Parser)]
#[command(name = "handoff", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Stores(crate::stores::Command),
}

impl Cli {
    /// Runs the command to its end. Each command starts the runtime it needs, so call this outside of one.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Stores(command) => command.run(),
        }
    }
}
