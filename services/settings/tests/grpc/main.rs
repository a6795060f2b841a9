//! The contract of the settings service, over real PostgreSQL and through the generated client.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod access;
mod chatbots;
mod configuration;
mod fields;
mod keys;
mod lead_mails;
mod organizations;
mod retries;
mod schema;
mod signed_data;
mod smtp;
mod support;
