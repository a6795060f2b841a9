//! Chats, over real PostgreSQL and through the generated client.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod access;
mod adding;
mod anonymizing;
mod begin;
mod both_surfaces;
mod custom_data;
mod deflection;
mod end_users;
mod escalations;
mod finish;
mod inactivity;
mod menus;
mod messages;
mod model;
mod races;
#[path = "../conversations/anonymizing/redis.rs"]
#[expect(dead_code, reason = "only anonymization needs to kill it")]
mod redis;
mod scene;
#[path = "../conversations/support.rs"]
#[expect(dead_code, reason = "the tests of conversations need all of it")]
mod support;
