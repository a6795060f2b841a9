//! The thread context through its generated client, beside settings, on a real database.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod access;
mod bulk;
mod changes;
mod escalations;
mod group_commit;
mod idempotency;
mod input;
mod lists;
mod messages;
mod outages;
mod reading;
mod replicas;
mod schema;
mod support;
mod tenancy;
mod threads;
mod toggle;
mod visitors;
