//! Where the servers' files are: `<dir>/stores`, or a link of that name to a folder the servers' account can reach.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

use crate::account::Account;
use crate::stores::Lifetime;

/// Holds data whose own directory the servers' account cannot enter, such as one below root's home.
const ELSEWHERE: &str = "/var/lib/handoff";
/// In a folder of [`ELSEWHERE`]: the path of the link that leads to it.
const BACKLINK: &str = "linked-from";
const LOCK_POLL: Duration = Duration::from_millis(50);
/// Longer than a supervisor needs to see that its owner is gone.
const HOLDER_LEAVES: Duration = Duration::from_secs(1);
/// Longer than a supervisor needs to stop its servers.
const HOLDER_STOPS: Duration = Duration::from_secs(30);

pub(crate) fn link(dir: &Path) -> PathBuf {
    dir.join("stores")
}

/// The PostgreSQL major version that made the cluster in `dir`, if there is one.
pub(crate) fn cluster_version(dir: &Path) -> Option<u32> {
    let version = fs::read_to_string(link(dir).join("postgres/PG_VERSION")).ok()?;
    version.trim().parse().ok()
}

/// The files of one pair of servers, locked for as long as this lives.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    dir: PathBuf,
    lifetime: Lifetime,
    lock: File,
}

impl Folder {
    /// Creates what is missing and takes the lock, waiting for a supervisor that is about to end.
    pub(crate) async fn open(dir: &Path, lifetime: Lifetime, owner: u32, account: Option<Account>) -> Result<Self> {
        if lifetime == Lifetime::ThrowAway {
            DirBuilder::new()
                .mode(if account.is_some() { 0o711 } else { 0o700 })
                .create(dir)
                .with_context(|| format!("cannot create {}", dir.display()))?;
        }
        let lock = lock(dir, owner).await?;
        let path = place(dir, account)?;
        Ok(Self {
            path,
            dir: dir.to_owned(),
            lifetime,
            lock,
        })
    }

    /// Free of links, so that the servers need to reach nothing but this.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Tells a successor that the servers are about to end, so that it waits.
    pub(crate) fn leave(&self) -> Result<()> {
        Ok(self.lock.set_len(0)?)
    }

    /// To be called after the servers have ended.
    pub(crate) async fn close(self) -> Result<()> {
        if self.lifetime == Lifetime::Kept {
            return Ok(());
        }
        // What a killed `initdb` had started may write on for a moment.
        let deadline = Instant::now() + Duration::from_secs(2);
        while let Err(error) = fs::remove_dir_all(&self.path).and_then(|()| fs::remove_dir_all(&self.dir)) {
            if Instant::now() > deadline {
                return Err(error).context(format!("cannot delete {}", self.dir.display()));
            }
            sleep(LOCK_POLL).await;
        }
        Ok(())
    }
}

/// Held by the supervisor rather than by its owner, whose death does not end the servers at once. The file names the
/// owner while there is one.
async fn lock(dir: &Path, owner: u32) -> Result<File> {
    let path = dir.join("stores.lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    let start = Instant::now();
    while let Err(error) = file.try_lock() {
        if let TryLockError::Error(error) = error {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
        let holder = fs::read_to_string(&path)?;
        let patience = if holder.is_empty() { HOLDER_STOPS } else { HOLDER_LEAVES };
        if start.elapsed() > patience {
            bail!(
                "{} is in use by another handoff (process {})",
                dir.display(),
                holder.trim()
            );
        }
        sleep(LOCK_POLL).await;
    }
    file.set_len(0)?;
    writeln!(file, "{owner}")?;
    Ok(file)
}

/// Finds or makes the folder itself, owned by the servers' account and closed to everyone else.
fn place(dir: &Path, account: Option<Account>) -> Result<PathBuf> {
    let link = link(dir);
    let path = match fs::read_link(&link) {
        Ok(target) => target,
        Err(_) if link.exists() || account.is_none_or(|account| account.can_enter(dir)) => link,
        Err(_) => {
            remove_orphans();
            let target = Path::new(ELSEWHERE).join(format!("{:016x}", rand::random::<u64>()));
            symlink(&target, &link).with_context(|| format!("cannot create {}", link.display()))?;
            target
        }
    };
    if path.starts_with(ELSEWHERE) {
        fs::create_dir_all(ELSEWHERE).with_context(|| format!("cannot create {ELSEWHERE}"))?;
        fs::set_permissions(ELSEWHERE, Permissions::from_mode(0o755))?;
    }
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("cannot create {}", path.display()));
        }
        _ => {}
    }
    if let Some(account) = account {
        chown(&path, Some(account.uid), Some(account.gid))?;
        if path.starts_with(ELSEWHERE) {
            fs::write(path.join(BACKLINK), self::link(dir).as_os_str().as_encoded_bytes())?;
        }
        if !account.can_enter(&path) {
            bail!(
                "{} cannot be reached by the user PostgreSQL runs as (id {}), and it does not run as root",
                path.display(),
                account.uid
            );
        }
    }
    Ok(path)
}

/// Deletes what deleted temporary data directories have left. Others may only have been moved.
fn remove_orphans() {
    for entry in fs::read_dir(ELSEWHERE).into_iter().flatten().flatten() {
        let Ok(link) = fs::read_to_string(entry.path().join(BACKLINK)).map(PathBuf::from) else {
            continue;
        };
        if link.starts_with(std::env::temp_dir()) && !link.is_symlink() {
            // Another start may be doing the same.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
