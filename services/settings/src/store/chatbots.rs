//! Chatbots.

use platform::OrgId;
use platform::time::Time;
use sqlx::{PgConnection, PgExecutor};

use super::Store;
use crate::domain::SettingsError;
use crate::domain::chatbot::{Brief, Chatbot, Icons, LlmModel, Profile};
use crate::domain::general::ChatStart;

struct Row {
    id: String,
    name: String,
    description: Option<String>,
    icon_bot: Option<String>,
    icon_user: Option<String>,
    icon_agent: Option<String>,
    icon_bubble: Option<String>,
    llm_id: Option<String>,
    llm_provider: Option<String>,
    llm_title: Option<String>,
    human_support_queue_id: Option<String>,
    created_at: Time,
    updated_at: Time,
}

impl From<Row> for Chatbot {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            profile: Profile {
                name: row.name,
                description: row.description,
                icons: Icons {
                    bot: row.icon_bot,
                    user: row.icon_user,
                    agent: row.icon_agent,
                    bubble: row.icon_bubble,
                },
                llm_model: row.llm_id.map(|id| LlmModel {
                    id,
                    provider: row.llm_provider.unwrap_or_default(),
                    title: row.llm_title.unwrap_or_default(),
                }),
                human_support_queue_id: row.human_support_queue_id,
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl Store {
    /// Stores a chatbot under an id that nobody in the organization has or had; `None` when somebody did.
    pub async fn create_chatbot(
        org: OrgId,
        tx: &mut PgConnection,
        id: String,
        profile: Profile,
    ) -> Result<Option<Chatbot>, SettingsError> {
        let model = profile.llm_model.as_ref();
        let times = sqlx::query!(
            "insert into settings.chatbots (org_id, id, name, description, icon_bot, icon_user, icon_agent, icon_bubble,
                                            llm_id, llm_provider, llm_title, human_support_queue_id)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing
             returning created_at, updated_at",
            org.0,
            id,
            profile.name,
            profile.description,
            profile.icons.bot,
            profile.icons.user,
            profile.icons.agent,
            profile.icons.bubble,
            model.map(|model| model.id.as_str()),
            model.map(|model| model.provider.as_str()),
            model.map(|model| model.title.as_str()),
            profile.human_support_queue_id
        )
        .fetch_optional(tx)
        .await?;
        Ok(times.map(|times| Chatbot {
            id,
            profile,
            created_at: times.created_at,
            updated_at: times.updated_at,
        }))
    }

    /// Locks a chatbot until the transaction ends and takes the sequence of the event about the change to come.
    pub async fn touch_chatbot(org: OrgId, tx: &mut PgConnection, id: &str) -> Result<i64, SettingsError> {
        sqlx::query_scalar!(
            "update settings.chatbots set sequence = sequence + 1
             where org_id = $1 and id = $2 and deleted_at is null returning sequence",
            org.0,
            id
        )
        .fetch_optional(tx)
        .await?
        .ok_or(SettingsError::ChatbotNotFound)
    }

    /// A chatbot.
    pub async fn chatbot(org: OrgId, on: impl PgExecutor<'_>, id: &str) -> Result<Chatbot, SettingsError> {
        sqlx::query_as!(
            Row,
            "select id, name, description, icon_bot, icon_user, icon_agent, icon_bubble, llm_id, llm_provider, llm_title,
                    human_support_queue_id, created_at, updated_at
             from settings.chatbots where org_id = $1 and id = $2 and deleted_at is null",
            org.0,
            id
        )
        .fetch_optional(on)
        .await?
        .map(Chatbot::from)
        .ok_or(SettingsError::ChatbotNotFound)
    }

    /// A page of chatbots, newest first.
    pub async fn chatbots(
        org: OrgId,
        on: impl PgExecutor<'_>,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Chatbot>, SettingsError> {
        let rows = sqlx::query_as!(
            Row,
            "select id, name, description, icon_bot, icon_user, icon_agent, icon_bubble, llm_id, llm_provider, llm_title,
                    human_support_queue_id, created_at, updated_at
             from settings.chatbots where org_id = $1 and deleted_at is null
             order by created_at desc, id desc offset $2 limit $3",
            org.0,
            offset,
            limit
        )
        .fetch_all(on)
        .await?;
        Ok(rows.into_iter().map(Chatbot::from).collect())
    }

