//! Messages, and how a question and its answer become one.

use std::collections::HashMap;

use proto::thread::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::Stamp;
use crate::dialect::threads::prompts::Prompt;
use crate::dialect::threads::render::Sources;
use crate::words::{Reaction, SystemMessageType, Word as _};

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
    pub(super) message_id: String,
    pub(super) message_type: PairedType,
    pub(super) question: Option<Said>,
    pub(super) answer: Option<Said>,
    pub(super) reaction: Option<Reaction>,
    #[schema(value_type = Vec<Object>)]
    pub(super) sources: Sources,
    pub(super) system_message_type: Option<SystemMessageType>,
    pub(super) icon_url: Option<String>,
    /// Always empty: the chatbot's prompts have their own operation.
    pub(super) prompts: Vec<Prompt>,
    pub(super) gpt_model: Option<String>,
    /// A person answered in the thread when it was written.
    pub(super) escalated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent_name: Option<String>,
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
            sources: Sources::of(message.sources_json),
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
        self.sources = Sources::of(answer.sources_json);
        self.gpt_model = answer.llm_model_id;
        self.icon_url = answer.icon_url.or(self.icon_url.take());
    }
}

/// Puts the bot's first answer to each question on the page beside it. A further answer stands alone.
pub(super) fn pair(rows: Vec<pb::Message>) -> Vec<ChatbotMessage> {
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

/// A message that was just sent; its id is called `id` here, as in the source.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialect::threads) struct SentMessage {
    id: String,
    question: Option<Said>,
    /// Null for what a visitor writes: the bot answers later.
    answer: Option<Said>,
    #[schema(value_type = Vec<Object>)]
    sources: Sources,
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
}
