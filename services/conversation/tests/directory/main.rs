//! The contract of the directory service, over real PostgreSQL and through the generated client.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod access;
mod attributes;
mod changes;
mod contact_endpoints;
mod flows;
mod people;
mod presence;
mod queues;
mod retries;
mod schema;
mod support;
mod tags;
mod teams;
