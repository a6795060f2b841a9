//! Conversations, over real PostgreSQL and through the generated client.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod access;
mod activity;
mod adding;
mod anonymizing;
mod begin;
mod follow_ups;
mod importing;
mod ingesting;
mod links;
mod marks;
mod messages;
mod model;
mod notes;
mod races;
mod retries;
mod steps;
mod support;
