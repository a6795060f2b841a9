//! What is measured: four requests, and the work of each one done by hand in SQL.

use clap::ValueEnum;

use super::data::{CONTENT, THREADS};
use super::load::{KEY, THREAD, Template};
use super::system::Kind;

/// A request to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Operation {
    /// Append a visitor's message to a thread.
    PostMessage,
    /// Read a thread.
    GetThread,
    /// Read the newest 50 messages of a thread.
    #[value(name = "list-50")]
    List50,
    /// Hand a thread to people, or back.
    Escalate,
}

/// How the same work is done by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// The least SQL that does it: what efficiency is stated against.
    Baseline(Operation),
    /// The SQL that the service runs for a single request.
    Same(Operation),
}

/// Who sends it.
#[derive(Debug)]
pub struct Caller<'a> {
    pub api_key: &'a str,
    pub chatbot: &'a str,
}

impl Operation {
    /// All of them.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::PostMessage => "post-message",
            Self::GetThread => "get-thread",
            Self::List50 => "list-50",
            Self::Escalate => "escalate",
        }
    }

    /// Whether it changes anything.
    pub fn writes(self) -> bool {
        matches!(self, Self::PostMessage | Self::Escalate)
    }

    /// With how many connections it is measured. The first is what floors are about.
    pub fn clients(self) -> &'static [usize] {
        if self.writes() { &[64] } else { &[64, 16] }
    }

    /// The CPU-efficiency against [`Limit::Baseline`] that has to be reached with 64 connections.
    pub fn floor(self, system: Kind) -> Option<f64> {
        match (self, system) {
            (Self::PostMessage, Kind::One) => Some(3.0),
            (Self::PostMessage, Kind::Services) => Some(1.4),
            (Self::GetThread, Kind::One) => Some(0.45),
            (Self::GetThread, Kind::Services) => Some(0.25),
            (Self::List50, Kind::One) => Some(0.50),
            (Self::List50, Kind::Services) => Some(0.35),
            (Self::Escalate, _) => None,
        }
    }

    /// The request itself. Every write has an idempotency key that never came before.
    pub fn template(self, caller: &Caller) -> Template {
        let chatbot = caller.chatbot;
        let thread = format!("bench-{THREAD}");
        let authorization = format!("Bearer {}", caller.api_key);
        let read = [("authorization", authorization.as_str())];
        let write = [("authorization", authorization.as_str()), ("idempotency-key", KEY)];
        match self {
            Self::PostMessage => Template::new(
                "POST",
                &format!("/v0/chatbots/{chatbot}/message"),
                &write,
                Some(&format!(
                    r#"{{"message":"{CONTENT}","threadId":"{thread}","from":"USER"}}"#
                )),
            ),
            Self::GetThread => Template::new("GET", &format!("/v1/chatting/{chatbot}/thread/{thread}"), &read, None),
            Self::List50 => Template::new(
                "GET",
                &format!("/v1/chatting/{chatbot}/thread/{thread}/messages?limit=50"),
                &read,
                None,
            ),
            Self::Escalate => Template::new(
                "PATCH",
                &format!("/v1/chatting/{chatbot}/thread/{thread}/escalate"),
                &write,
                None,
            ),
        }
    }

    /// What is wrong with an answer of the first thread, if anything.
    pub fn check(self, answer: &[u8]) -> Result<(), String> {
        let value: serde_json::Value = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
        let thread = format!("bench-{}", THREADS.start);
        let complete = match self {
            Self::List50 => holds(&value, &|value| value.as_array().is_some_and(|list| list.len() == 50)),
            Self::GetThread | Self::Escalate => holds(&value, &|value| *value == thread),
            Self::PostMessage => holds(&value, &|value| *value == CONTENT),
        };
        if complete {
            Ok(())
        } else {
            Err(format!(
                "{} is not answered with what was asked for: {value}",
                self.name()
            ))
        }
    }
}

fn holds(value: &serde_json::Value, test: &dyn Fn(&serde_json::Value) -> bool) -> bool {
    match value {
        serde_json::Value::Array(list) => test(value) || list.iter().any(|value| holds(value, test)),
        serde_json::Value::Object(map) => map.values().any(|value| holds(value, test)),
        _ => test(value),
    }
}

impl Limit {
    /// The name in tables and of the script.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline(operation) => operation.name(),
            Self::Same(Operation::PostMessage) => "post-message same SQL",
            Self::Same(Operation::GetThread) => "get-thread same SQL",
            Self::Same(Operation::List50) => "list-50 same SQL",
            Self::Same(Operation::Escalate) => "escalate same SQL",
        }
    }

    /// What pgbench runs.
    pub fn script(self) -> &'static str {
        match self {
            Self::Baseline(Operation::PostMessage) => include_str!("sql/post.sql"),
            Self::Baseline(Operation::GetThread) => include_str!("sql/get.sql"),
            Self::Baseline(Operation::List50) => include_str!("sql/list.sql"),
            Self::Baseline(Operation::Escalate) => include_str!("sql/escalate.sql"),
            Self::Same(Operation::PostMessage) => include_str!("sql/post_same.sql"),
            Self::Same(Operation::GetThread) => include_str!("sql/get_same.sql"),
            Self::Same(Operation::List50) => include_str!("sql/list_same.sql"),
            Self::Same(Operation::Escalate) => include_str!("sql/escalate_same.sql"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_when_it_holds_what_was_asked_for() {
        let list = |length: usize| serde_json::json!({ "data": { "messages": vec![1; length] } }).to_string();
        assert!(Operation::List50.check(list(50).as_bytes()).is_ok());
        assert!(Operation::List50.check(list(49).as_bytes()).is_err());
        assert!(
            Operation::GetThread
                .check(br#"{"data":{"threadId":"bench-100001"}}"#)
                .is_ok()
        );
        assert!(
            Operation::GetThread
                .check(br#"{"data":{"threadId":"bench-100002"}}"#)
                .is_err()
        );
        assert!(Operation::GetThread.check(b"no JSON").is_err());
    }
}
