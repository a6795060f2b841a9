//! Installs missing engines with the machine's package manager.

use std::io::IsTerminal;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Keeps Debian's packages from creating a cluster and from starting or enabling services, and leaves no trace of that.
const APT: &str = include_str!("install/apt.sh");

struct Manager {
    program: &'static str,
    /// What `sh -c` runs; the packages are its arguments.
    script: &'static str,
    postgres: &'static str,
    redis: &'static str,
    as_root: bool,
}

const MANAGERS: [Manager; 3] = [
    Manager {
        program: "apt-get",
        script: APT,
        postgres: "postgresql",
        redis: "redis-server",
        as_root: true,
    },
    Manager {
        program: "dnf",
        // Newer Fedora has Valkey in place of Redis and lets it provide that name.
        script: "dnf install --assumeyes \"$@\"",
        postgres: "postgresql-server",
        redis: "redis",
        as_root: true,
    },
    Manager {
        program: "brew",
        script: "brew install \"$@\"",
        postgres: "postgresql@17",
        redis: "redis",
        as_root: false,
    },
];

/// Says in one line on stderr what it does. Fails with one sentence that says what to install by hand.
pub(crate) fn install(postgres: bool, redis: bool) -> Result<()> {
    let Some(manager) = MANAGERS.iter().find(|manager| runs(manager.program, &["--version"])) else {
        bail!(
            "{} missing and there is no apt-get, dnf or brew to install with: install PostgreSQL 15 or newer and \
             Redis 7 or newer, or set DATABASE_URL and REDIS_URL",
            subject(postgres, redis)
        );
    };
    let packages: Vec<_> = postgres
        .then_some(manager.postgres)
        .into_iter()
        .chain(redis.then_some(manager.redis))
        .collect();
    let by_hand = format!("{} install {}", manager.program, packages.join(" "));
    let mut command = if !manager.as_root || rustix::process::geteuid().is_root() {
        Command::new("/bin/sh")
    } else if runs("sudo", &["-n", "true"]) || (std::io::stdin().is_terminal() && runs("sudo", &["-V"])) {
        let mut sudo = Command::new("sudo");
        sudo.arg("/bin/sh");
        sudo
    } else {
        bail!(
            "{} missing and installing needs root: run `{by_hand}` as root",
            subject(postgres, redis)
        );
    };
    eprintln!(
        "installing {} with {}, which takes a minute",
        packages.join(" and "),
        manager.program
    );
    let output = command
        .args(["-c", manager.script, "sh"])
        .args(&packages)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", manager.program))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("no reason given");
        bail!("`{by_hand}` failed ({last}): install PostgreSQL 15 or newer and Redis 7 or newer by hand");
    }
    Ok(())
}

fn subject(postgres: bool, redis: bool) -> &'static str {
    match (postgres, redis) {
        (true, true) => "PostgreSQL and Redis are",
        (true, false) => "PostgreSQL is",
        _ => "Redis is",
    }
}

fn runs(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
