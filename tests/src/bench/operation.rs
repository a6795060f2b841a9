//! What is measured: requests, and the work of each one done by hand in SQL.

use std::ops::Range;

use clap::ValueEnum;
use serde_json::json;

use super::data::{CHATS, CONTENT, MENU, READ, WRITTEN};
use super::load::{DIGIT, KEY, NUMBER, Template};
use super::system::Kind;

/// A request to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Operation {
    /// Append a visitor's message to a thread, as a client does that knows nothing of idempotency keys.
    PostMessage,
    /// The same with an idempotency key.
    PostMessageKeyed,
    /// Read a thread.
    GetThread,
    /// Read the newest 50 messages of a thread.
    #[value(name = "list-50")]
    List50,
    /// Hand a thread to people, or back.
    Escalate,
    /// Begin a conversation with a message of the end user.
    CreateConversation,
    /// Add a message of the end user to a conversation, without an idempotency key.
    AddMessage,
    /// The same with an idempotency key.
    AddMessageKeyed,
    /// Read a conversation.
    GetConversation,
    /// Read the 50 messages of a conversation.
    #[value(name = "conversation-list-50")]
    ConversationList50,
    /// Take a conversation from another agent.
    Claim,
    /// Begin a chat.
    CreateChat,
    /// Say something in a chat as its end user, without an idempotency key.
    ChatMessage,
    /// The same with an idempotency key.
    ChatMessageKeyed,
    /// The first page of a search for a word that is in a thousandth of the messages.
    #[value(name = "search-0.1%")]
    SearchRare,
    /// In a hundredth.
    #[value(name = "search-1%")]
    SearchFrequent,
    /// In a tenth.
    #[value(name = "search-10%")]
    SearchCommon,
}

/// Operations that need the same data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// Threads of chatbots.
    Threads,
    /// Conversations and chats.
    Conversations,
    /// Search among a million messages.
    Search,
}

