//! Organizations and company secrets.

use platform::OrgId;
use platform::seal::MasterKey;
use platform::time::Time;
use sqlx::{PgConnection, PgExecutor};
use subtle::ConstantTimeEq as _;

use super::Store;
use crate::domain::SettingsError;
use crate::domain::organization::{LIVE_SECRETS, Organization};

impl Store {
    /// Stores a new organization; says when it was.
    pub async fn create_organization(
        org: OrgId,
        tx: &mut PgConnection,
        name: &str,
        subdomain: &str,
    ) -> Result<Time, SettingsError> {
        Ok(sqlx::query_scalar!(
            "insert into settings.organizations (org_id, name, subdomain) values ($1, $2, $3) returning created_at",
            org.0,
            name,
            subdomain
        )
        .fetch_one(tx)
        .await?)
    }

    /// An organization.
    pub async fn organization(org: OrgId, on: impl PgExecutor<'_>) -> Result<Organization, SettingsError> {
        let row = sqlx::query!(
            "select name, subdomain, created_at from settings.organizations where org_id = $1",
            org.0
        )
        .fetch_optional(on)
        .await?
        .ok_or(SettingsError::OrganizationNotFound)?;
        Ok(Organization {
            id: org,
            name: row.name,
            subdomain: row.subdomain,
            created_at: row.created_at,
        })
    }

    /// The organization with a subdomain: the one look-up that is not within an organization.
    pub async fn organization_at(subdomain: &str, on: impl PgExecutor<'_>) -> Result<Organization, SettingsError> {
        let row = sqlx::query!(
            "select org_id, name, subdomain, created_at from settings.organizations where subdomain = $1",
            subdomain
        )
        .fetch_optional(on)
        .await?
        .ok_or(SettingsError::OrganizationNotFound)?;
        Ok(Organization {
            id: OrgId(row.org_id),
            name: row.name,
            subdomain: row.subdomain,
            created_at: row.created_at,
        })
    }

    /// Adds a company secret unless it is the newest one already, and erases what is older than the two newest. Says how
    /// many are live.
    pub async fn add_company_secret(
        org: OrgId,
        tx: &mut PgConnection,
        master_key: &MasterKey,
        secret: &str,
    ) -> Result<usize, SettingsError> {
        sqlx::query!("select from settings.organizations where org_id = $1 for update", org.0)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(SettingsError::OrganizationNotFound)?;
        let live = sqlx::query!(
            "select id, sealed from settings.company_secrets where org_id = $1 order by created_at desc",
            org.0
        )
        .fetch_all(&mut *tx)
        .await?;
        let is_newest = live.first().is_some_and(|newest| {
            master_key
                .open(&place(org, newest.id), &newest.sealed)
                .is_ok_and(|known| known.ct_eq(secret.as_bytes()).into())
        });
        if is_newest {
            return Ok(live.len());
        }
        let id = platform::id::new();
        sqlx::query!(
            "insert into settings.company_secrets (org_id, id, sealed) values ($1, $2, $3)",
            org.0,
            id,
            master_key.seal(&place(org, id), secret.as_bytes())
        )
        .execute(&mut *tx)
        .await?;
        let kept = live.len().min(LIVE_SECRETS - 1);
        let older: Vec<_> = live[kept..].iter().map(|row| row.id).collect();
        sqlx::query!(
            "delete from settings.company_secrets where org_id = $1 and id = any($2)",
            org.0,
            &older
        )
        .execute(tx)
        .await?;
        Ok(kept + 1)
    }

    /// The live company secrets, newest first. One that can't be opened any more is as good as none.
    pub async fn company_secrets(
        org: OrgId,
        on: impl PgExecutor<'_>,
        master_key: &MasterKey,
    ) -> Result<Vec<Vec<u8>>, SettingsError> {
        let live = sqlx::query!(
            "select id, sealed from settings.company_secrets where org_id = $1 order by created_at desc",
            org.0
        )
        .fetch_all(on)
        .await?;
        let opened = live.iter().filter_map(|row| {
            let opened = master_key.open(&place(org, row.id), &row.sealed);
            opened
                .inspect_err(|error| tracing::error!(%org, %error, "a company secret can't be opened"))
                .ok()
        });
        Ok(opened.collect())
    }
}

fn place(org: OrgId, id: uuid::Uuid) -> Vec<u8> {
    format!("settings.company_secrets/{org}/{id}").into_bytes()
}
