//! People.

use platform::OrgId;
use platform::time::Time;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Store;
use crate::domain::ConversationError;
use crate::domain::people::{Clash, Kind, Person, Profile, Roles};

struct Row {
    id: Uuid,
    number: i64,
    is_agent: bool,
    is_end_user: bool,
    is_virtual: bool,
    agent_roles: Vec<String>,
    display_name: Option<String>,
    email: Option<String>,
    phone_number: Option<String>,
    additional_emails: Vec<String>,
    additional_phone_numbers: Vec<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    middle_names: Vec<String>,
    avatar_url: Option<String>,
    external_id: Option<String>,
    created_at: Time,
    anonymized_at: Option<Time>,
}

impl From<Row> for Person {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            number: row.number,
            roles: Roles {
                is_agent: row.is_agent,
                is_end_user: row.is_end_user,
                is_virtual: row.is_virtual,
            },
            agent_roles: row.agent_roles,
            profile: Profile {
                display_name: row.display_name,
                email: row.email,
                phone_number: row.phone_number,
                additional_emails: row.additional_emails,
                additional_phone_numbers: row.additional_phone_numbers,
                first_name: row.first_name,
                last_name: row.last_name,
                middle_names: row.middle_names,
                avatar_url: row.avatar_url,
                external_id: row.external_id,
            },
            created_at: row.created_at,
            anonymized_at: row.anonymized_at,
        }
    }
}

/// Somebody who is about to be stored.
#[derive(Debug)]
pub(crate) struct NewPerson {
    pub(crate) id: Uuid,
    pub(crate) roles: Roles,
    pub(crate) agent_roles: Vec<String>,
    pub(crate) profile: Profile,
}

/// How a person is looked for.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Email(String),
    Phone(String),
    ExternalId(String),
}

impl Store {
    /// Keeps writers of people apart until the transaction ends: those that write several, or look before they write,
    /// from everybody; those that insert one person only from the former. Otherwise two of them could wait for each
    /// other's addresses.
    pub(crate) async fn lock_people(org: OrgId, tx: &mut PgConnection, alone: bool) -> Result<(), ConversationError> {
        let key = format!("people/{org}");
        if alone {
            sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", key)
                .execute(tx)
                .await?;
        } else {
            sqlx::query!("select pg_advisory_xact_lock_shared(hashtextextended($1, 0))", key)
                .execute(tx)
                .await?;
        }
        Ok(())
    }

