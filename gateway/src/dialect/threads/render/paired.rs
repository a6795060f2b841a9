//! Threads and messages as `/v0/chatbots/{chatbotId}` shows them: a question and its answer are one message.

use std::collections::HashMap;

use proto::thread::v1 as pb;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::sources;
use crate::answer::Stamp;
use crate::dialect::threads::prompts::Prompt;
use crate::words::{Mode, Reaction, SystemMessageType, Word as _};

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

/// A text and when it was written.
#[derive(Serialize, ToSchema)]
pub(in crate::dialect::threads) struct Said {
    text: String,
    timestamp: Stamp,
}

impl Said {
    fn by(message: &mut pb::Message) -> Self {
        Self {
            text: std::mem::take(&mut message.content),
            timestamp: Stamp::of(message.created_at),
        }
    }
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ChatbotMessageType)]
pub(in crate::dialect::threads) enum PairedType {
    /// A question with the bot's answer; null where one of them is missing.
    #[serde(rename = "NORMAL_MESSAGE")]
    Normal,
    /// What a visitor wrote while a person answers: in `question`.
    #[serde(rename = "USER_MESSAGE")]
    User,
    /// What a person wrote: in `answer`.
    #[serde(rename = "AGENT_MESSAGE")]
    Agent,
    /// What happened in the thread: in `answer`.
    #[serde(rename = "SYSTEM_MESSAGE")]
    System,
}

/// A message: a question, an answer, or both.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialect::threads) struct ChatbotMessage {
    /// Of the question where there is one.
    message_id: String,
    message_type: PairedType,
    question: Option<Said>,
    answer: Option<Said>,
    reaction: Option<Reaction>,
    #[schema(value_type = Vec<Object>)]
    sources: Box<RawValue>,
    system_message_type: Option<SystemMessageType>,
    icon_url: Option<String>,
    /// Always empty: the chatbot's prompts have their own operation.
    prompts: Vec<Prompt>,
    gpt_model: Option<String>,
    /// A person answered in the thread when it was written.
    escalated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_name: Option<String>,
}

impl From<pb::Message> for ChatbotMessage {
    fn from(mut message: pb::Message) -> Self {
        let said = Said::by(&mut message);
        let with_person = message.mode() == pb::Mode::Agent;
        let (message_type, question, answer) = match message.author() {
            pb::Author::User if with_person => (PairedType::User, Some(said), None),
            pb::Author::User => (PairedType::Normal, Some(said), None),
            pb::Author::Agent => (PairedType::Agent, None, Some(said)),
            pb::Author::System => (PairedType::System, None, Some(said)),
            pb::Author::Bot | pb::Author::Unspecified => (PairedType::Normal, None, Some(said)),
        };
        Self {
            message_type,
            question,
            answer,
            reaction: Reaction::of(message.reaction()),
            system_message_type: SystemMessageType::of(message.system_message_type()),
            message_id: message.id,
            sources: sources(message.sources_json),
            icon_url: message.icon_url,
            prompts: Vec::new(),
            gpt_model: message.llm_model_id,
            escalated: with_person,
            agent_name: message.agent_name,
        }
    }
}

impl ChatbotMessage {
    /// Takes in the bot's answer: what the bot says of itself wins over what the question had.
    fn answered(&mut self, mut answer: pb::Message) {
        self.message_type = PairedType::Normal;
        self.reaction = Reaction::of(answer.reaction()).or(self.reaction);
        self.answer = Some(Said::by(&mut answer));
        self.sources = sources(answer.sources_json);
        self.gpt_model = answer.llm_model_id;
        self.icon_url = answer.icon_url.or(self.icon_url.take());
    }
}

/// Puts the bot's first answer to each question on the page beside it. A further answer stands alone.
fn pair(rows: Vec<pb::Message>) -> Vec<ChatbotMessage> {
    let mut paired: Vec<ChatbotMessage> = Vec::with_capacity(rows.len());
    let mut open: HashMap<String, usize> = HashMap::new();
    for row in rows {
        let question = row
            .parent_message_id
            .as_ref()
            .filter(|_| row.author() == pb::Author::Bot)
            .and_then(|parent| open.remove(parent));
        if let Some(at) = question {
            paired[at].answered(row);
            continue;
        }
        if row.author() == pb::Author::User {
            open.insert(row.id.clone(), paired.len());
        }
        paired.push(row.into());
    }
    paired
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
    sources: Box<RawValue>,
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

/// A message that was just sent; its id is called `id` here, as in the source.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialect::threads) struct SentMessage {
    id: String,
    question: Option<Said>,
    /// Null for what a visitor writes: the bot answers later.
    answer: Option<Said>,
    #[schema(value_type = Vec<Object>)]
    sources: Box<RawValue>,
    gpt_model: Option<String>,
    reaction: Option<Reaction>,
    thread_id: String,
    message_type: PairedType,
    system_message_type: Option<SystemMessageType>,
    icon_url: Option<String>,
    agent_name: Option<String>,
    /// Always empty.
    prompts: Vec<Prompt>,
    /// Always empty: follow-ups come from the bot.
    smart_prompts: Vec<String>,
    chatbot_id: String,
}

