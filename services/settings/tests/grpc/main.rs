//! The contract of the settings service, over real PostgreSQL and through the generated client.

mod access;
mod chatbots;
mod configuration;
mod keys;
mod lead_mails;
mod organizations;
mod retries;
mod schema;
mod smtp;
mod support;
