//! Finds the engines on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::install;

const POSTGRES_MIN: u32 = 15;
const REDIS_MIN: u32 = 7;

/// The executables to run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Engines {
    /// The directory of `postgres` and `initdb`.
    pub(crate) postgres: PathBuf,
    /// `redis-server`, or `valkey-server`, which is the same for us.
    pub(crate) redis: PathBuf,
}

#[derive(Debug)]
struct Installed {
    path: PathBuf,
    major: u32,
}

/// Finds both engines, installing what is missing. A version that is installed is used or refused, never changed.
///
/// `cluster` is the PostgreSQL version the data needs, if there is data.
pub(crate) fn find_or_install(account: Option<Account>, cluster: Option<u32>) -> Result<Engines> {
    let (mut postgres, mut redis) = (installed_postgres(account), installed_redis());
    if postgres.is_empty() || redis.is_empty() {
        install::install(postgres.is_empty(), redis.is_empty())?;
        (postgres, redis) = (installed_postgres(account), installed_redis());
    }
    Ok(Engines {
        postgres: choose_postgres(postgres, cluster)?,
        redis: choose("Redis", "REDIS_URL", redis, REDIS_MIN)?,
    })
}

fn choose_postgres(installed: Vec<Installed>, cluster: Option<u32>) -> Result<PathBuf> {
    let Some(cluster) = cluster else {
        return choose("PostgreSQL", "DATABASE_URL", installed, POSTGRES_MIN);
    };
    match installed.into_iter().find(|found| found.major == cluster) {
        Some(found) => Ok(found.path),
        None => {
            bail!("the data was made by PostgreSQL {cluster}, which is not installed: install it, or delete the data")
        }
    }
}

fn choose(engine: &str, variable: &str, installed: Vec<Installed>, min: u32) -> Result<PathBuf> {
    let newest = installed.iter().map(|found| found.major).max();
    match (installed.into_iter().find(|found| found.major >= min), newest) {
        (Some(found), _) => Ok(found.path),
        (None, Some(newest)) => {
            bail!("{engine} {newest} is too old: install {engine} {min} or newer beside it, or set {variable}")
        }
        (None, None) => {
            bail!("{engine} is missing: install {engine} {min} or newer, or set {variable}")
        }
    }
}

/// The one in PATH first, then the newest of those that packages keep out of PATH.
fn installed_postgres(account: Option<Account>) -> Vec<Installed> {
    let mut packaged: Vec<_> = [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql", "bin"),
        ("/usr/local/opt", "postgresql", "bin"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
        ("/usr/local", "pgsql", "bin"),
    ]
    .into_iter()
    .flat_map(|(parent, prefix, below)| folders(Path::new(parent), prefix, below))
    .filter_map(|bin| postgres_in(bin, account))
    .collect();
    packaged.sort_by_key(|found| std::cmp::Reverse(found.major));
    let in_path = in_path("postgres")
        .and_then(|path| path.canonicalize().ok())
        .and_then(|path| postgres_in(path.parent()?.to_owned(), account));
    in_path.into_iter().chain(packaged).collect()
}

fn postgres_in(bin: PathBuf, account: Option<Account>) -> Option<Installed> {
    if !bin.join("initdb").exists() || account.is_some_and(|account| !account.can_enter(&bin)) {
        return None;
    }
    let major = version(&bin.join("postgres"), "(PostgreSQL) ")?;
    Some(Installed { path: bin, major })
}

fn installed_redis() -> Vec<Installed> {
    let places = [
        "/usr/bin",
        "/usr/sbin",
        "/usr/local/bin",
        "/opt/homebrew/bin",
        "/home/linuxbrew/.linuxbrew/bin",
    ];
    ["redis-server", "valkey-server"]
        .into_iter()
        .flat_map(|name| {
            in_path(name)
                .into_iter()
                .chain(places.map(|place| Path::new(place).join(name)))
        })
        .filter_map(|path| {
            Some(Installed {
                major: version(&path, "v=")?,
                path,
            })
        })
        .collect()
}

fn folders(parent: &Path, prefix: &str, below: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(below))
        .collect()
}

fn in_path(name: &str) -> Option<PathBuf> {
    let output = Command::new("/bin/sh")
        .args(["-c", "command -v -- \"$1\"", "sh", name])
        .output()
        .ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(path.trim_end())).filter(|path| path.is_absolute())
}

/// The number that follows `mark` in what `executable --version` prints.
fn version(executable: &Path, mark: &str) -> Option<u32> {
    let output = Command::new(executable)
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (_, version) = text.split_once(mark)?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
