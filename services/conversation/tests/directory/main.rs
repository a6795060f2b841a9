//! The contract of the directory service, over real PostgreSQL and through the generated client.

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
