//! The chatbots of an organization under `/v1/chatbots`: additions to the sources.

use http::StatusCode;
use proto::settings::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Pagination;
use super::chatting::LIST_NAMES;
use crate::answer::{Answer, Null, Stamp, given};
use crate::errors::{Failure, Names};
use crate::extract::{Call, Object};

/// The model that answers.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct LlmModel {
    id: String,
    provider: String,
    title: String,
}

/// A chatbot.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chatbot {
    #[schema(example = "361628903185318481")]
    id: String,
    name: String,
    description: Option<String>,
    bot_icon_src: Option<String>,
    user_icon_src: Option<String>,
    agent_icon_src: Option<String>,
    bubble_icon_src: Option<String>,
    llm_model: Option<LlmModel>,
    /// The queue that people answer its escalations from; null: the organization's default queue.
    human_support_queue_id: Option<String>,
    created_at: Stamp,
    updated_at: Stamp,
}

impl From<pb::Chatbot> for Chatbot {
    fn from(chatbot: pb::Chatbot) -> Self {
        let icons = chatbot.icons.unwrap_or_default();
        Self {
            id: chatbot.id,
            name: chatbot.name,
            description: chatbot.description,
            bot_icon_src: icons.bot,
            user_icon_src: icons.user,
            agent_icon_src: icons.agent,
            bubble_icon_src: icons.bubble,
            llm_model: chatbot.llm_model.map(|model| LlmModel {
                id: model.id,
                provider: model.provider,
                title: model.title,
            }),
            human_support_queue_id: chatbot.human_support_queue_id,
            created_at: Stamp::of(chatbot.created_at),
            updated_at: Stamp::of(chatbot.updated_at),
        }
    }
}

/// A chatbot to be created, or what to change of one: the members that are present.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChatbotChange {
    /// `[A-Za-z0-9._~-]{1,128}`; absent: minted. Only read on creation.
    id: Option<String>,
    /// 1 to 200 characters. Required on creation.
    name: Option<String>,
    /// An empty text clears it.
    description: Option<String>,
    /// An absolute http(s) URL, as the three icons below; an empty text clears it.
    bot_icon_src: Option<String>,
    user_icon_src: Option<String>,
    agent_icon_src: Option<String>,
    bubble_icon_src: Option<String>,
    /// An empty `id` clears it.
    #[schema(value_type = Option<LlmModel>)]
    llm_model: Option<Object<LlmModel>>,
    /// An empty text clears it.
    human_support_queue_id: Option<String>,
}

impl ChatbotChange {
    /// Absent unless one is named.
    fn icons(&mut self) -> Option<pb::Icons> {
        let icons = pb::Icons {
            bot: self.bot_icon_src.take(),
            user: self.user_icon_src.take(),
            agent: self.agent_icon_src.take(),
            bubble: self.bubble_icon_src.take(),
        };
        (icons != pb::Icons::default()).then_some(icons)
    }

    fn llm_model(&mut self) -> Option<pb::LlmModel> {
        self.llm_model.take().map(|Object(model)| pb::LlmModel {
            id: model.id,
            provider: model.provider,
            title: model.title,
        })
    }
}

/// What callers know the icons as.
const NAMES: Names = &[
    ("icons", ""),
    ("bot", "botIconSrc"),
    ("user", "userIconSrc"),
    ("agent", "agentIconSrc"),
    ("bubble", "bubbleIconSrc"),
];

/// One chatbot.
#[derive(Serialize, ToSchema)]
pub(super) struct OneChatbot {
    chatbot: Chatbot,
}

impl OneChatbot {
    fn of(chatbot: Option<pb::Chatbot>) -> Result<Self, Failure> {
        let chatbot = given(chatbot)?.into();
        Ok(Self { chatbot })
    }
}

/// Create a chatbot
#[utoipa::path(post, path = "/v1/chatbots", tag = "Chatbots",
    request_body(content = ChatbotChange, content_type = "application/json", example = json!({"name": "Shop assistant"})),
    responses((status = 201, description = "`Chatbot created successfully`", body = Answer<OneChatbot>)))]
