//! The figures: a table for people, and JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::operation::{Goal, Limit, Operation};
use super::pgbench;
use super::session::{Memory, Sample, Subject};
use super::system::Kind;

/// Everything that was measured.
#[derive(Debug, Default)]
pub struct Report {
    /// What it was measured on: names and values.
    pub setting: Vec<(&'static str, String)>,
    pub samples: Vec<Sample>,
    pub memory: Vec<Memory>,
    pub cold_starts: Vec<(Kind, Vec<Duration>)>,
}

/// The middle of some numbers and how far they spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Of at least one number.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut numbers: Vec<f64> = numbers.into_iter().collect();
        numbers.sort_by(f64::total_cmp);
        let (min, max) = (*numbers.first()?, *numbers.last()?);
        let upper = numbers.len() / 2;
        let lower = (numbers.len() - 1) / 2;
        Some(Self {
            median: f64::midpoint(numbers[lower], numbers[upper]),
            min,
            max,
        })
    }

    fn json(self) -> Value {
        let short = |number: f64| (number * 1000.0).round() / 1000.0;
        json!({ "median": short(self.median), "min": short(self.min), "max": short(self.max) })
    }

    fn text(self, digits: usize) -> String {
        let Self { median, min, max } = self;
        format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
    }
}

/// One line of the table.
#[derive(Debug)]
struct Row {
    operation: &'static str,
    subject: String,
    clients: usize,
    cpu: Spread,
    parts: Vec<(&'static str, Spread)>,
    rate: Spread,
    latency: Option<(Spread, Spread)>,
    drain: Spread,
    foreign: Spread,
    /// CPU-efficiency and throughput against the baseline, CPU-efficiency against the same SQL.
    against: Option<(Spread, Spread, Option<Spread>)>,
    goal: Option<Goal>,
}

impl Row {
    fn met(&self) -> Option<bool> {
        Some(match self.goal? {
            Goal::Efficiency(least) => self.against?.0.median >= least,
            Goal::Cpu(most) => self.cpu.median <= most,
        })
    }
}

impl Report {
    fn rows(&self) -> Vec<Row> {
        let mut subjects: Vec<Subject> = self.samples.iter().map(|sample| sample.subject).collect();
        subjects.sort_by_key(|subject| match *subject {
            Subject::Limit(limit @ (Limit::Baseline(operation) | Limit::Same(operation))) => {
                (operation, 0, matches!(limit, Limit::Same(_)).into())
            }
            Subject::System(kind, operation, clients) => (operation, 1 + kind as usize, 1000 - clients),
        });
        subjects.dedup();
        subjects.into_iter().filter_map(|subject| self.row(subject)).collect()
    }

    fn row(&self, subject: Subject) -> Option<Row> {
        let samples: Vec<&Sample> = self.samples.iter().filter(|sample| sample.subject == subject).collect();
        let spread =
            |value: &dyn Fn(&Sample) -> Option<f64>| Spread::of(samples.iter().filter_map(|sample| value(sample)));
        // Rounds are compared with themselves: what slowed one of them down slowed both sides.
        let against = |limit: Limit, ratio: &dyn Fn(&Sample, &Sample) -> f64| {
            spread(&|sample| {
                let mut limits = self.samples.iter();
                let limit =
                    limits.find(|other| other.subject == Subject::Limit(limit) && other.round == sample.round)?;
                Some(ratio(limit, sample))
            })
        };
        let efficiency = |limit: &Sample, sample: &Sample| limit.cpu / sample.cpu;
        let throughput = |limit: &Sample, sample: &Sample| sample.rate / limit.rate;
        let (operation, name, clients, against, goal) = match subject {
            Subject::Limit(limit) => {
                let (operation, name) = match limit {
                    Limit::Baseline(operation) => (operation, "pgbench"),
                    Limit::Same(operation) => (operation, "pgbench, same SQL"),
                };
                (operation, name, pgbench::CLIENTS as usize, None, None)
            }
            Subject::System(kind, operation, clients) => {
                let against = (
                    against(Limit::Baseline(operation), &efficiency)?,
                    against(Limit::Baseline(operation), &throughput)?,
                    against(Limit::Same(operation), &efficiency),
                );
                let goal = operation
                    .goal(kind)
                    .filter(|_| operation.clients().first() == Some(&clients));
                (operation, kind.name(), clients, Some(against), goal)
            }
        };
        let part = |name: &'static str| Some((name, spread(&|sample| sample.parts.get(name).copied())?));
        Some(Row {
            operation: operation.name(),
            subject: name.to_owned(),
            clients,
            cpu: spread(&|sample| Some(sample.cpu))?,
            parts: samples.first()?.parts.keys().filter_map(|name| part(name)).collect(),
            rate: spread(&|sample| Some(sample.rate))?,
            latency: spread(&|sample| Some(sample.latency?.0)).zip(spread(&|sample| Some(sample.latency?.1))),
            drain: spread(&|sample| Some(sample.drain))?,
            foreign: spread(&|sample| Some(sample.foreign))?,
            against,
            goal,
        })
    }

