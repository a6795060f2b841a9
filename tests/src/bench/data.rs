//! The data that is there before the first request.

use std::ops::Range;

use anyhow::{Context, Result};
use sqlx::PgConnection;

/// The numbers of the threads: a request is for one of them.
pub const THREADS: Range<u32> = 100_001..101_001;

/// The text of every message: 110 bytes.
pub const CONTENT: &str =
    "I ordered two lamps last week and only one of them arrived; could you please tell me where the other one is?";

/// Fills the thread context's tables, and the copies that pgbench works on.
pub async fn load(database: &mut PgConnection, api_key: &str, chatbot: &str) -> Result<()> {
    sqlx::raw_sql(
        "create schema bench;
         create table bench.parameters (id uuid, chatbot text, first_thread integer, last_thread integer, content text)",
    )
    .execute(&mut *database)
    .await?;
    let org = platform::access::ApiKey::parse(api_key)
        .context("the API key can't be read")?
        .org;
    sqlx::query("insert into bench.parameters values ($1, $2, $3, $4, $5)")
        .bind(org.0)
        .bind(chatbot)
        .bind(i32::try_from(THREADS.start)?)
        .bind(i32::try_from(THREADS.end - 1)?)
        .bind(CONTENT)
        .execute(&mut *database)
        .await?;
    sqlx::raw_sql(include_str!("sql/load.sql"))
        .execute(&mut *database)
        .await
        .context("the data could not be loaded")?;
    // Outside of a transaction, one by one.
    for statement in ["vacuum analyze", "checkpoint"] {
        sqlx::raw_sql(statement).execute(&mut *database).await?;
    }
    Ok(())
}

/// How many messages there are, by the threads' own counts.
pub async fn messages(database: &mut PgConnection) -> Result<u64> {
    let sum: i64 = sqlx::query_scalar("select sum(message_count)::bigint from thread.threads")
        .fetch_one(database)
        .await?;
    Ok(sum.unsigned_abs())
}
