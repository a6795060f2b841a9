//! One turn of a candidate or of a limit: all operations, one after the other.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use tokio::time::{Duration, sleep};

use super::cpu::{self, Machine};
use super::data::{self, READ};
use super::load::{self, Load};
use super::operation::{Caller, Limit, Operation};
use super::pgbench::Pgbench;
use super::servers::Servers;
use super::system::{Kind, Site, System};

/// Who was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// pgbench, with [`pgbench::CLIENTS`] connections.
    Limit(Limit),
    /// The system.
    System(Kind, Operation, usize),
}

/// What one measurement of one subject gave.
#[derive(Clone, Debug)]
pub struct Sample {
    pub subject: Subject,
    pub round: u32,
    pub requests: u64,
    /// Requests per second.
    pub rate: f64,
    /// CPU microseconds per request.
    pub cpu: f64,
    /// The same by process.
    pub parts: BTreeMap<&'static str, f64>,
    /// Milliseconds that half of the requests and all but 1 % of them took at most; nothing for pgbench.
    pub latency: Option<(f64, f64)>,
    /// Seconds until the events of the last request were with their consumers. Their CPU time is counted.
    pub drain: f64,
    /// The share of the machine that other processes used meanwhile.
    pub foreign: f64,
}

/// Resident memory of a system's processes in KiB.
#[derive(Clone, Debug)]
pub struct Memory {
    pub kind: Kind,
    pub process: &'static str,
    pub idle: u64,
    pub loaded: u64,
}

/// How long and how much.
#[derive(Clone, Debug)]
pub struct Extent {
    pub operations: Vec<Operation>,
    pub time: Duration,
    /// Requests of one measurement at most.
    pub requests: u64,
}

/// CPU time by process, at one moment.
struct Snapshot {
    parts: BTreeMap<&'static str, u64>,
    machine: Machine,
}

