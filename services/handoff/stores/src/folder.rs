//! Where the servers' files are: `<dir>/stores`, or a link of that name to a folder the servers' account can reach.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{ErrorKind, Read, Write};
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
/// Longer than a supervisor needs to stop its servers.
const PREDECESSOR_STOPS: Duration = Duration::from_secs(30);

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
    _lock: File,
}

impl Folder {
    /// Creates what is missing and takes the lock, waiting for a supervisor that is about to end.
    pub(crate) async fn open(
        dir: &Path,
        lifetime: Lifetime,
        owner: u32,
        account: Option<Account>,
    ) -> Result<Self> {
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
            _lock: lock,
        })
    }

    /// Free of links, so that the servers need to reach nothing but this.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// To be called after the servers have ended.
    pub(crate) fn close(self) -> Result<()> {
        if self.lifetime == Lifetime::ThrowAway {
            fs::remove_dir_all(&self.path)?;
            fs::remove_dir_all(&self.dir)?;
        }
        Ok(())
    }
}

/// Held by the supervisor rather than by its owner, whose death does not end the servers at once.
async fn lock(dir: &Path, owner: u32) -> Result<File> {
    let path = dir.join("stores.lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    let deadline = Instant::now() + PREDECESSOR_STOPS;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
            Err(TryLockError::WouldBlock) => {}
        }
        let mut holder = String::new();
        File::open(&path)?.read_to_string(&mut holder)?;
        if holder.trim().parse().is_ok_and(is_alive) || Instant::now() > deadline {
            bail!(
                "{} is in use by another handoff (process {})",
                dir.display(),
                holder.trim()
            );
        }
        sleep(Duration::from_millis(50)).await;
    }
    file.set_len(0)?;
    writeln!(file, "{owner}")?;
    Ok(file)
}

fn is_alive(pid: i32) -> bool {
    rustix::process::Pid::from_raw(pid)
        .is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
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
            fs::write(
                path.join(BACKLINK),
                self::link(dir).as_os_str().as_encoded_bytes(),
            )?;
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

/// Deletes folders whose data directory was deleted, but not when its place looks like a volume that is not mounted.
fn remove_orphans() {
    for path in entries(Path::new(ELSEWHERE)) {
        let Ok(link) = fs::read_to_string(path.join(BACKLINK)).map(PathBuf::from) else {
            continue;
        };
        let is_linked = fs::read_link(&link).is_ok_and(|target| target == path);
        let remains = link.ancestors().skip(1).find(|dir| dir.exists());
        if !is_linked && remains.is_some_and(|dir| entries(dir).next().is_some()) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}