impl From<pb::Message> for SentMessage {
    fn from(mut message: pb::Message) -> Self {
        let thread_id = std::mem::take(&mut message.thread_id);
        let chatbot_id = std::mem::take(&mut message.chatbot_id);
        let message = ChatbotMessage::from(message);
        Self {
            id: message.message_id,
            question: message.question,
            answer: message.answer,
            sources: message.sources,
            gpt_model: message.gpt_model,
            reaction: message.reaction,
            thread_id,
            message_type: message.message_type,
            system_message_type: message.system_message_type,
            icon_url: message.icon_url,
            agent_name: message.agent_name,
            prompts: message.prompts,
            smart_prompts: Vec::new(),
            chatbot_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(id: &str, author: pb::Author, mode: pb::Mode, parent: Option<&str>) -> pb::Message {
        pb::Message {
            id: id.to_owned(),
            author: author.into(),
            mode: mode.into(),
            content: format!("text of {id}"),
            parent_message_id: parent.map(str::to_owned),
            ..pb::Message::default()
        }
    }

    fn shown(rows: Vec<pb::Message>) -> Vec<Shown> {
        pair(rows)
            .into_iter()
            .map(|message| {
                (
                    message.message_id,
                    message.message_type,
                    message.question.map(|said| said.text),
                    message.answer.map(|said| said.text),
                )
            })
            .collect()
    }

    type Shown = (String, PairedType, Option<String>, Option<String>);

    fn message(id: &str, kind: PairedType, question: Option<&str>, answer: Option<&str>) -> Shown {
        let text = |id: &str| format!("text of {id}");
        (id.to_owned(), kind, question.map(text), answer.map(text))
    }

    #[test]
    fn a_question_and_its_answer_are_one_message_at_the_place_of_the_question() {
        let (ai, user, bot) = (pb::Mode::Ai, pb::Author::User, pb::Author::Bot);
        let shown = shown(vec![
            row("q1", user, ai, None),
            row("q2", user, ai, None),
            row("a1", bot, ai, Some("q1")),
        ]);
        assert_eq!(
            shown,
            [
                message("q1", PairedType::Normal, Some("q1"), Some("a1")),
                message("q2", PairedType::Normal, Some("q2"), None),
            ]
        );
    }

    #[test]
    fn an_answer_without_its_question_stands_alone() {
        let (ai, bot) = (pb::Mode::Ai, pb::Author::Bot);
        let shown = shown(vec![
            row("a0", bot, ai, Some("not on the page")),
            row("greeting", bot, ai, None),
            row("q", pb::Author::User, ai, None),
            row("a1", bot, ai, Some("q")),
            row("a2", bot, ai, Some("q")),
        ]);
        let ids: Vec<_> = shown.iter().map(|(id, ..)| id.as_str()).collect();
        assert_eq!(ids, ["a0", "greeting", "q", "a2"]);
        assert_eq!(shown[0], message("a0", PairedType::Normal, None, Some("a0")));
    }

    #[test]
    fn people_and_the_system_are_told_from_the_bot() {
        let agent = pb::Mode::Agent;
        let shown = shown(vec![
            row("u", pb::Author::User, agent, None),
            row("a", pb::Author::Agent, agent, Some("u")),
            row("s", pb::Author::System, agent, None),
        ]);
        assert_eq!(
            shown,
            [
                message("u", PairedType::User, Some("u"), None),
                message("a", PairedType::Agent, None, Some("a")),
                message("s", PairedType::System, None, Some("s")),
            ]
        );
    }

    #[test]
    fn a_pair_shows_what_the_bot_says_of_its_answer() {
        let mut answer = row("a", pb::Author::Bot, pb::Mode::Ai, Some("q"));
        answer.sources_json = r#"[{"url":"https://docs.example/a"}]"#.to_owned();
        answer.llm_model_id = Some("gpt-4".to_owned());
        answer.reaction = pb::Reaction::Positive.into();
        let paired = pair(vec![row("q", pb::Author::User, pb::Mode::Ai, None), answer]);
        let shown = serde_json::to_value(&paired[0]).unwrap();
        assert_eq!(
            shown,
            json!({
                "messageId": "q",
                "messageType": "NORMAL_MESSAGE",
                "question": {"text": "text of q", "timestamp": "1970-01-01T00:00:00.000000Z"},
                "answer": {"text": "text of a", "timestamp": "1970-01-01T00:00:00.000000Z"},
                "reaction": "POSITIVE",
                "sources": [{"url": "https://docs.example/a"}],
                "systemMessageType": null,
                "iconUrl": null,
                "prompts": [],
                "gptModel": "gpt-4",
                "escalated": false,
            })
        );
    }

    #[test]
    fn a_listed_thread_shows_its_last_answer_with_the_question() {
        let entry = pb::list_threads_response::Entry {
            thread: Some(pb::Thread {
                thread_id: "t".to_owned(),
                ..pb::Thread::default()
            }),
            last_message: Some(row("a", pb::Author::Bot, pb::Mode::Ai, Some("q"))),
            last_question: Some(row("q", pb::Author::User, pb::Mode::Ai, None)),
        };
        let last = ListedThread::of(entry).unwrap().last_message.unwrap();
        assert_eq!(last.message_id, "q");
        assert!(last.question.is_some() && last.answer.is_some());
    }
}
