//! Messages under `/v0/chatbots/{chatbotId}`.

use platform::link;
use proto::thread::v1 as pb;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::render::paired::SentMessage;
use crate::answer::{Answer, Null, given};
use crate::errors::{Failure, Names};
use crate::extract::Call;
use crate::words::{Reaction, Sender, SystemMessageType, number};

/// A message to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendMessage {
    /// 1 byte to 32 KiB.
    message: String,
    /// Absent: a new thread, except for an agent's message.
    thread_id: Option<String>,
    /// Absent: USER.
    from: Option<Sender>,
    /// Agents only.
    agent_name: Option<String>,
    icon_url: Option<String>,
    /// The message this one answers (an addition to the source).
    parent_message_id: Option<String>,
    /// Bots only (an addition to the source).
    gpt_model: Option<String>,
    /// Bots only: at most 100 objects (an addition to the source).
    #[schema(value_type = Option<Vec<Object>>)]
    sources: Option<Box<RawValue>>,
    /// Bots only: something happened, and `message` says what (an addition to the source).
    system_message_type: Option<SystemMessageType>,
}

/// The message that was sent.
#[derive(Serialize, ToSchema)]
pub(super) struct Sent {
    message: SentMessage,
}

/// What callers know the fields of a message as.
const NAMES: Names = &[
    ("content", "message"),
    ("author", "from"),
    ("llm_model_id", "gptModel"),
    ("sources_json", "sources"),
];

/// Send a message
///
/// Answers at once: while the bot answers in the thread, `answer` is null for a visitor's message and comes later.
#[utoipa::path(post, path = "/v0/chatbots/{chatbotId}/message", tag = "Messages",
    request_body(content = SendMessage, content_type = "application/json", example = json!({"message": "Hello", "threadId": "xyz", "from": "USER"})),
    responses((status = 200, description = "`Sent the message successfully`", body = Answer<Sent>)))]
pub(super) async fn send_message(call: Call) -> Result<Answer<Sent>, Failure> {
    let body: SendMessage = call.object()?;
    let from = body.from.unwrap_or(Sender::User);
    let author = match (from, body.system_message_type) {
        // What happened in a thread is told by the bot and shown as nobody's words.
        (Sender::Bot, Some(_)) => pb::Author::System,
        (_, Some(_)) => return Err(Failure::invalid("systemMessageType", "is for messages from BOT only")),
        (from, None) => from.into(),
    };
    let mut request = call.request(pb::AppendMessageRequest {
        chatbot_id: call.chatbot()?,
        thread_id: body.thread_id,
        author: author.into(),
        content: body.message,
        agent_name: body.agent_name,
        icon_url: body.icon_url,
        parent_message_id: body.parent_message_id,
        llm_model_id: body.gpt_model,
        sources_json: body.sources.map(|sources| sources.get().to_owned()),
        system_message_type: number(body.system_message_type),
    });
    link::take_as_it_is(&mut request);
    let answer = call
        .threads()
        .append_message(request)
        .await
        .map_err(Failure::naming(NAMES))?;
    let message = given(link::received(answer).message)?.into();
    Ok(Answer::done("Sent the message successfully", Sent { message }))
}

/// What to change of a message: the members that are present.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateMessage {
    /// When present the message must belong to this thread.
    thread_id: Option<String>,
    reaction: Option<Reaction>,
    /// The new text of a message that is no system message, 1 byte to 32 KiB (an addition to the source).
    text: Option<String>,
}

/// Update a message
///
/// A reaction to a question that has an answer is set on the answer.
#[utoipa::path(patch, path = "/v0/chatbots/{chatbotId}/messages/{messageId}", tag = "Messages",
    request_body(content = UpdateMessage, content_type = "application/json", example = json!({"threadId": "xyz", "reaction": "POSITIVE"})),
    responses((status = 200, description = "`Updated the message successfully`", body = Answer<Null>)))]
pub(super) async fn update_message(call: Call) -> Result<Answer<Null>, Failure> {
    let body: UpdateMessage = call.object()?;
    let request = call.request(pb::UpdateMessageRequest {
        chatbot_id: call.chatbot()?,
        message_id: call.id("messageId")?,
        thread_id: body.thread_id,
        reaction: number(body.reaction),
        content: body.text,
    });
    call.threads()
        .update_message(request)
        .await
        .map_err(Failure::naming(&[("content", "text")]))?;
    Ok(Answer::done("Updated the message successfully", Null))
}
