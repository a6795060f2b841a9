//! What callers of the REST surface get, over the real services and a real database.

mod bad_input;
mod describing;
mod documents;
mod feed;
mod limits;
mod settings;
mod shape;
mod support;
mod threads;