    /// Whether every goal was met that there are figures for.
    pub fn met(&self) -> bool {
        self.rows().iter().all(|row| row.met() != Some(false))
    }

    /// For people.
    pub fn table(&self) -> String {
        let lines = self.setting.iter().map(|(name, value)| format!("{name}: {value}\n"));
        let mut text: String = lines.collect();
        let rows = self.rows();
        text += "\nCPU is microseconds per request of all processes together; efficiency is pgbench's CPU divided by it, wall is\n\
                 its throughput divided by pgbench's. Medians, and the least and most of all rounds.\n\n";
        text += &table(&rows.iter().map(main_line).collect::<Vec<_>>(), &MAIN);
        text += "\nWhere the CPU goes, and how long a request takes:\n\n";
        text += &table(&rows.iter().map(part_line).collect::<Vec<_>>(), &PARTS);
        text += "\nResident memory and cold start:\n\n";
        text += &table(
            &self.memory_lines(),
            &["process", "system", "idle MiB", "after load MiB"],
        );
        text += "\n";
        text += &table(
            &self.start_lines(),
            &["system", "first answer, min ms", "median ms", "runs"],
        );
        text
    }

    fn memory_lines(&self) -> Vec<Vec<String>> {
        let mut names: Vec<(Kind, &'static str)> =
            self.memory.iter().map(|memory| (memory.kind, memory.process)).collect();
        names.sort_unstable();
        names.dedup();
        let mebibytes = |kind: Kind, process: &str, value: &dyn Fn(&Memory) -> u64| {
            let found = self.memory.iter();
            let found = found.filter(|memory| memory.kind == kind && memory.process == process);
            let spread =
                Spread::of(found.map(|memory| f64::from(u32::try_from(value(memory)).unwrap_or(u32::MAX)) / 1024.0));
            spread.map_or_else(String::new, |spread| spread.text(1))
        };
        names
            .into_iter()
            .map(|(kind, process)| {
                vec![
                    process.to_owned(),
                    kind.name().to_owned(),
                    mebibytes(kind, process, &|memory| memory.idle),
                    mebibytes(kind, process, &|memory| memory.loaded),
                ]
            })
            .collect()
    }

    fn start_lines(&self) -> Vec<Vec<String>> {
        self.cold_starts
            .iter()
            .filter_map(|(kind, times)| {
                let spread = Spread::of(times.iter().map(|time| time.as_secs_f64() * 1000.0))?;
                Some(vec![
                    kind.name().to_owned(),
                    format!("{:.0}", spread.min),
                    format!("{:.0}", spread.median),
                    times.len().to_string(),
                ])
            })
            .collect()
    }

    /// For programs: the same figures, and every sample.
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows().iter().map(row_json).collect();
        let samples: Vec<Value> = self.samples.iter().map(sample_json).collect();
        let memory: Vec<Value> = self
            .memory
            .iter()
            .map(|memory| {
                json!({ "system": memory.kind.name(), "process": memory.process, "idleKiB": memory.idle, "loadedKiB": memory.loaded })
            })
            .collect();
        let starts: Vec<Value> = self
            .cold_starts
            .iter()
            .map(|(kind, times)| {
                let times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1000.0).collect();
                json!({ "system": kind.name(), "milliseconds": times })
            })
            .collect();
        let setting: serde_json::Map<String, Value> = self
            .setting
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        json!({ "setting": setting, "rows": rows, "memory": memory, "coldStarts": starts, "samples": samples })
    }
}

const MAIN: [&str; 10] = [
    "operation",
    "system",
    "c",
    "CPU µs",
    "efficiency",
    "vs same SQL",
    "goal",
    "requests/s",
    "wall",
    "foreign CPU",
];

