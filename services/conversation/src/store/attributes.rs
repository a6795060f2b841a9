//! Custom attributes: their definitions, and their values for end users.

use platform::OrgId;
use platform::time::Time;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{MOST, Store};
use crate::domain::ConversationError;
use crate::domain::attributes::{Change, Definition, Entity, Input, Shown, Value};

struct Row {
    id: Uuid,
    entity: String,
    identifier: String,
    label: String,
    input: Json<Input>,
    description: Option<String>,
    is_required: bool,
    is_archived: bool,
    is_deactivated: bool,
    created_at: Time,
    updated_at: Option<Time>,
}

impl From<Row> for Definition {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            entity: Entity::from_stored(&row.entity),
            identifier: row.identifier,
            label: row.label,
            input: row.input.0,
            description: row.description,
            is_required: row.is_required,
            is_archived: row.is_archived,
            is_deactivated: row.is_deactivated,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl Store {
    /// Stores a new definition; says when it was made.
    pub(crate) async fn create_definition(
        org: OrgId,
        tx: &mut PgConnection,
        new: &Definition,
    ) -> Result<Time, ConversationError> {
        Ok(sqlx::query_scalar!(
            "insert into conversation.custom_attributes (org_id, id, entity, identifier, label, input, description,
                 is_required, is_archived, is_deactivated)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning created_at",
            org.0,
            new.id,
            new.entity.as_str(),
            new.identifier,
            new.label,
            Json(&new.input) as _,
            new.description,
            new.is_required,
            new.is_archived,
            new.is_deactivated
        )
        .fetch_one(tx)
        .await?)
    }

    /// Replaces what can change of a definition; says when.
    pub(crate) async fn save_definition(
        org: OrgId,
        tx: &mut PgConnection,
        definition: &Definition,
    ) -> Result<Time, ConversationError> {
        sqlx::query_scalar!(
            r#"update conversation.custom_attributes set label = $3, input = $4, description = $5, is_required = $6,
                   is_archived = $7, is_deactivated = $8, updated_at = now()
               where org_id = $1 and id = $2 returning updated_at as "at!""#,
            org.0,
            definition.id,
            definition.label,
            Json(&definition.input) as _,
            definition.description,
            definition.is_required,
            definition.is_archived,
            definition.is_deactivated
        )
        .fetch_optional(tx)
        .await?
        .ok_or(ConversationError::AttributeNotFound)
    }

    /// A definition, locked against changes when it is to be changed.
    pub(crate) async fn hold_definition(
        org: OrgId,
        tx: &mut PgConnection,
        id: Uuid,
    ) -> Result<Definition, ConversationError> {
        sqlx::query_scalar!(
            "select id from conversation.custom_attributes where org_id = $1 and id = $2 for update",
            org.0,
            id
        )
        .fetch_optional(&mut *tx)
        .await?;
        Self::definition(org, tx, id).await
    }

    /// A definition.
    pub(crate) async fn definition(
        org: OrgId,
        on: impl PgExecutor<'_>,
        id: Uuid,
    ) -> Result<Definition, ConversationError> {
        sqlx::query_as!(
            Row,
            r#"select id, entity, identifier, label, input as "input: Json<Input>", description, is_required, is_archived,
                      is_deactivated, created_at, updated_at
               from conversation.custom_attributes where org_id = $1 and id = $2"#,
            org.0,
            id
        )
        .fetch_optional(on)
        .await?
        .map(Definition::from)
        .ok_or(ConversationError::AttributeNotFound)
    }

    /// The definitions, oldest first.
    pub(crate) async fn definitions(org: OrgId, on: impl PgExecutor<'_>) -> Result<Vec<Definition>, ConversationError> {
        let rows = sqlx::query_as!(
            Row,
            r#"select id, entity, identifier, label, input as "input: Json<Input>", description, is_required, is_archived,
                      is_deactivated, created_at, updated_at
               from conversation.custom_attributes where org_id = $1 order by created_at, id limit $2"#,
            org.0,
            MOST
        )
        .fetch_all(on)
        .await?;
        Ok(rows.into_iter().map(Definition::from).collect())
    }

    /// The definitions that changes are about, kept from changing until the transaction ends. An id that is unknown, or
    /// belongs to another kind of entity, is left out.
    pub(crate) async fn definitions_for(
        org: OrgId,
        tx: &mut PgConnection,
        entity: Entity,
        changes: &[Change],
    ) -> Result<Vec<Definition>, ConversationError> {
        let ids: Vec<_> = changes.iter().map(|change| change.id).collect();
        let rows = sqlx::query_as!(
            Row,
            r#"select id, entity, identifier, label, input as "input: Json<Input>", description, is_required, is_archived,
                      is_deactivated, created_at, updated_at
               from conversation.custom_attributes where org_id = $1 and entity = $2 and id = any($3)
               order by id for share"#,
            org.0,
            entity.as_str(),
            &ids
        )
        .fetch_all(tx)
        .await?;
        Ok(rows.into_iter().map(Definition::from).collect())
    }

    /// Sets and clears values of an end user.
    pub(crate) async fn save_person_attributes(
        org: OrgId,
        tx: &mut PgConnection,
        person: Uuid,
        changes: &[Change],
    ) -> Result<(), ConversationError> {
        for Change { id, value } in changes {
            if let Some(value) = value {
                sqlx::query!(
                    "insert into conversation.person_attributes (org_id, person_id, attribute_id, value)
                     values ($1, $2, $3, $4)
                     on conflict (org_id, person_id, attribute_id) do update set value = excluded.value",
                    org.0,
                    person,
                    id,
                    Json(value) as _
                )
                .execute(&mut *tx)
                .await?;
            } else {
                sqlx::query!(
                    "delete from conversation.person_attributes
                     where org_id = $1 and person_id = $2 and attribute_id = $3",
                    org.0,
                    person,
                    id
                )
                .execute(&mut *tx)
                .await?;
            }
        }
        Ok(())
    }

    /// The values of an end user, in the order of their definitions.
    pub(crate) async fn person_attributes(
        org: OrgId,
        on: impl PgExecutor<'_>,
        person: Uuid,
    ) -> Result<Vec<Shown>, ConversationError> {
        let rows = sqlx::query!(
            r#"select a.id, a.label, a.identifier, v.value as "value: Json<Value>"
               from conversation.person_attributes v
               join conversation.custom_attributes a on a.org_id = v.org_id and a.id = v.attribute_id
               where v.org_id = $1 and v.person_id = $2 order by a.created_at, a.id"#,
            org.0,
            person
        )
        .fetch_all(on)
        .await?;
        let shown = rows.into_iter().map(|row| Shown {
            id: row.id,
            name: row.label,
            identifier: row.identifier,
            value: row.value.0,
        });
        Ok(shown.collect())
    }
}
