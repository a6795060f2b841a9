//! Quick prompts and follow-up prompts under `/v0/chatbots/{chatbotId}`.

use proto::settings::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{Answer, Nothing, given};
use crate::errors::Failure;
use crate::extract::Call;

/// A prompt that a visitor can click instead of writing.
#[derive(Serialize, ToSchema)]
#[schema(as = QuickPrompt)]
pub(super) struct Prompt {
    id: String,
    /// The text of the button.
    title: String,
    /// What is sent when it is clicked.
    description: String,
    /// Opened instead, when not null.
    link: Option<String>,
}

impl From<pb::QuickPrompt> for Prompt {
    fn from(prompt: pb::QuickPrompt) -> Self {
        Self {
            id: prompt.id,
            title: prompt.title,
            description: prompt.description,
            link: prompt.link,
        }
    }
}

/// The prompts of a chatbot.
#[derive(Serialize, ToSchema)]
pub(super) struct QuickPrompts {
    prompts: Vec<Prompt>,
}

/// List the quick prompts
///
/// Oldest first; a chatbot has at most 100.
#[utoipa::path(get, path = "/v0/chatbots/{chatbotId}/quick-prompts", tag = "Prompts",
    responses((status = 200, description = "`Fetched quick prompts of the chatbot successfully`", body = Answer<QuickPrompts>)))]
pub(super) async fn list_quick_prompts(call: Call) -> Result<Answer<QuickPrompts>, Failure> {
    let request = call.request(pb::ListQuickPromptsRequest {
        chatbot_id: call.chatbot()?,
    });
    let answer = call.settings().list_quick_prompts(request).await?.into_inner();
    let prompts = answer.prompts.into_iter().map(Prompt::from).collect();
    Ok(Answer::done(
        "Fetched quick prompts of the chatbot successfully",
        QuickPrompts { prompts },
    ))
}

/// Get a quick prompt
#[utoipa::path(get, path = "/v0/chatbots/{chatbotId}/quick-prompts/{promptId}", tag = "Prompts",
    responses((status = 200, description = "`Fetched quick prompt of the chatbot successfully`", body = Answer<Prompt>)))]
pub(super) async fn get_quick_prompt(call: Call) -> Result<Answer<Prompt>, Failure> {
    let request = call.request(pb::GetQuickPromptRequest {
        chatbot_id: call.chatbot()?,
        prompt_id: call.id("promptId")?,
    });
    let answer = call.settings().get_quick_prompt(request).await?.into_inner();
    let prompt = given(answer.prompt)?.into();
    Ok(Answer::done("Fetched quick prompt of the chatbot successfully", prompt))
}

/// A quick prompt to be added.
#[derive(Deserialize, ToSchema)]
pub(super) struct AddQuickPrompt {
    /// 1 to 200 characters.
    title: String,
    /// 1 to 2000 characters.
    description: String,
    /// An absolute http(s) URL.
    link: Option<String>,
}

async fn add_quick_prompt(call: &Call) -> Result<Answer<Nothing>, Failure> {
    let body: AddQuickPrompt = call.object()?;
    let request = call.request(pb::CreateQuickPromptRequest {
        chatbot_id: call.chatbot()?,
        title: body.title,
        description: body.description,
        link: body.link,
    });
    call.settings().create_quick_prompt(request).await?;
    Ok(Answer::done(
        "Added conversation starter to the chatbot successfully",
        Nothing {},
    ))
}

/// Add a quick prompt
///
/// The older name of `conversation-starters`.
#[utoipa::path(post, path = "/v0/chatbots/{chatbotId}/quick-prompts", tag = "Prompts",
    request_body(content = AddQuickPrompt, content_type = "application/json"),
    responses((status = 200, description = "`Added conversation starter to the chatbot successfully`", body = Answer<Nothing>)))]
pub(super) async fn create_quick_prompt(call: Call) -> Result<Answer<Nothing>, Failure> {
    add_quick_prompt(&call).await
}

/// Add a conversation starter
///
/// It is a quick prompt.
#[utoipa::path(post, path = "/v0/chatbots/{chatbotId}/conversation-starters", tag = "Prompts",
    request_body(content = AddQuickPrompt, content_type = "application/json"),
    responses((status = 200, description = "`Added conversation starter to the chatbot successfully`", body = Answer<Nothing>)))]
pub(super) async fn create_conversation_starter(call: Call) -> Result<Answer<Nothing>, Failure> {
    add_quick_prompt(&call).await
}

/// A prompt that is offered after an answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FollowUpPrompt {
    id: String,
    title: String,
    description: String,
    link: Option<String>,
    /// Clicking it asks for a person.
    is_escalation_prompt: bool,
}

/// The follow-up prompts of a chatbot.
#[derive(Serialize, ToSchema)]
pub(super) struct FollowUpPrompts {
    prompts: Vec<FollowUpPrompt>,
}

/// List the follow-up prompts
///
/// An addition to the source. Oldest first; a chatbot has at most 100.
#[utoipa::path(get, path = "/v0/chatbots/{chatbotId}/follow-up-prompts", tag = "Prompts",
    responses((status = 200, description = "`Fetched follow-up prompts of the chatbot successfully`", body = Answer<FollowUpPrompts>)))]
pub(super) async fn list_follow_up_prompts(call: Call) -> Result<Answer<FollowUpPrompts>, Failure> {
    let request = call.request(pb::ListFollowUpPromptsRequest {
        chatbot_id: call.chatbot()?,
    });
    let answer = call.settings().list_follow_up_prompts(request).await?.into_inner();
    let prompts = answer
        .prompts
        .into_iter()
        .map(|prompt| FollowUpPrompt {
            id: prompt.id,
            title: prompt.title,
            description: prompt.description,
            link: prompt.link,
            is_escalation_prompt: prompt.is_escalation_prompt,
        })
        .collect();
    Ok(Answer::done(
        "Fetched follow-up prompts of the chatbot successfully",
        FollowUpPrompts { prompts },
    ))
}

/// A follow-up prompt to be added.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddFollowUpPrompt {
    /// 1 to 200 characters.
    title: String,
    /// 1 to 2000 characters.
    description: String,
    /// An absolute http(s) URL.
    link: Option<String>,
    /// Absent: false.
    is_escalation_prompt: Option<bool>,
}

/// Add a follow-up prompt
#[utoipa::path(post, path = "/v0/chatbots/{chatbotId}/follow-up-prompts", tag = "Prompts",
    request_body(content = AddFollowUpPrompt, content_type = "application/json"),
    responses((status = 200, description = "`Added follow-up prompt to the chatbot successfully`", body = Answer<Nothing>)))]
pub(super) async fn create_follow_up_prompt(call: Call) -> Result<Answer<Nothing>, Failure> {
    let body: AddFollowUpPrompt = call.object()?;
    let request = call.request(pb::CreateFollowUpPromptRequest {
        chatbot_id: call.chatbot()?,
        title: body.title,
        description: body.description,
        link: body.link,
        is_escalation_prompt: body.is_escalation_prompt.unwrap_or_default(),
    });
    call.settings().create_follow_up_prompt(request).await?;
    Ok(Answer::done(
        "Added follow-up prompt to the chatbot successfully",
        Nothing {},
    ))
}
