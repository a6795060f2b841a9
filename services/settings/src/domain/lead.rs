//! Lead mails: telling people that a visitor waits for them.

use std::time::Duration;

use platform::time::Time;
use serde::Deserialize;
use uuid::Uuid;

/// What became of a lead mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailState {
    /// It waits for its first or next attempt.
    Pending,
    /// The mail server took it.
    Sent,
    /// It was refused for good, or is out of attempts.
    Failed,
}

impl MailState {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }

    /// What a stored word stands for; the table allows these three.
    pub fn from_stored(word: &str) -> Self {
        match word {
            "sent" => Self::Sent,
            "failed" => Self::Failed,
            _ => Self::Pending,
        }
    }
}

/// A lead mail as it is listed.
#[derive(Clone, Debug)]
pub struct LeadMail {
    /// Its id.
    pub id: Uuid,
    /// The chatbot whose visitor waits.
    pub chatbot_id: String,
    /// The escalation it tells of.
    pub escalation_id: String,
    /// Who is told.
    pub address: String,
    /// What became of it.
    pub state: MailState,
    /// Attempts that were begun.
    pub attempts: i32,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// When the escalation was heard of.
    pub created_at: Time,
    /// When it is tried next.
    pub next_attempt_at: Option<Time>,
    /// When the mail server took it.
    pub sent_at: Option<Time>,
}

/// How long to wait after the first, second … failed attempt. After the one that follows the last wait, nothing.
pub const RETRIES: [Duration; 4] = [
    Duration::from_mins(1),
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(6),
];

/// How long to wait after so many failed attempts; `None`: it has failed.
pub fn retry_after(attempts: i32) -> Option<Duration> {
    let failed = usize::try_from(attempts).ok()?.checked_sub(1)?;
    RETRIES.get(failed).copied()
}

/// What an `escalation.created` event tells of the visitor who waits.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lead {
    /// The escalation.
    pub escalation_id: String,
    /// The chatbot whose visitor waits.
    pub chatbot_id: String,
    /// Where he waits.
    pub thread_id: String,
    /// Who asked for a person.
    pub requested_by: Option<String>,
    /// What he clicked or wrote to ask for one.
    pub prompt: Option<String>,
    /// Who waits, as far as he said.
    pub visitor: Option<Visitor>,
    /// The thread's title.
    pub title: Option<String>,
    /// When it happened, RFC 3339.
    pub created_at: Option<String>,
    /// What was said last.
    pub last_message: Option<Said>,
}

/// A visitor as an event tells of him.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Visitor {
    /// His name.
    pub name: Option<String>,
    /// His mail address.
    pub email: Option<String>,
    /// His phone number.
    pub phone_number: Option<String>,
}

/// A message as an event tells of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// Who wrote it.
    pub author: Option<String>,
    /// What.
    pub content: Option<String>,
}

/// Subject and body of a mail, plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// One line.
    pub subject: String,
    /// Lines.
    pub body: String,
}

const SUBJECT: usize = 150;
const LINE: usize = 300;
const EXCERPT: usize = 1000;

impl Lead {
    /// The mail that tells people of it.
    pub fn mail(&self, chatbot_name: &str) -> Text {
        let chatbot = line(chatbot_name, LINE);
        let visitor = self.visitor.as_ref();
        let of = |field: fn(&Visitor) -> Option<&String>| visitor.and_then(field).map(|text| line(text, LINE));
        let name = of(|visitor| visitor.name.as_ref());
        let email = of(|visitor| visitor.email.as_ref());
        let phone = of(|visitor| visitor.phone_number.as_ref());
        let who = [&name, &email, &phone]
            .into_iter()
            .flatten()
            .find(|text| !text.is_empty())
            .map_or("A visitor", String::as_str);

        let rows = [
            ("Chatbot", Some(format!("{chatbot} ({})", line(&self.chatbot_id, LINE)))),
            ("Thread", Some(line(&self.thread_id, LINE))),
            ("Title", self.title.as_deref().map(|text| line(text, LINE))),
            ("Visitor", name.clone()),
            ("E-mail", email.clone()),
            ("Phone", phone.clone()),
            (
                "Requested by",
                self.requested_by.as_deref().map(|text| line(text, LINE)),
            ),
            ("Since", self.created_at.as_deref().map(|text| line(text, LINE))),
        ];
        let quotes = [
            ("Asked with", self.prompt.as_deref()),
            (
                "Last message",
                self.last_message.as_ref().and_then(|said| said.content.as_deref()),
            ),
        ];
        let mut body = vec![format!("{who} is waiting for a person to answer."), String::new()];
        for (label, text) in rows {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                body.push(format!("{label}: {text}"));
            }
        }
        for (label, text) in quotes {
            if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
                body.extend([String::new(), format!("{label}:")]);
                body.extend(quoted(text));
            }
        }
        Text {
            subject: line(&format!("{who} is waiting for a person ({chatbot})"), SUBJECT),
            body: body.join("\n") + "\n",
        }
    }
}

