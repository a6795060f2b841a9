//! The limit: pgbench with the same work on the same server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::data::{CHATS, CONTENT, MENU};
use super::operation::{Limit, Operation};
use super::{cpu, servers::Servers};

/// Connections of pgbench: enough to overlap the flushes of its commits.
pub const CLIENTS: u32 = 16;

/// pgbench and what its scripts need to know.
#[derive(Debug)]
pub struct Pgbench {
    program: PathBuf,
    url: String,
    scripts: PathBuf,
    org: String,
    chatbot: String,
    runs: u32,
}

/// What pgbench did.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// Transactions that were committed. There are no others.
    pub transactions: u64,
    /// Transactions per second, without the time to connect.
    pub rate: f64,
    /// Its own CPU time in microseconds.
    pub cpu: u64,
}

impl Pgbench {
    /// Finds pgbench beside the running server.
    pub fn new(servers: &Servers, directory: &Path, api_key: &str, chatbot: &str) -> Result<Self> {
        let program = servers.postgres_program()?.with_file_name("pgbench");
        anyhow::ensure!(
            program.exists(),
            "pgbench is missing: there is no {}",
            program.display()
        );
        let org = platform::access::ApiKey::parse(api_key)
            .context("the API key can't be read")?
            .org;
        Ok(Self {
            program,
            url: servers.database_url().to_owned(),
            scripts: directory.to_owned(),
            org: org.to_string(),
            chatbot: chatbot.to_owned(),
            runs: 0,
        })
    }

    /// Runs a script for `time`.
    pub fn run(&mut self, limit: Limit, time: Duration) -> Result<Done> {
        let seconds = time.as_secs().max(1).to_string();
        self.start(limit, &["-T", &seconds])
    }

    /// Runs a script once on each connection: what connecting and preparing costs.
    pub fn connect(&mut self, limit: Limit) -> Result<Done> {
        self.start(limit, &["-t", "1"])
    }

    fn start(&mut self, limit: Limit, length: &[&str]) -> Result<Done> {
        let script = self.scripts.join(format!("{}.sql", limit.name()));
        std::fs::write(&script, limit.script())?;
        self.runs += 1;
        let event = format!(
            r#"{{"chatbotId":"{}","threadId":"bench-{}","messageId":"01900000-0000-7000-8000-000000000000","author":"USER","content":"{CONTENT}"}}"#,
            self.chatbot,
            Operation::PostMessage.numbers().start
        );
        let message = json!({
            "message_id": "01900000-0000-7000-8000-000000000000",
            "direction": "inbound",
            "author": { "id": "01900000-0000-7000-b000-000000100001" },
            "created_at": "2025-01-01T12:00:00.000000Z",
            "attachments": [],
            "text": CONTENT,
            "content": { "text": CONTENT, "content_type": "Text" },
        });
        let mut conversation_event = message.clone();
        conversation_event["conversation"] = json!({
            "csid": 100_001,
            "channel": "WIDGET_CHAT",
            "status": "OPEN",
            "direction": "INBOUND",
            "queue": { "id": "01900000-0000-7000-8000-000000000000", "name": "Support" },
            "contact_point": "5a556159-2c21-4f3e-a44f-a323deb80d16",
            "requester": {
                "id": "01900000-0000-7000-b000-000000100001",
                "name": "Customer 100001",
                "email": "customer100001@example.com",
            },
            "tags": [],
            "created_at": "2025-01-01T12:00:00.000000Z",
        });
        let chat_created = json!({
            "chat": {
                "id": CHATS.start,
                "status": "queued",
                "lang": "en",
                "created_at": "2025-01-01T12:00:00.000000Z",
                "ends_at": null,
                "menu": { "id": MENU, "name": "Support" },
                "end_user": {
                    "id": CHATS.start,
                    "identifier": null,
                    "person_id": "01900000-0000-7000-b000-000000102001",
                },
                "agent": null,
                "virtual_agent": null,
                "context": null,
            },
        });
        let mut chat_event = chat_created.clone();
        chat_event["message"] = message;
        chat_event["message"]["sender"] = json!({ "id": CHATS.start, "type": "end_user" });
        let operation = limit.operation();
        let numbers = operation.numbers();
        let variables = [
            // Part of every id, so that no run repeats those of another.
            ("run", format!("{:04}", self.runs)),
            ("n", "100000000000".to_owned()),
            ("first", numbers.start.to_string()),
            ("last", (numbers.end - 1).to_string()),
            ("org", self.org.clone()),
            ("chatbot", self.chatbot.clone()),
            ("content", CONTENT.to_owned()),
            // A colon in a script is the beginning of a variable.
            ("events", "handoff:events".to_owned()),
            ("escalations", "handoff:escalations".to_owned()),
            ("event", event.clone()),
            ("escalation_event", event.repeat(3)),
            ("answer", event.repeat(2)),
            ("conversation_event", conversation_event.to_string()),
            ("chat_created", chat_created.to_string()),
            ("chat_event", chat_event.to_string()),
            ("menu", MENU.to_string()),
            (
                "attributes",
                r#"{"messageId":"01900000-0000-7000-8000-000000000000"}"#.to_owned(),
            ),
            (
                "details",
                r#"{"contact_endpoint_id":"5a556159-2c21-4f3e-a44f-a323deb80d16"}"#.to_owned(),
            ),
            // pgbench takes no empty value.
            ("word", operation.word().unwrap_or("none").to_owned()),
        ];
        let before = cpu::of_reaped_children()?;
        let output = Command::new(&self.program)
            .args(["-n", "-M", "prepared", "-j", "1", "-c", &CLIENTS.to_string()])
            .args(length)
            .args(
                variables
                    .iter()
                    .flat_map(|(name, value)| ["-D".to_owned(), format!("{name}={value}")]),
            )
            .arg("-f")
            .arg(&script)
            .arg(&self.url)
            // As the connections of the services.
            .env("PGOPTIONS", "-c enable_seqscan=off")
            .output()
            .context("pgbench can't be started")?;
        let cpu = cpu::of_reaped_children()? - before;
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        if !output.status.success() || stderr.contains("ERROR") || stderr.contains("aborted") {
            bail!("pgbench failed: {}", stderr.trim());
        }
        let mut done = parse(&stdout).with_context(|| format!("pgbench said {stdout}"))?;
        done.cpu = cpu;
        Ok(done)
    }
}

fn parse(text: &str) -> Option<Done> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split([' ', '/']).next()
    };
    if value("number of failed transactions: ").is_some_and(|failed| failed != "0") {
        return None;
    }
    Some(Done {
        transactions: value("number of transactions actually processed: ")?.parse().ok()?,
        rate: value("tps = ")?.parse().ok()?,
        cpu: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "transaction type: post.sql\nnumber of transactions actually processed: 160/160\n\
                          number of failed transactions: 0 (0.000%)\nlatency average = 3.1 ms\n\
                          tps = 5141.388175 (without initial connection time)\n";

    #[test]
    fn the_report_of_pgbench_is_understood() {
        let done = parse(REPORT).unwrap();
        assert_eq!(done.transactions, 160);
        assert!((done.rate - 5_141.388_175).abs() < 1e-9);
    }

    #[test]
    fn a_failed_transaction_spoils_the_run() {
        assert!(parse(&REPORT.replace("transactions: 0 ", "transactions: 3 ")).is_none());
    }
}
