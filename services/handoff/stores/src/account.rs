//! Whose account the servers run under: PostgreSQL refuses to run as root.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::folder;

/// A user and its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The account to switch to, or `None` to stay the user that started us, which is every user but root.
///
/// The owner of existing data wins, so that data stays usable when an account `postgres` appears later.
pub(crate) fn for_servers(dir: &Path) -> Result<Option<Account>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    if let Ok(data) = std::fs::metadata(folder::link(dir))
        && data.uid() != 0
    {
        return Ok(Some(Account {
            uid: data.uid(),
            gid: data.gid(),
        }));
    }
    let Some(account) = ["postgres", "nobody"].into_iter().find_map(lookup) else {
        bail!("PostgreSQL does not run as root and there is neither a user `postgres` nor `nobody` to run it as");
    };
    Ok(Some(account))
}

impl Account {
    /// Can this account enter `dir`? Asked of the kernel, which knows of more than mode bits.
    pub(crate) fn can_enter(self, dir: &Path) -> bool {
        Command::new("/bin/sh")
            .args(["-c", "cd -- \"$1\"", "sh"])
            .arg(dir)
            .current_dir("/")
            .uid(self.uid)
            .gid(self.gid)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

fn lookup(user: &str) -> Option<Account> {
    Some(Account {
        uid: id("-u", user)?,
        gid: id("-g", user)?,
    })
}

fn id(flag: &str, user: &str) -> Option<u32> {
    let output = Command::new("id")
        .args([flag, user])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    String::from_utf8(output.stdout)
        .ok()?
        .trim()
        .parse()
        .ok()
        .filter(|id| *id != 0)
}
