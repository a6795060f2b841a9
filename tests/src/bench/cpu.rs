//! CPU time and memory of processes, from `/proc`.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context, Result};

/// Microseconds of one tick of `/proc/PID/stat`: `USER_HZ` is 100 whatever the kernel's own clock does.
const TICK: u64 = 10_000;

/// What one process has used, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: u64,
    reaped: u64,
}

/// The command name may hold anything, parentheses included; the numbers begin after the last one.
fn parse(stat: &str) -> Option<Stat> {
    let (_, numbers) = stat.rsplit_once(')')?;
    let field: Vec<&str> = numbers.split_ascii_whitespace().collect();
    let number = |index: usize| field.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: field.get(1)?.parse().ok()?,
        own: number(11)? + number(12)?,
        reaped: number(13)? + number(14)?,
    })
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// CPU microseconds of a process itself.
pub fn of_process(pid: u32) -> Result<u64> {
    let stat = stat(pid).with_context(|| format!("process {pid} has ended"))?;
    Ok(stat.own * TICK)
}

/// CPU microseconds of the children that this process has waited for.
pub fn of_reaped_children() -> Result<u64> {
    let stat = stat(std::process::id()).context("/proc is not there")?;
    Ok(stat.reaped * TICK)
}

/// CPU microseconds of a process and of all its descendants, those included that have ended.
pub fn of_family(root: u32) -> Result<u64> {
    let mut all = HashMap::new();
    for entry in fs::read_dir("/proc").context("/proc is not there")? {
        if let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok())
            && let Some(stat) = stat(pid)
        {
            all.insert(pid, stat);
        }
    }
    anyhow::ensure!(all.contains_key(&root), "process {root} has ended");
    Ok(family(&all, root) * TICK)
}

fn family(all: &HashMap<u32, Stat>, root: u32) -> u64 {
    let descends = |mut pid: u32| {
        while pid != root {
            match all.get(&pid) {
                Some(stat) if stat.parent != 0 => pid = stat.parent,
                _ => return false,
            }
        }
        true
    };
    all.iter()
        .filter(|(pid, _)| descends(**pid))
        .map(|(_, stat)| stat.own + stat.reaped)
        .sum()
}

/// The parent of a process.
pub fn parent(pid: u32) -> Result<u32> {
    Ok(stat(pid).with_context(|| format!("process {pid} has ended"))?.parent)
}

/// CPU microseconds of the whole machine.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Spent on something.
    pub busy: u64,
    /// Spent or idle.
    pub total: u64,
}

impl Machine {
    /// Since the machine was started.
    pub fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("/proc is not there")?;
        let line = text.lines().next().unwrap_or_default();
        // user, nice, system, idle, iowait, irq, softirq, steal; the rest is counted in the first two already.
        let ticks: Vec<u64> = line
            .split_ascii_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|number| number.parse().ok())
            .collect();
        anyhow::ensure!(ticks.len() == 8, "/proc/stat can't be read");
        let total: u64 = ticks.iter().sum();
        Ok(Self {
            busy: (total - ticks[3] - ticks[4]) * TICK,
            total: total * TICK,
        })
    }

    /// The share of the machine, since `earlier`, that was used but not by the `own` microseconds.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
    pub fn foreign_since(&self, earlier: Self, own: u64) -> f64 {
        let busy = (self.busy - earlier.busy).saturating_sub(own);
        busy as f64 / (self.total - earlier.total).max(1) as f64
    }
}

/// Resident memory of a process in KiB.
pub fn resident(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid} has ended"))?;
    text.lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        })
        .with_context(|| format!("the memory of process {pid} can't be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_parentheses_does_not_shift_the_numbers() {
        let text = "7 (a) b (c)) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 300 4000 20 0 1 0 5 6 7";
        let expected = Stat {
            parent: 3,
            own: 30,
            reaped: 4300,
        };
        assert_eq!(parse(text), Some(expected));
    }

    #[test]
    fn a_family_is_the_process_and_its_descendants_and_nobody_else() {
        let process = |parent, own, reaped| Stat { parent, own, reaped };
        let all = HashMap::from([
            (1, process(0, 1_000, 0)),
            (10, process(1, 1, 20)),
            (11, process(10, 300, 0)),
            (12, process(11, 4_000, 0)),
            (20, process(1, 50_000, 0)),
        ]);
        assert_eq!(family(&all, 10), 4_321);
    }

    #[test]
    fn work_done_here_shows_in_this_process() {
        let before = of_process(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while of_process(std::process::id()).unwrap() == before {
            sum = (0..1_000_000_u64).fold(sum, |sum, next| sum.wrapping_mul(31).wrapping_add(next));
        }
        assert_ne!(std::hint::black_box(sum), 1);
    }
}
