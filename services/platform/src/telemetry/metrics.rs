//! The metrics of this process, in the Prometheus text format.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Bounds of histograms whose name ends in `_seconds`: from a cached answer to the longest deadline.
const SECONDS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];
/// Bounds of histograms whose name ends in `_size`: how many of something were handled together.
const SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// How often what histograms have gathered is added up. Between scrapes every sample is kept otherwise.
const UPKEEP: Duration = Duration::from_secs(5);

/// The metrics of this process. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Metrics(PrometheusHandle);

/// The metrics of this process, recorded from the first call on.
pub fn metrics() -> Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS
        .get_or_init(|| {
            let handle = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
                .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &SIZES))
                .expect("there are bounds")
                .install_recorder()
                .expect("nothing else installs a recorder");
            describe();
            Metrics(handle)
        })
        .clone()
}

fn describe() {
    use metrics::{describe_counter, describe_histogram};
    describe_histogram!(
        "grpc_server_duration_seconds",
        "Time from a call's headers to its answer"
    );
    describe_counter!(
        "grpc_server_failures_total",
        "Calls answered with a status other than OK"
    );
    describe_counter!(
        "connections_shed_total",
        "Connections closed because the listener was full"
    );
    describe_counter!(
        "connections_overdue_total",
        "Connections closed because a deadline passed"
    );
}

impl Metrics {
    /// Everything there is to scrape. Reads files of the kernel, so it doesn't belong on a thread that serves.
    pub fn render(&self) -> String {
        let mut text = self.0.render();
        process(&mut text);
        text
    }

    /// Keeps what waits to be scraped small, as long as it is polled.
    pub async fn upkeep(&self) -> Infallible {
        let mut every = tokio::time::interval(UPKEEP);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            self.0.run_upkeep();
        }
    }
}

/// Ticks a second in `/proc/self/stat`, fixed by Linux's interface whatever the kernel's own clock does (`proc(5)`).
const TICKS: f64 = 100.0;

/// The customary metrics of a process; those that the system does not tell are left out.
fn process(text: &mut String) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in the second field may hold spaces; the third field is the first after its parenthesis.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = |field: usize| after_name.split_whitespace().nth(field - 3)?.parse::<f64>().ok();
    let cpu = ticks(14).zip(ticks(15)).map(|(user, system)| (user + system) / TICKS);
    metric(
        text,
        "process_cpu_seconds_total",
        "counter",
        "User and system CPU time spent",
        cpu,
    );

    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let in_status = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.split_whitespace().next()?.parse::<f64>().ok()
    };
    let resident = in_status("VmRSS:").map(|kib| kib * 1024.0);
    metric(
        text,
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory",
        resident,
    );
    metric(text, "process_threads", "gauge", "Threads", in_status("Threads:"));

    // The listing itself holds one.
    let open = std::fs::read_dir("/proc/self/fd")
        .ok()
        .map(|list| list.count().saturating_sub(1));
    let open = open.and_then(|open| u32::try_from(open).ok()).map(f64::from);
    metric(text, "process_open_fds", "gauge", "Open file descriptors", open);
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let most = most.and_then(|most| u32::try_from(most).ok()).map(f64::from);
    metric(
        text,
        "process_max_fds",
        "gauge",
        "File descriptors that may be open",
        most,
    );
}

fn metric(text: &mut String, name: &str, kind: &str, help: &str, value: Option<f64>) {
    if let Some(value) = value {
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n")
            .expect("a string takes any text");
    }
}