pub(super) async fn create_chatbot(call: Call) -> Result<(StatusCode, Answer<OneChatbot>), Failure> {
    let mut body: ChatbotChange = call.object()?;
    let request = call.request(pb::CreateChatbotRequest {
        icons: body.icons(),
        llm_model: body.llm_model(),
        id: body.id,
        name: body.name.ok_or_else(|| Failure::invalid("name", "is required"))?,
        description: body.description,
        human_support_queue_id: body.human_support_queue_id,
    });
    let answer = call
        .settings()
        .create_chatbot(request)
        .await
        .map_err(Failure::naming(NAMES))?
        .into_inner();
    let chatbot = OneChatbot::of(answer.chatbot)?;
    Ok((
        StatusCode::CREATED,
        Answer::done("Chatbot created successfully", chatbot),
    ))
}

/// A page of chatbots.
#[derive(Serialize, ToSchema)]
pub(super) struct ChatbotPage {
    chatbots: Vec<Chatbot>,
    pagination: Pagination,
}

/// List the chatbots
///
/// Newest first.
#[utoipa::path(get, path = "/v1/chatbots", tag = "Chatbots",
    params(
        ("page" = Option<i32>, Query, description = "1 to 1000, default 1", minimum = 1, maximum = 1000),
        ("limit" = Option<i32>, Query, description = "1 to 100, default 20", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "A page of chatbots", body = Answer<ChatbotPage>)))]
pub(super) async fn list_chatbots(call: Call) -> Result<Answer<ChatbotPage>, Failure> {
    let query = call.query()?;
    let (page, page_size) = (query.page()?, query.limit()?);
    let request = call.request(pb::ListChatbotsRequest { page, page_size });
    let answer = call
        .settings()
        .list_chatbots(request)
        .await
        .map_err(Failure::naming(LIST_NAMES))?
        .into_inner();
    let limit = if page_size == 0 {
        platform::page::DEFAULT_SIZE
    } else {
        page_size
    };
    Ok(Answer::data(ChatbotPage {
        chatbots: answer.chatbots.into_iter().map(Chatbot::from).collect(),
        pagination: Pagination::of(page.max(1), limit, answer.total),
    }))
}

/// Get a chatbot
#[utoipa::path(get, path = "/v1/chatbots/{chatbotId}", tag = "Chatbots",
    responses((status = 200, description = "The chatbot", body = Answer<OneChatbot>)))]
pub(super) async fn get_chatbot(call: Call) -> Result<Answer<OneChatbot>, Failure> {
    let request = call.request(pb::GetChatbotRequest {
        chatbot_id: call.chatbot()?,
    });
    let answer = call.settings().get_chatbot(request).await?.into_inner();
    Ok(Answer::data(OneChatbot::of(answer.chatbot)?))
}

/// Update a chatbot
#[utoipa::path(patch, path = "/v1/chatbots/{chatbotId}", tag = "Chatbots",
    request_body(content = ChatbotChange, content_type = "application/json"),
    responses((status = 200, description = "`Chatbot updated successfully`", body = Answer<OneChatbot>)))]
pub(super) async fn update_chatbot(call: Call) -> Result<Answer<OneChatbot>, Failure> {
    let mut body: ChatbotChange = call.object()?;
    let request = call.request(pb::UpdateChatbotRequest {
        chatbot_id: call.chatbot()?,
        icons: body.icons(),
        llm_model: body.llm_model(),
        name: body.name,
        description: body.description,
        human_support_queue_id: body.human_support_queue_id,
    });
    let answer = call
        .settings()
        .update_chatbot(request)
        .await
        .map_err(Failure::naming(NAMES))?
        .into_inner();
    Ok(Answer::done(
        "Chatbot updated successfully",
        OneChatbot::of(answer.chatbot)?,
    ))
}

/// Delete a chatbot
///
/// With all its settings. Its threads stay stored and can't be reached any more.
#[utoipa::path(delete, path = "/v1/chatbots/{chatbotId}", tag = "Chatbots",
    responses((status = 200, description = "`Chatbot deleted successfully`", body = Answer<Null>)))]
pub(super) async fn delete_chatbot(call: Call) -> Result<Answer<Null>, Failure> {
    let request = call.request(pb::DeleteChatbotRequest {
        chatbot_id: call.chatbot()?,
    });
    call.settings().delete_chatbot(request).await?;
    Ok(Answer::done("Chatbot deleted successfully", Null))
}