fn main_line(row: &Row) -> Vec<String> {
    let (efficiency, wall, same) = row.against.map_or_else(Default::default, |(efficiency, wall, same)| {
        let same = same.map_or_else(String::new, |same| format!("{:.2}", same.median));
        (efficiency.text(2), wall.text(2), same)
    });
    let goal = row.goal.map_or_else(String::new, |goal| {
        let verdict = if row.met() == Some(true) { "met" } else { "MISSED" };
        match goal {
            Goal::Efficiency(least) => format!("{least:.2} {verdict}"),
            Goal::Cpu(most) => format!("≤ {most:.0} µs {verdict}"),
        }
    });
    vec![
        row.operation.to_owned(),
        row.subject.clone(),
        row.clients.to_string(),
        row.cpu.text(0),
        efficiency,
        same,
        goal,
        row.rate.text(0),
        wall,
        format!(
            "{:.0}% ({:.0}–{:.0})",
            row.foreign.median * 100.0,
            row.foreign.min * 100.0,
            row.foreign.max * 100.0
        ),
    ]
}

const PARTS: [&str; 6] = [
    "operation",
    "system",
    "c",
    "CPU µs by process",
    "p50 / p99 ms",
    "events after s",
];

fn part_line(row: &Row) -> Vec<String> {
    let parts: Vec<String> = row
        .parts
        .iter()
        .map(|(name, spread)| format!("{name} {:.1}", spread.median))
        .collect();
    let (latency, drain) = row.latency.map_or_else(Default::default, |(half, most)| {
        (
            format!("{:.2} / {:.2}", half.median, most.median),
            format!("{:.1}", row.drain.median),
        )
    });
    vec![
        row.operation.to_owned(),
        row.subject.clone(),
        row.clients.to_string(),
        parts.join(", "),
        latency,
        drain,
    ]
}

fn row_json(row: &Row) -> Value {
    let parts: serde_json::Map<String, Value> = row
        .parts
        .iter()
        .map(|(name, spread)| ((*name).to_owned(), spread.json()))
        .collect();
    json!({
        "operation": row.operation,
        "system": row.subject,
        "clients": row.clients,
        "cpuMicroseconds": row.cpu.json(),
        "cpuMicrosecondsByProcess": parts,
        "requestsPerSecond": row.rate.json(),
        "latencyMilliseconds": row.latency.map(|(half, most)| json!({ "p50": half.json(), "p99": most.json() })),
        "eventsAfterSeconds": row.drain.json(),
        "foreignCpuShare": row.foreign.json(),
        "efficiency": row.against.map(|(efficiency, ..)| efficiency.json()),
        "wall": row.against.map(|(_, wall, _)| wall.json()),
        "efficiencyAgainstSameSql": row.against.and_then(|(.., same)| same).map(Spread::json),
        "leastEfficiency": row.goal.and_then(|goal| match goal {
            Goal::Efficiency(least) => Some(least),
            Goal::Cpu(_) => None,
        }),
        "mostCpuMicroseconds": row.goal.and_then(|goal| match goal {
            Goal::Cpu(most) => Some(most),
            Goal::Efficiency(_) => None,
        }),
        "met": row.met(),
    })
}

fn sample_json(sample: &Sample) -> Value {
    let (operation, system, clients) = match sample.subject {
        Subject::Limit(Limit::Baseline(operation)) => (operation, "pgbench", pgbench::CLIENTS as usize),
        Subject::Limit(Limit::Same(operation)) => (operation, "pgbench, same SQL", pgbench::CLIENTS as usize),
        Subject::System(kind, operation, clients) => (operation, kind.name(), clients),
    };
    json!({
        "operation": Operation::name(operation),
        "system": system,
        "clients": clients,
        "round": sample.round,
        "requests": sample.requests,
        "requestsPerSecond": sample.rate,
        "cpuMicroseconds": sample.cpu,
        "cpuMicrosecondsByProcess": sample.parts,
        "latencyMilliseconds": sample.latency,
        "eventsAfterSeconds": sample.drain,
        "foreignCpuShare": sample.foreign,
    })
}

/// Columns as wide as their widest cell.
fn table(lines: &[Vec<String>], names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&names).chain(lines);
        cells.map(|line| line[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let mut text = String::new();
    for line in std::iter::once(&names).chain(lines) {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text += cells.join("  ").trim_end();
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests;
