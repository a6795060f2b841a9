//! The wire form of an event: CloudEvents 1.0 in JSON. Public contract.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::Received;
use crate::access::OrgId;
use crate::time::{self, Time};

/// An event as the outbox keeps it.
#[derive(Debug)]
pub(super) struct Recorded<'a> {
    pub(super) id: Uuid,
    pub(super) org: Uuid,
    pub(super) kind: &'a str,
    pub(super) subject: &'a str,
    pub(super) sequence: i64,
    pub(super) time: Time,
    pub(super) cause: Option<&'a str>,
    pub(super) traceparent: Option<&'a str>,
    /// JSON.
    pub(super) data: &'a str,
}

impl Recorded<'_> {
    /// The CloudEvent. `data` is taken over as it is: reading it here would cost more than everything else.
    pub(super) fn encode(&self, schema: &str) -> String {
        let mut json = String::with_capacity(self.data.len() + 512);
        json.push_str(r#"{"specversion":"1.0","id":""#);
        push(&mut json, self.id.as_hyphenated());
        json.push_str(r#"","source":"/handoff/"#);
        json.push_str(schema);
        json.push_str(r#"","type":"#);
        quote(&mut json, self.kind);
        json.push_str(r#","subject":"#);
        quote(&mut json, self.subject);
        json.push_str(r#","time":""#);
        json.push_str(&time::to_rfc3339(self.time));
        json.push_str(r#"","datacontenttype":"application/json","organization":""#);
        push(&mut json, self.org.as_hyphenated());
        json.push_str(r#"","sequence":""#);
        push(&mut json, self.sequence);
        json.push('"');
        for (name, value) in [("traceparent", self.traceparent), ("cause", self.cause)] {
            if let Some(value) = value {
                json.push_str(",\"");
                json.push_str(name);
                json.push_str("\":");
                quote(&mut json, value);
            }
        }
        json.push_str(r#","data":"#);
        json.push_str(self.data);
        json.push('}');
        json
    }
}

fn push(json: &mut String, value: impl std::fmt::Display) {
    write!(json, "{value}").expect("a String takes everything");
}

fn quote(json: &mut String, text: &str) {
    json.push_str(&serde_json::to_string(text).expect("a text is always JSON"));
}

#[derive(Deserialize)]
struct Wire {
    id: Uuid,
    source: String,
    r#type: String,
    subject: String,
    time: Time,
    organization: Uuid,
    sequence: String,
    traceparent: Option<String>,
    cause: Option<String>,
    #[serde(default)]
    data: Value,
}

/// Reads a CloudEvent.
///
/// # Errors
/// When it is none, lacks an attribute of ours or could not be stored.
pub(super) fn decode(json: &str) -> anyhow::Result<Received> {
    let wire: Wire = serde_json::from_str(json)?;
    // PostgreSQL keeps no NUL in a text: an event of ours has none.
    anyhow::ensure!(!wire.subject.contains('\0'), "the subject contains NUL");
    Ok(Received {
        id: wire.id,
        org: OrgId(wire.organization),
        source: wire.source,
        kind: wire.r#type,
        subject: wire.subject,
        sequence: wire.sequence.parse()?,
        time: wire.time,
        cause: wire.cause,
        traceparent: wire.traceparent,
        data: wire.data,
    })
}

/// Where a CloudEvent comes from, what it is about and whether it still says anything.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) source: String,
    pub(super) subject: String,
    pub(super) says_something: bool,
}

/// The outline of a CloudEvent, without reading its data.
pub(super) fn outline(json: &str) -> Option<Outline> {
    #[derive(Deserialize)]
    struct Wire {
        source: String,
        subject: String,
        data: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_str::<Wire>(json).ok().map(|wire| Outline {
        source: wire.source,
        subject: wire.subject,
        says_something: wire.data.is_some(),
    })
}

/// A CloudEvent without its data; nothing at all when it is none.
pub(super) fn erased(json: &str) -> String {
    let mut event: Value = serde_json::from_str(json).unwrap_or_default();
    if let Some(data) = event.get_mut("data") {
        *data = Value::Null;
    }
    event.to_string()
}

/// What a CloudEvent is about, without reading the rest.
pub(super) fn subject(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Subject {
        subject: String,
    }
    serde_json::from_str::<Subject>(json).ok().map(|wire| wire.subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> Recorded<'static> {
        Recorded {
            id: Uuid::from_u128(1),
            org: Uuid::from_u128(2),
            kind: "escalation.created",
            subject: "escalations/\"quoted\"\u{1}",
            sequence: 3,
            time: time::from_proto(prost_types::Timestamp {
                seconds: 1_769_860_800,
                nanos: 5_000,
            })
            .unwrap(),
            cause: Some("thread"),
            traceparent: None,
            data: r#"{"prompt":"a \"b\" c"}"#,
        }
    }

    #[test]
    fn an_event_is_read_back_as_it_was_written() {
        let event = decode(&recorded().encode("thread")).unwrap();
        assert_eq!(event.id, Uuid::from_u128(1));
        assert_eq!(event.org, OrgId(Uuid::from_u128(2)));
        assert_eq!(event.source, "/handoff/thread");
        assert_eq!(event.kind, "escalation.created");
        assert_eq!(event.subject, "escalations/\"quoted\"\u{1}");
        assert_eq!(event.sequence, 3);
        assert_eq!(event.time, recorded().time);
        assert_eq!(event.cause.as_deref(), Some("thread"));
        assert_eq!(event.traceparent, None);
        assert_eq!(event.data["prompt"], "a \"b\" c");
    }

    #[test]
    fn an_event_whose_data_is_erased_says_nothing() {
        let told = outline(&recorded().encode("thread")).unwrap();
        assert_eq!(
            (told.source.as_str(), told.subject.as_str(), told.says_something),
            ("/handoff/thread", recorded().subject, true)
        );
        let erased = Recorded {
            data: "null",
            ..recorded()
        }
        .encode("thread");
        assert!(!outline(&erased).unwrap().says_something);
        assert!(decode(&erased).unwrap().is_erased());
        assert!(!decode(&recorded().encode("thread")).unwrap().is_erased());
    }

    #[test]
    fn the_wire_form_is_a_cloud_event() {
        let json: Value = serde_json::from_str(&recorded().encode("thread")).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "specversion": "1.0",
                "id": "00000000-0000-0000-0000-000000000001",
                "source": "/handoff/thread",
                "type": "escalation.created",
                "subject": "escalations/\"quoted\"\u{1}",
                "time": "2026-01-31T12:00:00.000005Z",
                "datacontenttype": "application/json",
                "organization": "00000000-0000-0000-0000-000000000002",
                "sequence": "3",
                "cause": "thread",
                "data": {"prompt": "a \"b\" c"},
            })
        );
    }

    #[test]
    fn what_is_no_event_of_ours_is_refused() {
        let good: Value = serde_json::from_str(&recorded().encode("thread")).unwrap();
        for attribute in ["id", "source", "type", "subject", "time", "organization", "sequence"] {
            let mut bad = good.clone();
            bad[attribute] = Value::Null;
            assert!(decode(&bad.to_string()).is_err(), "{attribute}");
        }
        let mut bad = good;
        bad["subject"] = "a\0b".into();
        assert!(decode(&bad.to_string()).is_err());
    }
}
