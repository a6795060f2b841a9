//! What every event says of its conversation (the payload of the original's webhooks).

use platform::time::Time;
use serde::Serialize;
use uuid::Uuid;

use super::channel::Channel;
use super::conversation::{Details, Party};
use super::state::{Direction, Members, Named, Standing, State};

/// A conversation as events show it, but for its id and its tags, which the database adds: the id of a new one is not
/// known yet, and tags may have changed while its lock was waited for.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot<'a> {
    channel: &'static str,
    status: &'static str,
    direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_point: Option<&'a str>,
    requester: Shown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip)]
    created_at: Time,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<&'a str>,
}

impl<'a> From<&'a Party> for Shown<'a> {
    fn from(party: &'a Party) -> Self {
        Self {
            id: party.id,
            name: party.name.as_deref(),
            email: party.email.as_deref(),
            phone: party.phone.as_deref(),
        }
    }
}

impl<'a> From<&'a Named> for Shown<'a> {
    fn from(named: &'a Named) -> Self {
        Self {
            id: named.id,
            name: named.name.as_deref(),
            email: None,
            phone: None,
        }
    }
}

/// What of a conversation no step changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lasting<'a> {
    pub(crate) channel: Channel,
    pub(crate) direction: Direction,
    pub(crate) requester: &'a Party,
    pub(crate) details: &'a Details,
    pub(crate) subject: Option<&'a str>,
    pub(crate) created_at: Time,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn new(lasting: Lasting<'a>, standing: &'a Standing) -> Self {
        Self {
            channel: channel(lasting.channel),
            status: match standing.state {
                State::Open => "OPEN",
                State::Pending => "PENDING",
                State::Closed => "CLOSED",
                State::AwaitingPending => "AWAITING_PENDING",
            },
            direction: match lasting.direction {
                Direction::Inbound => "INBOUND",
                Direction::Outbound => "OUTBOUND",
                Direction::Internal => "INTERNAL",
            },
            queue: standing.queue.as_ref().map(Shown::from),
            contact_point: lasting.details.contact_endpoint_id.as_deref(),
            requester: lasting.requester.into(),
            assignee: standing.agent.as_ref().map(Shown::from),
            subject: lasting.subject,
            created_at: lasting.created_at,
        }
    }

    /// The text of the JSON object between its id and what is in the list of its tags.
    pub(crate) fn before_tags(&self) -> String {
        format!(r#",{},"tags":["#, Members::of(self).as_str())
    }

    /// The rest of the text, from the end of the list of its tags.
    pub(crate) fn after_tags(&self) -> String {
        let created_at = platform::time::to_rfc3339(self.created_at);
        format!(r#"],"created_at":"{created_at}"}}"#)
    }
}

fn channel(channel: Channel) -> &'static str {
    match channel {
        Channel::WhatsApp => "WHATS_APP",
        Channel::Voicemail => "VOICEMAIL",
        Channel::WidgetChat => "WIDGET_CHAT",
        Channel::FacebookMessenger => "FACEBOOK_MESSENGER",
        Channel::Twitter => "TWITTER",
        Channel::Email => "EMAIL",
        Channel::ContactForm => "CONTACT_FORM",
        Channel::Callback => "CALLBACK",
        Channel::PstnPhone => "PSTN_PHONE",
        Channel::Sms => "SMS",
        Channel::Messenger => "MESSENGER",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn party(name: &str) -> Party {
        Party {
            id: Uuid::from_u128(1),
            name: Some(name.to_owned()),
            email: None,
            phone: Some("+4512345678".to_owned()),
        }
    }

    fn shown(standing: &Standing, subject: Option<&str>) -> Value {
        let created_at = Time::from_timestamp(1_767_323_045, 0).unwrap();
        let requester = party("Ada \"the first\"");
        let details = Details {
            contact_endpoint_id: Some("support@example.com".to_owned()),
            ..Details::default()
        };
        let lasting = Lasting {
            channel: Channel::WidgetChat,
            direction: Direction::Inbound,
            requester: &requester,
            details: &details,
            subject,
            created_at,
        };
        let snapshot = Snapshot::new(lasting, standing);
        let text = format!(r#"{{"csid":7{}{}"#, snapshot.before_tags(), snapshot.after_tags());
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_conversation_is_shown_with_everybody_in_it() {
        let standing = Standing {
            state: State::Open,
            agent: Some(party("Bo")),
            queue: Some(Named {
                id: Uuid::from_u128(2),
                name: Some("Support".to_owned()),
            }),
            follow_up_at: None,
        };
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let expected = json!({
            "csid": 7,
            "channel": "WIDGET_CHAT",
            "status": "OPEN",
            "direction": "INBOUND",
            "queue": { "id": two, "name": "Support" },
            "contact_point": "support@example.com",
            "requester": { "id": one, "name": "Ada \"the first\"", "phone": "+4512345678" },
            "assignee": { "id": one, "name": "Bo", "phone": "+4512345678" },
            "subject": "a subject",
            "tags": [],
            "created_at": "2026-01-02T03:04:05.000000Z",
        });
        assert_eq!(shown(&standing, Some("a subject")), expected);
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let standing = Standing {
            state: State::Closed,
            agent: None,
            queue: None,
            follow_up_at: None,
        };
        let shown = shown(&standing, None);
        let keys: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = [
            "csid",
            "channel",
            "status",
            "direction",
            "contact_point",
            "requester",
            "tags",
            "created_at",
        ];
        expected.sort_unstable();
        let mut keys = keys;
        keys.sort_unstable();
        assert_eq!(keys, expected);
        assert_eq!(shown["status"], "CLOSED");
    }
}
