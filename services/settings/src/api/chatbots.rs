//! Chatbots.

use platform::access::Call;
use platform::fault::Violation;
use platform::{page, time};
use proto::settings::v1::{
    self as wire, CreateChatbotRequest, CreateChatbotResponse, DeleteChatbotRequest, DeleteChatbotResponse,
    GetChatbotProfileRequest, GetChatbotProfileResponse, GetChatbotRequest, GetChatbotResponse, ListChatbotsRequest,
    ListChatbotsResponse, UpdateChatbotRequest, UpdateChatbotResponse,
};
use sqlx::PgConnection;
use tonic::{Request, Response, Status};

use super::{Api, Changed, about_chatbot};
use crate::domain::chatbot::{self, Chatbot, Icons, LlmModel, Profile, ProfileChange};
use crate::domain::field::Change;
use crate::domain::general::GeneralSettings;
use crate::domain::{SettingsError, field};
use crate::store::Store;

pub(super) async fn create(
    api: &Api,
    request: Request<CreateChatbotRequest>,
) -> Result<Response<CreateChatbotResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let (id, profile) = parse_new(message.clone()).map_err(SettingsError::from)?;
    api.once(&call, "CreateChatbot", &message, async |tx| {
        let chatbot = store_new(&call, tx, id, profile).await?;
        let id = chatbot.id.clone();
        let mut general = GeneralSettings::of_new_chatbot(platform::id::new(), id.clone(), chatbot.created_at);
        Store::save_general(call.org(), tx, &mut general).await?;
        api.tell(&call, tx, &id, 1, Changed::Created).await?;
        let answer = CreateChatbotResponse {
            chatbot: Some(chatbot.into()),
        };
        Ok(about_chatbot(&id, answer))
    })
    .await
}

/// How often another id is minted when the first is taken. Of 9 · 10^18 ids none is ever hit twice in a row.
const MINTS: usize = 5;

async fn store_new(
    call: &Call,
    tx: &mut PgConnection,
    id: Option<String>,
    profile: Profile,
) -> Result<Chatbot, SettingsError> {
    if let Some(id) = id {
        return Store::create_chatbot(call.org(), tx, id, profile)
            .await?
            .ok_or(SettingsError::ChatbotIdTaken);
    }
    for _ in 0..MINTS {
        if let Some(chatbot) = Store::create_chatbot(call.org(), tx, chatbot::minted_id(), profile.clone()).await? {
            return Ok(chatbot);
        }
    }
    Err(SettingsError::ChatbotIdTaken)
}

fn parse_new(message: CreateChatbotRequest) -> Result<(Option<String>, Profile), Violation> {
    let id = message.id.map(|id| chatbot::chosen_id("id", id)).transpose()?;
    let change = ProfileChange {
        name: Some(field::required("name", message.name, field::NAME)?),
        description: field::change("description", message.description, field::PROSE)?,
        icons: parse_icons(message.icons)?,
        llm_model: parse_model(message.llm_model)?,
        human_support_queue_id: parse_queue(message.human_support_queue_id)?,
    };
    let mut profile = Profile::default();
    change.apply(&mut profile);
    Ok((id, profile))
}

fn parse_change(message: UpdateChatbotRequest) -> Result<ProfileChange, Violation> {
    Ok(ProfileChange {
        name: message
            .name
            .map(|name| field::required("name", name, field::NAME))
            .transpose()?,
        description: field::change("description", message.description, field::PROSE)?,
        icons: parse_icons(message.icons)?,
        llm_model: parse_model(message.llm_model)?,
        human_support_queue_id: parse_queue(message.human_support_queue_id)?,
    })
}

fn parse_icons(icons: Option<wire::Icons>) -> Result<[Change<String>; 4], Violation> {
    let icons = icons.unwrap_or_default();
    Ok([
        field::url("icons.bot", icons.bot)?,
        field::url("icons.user", icons.user)?,
        field::url("icons.agent", icons.agent)?,
        field::url("icons.bubble", icons.bubble)?,
    ])
}

