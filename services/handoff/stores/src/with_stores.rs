//! `with-stores`: a command, its servers, and nothing left behind.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::Stores;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep the data in DIR, flushed to disk like in production, instead of throwing it away
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let stores = match &args.data {
        Some(dir) => Stores::start(dir)?,
        None => Stores::throw_away()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(run_with(&stores, &args.command))?;
    stores.stop();
    Ok(ExitCode::from(code))
}

async fn run_with(stores: &Stores, command: &[OsString]) -> Result<u8> {
    let mut signals = Signals::new()?;
    let (program, args) = command.split_first().expect("clap requires a command");
    let child = Command::new(program)
        .args(args)
        .env("DATABASE_URL", stores.database_url())
        .env("REDIS_URL", stores.redis_url())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            eprintln!("cannot run {}: {error}", program.display());
            // What a shell answers for a command that is not found or cannot be executed.
            return Ok(if error.kind() == std::io::ErrorKind::NotFound {
                127
            } else {
                126
            });
        }
    };
    loop {
        tokio::select! {
            status = child.wait() => return Ok(exit_code(status?)),
            signal = signals.next() => forward(&child, signal),
        }
    }
}

/// What a shell answers for a command that ended by itself or by a signal.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or(status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

fn forward(child: &Child, signal: Signal) {
    // The terminal has sent it to the command already.
    let from_terminal = matches!(signal, Signal::INT | Signal::QUIT) && std::io::stdin().is_terminal();
    if !from_terminal && let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
        let _ = kill_process(pid, signal);
    }
}

struct Signals {
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::HUP,
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.quit.recv() => Signal::QUIT,
            _ = self.terminate.recv() => Signal::TERM,
        }
    }
}
