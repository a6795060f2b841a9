//! Quick prompts and follow-up prompts.

use platform::access::Call;
use proto::settings::v1::{
    self as wire, CreateFollowUpPromptRequest, CreateFollowUpPromptResponse, CreateQuickPromptRequest,
    CreateQuickPromptResponse, GetQuickPromptRequest, GetQuickPromptResponse, ListFollowUpPromptsRequest,
    ListFollowUpPromptsResponse, ListQuickPromptsRequest, ListQuickPromptsResponse,
};
use tonic::{Request, Response, Status};

use super::{Api, Changed, about_chatbot};
use crate::domain::prompt::{FollowUpPrompt, Prompt};
use crate::domain::{SettingsError, field};
use crate::store::Store;

pub(super) async fn create_quick(
    api: &Api,
    request: Request<CreateQuickPromptRequest>,
) -> Result<Response<CreateQuickPromptResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id.clone())?;
    let CreateQuickPromptRequest {
        title,
        description,
        link,
        ..
    } = message.clone();
    let prompt = Prompt::parse(platform::id::new(), title, description, link).map_err(SettingsError::from)?;
    api.once(&call, "CreateQuickPrompt", &message, async |tx| {
        let sequence = Store::touch_chatbot(call.org(), tx, &id).await?;
        Store::create_quick_prompt(call.org(), tx, &id, &prompt).await?;
        api.tell(&call, tx, &id, sequence, Changed::Prompts).await?;
        let answer = CreateQuickPromptResponse {
            prompt: Some(prompt.into()),
        };
        Ok(about_chatbot(&id, answer))
    })
    .await
}

pub(super) async fn list_quick(
    api: &Api,
    request: Request<ListQuickPromptsRequest>,
) -> Result<Response<ListQuickPromptsResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id)?;
    Store::chatbot(call.org(), &api.db, &id).await?;
    let prompts = Store::quick_prompts(call.org(), &api.db, &id).await?;
    Ok(Response::new(ListQuickPromptsResponse {
        prompts: prompts.into_iter().map(Into::into).collect(),
    }))
}

pub(super) async fn get_quick(
    api: &Api,
    request: Request<GetQuickPromptRequest>,
) -> Result<Response<GetQuickPromptResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id)?;
    let prompt_id = field::lookup("prompt_id", message.prompt_id).map_err(SettingsError::from)?;
    Store::chatbot(call.org(), &api.db, &id).await?;
    let prompt_id = platform::id::parse(&prompt_id).ok_or(SettingsError::PromptNotFound)?;
    let prompt = Store::quick_prompt(call.org(), &api.db, &id, prompt_id).await?;
    Ok(Response::new(GetQuickPromptResponse {
        prompt: Some(prompt.into()),
    }))
}

pub(super) async fn create_follow_up(
    api: &Api,
    request: Request<CreateFollowUpPromptRequest>,
) -> Result<Response<CreateFollowUpPromptResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id.clone())?;
    let CreateFollowUpPromptRequest {
        title,
        description,
        link,
        is_escalation_prompt,
        ..
    } = message.clone();
    let follow_up = FollowUpPrompt {
        prompt: Prompt::parse(platform::id::new(), title, description, link).map_err(SettingsError::from)?,
        is_escalation_prompt,
    };
    api.once(&call, "CreateFollowUpPrompt", &message, async |tx| {
        let sequence = Store::touch_chatbot(call.org(), tx, &id).await?;
        Store::create_follow_up_prompt(call.org(), tx, &id, &follow_up).await?;
        api.tell(&call, tx, &id, sequence, Changed::Prompts).await?;
        let answer = CreateFollowUpPromptResponse {
            prompt: Some(follow_up.into()),
        };
        Ok(about_chatbot(&id, answer))
    })
    .await
}

pub(super) async fn list_follow_up(
    api: &Api,
    request: Request<ListFollowUpPromptsRequest>,
) -> Result<Response<ListFollowUpPromptsResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id)?;
    Store::chatbot(call.org(), &api.db, &id).await?;
    let prompts = Store::follow_up_prompts(call.org(), &api.db, &id).await?;
    Ok(Response::new(ListFollowUpPromptsResponse {
        prompts: prompts.into_iter().map(Into::into).collect(),
    }))
}

impl From<Prompt> for wire::QuickPrompt {
    fn from(prompt: Prompt) -> Self {
        Self {
            id: prompt.id.to_string(),
            title: prompt.title,
            description: prompt.description,
            link: prompt.link,
        }
    }
}

impl From<FollowUpPrompt> for wire::FollowUpPrompt {
    fn from(follow_up: FollowUpPrompt) -> Self {
        Self {
            id: follow_up.prompt.id.to_string(),
            title: follow_up.prompt.title,
            description: follow_up.prompt.description,
            link: follow_up.prompt.link,
            is_escalation_prompt: follow_up.is_escalation_prompt,
        }
    }
}
