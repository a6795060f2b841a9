//! Threads and messages as `/v0/chatbots/{chatbotId}` shows them: a question and its answer are one message.

mod message;

use super::Sources;
use proto::thread::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

pub(in crate::dialect::threads) use message::SentMessage;
use message::{ChatbotMessage, PairedType, Said, pair};

use crate::answer::Stamp;
use crate::dialect::threads::prompts::Prompt;
use crate::words::{Mode, Reaction, Word as _};

/// The visitor who chats in a thread.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialect::threads) struct ChatUser {
    id: String,
    email: Option<String>,
    name: Option<String>,
    phone_number: Option<String>,
    created_at: Stamp,
    updated_at: Stamp,
    is_verified: bool,
}

impl From<pb::Visitor> for ChatUser {
    fn from(visitor: pb::Visitor) -> Self {
        Self {
            id: visitor.id,
            email: visitor.email,
            name: visitor.name,
            phone_number: visitor.phone_number,
            created_at: Stamp::of(visitor.created_at),
            updated_at: Stamp::of(visitor.updated_at),
            is_verified: visitor.verified,
        }
    }
}

/// A new thread: exactly the keys of the source.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialect::threads) struct NewThread {
    #[schema(example = "d2cd2d88-bac1-48de-a7b4-19797451f47g")]
    thread_id: String,
    mode: Mode,
    /// Empty: a thread begins without messages.
    messages: Vec<ChatbotMessage>,
    started_at: Stamp,
    updated_at: Stamp,
    chat_user_id: Option<String>,
    #[schema(example = "361628903185318481")]
    chatbot_id: String,
    chat_user: Option<ChatUser>,
}

/// Threads begin with the bot unless something else was said.
fn mode(thread: &pb::Thread) -> Mode {
    Mode::of(thread.mode()).unwrap_or(Mode::Ai)
}

impl From<pb::Thread> for NewThread {
    fn from(thread: pb::Thread) -> Self {
        Self {
            mode: mode(&thread),
            thread_id: thread.thread_id,
            messages: Vec::new(),
            started_at: Stamp::of(thread.started_at),
            updated_at: Stamp::of(thread.updated_at),
            chat_user_id: thread.visitor.as_ref().map(|visitor| visitor.id.clone()),
            chatbot_id: thread.chatbot_id,
            chat_user: thread.visitor.map(ChatUser::from),
        }
    }
}

/// A thread with its newest 1000 messages, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialect::threads) struct ChatbotThread {
    thread_id: String,
    mode: Mode,
    messages: Vec<ChatbotMessage>,
    started_at: Stamp,
    updated_at: Stamp,
    ended_at: Option<Stamp>,
    escalated: bool,
    total_messages_read: i32,
    /// Where all messages are sent. The token that goes with them is never shown.
    webhook_url: Option<String>,
    chat_user_id: Option<String>,
    chatbot_id: String,
    chat_user: Option<ChatUser>,
}

impl ChatbotThread {
    pub(in crate::dialect::threads) fn of(thread: pb::Thread, messages: Vec<pb::Message>) -> Self {
        Self {
            mode: mode(&thread),
            thread_id: thread.thread_id,
            messages: pair(messages),
            started_at: Stamp::of(thread.started_at),
            updated_at: Stamp::of(thread.updated_at),
            ended_at: Stamp::maybe(thread.ended_at),
            escalated: thread.escalated,
            total_messages_read: thread.read_count,
            webhook_url: thread.webhook_url,
            chat_user_id: thread.visitor.as_ref().map(|visitor| visitor.id.clone()),
            chatbot_id: thread.chatbot_id,
            chat_user: thread.visitor.map(ChatUser::from),
        }
    }
}

/// A thread in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialect::threads) struct ListedThread {
    thread_id: String,
    started_at: Stamp,
    updated_at: Stamp,
    ended_at: Option<Stamp>,
    chat_user: Option<ChatUser>,
    escalated: bool,
    important: bool,
    resolved: bool,
    total_messages_read: i32,
    last_message: Option<LastMessage>,
    total_messages: i32,
    total_positive_messages: i32,
    total_negative_messages: i32,
    /// Always 0: models are not told apart.
    total_gpt4_messages_count: i32,
}

/// The last message of a listed thread.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialect::threads) struct LastMessage {
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Said>,
    #[schema(value_type = Vec<Object>)]
    sources: Sources,
    reaction: Option<Reaction>,
    thread_id: String,
    message_type: PairedType,
    /// Always empty.
    prompts: Vec<Prompt>,
    message_id: String,
    chatbot_id: String,
}

impl ListedThread {
    /// `None` when the entry has no thread, which no service sends.
    pub(in crate::dialect::threads) fn of(entry: pb::list_threads_response::Entry) -> Option<Self> {
        let thread = entry.thread?;
        let rows = entry.last_question.into_iter().chain(entry.last_message);
        let last_message = pair(rows.collect()).pop().map(|message| LastMessage {
            question: message.question,
            answer: message.answer,
            sources: message.sources,
            reaction: message.reaction,
            thread_id: thread.thread_id.clone(),
            message_type: message.message_type,
            prompts: message.prompts,
            message_id: message.message_id,
            chatbot_id: thread.chatbot_id,
        });
        Some(Self {
            thread_id: thread.thread_id,
            started_at: Stamp::of(thread.started_at),
            updated_at: Stamp::of(thread.updated_at),
            ended_at: Stamp::maybe(thread.ended_at),
            chat_user: thread.visitor.map(ChatUser::from),
            escalated: thread.escalated,
            important: thread.important,
            resolved: thread.resolved,
            total_messages_read: thread.read_count,
            last_message,
            total_messages: thread.message_count,
            total_positive_messages: thread.positive_count,
            total_negative_messages: thread.negative_count,
            total_gpt4_messages_count: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_thread_shows_its_last_answer_with_the_question() {
        let entry = pb::list_threads_response::Entry {
            thread: Some(pb::Thread {
                thread_id: "t".to_owned(),
                ..pb::Thread::default()
            }),
            last_message: Some(pb::Message {
                author: pb::Author::Bot.into(),
                parent_message_id: Some("q".to_owned()),
                ..pb::Message::default()
            }),
            last_question: Some(pb::Message {
                id: "q".to_owned(),
                author: pb::Author::User.into(),
                ..pb::Message::default()
            }),
        };
        let last = ListedThread::of(entry).unwrap().last_message.unwrap();
        assert_eq!(last.message_id, "q");
        assert!(last.question.is_some() && last.answer.is_some());
    }
}