impl Snapshot {
    fn take(servers: &Servers, system: &System) -> Result<Self> {
        let mut parts = BTreeMap::from([
            ("load generator", cpu::of_process(std::process::id())?),
            ("postgres", cpu::of_family(servers.postgres)?),
            ("redis", cpu::of_process(servers.redis_process)?),
        ]);
        for (name, child) in &system.processes {
            parts.insert(name, cpu::of_family(child.id())?);
        }
        Ok(Self {
            parts,
            machine: Machine::now()?,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and microseconds of some seconds")]
fn per(amount: u64, count: u64) -> f64 {
    amount as f64 / count.max(1) as f64
}

/// Starts a system, measures every operation on it and stops it.
pub async fn system(
    servers: &mut Servers,
    site: &Site,
    kind: Kind,
    caller: &Caller<'_>,
    extent: &Extent,
    round: u32,
) -> Result<(Vec<Sample>, Vec<Memory>)> {
    let mut system = site.start(kind)?;
    system.ready(&Operation::GetThread.template(caller), READ.start).await?;
    for operation in &extent.operations {
        let answer = load::once(system.http, &operation.template(caller), operation.numbers().start).await?;
        operation.check(&answer).map_err(anyhow::Error::msg)?;
    }
    servers.drain().await?;
    let idle = memory(&system)?;
    let mut samples = Vec::new();
    for operation in &extent.operations {
        for clients in operation.clients() {
            let sample = measure(servers, &system, *operation, *clients, caller, extent, round).await;
            let sample = sample.with_context(|| format!("{} of {}", operation.name(), kind.name()))?;
            samples.push(sample);
        }
    }
    let memory = idle
        .into_iter()
        .zip(memory(&system)?)
        .map(|((process, idle), (_, loaded))| Memory {
            kind,
            process,
            idle,
            loaded,
        })
        .collect();
    system.stop().await?;
    Ok((samples, memory))
}

fn memory(system: &System) -> Result<Vec<(&'static str, u64)>> {
    let of = |(name, child): &(&'static str, std::process::Child)| Ok((*name, cpu::resident(child.id())?));
    system.processes.iter().map(of).collect()
}

async fn measure(
    servers: &mut Servers,
    system: &System,
    operation: Operation,
    clients: usize,
    caller: &Caller<'_>,
    extent: &Extent,
    round: u32,
) -> Result<Sample> {
    let stored = data::count(&mut servers.database, operation).await?;
    let mut load = Load::open(system.http, &operation.template(caller), clients, operation.numbers()).await?;
    let warm = load.run(extent.time / 6, extent.requests).await?;
    servers.drain().await?;
    let before = Snapshot::take(servers, system)?;
    let done = load.run(extent.time, extent.requests).await?;
    let drain = if operation.writes() {
        servers.drain().await?
    } else {
        Duration::ZERO
    };
    let after = Snapshot::take(servers, system)?;
    let expected = if operation.writes() {
        stored + warm.requests + done.requests
    } else {
        stored
    };
    let found = data::count(&mut servers.database, operation).await?;
    anyhow::ensure!(found == expected, "{expected} should be stored, but {found} are");

    let used: BTreeMap<_, _> = after
        .parts
        .iter()
        .map(|(name, used)| (*name, used - before.parts[name]))
        .collect();
    let own = used.values().sum();
    Ok(Sample {
        subject: Subject::System(system.kind, operation, clients),
        round,
        requests: done.requests,
        rate: per(done.requests, 1) / done.time.as_secs_f64(),
        cpu: per(own, done.requests),
        parts: used
            .into_iter()
            .map(|(name, used)| (name, per(used, done.requests)))
            .collect(),
        latency: Some((done.latency(0.5), done.latency(0.99))),
        drain: drain.as_secs_f64(),
        foreign: after.machine.foreign_since(before.machine, own),
    })
}

/// Measures what pgbench makes of every operation.
pub async fn limits(servers: &Servers, pgbench: &mut Pgbench, extent: &Extent, round: u32) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for operation in &extent.operations {
        for limit in operation.limits() {
            samples.push(measure_limit(servers, pgbench, limit, extent, round).await?);
        }
    }
    Ok(samples)
}

async fn measure_limit(
    servers: &Servers,
    pgbench: &mut Pgbench,
    limit: Limit,
    extent: &Extent,
    round: u32,
) -> Result<Sample> {
    // The system keeps its connections and is measured after it has warmed up. pgbench connects for every run, so that
    // part is measured alone and taken out.
    let mut used = Vec::new();
    for connect in [true, false] {
        let before = (cpu::of_family(servers.postgres)?, Machine::now()?);
        let done = if connect {
            pgbench.connect(limit)?
        } else {
            pgbench.run(limit, extent.time)?
        };
        // The last sessions end after pgbench has.
        sleep(Duration::from_millis(50)).await;
        let postgres = cpu::of_family(servers.postgres)? - before.0;
        let foreign = Machine::now()?.foreign_since(before.1, postgres + done.cpu);
        used.push((done, postgres, foreign));
    }
    let [(connected, connect_postgres, _), (done, postgres, foreign)] = used[..] else {
        unreachable!("two runs")
    };
    let transactions = done.transactions - connected.transactions.min(done.transactions);
    let parts = BTreeMap::from([
        ("pgbench", per(done.cpu.saturating_sub(connected.cpu), transactions)),
        ("postgres", per(postgres.saturating_sub(connect_postgres), transactions)),
    ]);
    Ok(Sample {
        subject: Subject::Limit(limit),
        round,
        requests: done.transactions,
        rate: done.rate,
        cpu: parts.values().sum(),
        parts,
        latency: None,
        drain: 0.0,
        foreign,
    })
}

/// How long a system takes from its start to its first successful answer, on servers that are up.
pub async fn cold_starts(site: &Site, kind: Kind, caller: &Caller<'_>, count: u32) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..count {
        let mut system = site.start(kind)?;
        times.push(system.ready(&Operation::GetThread.template(caller), READ.start).await?);
        system.stop().await?;
    }
    Ok(times)
}
