//! `handoff`: see [`handoff::cli`].

use std::process::ExitCode;

use clap::Parser;
use handoff::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("handoff: {error:#}");
            ExitCode::FAILURE
        }
    }
}