/// What a measurement has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At least this CPU-efficiency against [`Limit::Baseline`].
    Efficiency(f64),
    /// At most this many microseconds of CPU.
    Cpu(f64),
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
            Self::PostMessageKeyed => "post-message-keyed",
            Self::GetThread => "get-thread",
            Self::List50 => "list-50",
            Self::Escalate => "escalate",
            Self::CreateConversation => "create-conversation",
            Self::AddMessage => "add-message",
            Self::AddMessageKeyed => "add-message-keyed",
            Self::GetConversation => "get-conversation",
            Self::ConversationList50 => "conversation-list-50",
            Self::Claim => "claim",
            Self::CreateChat => "create-chat",
            Self::ChatMessage => "chat-message",
            Self::ChatMessageKeyed => "chat-message-keyed",
            Self::SearchRare => "search-0.1%",
            Self::SearchFrequent => "search-1%",
            Self::SearchCommon => "search-10%",
        }
    }

    /// The group it belongs to.
    pub fn group(self) -> Group {
        match self {
            Self::PostMessage | Self::PostMessageKeyed | Self::GetThread | Self::List50 | Self::Escalate => {
                Group::Threads
            }
            Self::CreateConversation
            | Self::AddMessage
            | Self::AddMessageKeyed
            | Self::GetConversation
            | Self::ConversationList50
            | Self::Claim
            | Self::CreateChat
            | Self::ChatMessage
            | Self::ChatMessageKeyed => Group::Conversations,
            Self::SearchRare | Self::SearchFrequent | Self::SearchCommon => Group::Search,
        }
    }

    /// Whether it changes anything.
    pub fn writes(self) -> bool {
        matches!(
            self,
            Self::PostMessage
                | Self::PostMessageKeyed
                | Self::Escalate
                | Self::CreateConversation
                | Self::AddMessage
                | Self::AddMessageKeyed
                | Self::Claim
                | Self::CreateChat
                | Self::ChatMessage
                | Self::ChatMessageKeyed
        )
    }

    /// The numbers of the threads, conversations or chats that it is for.
    pub fn numbers(self) -> Range<u32> {
        match self {
            Self::CreateChat | Self::ChatMessage | Self::ChatMessageKeyed => CHATS,
            _ if self.writes() => WRITTEN,
            _ => READ,
        }
    }

    /// The number that grows by one with each request that writes, and stays as it is with those that read.
    pub fn count(self) -> &'static str {
        match self {
            Self::CreateConversation | Self::CreateChat => "select count(*) from conversation.conversations",
            Self::Claim => {
                "select count(*) from conversation.idempotency_keys
                 where rpc = 'ClaimConversation' and subject is not null"
            }
            _ => match self.group() {
                Group::Threads => "select sum(message_count)::bigint from thread.threads",
                Group::Conversations | Group::Search => {
                    "select sum(message_count)::bigint from conversation.conversations where id < 1000000"
                }
            },
        }
    }

    /// With how many connections it is measured. The first is what goals are about.
    pub fn clients(self) -> &'static [usize] {
        match self.group() {
            Group::Search => &[16],
            _ if self.writes() => &[64],
            _ => &[64, 16],
        }
    }

    /// What has to be reached with the first number of connections.
    pub fn goal(self, system: Kind) -> Option<Goal> {
        match (self, system) {
            (
                Self::PostMessage
                | Self::PostMessageKeyed
                | Self::AddMessage
                | Self::AddMessageKeyed
                | Self::ChatMessage
                | Self::ChatMessageKeyed,
                kind,
            ) => Some(Goal::Efficiency(match kind {
                Kind::One => 3.0,
                Kind::Services => 1.4,
            })),
            (Self::GetThread | Self::GetConversation, Kind::One) => Some(Goal::Efficiency(0.45)),
            (Self::GetThread | Self::GetConversation, Kind::Services) => Some(Goal::Efficiency(0.25)),
            (Self::List50 | Self::ConversationList50, Kind::One) => Some(Goal::Efficiency(0.50)),
            (Self::List50 | Self::ConversationList50, Kind::Services) => Some(Goal::Efficiency(0.35)),
            (Self::SearchRare | Self::SearchFrequent | Self::SearchCommon, _) => Some(Goal::Cpu(5000.0)),
            (Self::Escalate | Self::CreateConversation | Self::Claim | Self::CreateChat, _) => None,
        }
    }

    /// What it is compared with. The statements of the service are only measured where they are few.
    pub fn limits(self) -> Vec<Limit> {
        match self {
            Self::PostMessageKeyed | Self::GetThread | Self::List50 | Self::Escalate => {
                vec![Limit::Baseline(self), Limit::Same(self)]
            }
            _ => vec![Limit::Baseline(self)],
        }
    }

    /// The word that a search is for.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::SearchRare => Some("warranty"),
            Self::SearchFrequent => Some("invoice"),
            Self::SearchCommon => Some("delivery"),
            _ => None,
        }
    }

    /// The request itself. An idempotency key never came before.
    pub fn template(self, caller: &Caller) -> Template {
        let chatbot = caller.chatbot;
        let thread = format!("bench-{NUMBER}");
        let authorization = format!("Bearer {}", caller.api_key);
        let read = [("authorization", authorization.as_str())];
        let keyed = [("authorization", authorization.as_str()), ("idempotency-key", KEY)];
        let write = match self {
            Self::PostMessage | Self::AddMessage | Self::ChatMessage => &read[..],
            _ => &keyed[..],
        };
        let get = |path: &str| Template::new("GET", path, &read, None);
        let inbound =
            json!({ "content": { "value": CONTENT, "_type": "Text" }, "attachments": [], "_type": "Inbound" });
        match self {
            Self::PostMessage | Self::PostMessageKeyed => Template::new(
                "POST",
                &format!("/v0/chatbots/{chatbot}/message"),
                write,
                Some(&format!(
                    r#"{{"message":"{CONTENT}","threadId":"{thread}","from":"USER"}}"#
                )),
            ),
            Self::GetThread => get(&format!("/v1/chatting/{chatbot}/thread/{thread}")),
            Self::List50 => get(&format!("/v1/chatting/{chatbot}/thread/{thread}/messages?limit=50")),
            Self::Escalate => Template::new(
                "PATCH",
                &format!("/v1/chatting/{chatbot}/thread/{thread}/escalate"),
                write,
                None,
            ),
            Self::CreateConversation => {
                let body = json!({
                    "requesterId": format!("01900000-0000-7000-b000-000000{NUMBER}"),
                    "widgetId": "5a556159-2c21-4f3e-a44f-a323deb80d16",
                    "message": inbound,
                    "language": "en",
                    "_type": "Chat",
                });
                Template::new("POST", "/v1/conversations", write, Some(&body.to_string()))
            }
            Self::AddMessage | Self::AddMessageKeyed => Template::new(
                "POST",
                &format!("/v1/conversations/{NUMBER}/messages"),
                write,
                Some(&inbound.to_string()),
            ),
            Self::GetConversation => get(&format!("/v1/conversations/{NUMBER}")),
            Self::ConversationList50 => get(&format!("/v1/conversations/{NUMBER}/messages")),
            Self::Claim => Template::new(
                "PUT",
                &format!("/v1/conversations/{NUMBER}/claim"),
                write,
                Some(&format!(
                    r#"{{"agentId":"01900000-0000-7000-a000-00000000000{DIGIT}","force":true}}"#
                )),
            ),
            Self::CreateChat => Template::new(
                "POST",
                "/apps/api/v1/chats",
                write,
                Some(&format!(
                    r#"{{"chat":{{"menu_id":{MENU},"end_user_id":{NUMBER},"lang":"en"}}}}"#
                )),
            ),
            Self::ChatMessage | Self::ChatMessageKeyed => Template::new(
                "POST",
                &format!("/apps/api/v1/chats/{NUMBER}/message"),
                write,
                Some(&format!(
                    r#"{{"from_user_id":{NUMBER},"message":{{"type":"text","content":"{CONTENT}"}}}}"#
                )),
            ),
            Self::SearchRare | Self::SearchFrequent | Self::SearchCommon => {
                let word = self.word().unwrap_or_default();
                get(&format!("/v1/search/conversations?query={word}"))
            }
        }
    }

    /// What is wrong with an answer of the first thread or conversation, if anything.
    pub fn check(self, answer: &[u8]) -> Result<(), String> {
        if self == Self::Claim && answer.is_empty() {
            return Ok(());
        }
        let value: serde_json::Value = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
        let number = self.numbers().start;
        let thread = format!("bench-{number}");
        let list = |least: usize, most: usize| {
            holds(&value, &|value| {
                value
                    .as_array()
                    .is_some_and(|list| (least..=most).contains(&list.len()))
            })
        };
        let complete = match self {
            Self::List50 | Self::ConversationList50 => list(50, 50),
            Self::GetThread | Self::Escalate => holds(&value, &|value| *value == thread),
            Self::PostMessage | Self::PostMessageKeyed | Self::AddMessage | Self::AddMessageKeyed => {
                holds(&value, &|value| *value == CONTENT)
            }
            Self::CreateConversation => holds(&value, &serde_json::Value::is_number),
            Self::CreateChat => holds(&value, &|value| *value == number) && holds(&value, &|value| *value == MENU),
            Self::ChatMessage | Self::ChatMessageKeyed => value == json!({}),
            Self::GetConversation => holds(&value, &|value| *value == number),
            Self::SearchRare | Self::SearchFrequent | Self::SearchCommon => list(1, 50),
            Self::Claim => false,
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
    /// The operation that is done by hand.
    pub fn operation(self) -> Operation {
        match self {
            Self::Baseline(operation) | Self::Same(operation) => operation,
        }
    }

    /// The name in tables and of the script.
    pub fn name(self) -> String {
        match self {
            Self::Baseline(operation) => operation.name().to_owned(),
            Self::Same(operation) => format!("{} same SQL", operation.name()),
        }
    }

    /// What pgbench runs.
    pub fn script(self) -> &'static str {
        match self {
            Self::Baseline(Operation::PostMessage) => include_str!("sql/post.sql"),
            Self::Baseline(Operation::GetThread) => include_str!("sql/get.sql"),
            Self::Baseline(Operation::List50) => include_str!("sql/list.sql"),
            Self::Baseline(Operation::Escalate) => include_str!("sql/escalate.sql"),
            Self::Baseline(Operation::PostMessageKeyed) => include_str!("sql/post_keyed.sql"),
            Self::Same(Operation::PostMessageKeyed) => include_str!("sql/post_same.sql"),
            Self::Same(Operation::GetThread) => include_str!("sql/get_same.sql"),
            Self::Same(Operation::List50) => include_str!("sql/list_same.sql"),
            Self::Same(Operation::Escalate) => include_str!("sql/escalate_same.sql"),
            Self::Baseline(operation) | Self::Same(operation) => match operation {
                Operation::CreateConversation => include_str!("sql/conversations/create.sql"),
                Operation::AddMessage => include_str!("sql/conversations/add.sql"),
                Operation::AddMessageKeyed => include_str!("sql/conversations/add_keyed.sql"),
                Operation::GetConversation => include_str!("sql/conversations/get.sql"),
                Operation::ConversationList50 => include_str!("sql/conversations/list.sql"),
                Operation::Claim => include_str!("sql/conversations/claim.sql"),
                Operation::CreateChat => include_str!("sql/conversations/create_chat.sql"),
                Operation::ChatMessage => include_str!("sql/conversations/chat.sql"),
                Operation::ChatMessageKeyed => include_str!("sql/conversations/chat_keyed.sql"),
                Operation::SearchRare => include_str!("sql/search/rare.sql"),
                _ => include_str!("sql/search/common.sql"),
            },
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
        let chat = |end_user: u32| format!(r#"{{"id":7,"end_user":{{"id":{end_user}}},"menus":[{{"id":{MENU}}}]}}"#);
        assert!(Operation::CreateChat.check(chat(CHATS.start).as_bytes()).is_ok());
        assert!(Operation::CreateChat.check(chat(CHATS.start + 1).as_bytes()).is_err());
        assert!(Operation::ChatMessage.check(b"{}").is_ok());
        assert!(Operation::ChatMessage.check(br#"{"message":"no"}"#).is_err());
    }
}
