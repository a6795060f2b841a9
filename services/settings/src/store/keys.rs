//! API keys.

use platform::OrgId;
use platform::access::ApiKey;
use platform::time::Time;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Store;
use crate::domain::SettingsError;
use crate::domain::key::KeyRecord;

/// A key that is valid now, as far as its secret proves to be the presented one.
#[derive(Debug)]
pub struct LiveKey {
    /// What its secret hashes to.
    pub hash: Vec<u8>,
    /// The person or service behind it.
    pub owner: String,
    /// What it opens.
    pub scopes: Vec<String>,
    /// From when on it is not valid any more.
    pub expires_at: Option<Time>,
    /// Its organization's.
    pub subdomain: String,
}

impl Store {
    /// Stores a minted key: its hash, not its text.
    pub async fn create_key(
        org: OrgId,
        tx: &mut PgConnection,
        key: &ApiKey,
        owner: &str,
        scopes: &[String],
        expires_at: Option<Time>,
    ) -> Result<KeyRecord, SettingsError> {
        let hash = key.hash();
        Ok(sqlx::query_as!(
            KeyRecord,
            "insert into settings.api_keys (org_id, id, owner, scopes, hash, expires_at) values ($1, $2, $3, $4, $5, $6)
             returning id, owner, scopes, created_at, expires_at, revoked_at",
            org.0,
            key.id,
            owner,
            scopes,
            hash.as_slice(),
            expires_at
        )
        .fetch_one(tx)
        .await?)
    }

    /// Keys, newest first, after a position.
    pub async fn keys(
        org: OrgId,
        on: impl PgExecutor<'_>,
        after: Option<(Time, Uuid)>,
        limit: i64,
    ) -> Result<Vec<KeyRecord>, SettingsError> {
        let (at, id) = after.unzip();
        Ok(sqlx::query_as!(
            KeyRecord,
            "select id, owner, scopes, created_at, expires_at, revoked_at from settings.api_keys
             where org_id = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3))
             order by created_at desc, id desc limit $4",
            org.0,
            at,
            id,
            limit
        )
        .fetch_all(on)
        .await?)
    }

    /// Revokes a key; one that is revoked stays as it is.
    pub async fn revoke_key(org: OrgId, tx: &mut PgConnection, id: Uuid) -> Result<KeyRecord, SettingsError> {
        sqlx::query_as!(
            KeyRecord,
            "update settings.api_keys set revoked_at = coalesce(revoked_at, now()) where org_id = $1 and id = $2
             returning id, owner, scopes, created_at, expires_at, revoked_at",
            org.0,
            id
        )
        .fetch_optional(tx)
        .await?
        .ok_or(SettingsError::ApiKeyNotFound)
    }

    /// A key that is neither expired nor revoked.
    pub async fn live_key(org: OrgId, on: impl PgExecutor<'_>, id: Uuid) -> Result<Option<LiveKey>, SettingsError> {
        Ok(sqlx::query_as!(
            LiveKey,
            "select k.hash, k.owner, k.scopes, k.expires_at, o.subdomain
             from settings.api_keys k join settings.organizations o on o.org_id = k.org_id
             where k.org_id = $1 and k.id = $2 and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())",
            org.0,
            id
        )
        .fetch_optional(on)
        .await?)
    }
}
