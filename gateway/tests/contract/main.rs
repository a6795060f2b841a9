//! What callers of the REST surface get, over the real services and a real database.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod bad_input;
mod chats;
mod conversations;
mod describing;
mod documents;
mod feed;
mod limits;
mod settings;
mod shape;
mod support;
mod threads;
