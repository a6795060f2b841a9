//! Visitors, found by address or made.

use platform::OrgId;
use sqlx::PgConnection;

use super::Store;
use crate::domain::{Error, Visitor, VisitorChange};

impl Store {
    /// The visitor with an address, made when there is none. Two who ask at once get the same one.
    pub(crate) async fn visitor_by_email(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        email: &str,
    ) -> Result<Visitor, Error> {
        // The update that changes nothing makes the row that was there come back.
        let visitor = sqlx::query_as!(
            Visitor,
            "insert into thread.visitors (org_id, id, email) values ($1, $2, $3)
             on conflict (org_id, lower(email)) where email is not null do update set email = visitors.email
             returning id, email, name, phone_number, verified, created_at, updated_at",
            org.0,
            platform::id::new(),
            email,
        )
        .fetch_one(tx)
        .await?;
        Ok(visitor)
    }

    /// The visitor a thread has after a change: another address is another visitor, so two people are never merged and
    /// none is renamed by mistake; name and number are set on whoever that is.
    pub(crate) async fn change_visitor(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        current: Option<Visitor>,
        change: &VisitorChange,
    ) -> Result<Visitor, Error> {
        let same = |visitor: &Visitor, email: &str| {
            visitor
                .email
                .as_deref()
                .is_some_and(|own| own.to_lowercase() == email.to_lowercase())
        };
        let visitor = match (current, change.email.as_deref()) {
            (Some(visitor), None) => visitor,
            (Some(visitor), Some(email)) if same(&visitor, email) => visitor,
            (_, Some(email)) => self.visitor_by_email(tx, org, email).await?,
            (None, None) => {
                sqlx::query_as!(
                    Visitor,
                    "insert into thread.visitors (org_id, id) values ($1, $2)
                     returning id, email, name, phone_number, verified, created_at, updated_at",
                    org.0,
                    platform::id::new(),
                )
                .fetch_one(&mut *tx)
                .await?
            }
        };
        if change.name.is_none() && change.phone_number.is_none() {
            return Ok(visitor);
        }
        let visitor = sqlx::query_as!(
            Visitor,
            "update thread.visitors set name = coalesce($3, name), phone_number = coalesce($4, phone_number), updated_at = now()
             where org_id = $1 and id = $2
             returning id, email, name, phone_number, verified, created_at, updated_at",
            org.0,
            visitor.id,
            change.name,
            change.phone_number,
        )
        .fetch_one(tx)
        .await?;
        Ok(visitor)
    }
}
