//! `private-stores`: the stores without the system, for what must run before the system can be compiled.

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: private_stores::Command,
}

fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("private-stores: {error:#}");
            ExitCode::FAILURE
        }
    }
}
