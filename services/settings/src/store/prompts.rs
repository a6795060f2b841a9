//! Quick prompts and follow-up prompts.

use platform::OrgId;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Store;
use crate::domain::SettingsError;
use crate::domain::prompt::{FollowUpPrompt, PROMPTS, Prompt};

impl Store {
    /// Stores a quick prompt, if the chatbot can have one more. The chatbot's lock makes the count hold.
    pub async fn create_quick_prompt(
        org: OrgId,
        tx: &mut PgConnection,
        chatbot_id: &str,
        prompt: &Prompt,
    ) -> Result<(), SettingsError> {
        let created = sqlx::query!(
            "insert into settings.quick_prompts (org_id, chatbot_id, id, title, description, link)
             select $1, $2, $3, $4, $5, $6
             where (select count(*) from settings.quick_prompts where org_id = $1 and chatbot_id = $2) < $7",
            org.0,
            chatbot_id,
            prompt.id,
            prompt.title,
            prompt.description,
            prompt.link,
            PROMPTS
        )
        .execute(tx)
        .await?;
        within_limit(created.rows_affected())
    }

    /// A chatbot's quick prompts, oldest first.
    pub async fn quick_prompts(
        org: OrgId,
        on: impl PgExecutor<'_>,
        chatbot_id: &str,
    ) -> Result<Vec<Prompt>, SettingsError> {
        Ok(sqlx::query_as!(
            Prompt,
            "select id, title, description, link from settings.quick_prompts
             where org_id = $1 and chatbot_id = $2 order by created_at, id",
            org.0,
            chatbot_id
        )
        .fetch_all(on)
        .await?)
    }

    /// A quick prompt.
    pub async fn quick_prompt(
        org: OrgId,
        on: impl PgExecutor<'_>,
        chatbot_id: &str,
        id: Uuid,
    ) -> Result<Prompt, SettingsError> {
        sqlx::query_as!(
            Prompt,
            "select id, title, description, link from settings.quick_prompts
             where org_id = $1 and chatbot_id = $2 and id = $3",
            org.0,
            chatbot_id,
            id
        )
        .fetch_optional(on)
        .await?
        .ok_or(SettingsError::PromptNotFound)
    }

    /// Stores a follow-up prompt, if the chatbot can have one more. The chatbot's lock makes the count hold.
    pub async fn create_follow_up_prompt(
        org: OrgId,
        tx: &mut PgConnection,
        chatbot_id: &str,
        follow_up: &FollowUpPrompt,
    ) -> Result<(), SettingsError> {
        let created = sqlx::query!(
            "insert into settings.follow_up_prompts (org_id, chatbot_id, id, title, description, link, is_escalation_prompt)
             select $1, $2, $3, $4, $5, $6, $7
             where (select count(*) from settings.follow_up_prompts where org_id = $1 and chatbot_id = $2) < $8",
            org.0,
            chatbot_id,
            follow_up.prompt.id,
            follow_up.prompt.title,
            follow_up.prompt.description,
            follow_up.prompt.link,
            follow_up.is_escalation_prompt,
            PROMPTS
        )
        .execute(tx)
        .await?;
        within_limit(created.rows_affected())
    }

    /// A chatbot's follow-up prompts, oldest first.
    pub async fn follow_up_prompts(
        org: OrgId,
        on: impl PgExecutor<'_>,
        chatbot_id: &str,
    ) -> Result<Vec<FollowUpPrompt>, SettingsError> {
        let rows = sqlx::query!(
            "select id, title, description, link, is_escalation_prompt from settings.follow_up_prompts
             where org_id = $1 and chatbot_id = $2 order by created_at, id",
            org.0,
            chatbot_id
        )
        .fetch_all(on)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| FollowUpPrompt {
                prompt: Prompt {
                    id: row.id,
                    title: row.title,
                    description: row.description,
                    link: row.link,
                },
                is_escalation_prompt: row.is_escalation_prompt,
            })
            .collect())
    }
}

fn within_limit(created: u64) -> Result<(), SettingsError> {
    match created {
        0 => Err(SettingsError::PromptLimitReached),
        _ => Ok(()),
    }
}
