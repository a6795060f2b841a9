//! Programs of this workspace as child processes.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::wait::until;

/// The path of a program that was built with this test.
///
/// # Panics
/// When it was not: programs are no dependency of a test that cargo knows of.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a running test is an executable");
    // target/<profile>/deps/<test>
    let path = own
        .ancestors()
        .nth(2)
        .expect("tests are built into a folder of the target directory")
        .join(name);
    assert!(
        path.exists(),
        "{name} is missing, run `cargo build --workspace --bins` first"
    );
    path
}

/// A program with nothing of this test's own configuration.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    command.env_clear();
    for kept in ["PATH", "HOME", "USER", "TMPDIR"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

/// A running program. It is killed, by its id, when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts it; its log is kept.
    pub fn start(name: &str, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let log = Arc::<Mutex<Vec<String>>>::default();
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self {
            name: name.to_owned(),
            child,
            log,
        }
    }

    /// What it has logged, a line each.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where one of its listeners is, once it says so.
    pub async fn address(&mut self, listener: &str) -> SocketAddr {
        let what = format!("{} listens", self.name);
        until(&what, async || {
            self.assert_running();
            self.log().iter().find_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                let found = line["message"] == "listening" && line["listener"] == listener;
                found.then(|| line["address"].as_str()?.parse().ok())?
            })
        })
        .await
    }

    /// Fails when it has ended by itself.
    pub fn assert_running(&mut self) {
        let ended = self.child.try_wait().expect("it is a child of this test");
        assert_eq!(ended, None, "{} has ended", self.name);
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a crash would, and returns when it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is a child of this test");
        self.child.wait().expect("it is a child of this test");
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Makes it hang: its connections stay open and nothing is answered.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).expect("no process has the id 0");
        kill_process(pid, signal).expect("it is a child of this test");
    }

    /// Waits for its end.
    pub async fn end(&mut self) -> ExitStatus {
        let what = format!("{} ends", self.name);
        until(&what, async || {
            self.child.try_wait().expect("it is a child of this test")
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let last = &log[log.len().saturating_sub(15)..];
            eprintln!("--- the last lines of {}:\n{}", self.name, last.join("\n"));
        }
    }
}

/// Whether some process has this id.
pub fn exists(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
}
