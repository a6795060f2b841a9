//! Threads and messages as `/v1/chatting` shows them: flat rows, every key of the source, `null` where there is nothing.

use proto::thread::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

use super::Sources;
use crate::answer::Stamp;
use crate::words::{Reaction, SystemMessageType, Word as _};

/// A thread.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialect::threads) struct ChattingThread {
    #[schema(example = "abc-thread-uuid")]
    id: String,
    #[schema(example = "361628903185318481")]
    chatbot_id: String,
    visitor_id: Option<String>,
    title: Option<String>,
    /// Nobody has said who the visitor is.
    anonymous: bool,
    /// The visitor's messages that nobody has been given yet.
    unread_messages_count: i32,
    pub(in crate::dialect::threads) escalated: bool,
    important: bool,
    resolved: bool,
    archived: bool,
    tags: Vec<String>,
    positive_count: i32,
    negative_count: i32,
    #[schema(example = "api")]
    platform_source: String,
    started_at: Stamp,
    updated_at: Stamp,
    ended_at: Option<Stamp>,
    visitor_name: Option<String>,
    visitor_email: Option<String>,
    visitor_phone: Option<String>,
    bot_icon_src: Option<String>,
    user_icon_src: Option<String>,
    agent_icon_src: Option<String>,
    bubble_icon_src: Option<String>,
    llm_model: Option<ThreadModel>,
}

/// The model that answers in a thread.
#[derive(Serialize, ToSchema)]
pub(in crate::dialect::threads) struct ThreadModel {
    id: String,
    provider: String,
    title: String,
}

/// Whether nobody has said who the visitor is.
pub(in crate::dialect::threads) fn is_anonymous(thread: &pb::Thread) -> bool {
    thread.visitor.as_ref().is_none_or(|visitor| visitor.email.is_none())
}

impl From<pb::Thread> for ChattingThread {
    fn from(thread: pb::Thread) -> Self {
        let anonymous = is_anonymous(&thread);
        let visitor = thread.visitor.unwrap_or_default();
        Self {
            id: thread.thread_id,
            chatbot_id: thread.chatbot_id,
            visitor_id: (!visitor.id.is_empty()).then_some(visitor.id),
            title: thread.title,
            anonymous,
            unread_messages_count: thread.unread_count,
            escalated: thread.escalated,
            important: thread.important,
            resolved: thread.resolved,
            archived: thread.archived,
            tags: thread.tags,
            positive_count: thread.positive_count,
            negative_count: thread.negative_count,
            platform_source: thread.platform_source,
            started_at: Stamp::of(thread.started_at),
            updated_at: Stamp::of(thread.updated_at),
            ended_at: Stamp::maybe(thread.ended_at),
            visitor_name: visitor.name,
            visitor_email: visitor.email,
            visitor_phone: visitor.phone_number,
            bot_icon_src: thread.bot_icon,
            user_icon_src: thread.user_icon,
            agent_icon_src: thread.agent_icon,
            bubble_icon_src: thread.bubble_icon,
            llm_model: thread.llm_model.map(|model| ThreadModel {
                id: model.id,
                provider: model.provider,
                title: model.title,
            }),
        }
    }
}

/// A message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialect::threads) struct ChattingMessage {
    id: String,
    thread_id: String,
    #[schema(example = "361628903185318481")]
    chatbot_id: String,
    message_type: FlatType,
    system_message_type: Option<SystemMessageType>,
    content: String,
    content_timestamp: Stamp,
    agent_name: Option<String>,
    /// The message this one answers.
    parent_message_id: Option<String>,
    llm_model_id: Option<String>,
    reaction: Option<Reaction>,
    /// What an answer was made from.
    #[schema(value_type = Vec<Object>)]
    source: Sources,
    is_edited: bool,
    edited_by: Option<String>,
    edited_at: Option<Stamp>,
    created_at: Stamp,
    updated_at: Stamp,
}

/// Who a message is from. The source shows a system message as an AGENT_MESSAGE.
#[derive(Serialize, ToSchema)]
#[schema(as = ChattingMessageType)]
enum FlatType {
    #[serde(rename = "NORMAL_MESSAGE")]
    Normal,
    #[serde(rename = "USER_MESSAGE")]
    User,
    #[serde(rename = "AGENT_MESSAGE")]
    Agent,
}

impl From<pb::Message> for ChattingMessage {
    fn from(message: pb::Message) -> Self {
        let message_type = match message.author() {
            pb::Author::User => FlatType::User,
            pb::Author::Bot | pb::Author::Unspecified => FlatType::Normal,
            pb::Author::Agent | pb::Author::System => FlatType::Agent,
        };
        // Most messages are never changed, and a page is full of them.
        let created_at = Stamp::of(message.created_at);
        let updated_at = if message.updated_at == message.created_at {
            created_at
        } else {
            Stamp::of(message.updated_at)
        };
        Self {
            message_type,
            system_message_type: SystemMessageType::of(message.system_message_type()),
            reaction: Reaction::of(message.reaction()),
            id: message.id,
            thread_id: message.thread_id,
            chatbot_id: message.chatbot_id,
            content: message.content,
            content_timestamp: created_at,
            agent_name: message.agent_name,
            parent_message_id: message.parent_message_id,
            llm_model_id: message.llm_model_id,
            source: Sources::of(message.sources_json),
            is_edited: message.is_edited,
            edited_by: message.edited_by,
            edited_at: Stamp::maybe(message.edited_at),
            created_at,
            updated_at,
        }
    }
}
