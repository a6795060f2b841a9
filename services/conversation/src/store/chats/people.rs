//! People by their numbers and identifiers.

use platform::OrgId;
use sqlx::{PgConnection, PgExecutor};

use super::Store;
use crate::domain::ConversationError;
use crate::domain::conversation::Party;
use crate::domain::people::Person;

/// An agent as integrators list them.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) number: i64,
    pub(crate) name: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) is_working: bool,
    pub(crate) is_online: bool,
}

impl Store {
    /// Somebody, by number.
    pub(crate) async fn person_numbered(
        org: OrgId,
        tx: &mut PgConnection,
        number: i64,
    ) -> Result<Option<Person>, ConversationError> {
        // One branch for each unique index, so that each is a look-up.
        let id = sqlx::query_scalar!(
            r#"select id as "id!" from (
                   select id from conversation.people where org_id = $1 and number = $2 and is_agent
                   union
                   select id from conversation.people where org_id = $1 and number = $2 and is_end_user
               ) found"#,
            org.0,
            number,
        )
        .fetch_optional(&mut *tx)
        .await?;
        match id {
            Some(id) => Ok(Self::people(org, tx, &[id]).await?.pop()),
            None => Ok(None),
        }
    }

    /// A page of the agents who are people, oldest first.
    pub(crate) async fn listed_agents(
        org: OrgId,
        on: impl PgExecutor<'_>,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Listed>, ConversationError> {
        Ok(sqlx::query_as!(
            Listed,
            r#"select p.number, p.display_name as name, p.first_name, p.avatar_url,
                      coalesce(s.working, false) as "is_working!",
                      coalesce(s.working or s.last_seen > now() - interval '5 minutes', false) as "is_online!"
               from conversation.people p
               left join conversation.presences s on s.org_id = p.org_id and s.agent_id = p.id
               where p.org_id = $1 and p.is_agent and not p.is_virtual order by p.number offset $2 limit $3"#,
            org.0,
            offset,
            limit,
        )
        .fetch_all(on)
        .await?)
    }

    /// Gives a locked conversation to another end user.
    pub(crate) async fn replace_requester(
        org: OrgId,
        tx: &mut PgConnection,
        id: i64,
        requester: &Party,
    ) -> Result<(), ConversationError> {
        sqlx::query!(
            "update conversation.conversations set requester_id = $3 where org_id = $1 and id = $2",
            org.0,
            id,
            requester.id,
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Notes an update of a chat's end user; false when the same was noted within the last ten seconds.
    pub(crate) async fn note_end_user_update(
        org: OrgId,
        tx: &mut PgConnection,
        chat: i64,
        fingerprint: &str,
    ) -> Result<bool, ConversationError> {
        let noted = sqlx::query!(
            "update conversation.chats set end_user_update = $3, end_user_update_at = clock_timestamp()
             where org_id = $1 and conversation_id = $2
               and (end_user_update is distinct from $3 or end_user_update_at < clock_timestamp() - interval '10 seconds')",
            org.0,
            chat,
            fingerprint,
        )
        .execute(tx)
        .await?;
        Ok(noted.rows_affected() > 0)
    }
}