fn parse_model(model: Option<wire::LlmModel>) -> Result<Change<LlmModel>, Violation> {
    Ok(match model {
        None => Change::Keep,
        Some(model) if model.id.is_empty() => Change::Clear,
        Some(model) => Change::Set(LlmModel {
            id: field::bounded("llm_model.id", model.id, field::NAME)?,
            provider: field::bounded("llm_model.provider", model.provider, field::NAME)?,
            title: field::bounded("llm_model.title", model.title, field::NAME)?,
        }),
    })
}

fn parse_queue(id: Option<String>) -> Result<Change<String>, Violation> {
    field::change("human_support_queue_id", id, 128)
}

pub(super) async fn list(
    api: &Api,
    request: Request<ListChatbotsRequest>,
) -> Result<Response<ListChatbotsResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let size = page::size(message.page_size)?;
    let offset = (page::number(message.page)? - 1) * size;
    let total = Store::count_chatbots(call.org(), &api.db).await?;
    let chatbots = Store::chatbots(call.org(), &api.db, offset, size).await?;
    Ok(Response::new(ListChatbotsResponse {
        chatbots: chatbots.into_iter().map(Into::into).collect(),
        total: i32::try_from(total).unwrap_or(i32::MAX),
    }))
}

pub(super) async fn get(
    api: &Api,
    request: Request<GetChatbotRequest>,
) -> Result<Response<GetChatbotResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id)?;
    let chatbot = Store::chatbot(call.org(), &api.db, &id).await?;
    Ok(Response::new(GetChatbotResponse {
        chatbot: Some(chatbot.into()),
    }))
}

pub(super) async fn update(
    api: &Api,
    request: Request<UpdateChatbotRequest>,
) -> Result<Response<UpdateChatbotResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id.clone())?;
    let change = parse_change(message.clone()).map_err(SettingsError::from)?;
    api.once(&call, "UpdateChatbot", &message, async |tx| {
        let sequence = Store::touch_chatbot(call.org(), tx, &id).await?;
        let mut chatbot = Store::chatbot(call.org(), &mut *tx, &id).await?;
        change.apply(&mut chatbot.profile);
        chatbot.updated_at = Store::save_profile(call.org(), tx, &id, &chatbot.profile).await?;
        api.tell(&call, tx, &id, sequence, Changed::Updated).await?;
        let answer = UpdateChatbotResponse {
            chatbot: Some(chatbot.into()),
        };
        Ok(about_chatbot(&id, answer))
    })
    .await
}

pub(super) async fn delete(
    api: &Api,
    request: Request<DeleteChatbotRequest>,
) -> Result<Response<DeleteChatbotResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id.clone())?;
    api.once(&call, "DeleteChatbot", &message, async |tx| {
        let sequence = Store::touch_chatbot(call.org(), tx, &id).await?;
        Store::delete_chatbot(call.org(), tx, &id).await?;
        api.tell(&call, tx, &id, sequence, Changed::Deleted).await?;
        Ok(about_chatbot(&id, DeleteChatbotResponse {}))
    })
    .await
}

pub(super) async fn get_profile(
    api: &Api,
    request: Request<GetChatbotProfileRequest>,
) -> Result<Response<GetChatbotProfileResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id)?;
    let brief = Store::brief(call.org(), &api.db, &id).await?;
    Ok(Response::new(GetChatbotProfileResponse {
        chatbot: Some(brief.chatbot.into()),
        chat_start: wire::ChatStart::from(brief.chat_start).into(),
        human_support_confirmation_message: brief.confirmation_message,
    }))
}

impl From<Chatbot> for wire::Chatbot {
    fn from(chatbot: Chatbot) -> Self {
        let profile = chatbot.profile;
        Self {
            id: chatbot.id,
            name: profile.name,
            description: profile.description,
            icons: Some(profile.icons.into()),
            llm_model: profile.llm_model.map(|model| wire::LlmModel {
                id: model.id,
                provider: model.provider,
                title: model.title,
            }),
            human_support_queue_id: profile.human_support_queue_id,
            created_at: Some(time::to_proto(chatbot.created_at)),
            updated_at: Some(time::to_proto(chatbot.updated_at)),
        }
    }
}

impl From<Icons> for wire::Icons {
    fn from(icons: Icons) -> Self {
        Self {
            bot: icons.bot,
            user: icons.user,
            agent: icons.agent,
            bubble: icons.bubble,
        }
    }
}