/// Whether a character would break a line, act on the reader's terminal, or make text read as other than it is.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Somebody's text as one line of at most `max` characters.
fn line(text: &str, max: usize) -> String {
    let text: String = text.chars().map(|c| if is_hostile(c) { ' ' } else { c }).collect();
    shortened(&text.split_whitespace().collect::<Vec<_>>().join(" "), max)
}

/// Somebody's text as lines that show that they are his.
fn quoted(text: &str) -> Vec<String> {
    shortened(text.trim(), EXCERPT)
        .lines()
        .map(|text| format!("> {}", line(text, EXCERPT)))
        .collect()
}

fn shortened(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead() -> Lead {
        serde_json::from_value(serde_json::json!({
            "kind": "thread", "escalationId": "e", "chatbotId": "361628903185318481", "threadId": "abc-thread-uuid",
            "threadUid": "u", "requestedBy": "widget", "prompt": "Talk to a person", "title": null,
            "visitor": {"id": "v", "name": "Jane", "email": "jane@example.com", "phoneNumber": null},
            "createdAt": "2026-01-31T12:00:00.000000Z",
            "lastMessage": {"author": "USER", "content": "I can't log in.\nPlease help."},
        }))
        .unwrap()
    }

    #[test]
    fn a_mail_says_who_waits_where_and_for_what() {
        let mail = lead().mail("Demo bot");
        assert_eq!(mail.subject, "Jane is waiting for a person (Demo bot)");
        for part in [
            "Demo bot (361628903185318481)",
            "abc-thread-uuid",
            "jane@example.com",
            "> Talk to a person",
            "> I can't log in.\n> Please help.",
        ] {
            assert!(mail.body.contains(part), "{part} in {}", mail.body);
        }
        assert!(!mail.body.contains("Phone"));
    }

    #[test]
    fn an_anonymous_visitor_makes_a_mail_too() {
        let anonymous = Lead {
            visitor: None,
            prompt: None,
            last_message: None,
            ..lead()
        };
        assert_eq!(
            anonymous.mail("Demo").subject,
            "A visitor is waiting for a person (Demo)"
        );
    }

    #[test]
    fn no_text_of_a_stranger_breaks_its_line() {
        let hostile = Lead {
            visitor: Some(Visitor {
                name: Some("Eve\r\nBcc: all@example.com\u{2028}\u{202e}\0".into()),
                email: None,
                phone_number: None,
            }),
            thread_id: "t\nChatbot: another".into(),
            prompt: Some("x\r\n\r\nThread: another\u{1b}[2J".into()),
            ..lead()
        };
        let mail = hostile.mail("Demo\r\nX: y");
        assert_eq!(
            mail.subject,
            "Eve Bcc: all@example.com is waiting for a person (Demo X: y)"
        );
        let threads: Vec<_> = mail.body.lines().filter(|line| line.starts_with("Thread:")).collect();
        assert_eq!(threads, ["Thread: t Chatbot: another"]);
        assert!(!mail.body.contains(['\r', '\u{1b}', '\u{202e}', '\0']));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = Lead {
            prompt: Some("ü".repeat(10_000)),
            ..lead()
        };
        let mail = long.mail(&"ü".repeat(1000));
        assert_eq!(mail.subject.chars().count(), SUBJECT + 1);
        assert!(mail.body.chars().count() < 2500);
    }

    #[test]
    fn a_mail_is_tried_five_times() {
        let waits: Vec<_> = (1..=6).map(retry_after).collect();
        assert_eq!(waits[..4], RETRIES.map(Some));
        assert_eq!(waits[4..], [None, None]);
    }
}
