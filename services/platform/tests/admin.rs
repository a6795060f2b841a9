//! The admin port, over a socket.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use std::net::SocketAddr;

use platform::server::Readiness;
use platform::{admin, telemetry};
use reqwest::StatusCode;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

async fn start(ready: &Readiness) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(admin::serve(listener, ready.clone(), CancellationToken::new()));
    address
}

async fn get(address: SocketAddr, path: &str) -> (StatusCode, String) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test]
async fn readiness_follows_what_is_missing() {
    const OK: StatusCode = StatusCode::OK;
    const NOT_NOW: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    let ready = Readiness::default();
    let address = start(&ready).await;
    assert_eq!(get(address, "/livez").await.0, OK);
    assert_eq!(get(address, "/startupz").await.0, NOT_NOW);
    assert_eq!(get(address, "/readyz").await.0, NOT_NOW);

    ready.set("database", false);
    ready.set("mail", false);
    assert_eq!(get(address, "/startupz").await.0, NOT_NOW);
    ready.start();
    assert_eq!(get(address, "/startupz").await.0, OK);
    assert_eq!(
        get(address, "/readyz").await,
        (NOT_NOW, "missing: database, mail\n".to_owned())
    );

    ready.set("database", true);
    ready.set("mail", true);
    assert_eq!(get(address, "/readyz").await, (OK, "ready\n".to_owned()));

    ready.stop();
    ready.start();
    assert_eq!(
        get(address, "/readyz").await,
        (NOT_NOW, "missing: running\n".to_owned())
    );
    assert_eq!(get(address, "/startupz").await.0, OK);
    assert_eq!(get(address, "/livez").await.0, OK);
}

#[tokio::test]
async fn a_scrape_holds_what_was_recorded_and_every_line_of_it_parses() {
    let address = start(&Readiness::default()).await;
    // The recorder is there as soon as the port answers.
    get(address, "/livez").await;
    metrics::histogram!("test_duration_seconds", "method" => "a \"quoted\"\nname\\").record(0.02);
    metrics::histogram!("test_batch_size").record(3.0);
    metrics::counter!("test_total").increment(2);

    let answer = reqwest::get(format!("http://{address}/metrics")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = answer.text().await.unwrap();

    let samples: Vec<Sample> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| Sample::parse(line).unwrap_or_else(|| panic!("not a sample: {line}")))
        .collect();
    let value = |name: &str, le: Option<&str>| {
        let found = samples
            .iter()
            .find(|sample| sample.name == name && (le.is_none() || sample.label("le") == le));
        found.map(|sample| sample.value)
    };
    assert_eq!(value("test_duration_seconds_bucket", Some("0.01")), Some(0.0));
    assert_eq!(value("test_duration_seconds_bucket", Some("0.025")), Some(1.0));
    assert_eq!(value("test_duration_seconds_count", None), Some(1.0));
    assert_eq!(value("test_batch_size_bucket", Some("4")), Some(1.0));
    assert_eq!(value("test_total", None), Some(2.0));
    for sample in &samples {
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| sample.name.strip_suffix(suffix))
            .unwrap_or(&sample.name);
        assert_eq!(text.matches(&format!("# TYPE {family} ")).count(), 1, "{family}");
    }
}

#[tokio::test]
async fn a_scrape_after_telemetry_started_elsewhere_shows_the_same_metrics() {
    telemetry::metrics();
    metrics::counter!("test_early_total").increment(1);
    let address = start(&Readiness::default()).await;
    assert!(get(address, "/metrics").await.1.contains("\ntest_early_total 1\n"));
}

/// One line of the text format: `name{label="value",…} number`.
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Sample {
    fn label(&self, name: &str) -> Option<&str> {
        let found = self.labels.iter().find(|(label, _)| label == name);
        found.map(|(_, value)| value.as_str())
    }

    fn parse(line: &str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(end);
        let mut labels = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while !rest.starts_with('}') {
                let (label, after) = rest.trim_start_matches(',').split_once("=\"")?;
                let (value, after) = Self::quoted(after)?;
                labels.push((label.to_owned(), value));
                rest = after;
            }
            rest = &rest[1..];
        }
        let value = rest.strip_prefix(' ')?.parse().ok()?;
        let is_name = |text: &str| {
            !text.starts_with(|first: char| first.is_ascii_digit())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_:".contains(&byte))
        };
        let named = !name.is_empty() && is_name(name) && labels.iter().all(|(label, _)| is_name(label));
        named.then(|| Self {
            name: name.to_owned(),
            labels,
            value,
        })
    }

    /// A value up to its closing quote, and what follows it.
    fn quoted(text: &str) -> Option<(String, &str)> {
        let mut value = String::new();
        let mut letters = text.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => return Some((value, &text[at + 1..])),
                '\\' => value.push(match letters.next()?.1 {
                    'n' => '\n',
                    other @ ('\\' | '"') => other,
                    _ => return None,
                }),
                other => value.push(other),
            }
        }
        None
    }
}