    /// Stores somebody; `None` when another person of the kind has the address, the number or the external id.
    pub(crate) async fn create_person(
        org: OrgId,
        tx: &mut PgConnection,
        new: NewPerson,
    ) -> Result<Option<Person>, ConversationError> {
        let NewPerson {
            id,
            roles,
            agent_roles,
            profile,
        } = new;
        let stored = sqlx::query!(
            "insert into conversation.people (org_id, id, is_agent, is_end_user, is_virtual, agent_roles, display_name,
                 email, phone_number, additional_emails, additional_phone_numbers, first_name, last_name, middle_names,
                 avatar_url, external_id)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
             on conflict do nothing returning number, created_at",
            org.0,
            id,
            roles.is_agent,
            roles.is_end_user,
            roles.is_virtual,
            &agent_roles,
            profile.display_name,
            profile.email,
            profile.phone_number,
            &profile.additional_emails,
            &profile.additional_phone_numbers,
            profile.first_name,
            profile.last_name,
            &profile.middle_names,
            profile.avatar_url,
            profile.external_id
        )
        .fetch_optional(tx)
        .await?;
        Ok(stored.map(|stored| Person {
            id,
            number: stored.number,
            roles,
            agent_roles,
            profile,
            created_at: stored.created_at,
            anonymized_at: None,
        }))
    }

    /// What others of the kind have of a profile, that of `id` not counted.
    pub(crate) async fn clashes(
        org: OrgId,
        on: impl PgExecutor<'_>,
        id: Uuid,
        kind: Kind,
        profile: &Profile,
    ) -> Result<Vec<Clash>, ConversationError> {
        // One branch for each unique index, so that each is a look-up.
        let rows = sqlx::query!(
            r#"select id as "id!", error as "error!" from (
                 select id, 'EmailExists' as error from conversation.people
                 where org_id = $1 and lower(email) = lower($4) and is_agent and $3
                 union all
                 select id, 'EmailExists' from conversation.people
                 where org_id = $1 and lower(email) = lower($4) and is_end_user and not $3
                 union all
                 select id, 'PhoneNumberExists' from conversation.people
                 where org_id = $1 and phone_number = $5 and is_agent and $3
                 union all
                 select id, 'PhoneNumberExists' from conversation.people
                 where org_id = $1 and phone_number = $5 and is_end_user and not $3
                 union all
                 select id, 'ExternalIdExists' from conversation.people
                 where org_id = $1 and external_id = $6 and is_end_user and not $3
               ) as clash where id <> $2"#,
            org.0,
            id,
            kind == Kind::Agent,
            profile.email,
            profile.phone_number,
            profile.external_id
        )
        .fetch_all(on)
        .await?;
        let errors = ["EmailExists", "PhoneNumberExists", "ExternalIdExists"];
        Ok(errors
            .into_iter()
            .filter_map(|error| {
                let row = rows.iter().find(|row| row.error == error)?;
                Some(Clash { holder: row.id, error })
            })
            .collect())
    }

    /// Replaces what is said of somebody.
    pub(crate) async fn save_profile(
        org: OrgId,
        tx: &mut PgConnection,
        id: Uuid,
        profile: &Profile,
    ) -> Result<(), ConversationError> {
        sqlx::query!(
            "update conversation.people set display_name = $3, email = $4, phone_number = $5, additional_emails = $6,
                 additional_phone_numbers = $7, first_name = $8, last_name = $9, middle_names = $10, avatar_url = $11,
                 external_id = $12
             where org_id = $1 and id = $2",
            org.0,
            id,
            profile.display_name,
            profile.email,
            profile.phone_number,
            &profile.additional_emails,
            &profile.additional_phone_numbers,
            profile.first_name,
            profile.last_name,
            &profile.middle_names,
            profile.avatar_url,
            profile.external_id
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Those of these people who exist, by their numbers.
    pub(crate) async fn people(
        org: OrgId,
        on: impl PgExecutor<'_>,
        ids: &[Uuid],
    ) -> Result<Vec<Person>, ConversationError> {
        let rows = sqlx::query_as!(
            Row,
            "select id, number, is_agent, is_end_user, is_virtual, agent_roles, display_name, email, phone_number,
                    additional_emails, additional_phone_numbers, first_name, last_name, middle_names, avatar_url,
                    external_id, created_at, anonymized_at
             from conversation.people where org_id = $1 and id = any($2) order by number",
            org.0,
            ids
        )
        .fetch_all(on)
        .await?;
        Ok(rows.into_iter().map(Person::from).collect())
    }

    /// Somebody, whatever they are; `USER_NOT_FOUND` when there is nobody.
    pub(crate) async fn person(org: OrgId, on: impl PgExecutor<'_>, id: Uuid) -> Result<Person, ConversationError> {
        let found = Self::people(org, on, &[id]).await?.pop();
        found.ok_or(ConversationError::UserNotFound)
    }

    /// An agent, virtual or not; `AGENT_NOT_FOUND` when there is none.
    pub(crate) async fn agent(org: OrgId, on: impl PgExecutor<'_>, id: Uuid) -> Result<Person, ConversationError> {
        let found = Self::people(org, on, &[id]).await?.pop();
        found
            .filter(|person| person.roles.is_agent)
            .ok_or(ConversationError::AgentNotFound)
    }

    /// An end user; `END_USER_NOT_FOUND` when there is none.
    pub(crate) async fn end_user(org: OrgId, on: impl PgExecutor<'_>, id: Uuid) -> Result<Person, ConversationError> {
        let found = Self::people(org, on, &[id]).await?.pop();
        found
            .filter(|person| person.roles.is_end_user)
            .ok_or(ConversationError::EndUserNotFound)
    }

    /// The ids of a page of people of one kind, oldest first, after a number.
    pub(crate) async fn people_page(
        org: OrgId,
        on: impl PgExecutor<'_>,
        kind: Kind,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Uuid>, ConversationError> {
        let page = match kind {
            Kind::Agent => {
                sqlx::query_scalar!(
                    "select id from conversation.people where org_id = $1 and is_agent and number > $2
                     order by number limit $3",
                    org.0,
                    after,
                    limit
                )
                .fetch_all(on)
                .await
            }
            Kind::EndUser => {
                sqlx::query_scalar!(
                    "select id from conversation.people where org_id = $1 and is_end_user and number > $2
                     order by number limit $3",
                    org.0,
                    after,
                    limit
                )
                .fetch_all(on)
                .await
            }
        };
        Ok(page?)
    }

    /// Who of a kind is known under an address, a number or an external id.
    pub(crate) async fn find_person(
        org: OrgId,
        on: impl PgExecutor<'_>,
        kind: Kind,
        wanted: &Wanted,
    ) -> Result<Option<Uuid>, ConversationError> {
        let mut profile = Profile::default();
        match wanted.clone() {
            Wanted::Email(email) => profile.email = Some(email),
            Wanted::Phone(number) => profile.phone_number = Some(number),
            Wanted::ExternalId(id) => profile.external_id = Some(id),
        }
        let found = Self::clashes(org, on, Uuid::nil(), kind, &profile).await?;
        Ok(found.first().map(|clash| clash.holder))
    }

    /// Makes an end user of an agent, who leaves queues and teams. An address or a number that an end user has already
    /// is given up.
    pub(crate) async fn downgrade(org: OrgId, tx: &mut PgConnection, id: Uuid) -> Result<(), ConversationError> {
        // First, so that whoever makes a member of them meanwhile is either done before what follows or refused.
        sqlx::query!(
            "update conversation.people p
             set is_agent = false, is_virtual = false, is_end_user = true, agent_roles = '{}',
                 email = case when exists (
                     select from conversation.people o
                     where o.org_id = $1 and o.is_end_user and o.id <> $2 and lower(o.email) = lower(p.email)
                 ) then null else email end,
                 phone_number = case when exists (
                     select from conversation.people o
                     where o.org_id = $1 and o.is_end_user and o.id <> $2 and o.phone_number = p.phone_number
                 ) then null else phone_number end
             where org_id = $1 and id = $2",
            org.0,
            id
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "delete from conversation.queue_members where org_id = $1 and agent_id = $2",
            org.0,
            id
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "delete from conversation.team_members where org_id = $1 and agent_id = $2",
            org.0,
            id
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "delete from conversation.presences where org_id = $1 and agent_id = $2",
            org.0,
            id
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "update conversation.queues set virtual_agent_id = null where org_id = $1 and virtual_agent_id = $2",
            org.0,
            id
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// The conversations an agent holds that are not closed.
    pub(crate) async fn assigned_to(
        org: OrgId,
        tx: &mut PgConnection,
        agent: Uuid,
    ) -> Result<Vec<i64>, ConversationError> {
        Ok(sqlx::query_scalar!(
            "select id from conversation.conversations where org_id = $1 and agent_id = $2 and closed_at is null
             order by id",
            org.0,
            agent
        )
        .fetch_all(tx)
        .await?)
    }
}
