//! `make bench`: see [`journeys::bench`].

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use journeys::bench::data::{self, CHATS, READ, SEARCHED, SEARCHED_QUICKLY, WRITTEN};
use journeys::bench::load::{self, Template};
use journeys::bench::operation::{Caller, Group, Operation};
use journeys::bench::pgbench::Pgbench;
use journeys::bench::report::Report;
use journeys::bench::servers::Servers;
use journeys::bench::session::{self, Extent};
use journeys::bench::system::{self, Kind, Site};

/// Measure what a request costs, against pgbench running the same work on the same server.
///
/// Starts private PostgreSQL and Redis servers and, in turns, the system as one process and as gateway and services.
/// Any answer but 2xx, or a message that was acknowledged and is not there, fails the run.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Args {
    /// Rounds in which every subject has a turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Requests of one measurement at most
    #[arg(long, default_value_t = 500_000)]
    requests: u64,
    /// Cold starts of each system
    #[arg(long, default_value_t = 10)]
    cold_starts: u32,
    /// Measure only these groups of operations; a million messages to be searched take some minutes to load
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Group>,
    /// Measure only these operations
    #[arg(long, value_enum, value_delimiter = ',')]
    operations: Vec<Operation>,
    /// Measure only these systems
    #[arg(long, value_enum, value_delimiter = ',')]
    systems: Vec<Kind>,
    /// One round of one second, and few messages to be searched: does everything work?
    #[arg(long)]
    quick: bool,
    /// Fail when a goal is missed
    #[arg(long)]
    gate: bool,
    /// Where the figures go as JSON
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    json: PathBuf,
    /// Where the servers' data goes, which is deleted at the start and at the end: a disk like production's
    #[arg(long, value_name = "DIR", default_value = "target/bench-data")]
    data: PathBuf,
    #[command(subcommand)]
    stores: Option<private_stores::Command>,
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    let result = match args.stores.take() {
        Some(command) => command.run(),
        None => run(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("bench: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(args: &Args) -> Result<ExitCode> {
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a debug build, its figures mean nothing");
    }
    delete(&args.data)?;
    std::fs::create_dir_all(&args.data)?;
    let directory = args.data.canonicalize()?;
    // One thread, as pgbench has: the load generator must not take both sides of a small machine.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(measure(args, &directory))?;
    delete(&directory)?;
    print!("{}", report.table());
    if let Some(parent) = args.json.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(&args.json, format!("{:#}\n", report.json()))
        .with_context(|| format!("can't write {}", args.json.display()))?;
    let failed = args.gate && !report.met();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn measure(args: &Args, directory: &Path) -> Result<Report> {
    let mut servers = Servers::start(directory).await?;
    let site = Site::new(directory, &servers)?;
    let operations: Vec<Operation> = Operation::all()
        .iter()
        .copied()
        .filter(|operation| args.operations.is_empty() || args.operations.contains(operation))
        .filter(|operation| args.only.is_empty() || args.only.contains(&operation.group()))
        .collect();
    anyhow::ensure!(!operations.is_empty(), "nothing is left to be measured");
    let mut groups: Vec<Group> = operations.iter().map(|operation| operation.group()).collect();
    groups.dedup();
    let searched = if args.quick { SEARCHED_QUICKLY } else { SEARCHED };
    let (api_key, chatbot) = prepare(&mut servers, &site, &groups, searched).await?;
    let caller = Caller {
        api_key: &api_key,
        chatbot: &chatbot,
    };
    let mut pgbench = Pgbench::new(&servers, directory, &api_key, &chatbot)?;
    let kinds = if args.systems.is_empty() {
        vec![Kind::One, Kind::Services]
    } else {
        args.systems.clone()
    };
    let (rounds, seconds) = if args.quick {
        (1, 1)
    } else {
        (args.rounds, args.seconds)
    };
    let extent = Extent {
        operations,
        time: Duration::from_secs(seconds),
        requests: args.requests,
    };

    let mut report = Report {
        setting: setting(&mut servers, rounds, seconds, searched).await?,
        ..Report::default()
    };
    for kind in &kinds {
        let count = if args.quick { 1 } else { args.cold_starts };
        eprintln!("cold starts: {}", kind.name());
        let times = session::cold_starts(&site, *kind, &caller, count).await?;
        report.cold_starts.push((*kind, times));
    }
    for round in 0..rounds {
        // Whoever comes first in one round comes later in the next.
        let turns = kinds.len() + 1;
        for turn in 0..turns {
            let turn = (turn + round as usize) % turns;
            let name = turn.checked_sub(1).map_or("pgbench", |index| kinds[index].name());
            eprintln!("round {} of {rounds}: {name}", round + 1);
            if turn == 0 {
                let samples = session::limits(&servers, &mut pgbench, &extent, round).await?;
                report.samples.extend(samples);
            } else {
                let (samples, memory) =
                    session::system(&mut servers, &site, kinds[turn - 1], &caller, &extent, round).await?;
                report.samples.extend(samples);
                report.memory.extend(memory);
            }
        }
    }
    Ok(report)
}

/// Lets the system make its schemas and its demo organization, and loads the data. Returns an API key and a chatbot.
async fn prepare(servers: &mut Servers, site: &Site, groups: &[Group], searched: u32) -> Result<(String, String)> {
    eprintln!("loading the data");
    let mut system = site.start(Kind::One)?;
    system.until(async || site.value("HANDOFF_CHATBOT_ID").is_ok()).await?;
    let api_key = site.value("HANDOFF_API_KEY")?;
    let chatbot = site.value("HANDOFF_CHATBOT_ID")?;
    // Every escalation would be a mail: that is the mail server's benchmark.
    let quiet = Template::new(
        "PATCH",
        &format!("/v1/chatbots/chatbot/{chatbot}/human-support-settings"),
        &[("authorization", &format!("Bearer {api_key}"))],
        Some(r#"{"leadNotification":false}"#),
    );
    load::once(system.http, &quiet, READ.start).await?;
    system.stop().await?;
    data::load(&mut servers.database, &api_key, &chatbot, groups, searched).await?;
    Ok((api_key, chatbot))
}

async fn setting(
    servers: &mut Servers,
    rounds: u32,
    seconds: u64,
    searched: u32,
) -> Result<Vec<(&'static str, String)>> {
    let (postgres, redis) = servers.versions().await?;
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown CPU", |(_, model)| model);
    let cores = std::thread::available_parallelism()?;
    Ok(vec![
        ("machine", format!("{cores} x {model}")),
        (
            "build",
            if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        ),
        (
            "stores",
            format!("PostgreSQL {postgres}, durable; Redis {redis}, append-only"),
        ),
        (
            "data",
            format!(
                "{} threads of 200 messages and conversations of 50 that are read, {} and {} chats of 50 that are \
                 written, {} bytes each; search among {searched} messages",
                READ.len(),
                WRITTEN.len(),
                CHATS.len(),
                data::CONTENT.len()
            ),
        ),
        (
            "threads",
            format!("{} in each process of the system", system::workers()),
        ),
        ("extent", format!("{rounds} rounds of {seconds} s each")),
    ])
}

/// Deletes the data, also where a link leads to it.
fn delete(directory: &Path) -> Result<()> {
    let stores = directory.join("stores");
    for path in [stores.canonicalize().unwrap_or(stores), directory.to_owned()] {
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("can't delete {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}
