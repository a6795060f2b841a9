//! The thread context through its generated client, beside settings, on a real database.

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
mod support;
mod tenancy;
mod threads;
mod toggle;
mod visitors;