    /// How many chatbots there are.
    pub async fn count_chatbots(org: OrgId, on: impl PgExecutor<'_>) -> Result<i64, SettingsError> {
        Ok(sqlx::query_scalar!(
            r#"select count(*) as "count!" from settings.chatbots where org_id = $1 and deleted_at is null"#,
            org.0
        )
        .fetch_one(on)
        .await?)
    }

    /// What other contexts need to know of a chatbot.
    pub async fn brief(org: OrgId, on: impl PgExecutor<'_>, id: &str) -> Result<Brief, SettingsError> {
        let row = sqlx::query!(
            r#"select c.id, c.name, c.description, c.icon_bot, c.icon_user, c.icon_agent, c.icon_bubble, c.llm_id,
                      c.llm_provider, c.llm_title, c.human_support_queue_id, c.created_at, c.updated_at, g.chat_start,
                      h.human_support_confirmation_message as "confirmation_message?"
               from settings.chatbots c
               join settings.general_settings g on g.org_id = c.org_id and g.chatbot_id = c.id
               left join settings.human_support_settings h on h.org_id = c.org_id and h.chatbot_id = c.id
               where c.org_id = $1 and c.id = $2 and c.deleted_at is null"#,
            org.0,
            id
        )
        .fetch_optional(on)
        .await?
        .ok_or(SettingsError::ChatbotNotFound)?;
        Ok(Brief {
            chat_start: ChatStart::from_stored(&row.chat_start),
            confirmation_message: row.confirmation_message,
            chatbot: Row {
                id: row.id,
                name: row.name,
                description: row.description,
                icon_bot: row.icon_bot,
                icon_user: row.icon_user,
                icon_agent: row.icon_agent,
                icon_bubble: row.icon_bubble,
                llm_id: row.llm_id,
                llm_provider: row.llm_provider,
                llm_title: row.llm_title,
                human_support_queue_id: row.human_support_queue_id,
                created_at: row.created_at,
                updated_at: row.updated_at,
            }
            .into(),
        })
    }

    /// Stores a changed profile; says when it was.
    pub async fn save_profile(
        org: OrgId,
        tx: &mut PgConnection,
        id: &str,
        profile: &Profile,
    ) -> Result<Time, SettingsError> {
        let model = profile.llm_model.as_ref();
        Ok(sqlx::query_scalar!(
            "update settings.chatbots
             set name = $3, description = $4, icon_bot = $5, icon_user = $6, icon_agent = $7, icon_bubble = $8, llm_id = $9,
                 llm_provider = $10, llm_title = $11, human_support_queue_id = $12, updated_at = now()
             where org_id = $1 and id = $2 returning updated_at",
            org.0,
            id,
            profile.name,
            profile.description,
            profile.icons.bot,
            profile.icons.user,
            profile.icons.agent,
            profile.icons.bubble,
            model.map(|model| model.id.as_str()),
            model.map(|model| model.provider.as_str()),
            model.map(|model| model.title.as_str()),
            profile.human_support_queue_id
        )
        .fetch_one(tx)
        .await?)
    }

    /// Erases a chatbot and everything that is configured about it. What remains is its id, which stays taken.
    pub async fn delete_chatbot(org: OrgId, tx: &mut PgConnection, id: &str) -> Result<(), SettingsError> {
        sqlx::query!(
            "with general as (delete from settings.general_settings where org_id = $1 and chatbot_id = $2),
                  human as (delete from settings.human_support_settings where org_id = $1 and chatbot_id = $2),
                  quick as (delete from settings.quick_prompts where org_id = $1 and chatbot_id = $2),
                  follow_up as (delete from settings.follow_up_prompts where org_id = $1 and chatbot_id = $2)
             update settings.chatbots
             set name = '', description = null, icon_bot = null, icon_user = null, icon_agent = null, icon_bubble = null,
                 llm_id = null, llm_provider = null, llm_title = null, human_support_queue_id = null, deleted_at = now()
             where org_id = $1 and id = $2",
            org.0,
            id
        )
        .execute(tx)
        .await?;
        Ok(())
    }
}
