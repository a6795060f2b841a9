//! Contact endpoints.

use platform::OrgId;
use sqlx::{PgConnection, PgExecutor};

use super::{MOST, Store};
use crate::domain::ConversationError;
use crate::domain::contact_endpoints::{ContactEndpoint, Endpoint, Function};

struct Row {
    is_email: bool,
    name: Option<String>,
    address: String,
    sender_override: Option<String>,
    functionality: Vec<Function>,
}

impl From<Row> for ContactEndpoint {
    fn from(row: Row) -> Self {
        Self {
            name: row.name,
            endpoint: if row.is_email {
                Endpoint::Email {
                    address: row.address,
                    sender_override: row.sender_override,
                }
            } else {
                Endpoint::Telephony {
                    number: row.address,
                    functionality: row.functionality,
                }
            },
        }
    }
}

impl Store {
    /// Stores a contact endpoint; `CONTACT_ENDPOINT_EXISTS` when there is one of that address or number.
    pub(crate) async fn create_contact_endpoint(
        org: OrgId,
        tx: &mut PgConnection,
        endpoint: &ContactEndpoint,
    ) -> Result<(), ConversationError> {
        let none = Vec::new();
        let (is_email, address, sender_override, functionality) = match &endpoint.endpoint {
            Endpoint::Email {
                address,
                sender_override,
            } => (true, address, sender_override.as_deref(), &none),
            Endpoint::Telephony { number, functionality } => (false, number, None, functionality),
        };
        let functionality: Vec<i16> = functionality.iter().map(|function| *function as i16).collect();
        sqlx::query!(
            "insert into conversation.contact_endpoints (org_id, id, is_email, name, address, sender_override,
                 functionality)
             values ($1, $2, $3, $4, $5, $6, $7)",
            org.0,
            endpoint.id(),
            is_email,
            endpoint.name,
            address,
            sender_override,
            &functionality
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// The contact endpoint of an address in lower case, or of a number.
    pub(crate) async fn contact_endpoint(
        org: OrgId,
        on: impl PgExecutor<'_>,
        id: &str,
    ) -> Result<ContactEndpoint, ConversationError> {
        sqlx::query_as!(
            Row,
            r#"select is_email, name, address, sender_override, functionality as "functionality: Vec<Function>"
               from conversation.contact_endpoints where org_id = $1 and id = $2"#,
            org.0,
            id
        )
        .fetch_optional(on)
        .await?
        .map(ContactEndpoint::from)
        .ok_or(ConversationError::ContactEndpointNotFound)
    }

    /// The addresses, the numbers, or both.
    pub(crate) async fn contact_endpoints(
        org: OrgId,
        on: impl PgExecutor<'_>,
        is_email: Option<bool>,
    ) -> Result<Vec<ContactEndpoint>, ConversationError> {
        let rows = sqlx::query_as!(
            Row,
            r#"select is_email, name, address, sender_override, functionality as "functionality: Vec<Function>"
               from conversation.contact_endpoints where org_id = $1 and ($2::boolean is null or is_email = $2)
               order by id limit $3"#,
            org.0,
            is_email,
            MOST
        )
        .fetch_all(on)
        .await?;
        Ok(rows.into_iter().map(ContactEndpoint::from).collect())
    }
}
