//! The data that is there before the first request.

use std::ops::Range;

use anyhow::{Context, Result};
use sqlx::PgConnection;

use super::operation::{Group, Operation};

/// The numbers of the threads and of the conversations that are read, and of those that are written. The visitor's messages
/// in the former have been read, so that reading them again changes nothing.
pub const READ: Range<u32> = 100_001..101_001;
pub const WRITTEN: Range<u32> = 101_001..102_001;
/// The numbers of the chats that are written, and of their end users.
pub const CHATS: Range<u32> = 102_001..103_001;
/// The number of the menu that chats begin at.
pub const MENU: u32 = 100_001;

/// Messages that are searched, and how many of them are enough to see that search works.
pub const SEARCHED: u32 = 1_000_000;
pub const SEARCHED_QUICKLY: u32 = 20_000;

/// The text of every message: 110 bytes.
pub const CONTENT: &str =
    "I ordered two lamps last week and only one of them arrived; could you please tell me where the other one is?";

/// Fills the tables of what is measured, and the copies that pgbench works on.
pub async fn load(
    database: &mut PgConnection,
    api_key: &str,
    chatbot: &str,
    groups: &[Group],
    searched: u32,
) -> Result<()> {
    sqlx::raw_sql(
        "create schema bench;
         create table bench.parameters (id uuid, chatbot text, first integer, first_written integer, last integer,
                                        content text, searched integer)",
    )
    .execute(&mut *database)
    .await?;
    let org = platform::access::ApiKey::parse(api_key)
        .context("the API key can't be read")?
        .org;
    sqlx::query("insert into bench.parameters values ($1, $2, $3, $4, $5, $6, $7)")
        .bind(org.0)
        .bind(chatbot)
        .bind(i32::try_from(READ.start)?)
        .bind(i32::try_from(WRITTEN.start)?)
        .bind(i32::try_from(WRITTEN.end - 1)?)
        .bind(CONTENT)
        .bind(i32::try_from(searched / 10)?)
        .execute(&mut *database)
        .await?;
    let load = |group: &Group| match group {
        Group::Threads => include_str!("sql/load.sql"),
        Group::Conversations => include_str!("sql/conversations/load.sql"),
        Group::Search => include_str!("sql/search/load.sql"),
    };
    // The system is ready when it can read a thread.
    let groups = groups.iter().filter(|group| **group != Group::Threads);
    for statements in std::iter::once(load(&Group::Threads)).chain(groups.map(load)) {
        sqlx::raw_sql(statements)
            .execute(&mut *database)
            .await
            .context("the data could not be loaded")?;
    }
    // Outside of a transaction, one by one.
    for statement in ["vacuum analyze", "checkpoint"] {
        sqlx::raw_sql(statement).execute(&mut *database).await?;
    }
    Ok(())
}

/// [`Operation::count`].
pub async fn count(database: &mut PgConnection, operation: Operation) -> Result<u64> {
    let count: Option<i64> = sqlx::query_scalar(operation.count()).fetch_one(database).await?;
    Ok(count.unwrap_or_default().unsigned_abs())
}
